"""What the tests of transfers share: exporters, a connection that breaks, and counting what is left behind."""

from __future__ import annotations

import contextlib
import os
import socket
import struct
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

from helpers.exporters import Exporter, start_our_exporter, start_upstream_exporter
from helpers.results import eventually

WITH_DRIVERS = {"PYTHONPATH": str(Path(__file__).parent)}
KIB, MIB, GIB = 2**10, 2**20, 2**30

CONFIGURATION = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: transfers}
export:
  store: {type: MODULE.Store}
  other: {type: MODULE.Store}
"""
FLASHER = "  flasher: {type: jumpstarter_driver_opendal.driver.MockFlasher}\n"


@contextlib.contextmanager
def serve(kind: str) -> Iterator[Exporter]:
    """Runs an exporter with the drivers of these tests: `ours` or `upstream`."""
    if kind == "ours":
        with start_our_exporter(CONFIGURATION.replace("MODULE", "transfer_drivers"), env=WITH_DRIVERS) as exporter:
            yield exporter
    else:
        text = CONFIGURATION.replace("MODULE", "transfer_upstream_drivers") + FLASHER
        with start_upstream_exporter(text, env=WITH_DRIVERS) as exporter:
            yield exporter


def image(path: Path, size: int) -> Path:
    """A file with this many bytes that do not repeat soon."""
    block = os.urandom(min(size, MIB))
    with path.open("wb") as file:
        for _ in range(size // MIB):
            file.write(block)
        file.write(block[: size % MIB])
    return path


@contextlib.contextmanager
def nothing_left() -> Iterator[None]:
    """Threads that the block started end with it."""
    before = set(threading.enumerate())

    def left() -> list[threading.Thread]:
        # gRPC keeps a thread of its own for all channels; the servers of these tests have some, too.
        others = ("poll", "channel_spin", "process_request")
        return [t for t in threading.enumerate() if t not in before and not any(name in t.name for name in others)]

    yield
    assert eventually(lambda: not left(), 10), left()


class Relay:
    """Passes a connection on to an exporter, until it is told to reset it."""

    def __init__(self, address: str) -> None:
        host, _, port = address.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.address = f"127.0.0.1:{self._listener.getsockname()[1]}"
        self._sockets: list[socket.socket] = []
        self._threads: list[threading.Thread] = []
        self._start(self._accept)

    def reset(self) -> None:
        """Breaks all connections, as a firewall or a crashed host does, and takes no new ones."""
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)  # closing alone wakes nobody who waits for a client
        self._listener.close()
        for each in self._sockets:
            with contextlib.suppress(OSError):
                each.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
                each.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(5)
        for each in self._sockets:
            each.close()

    def __enter__(self) -> Relay:
        return self

    def __exit__(self, *_: object) -> None:
        self.reset()

    def _start(self, act: Callable[..., None], *arguments: socket.socket) -> None:
        thread = threading.Thread(target=act, args=arguments, daemon=True)
        thread.start()
        self._threads.append(thread)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                self._sockets.append(client)
                server = socket.create_connection(self._target)
                self._sockets.append(server)
                self._start(self._carry, client, server)
                self._start(self._carry, server, client)

    @staticmethod
    def _carry(source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
            target.shutdown(socket.SHUT_WR)
