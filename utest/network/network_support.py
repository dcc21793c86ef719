"""Servers that networks of the tests lead to, and exporters in front of them."""

from __future__ import annotations

import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

from helpers.exporters import Exporter, start_our_exporter, start_upstream_exporter

OURS = "JumpstarterLibrary.drivers.network"
UPSTREAMS = "jumpstarter_driver_network.driver"
FOLDER_OF = {"ours": OURS, "upstream": UPSTREAMS}

HEAD = "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {namespace: default, name: network}\nexport:\n"


@dataclass
class Served:
    """A TCP server in this process."""

    port: int
    accepted: list[socket.socket] = field(default_factory=list)


@contextmanager
def serve_tcp(serve: Callable[[socket.socket], None]) -> Iterator[Served]:
    """Serves each connection in a thread of its own, and closes it when `serve` returns."""
    listener = socket.create_server(("127.0.0.1", 0), backlog=256)
    served = Served(listener.getsockname()[1])

    def run(connection: socket.socket) -> None:
        with connection, suppress(OSError):
            serve(connection)

    def accept() -> None:
        with suppress(OSError):
            while True:
                connection, _ = listener.accept()
                served.accepted.append(connection)
                threading.Thread(target=run, args=(connection,), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield served
    finally:
        listener.close()
        for connection in served.accepted:
            with suppress(OSError):
                connection.shutdown(socket.SHUT_RDWR)


def echo(connection: socket.socket) -> None:
    """Gives back what comes, until the end of it."""
    while data := connection.recv(65536):
        connection.sendall(data)


@contextmanager
def exporter_with(kind: str, drivers: str, **options: object) -> Iterator[Exporter]:
    """Runs our exporter, or upstream's, with some drivers.

    Args:
        kind: `ours` or `upstream`.
        drivers: lines of YAML; CLASSES stands for the module of the network drivers.
    """
    text = HEAD + "".join(f"  {line}\n" for line in drivers.replace("CLASSES", FOLDER_OF[kind]).splitlines())
    start = start_our_exporter if kind == "ours" else start_upstream_exporter
    with start(text, **options) as exporter:  # type: ignore[operator]
        yield exporter


def receive_all(connection: socket.socket) -> bytes:
    """Everything up to the end; a reset is an error."""
    parts = []
    while data := connection.recv(1 << 20):
        parts.append(data)
    return b"".join(parts)


LASTING = ("jumpstarter-event-loop", "jumpstarter-journal")
"""Threads that other tests in this process may have left: the one event loop, and the writer of a journal that is still open."""


def our_threads() -> list[str]:
    """Names of the threads that devices, streams and forwardings of this package have in this process."""
    names = [thread.name for thread in threading.enumerate()]
    return [name for name in names if name.startswith("jumpstarter-") and name not in LASTING]
