"""File servers beside a device, as labs have them: HTTP and TFTP, each with a file store as its child `storage`."""

from __future__ import annotations

import contextlib
import socket
import struct
import threading
from collections.abc import Iterator
from functools import partial
from http.server import HTTPServer, SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path, PurePosixPath
from socketserver import BaseRequestHandler, ThreadingUDPServer, UDPServer
from typing import Any

from ..exporter.driver import Driver, export
from .files import FileStore

BLOCK = 512
"""Bytes in a TFTP block; fewer end the file."""
ANSWER_BUDGET = 1.0
"""Seconds in which a TFTP client has to acknowledge a block; then it is sent again."""
ATTEMPTS = 5
_READ, _DATA, _ACKNOWLEDGED, _ERROR = 1, 3, 4, 5


class _FileServer(Driver):
    """A server in threads of its own, for the files of one store.

    Args:
        host: where to listen.
        port: where to listen; 0 takes a free one.
        root: the folder of the store; a temporary one, which goes with the session, unless given.
        **driver: what every driver takes.
    """

    def __init__(self, *, host: str = "127.0.0.1", port: int = 0, root: str | None = None, **driver: Any) -> None:
        super().__init__(**driver)
        self._host = host
        self._wanted_port = port
        self._server: HTTPServer | UDPServer | None = None
        self._store = FileStore(root=root, remove_created_on_close=True, description="The files that are served")
        self.children = {"storage": self._store} | self.children

    def listen(self, host: str, port: int, folder: Path) -> HTTPServer | UDPServer:
        """Makes the server."""
        raise NotImplementedError

    @export
    def start(self) -> None:
        """Starts the server, unless it runs.

        Raises:
            OSError: the port is in use.
        """
        if self._server is None:
            self._server = server = self.listen(self._host, self._wanted_port, self._store.root)
            threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
            self.logger.info(f"serves files at {self._host}:{self.get_port()}")

    @export
    def stop(self) -> None:
        """Stops the server, if it runs."""
        server, self._server = self._server, None
        if server is not None:
            server.shutdown()
            server.server_close()
            self.logger.info("serves no files any more")

    @export
    def get_host(self) -> str:
        """Returns where the server listens."""
        return self._host

    @export
    def get_port(self) -> int:
        """Returns the port of the running server; 0 while it does not run."""
        return int(self._server.server_address[1]) if self._server is not None else 0

    def close(self) -> None:
        """Stops the server."""
        self.stop()


class MockHttpServer(_FileServer):
    """Serves files over HTTP."""

    @classmethod
    def client(cls) -> str:
        """The type tag of HTTP servers."""
        return "jumpstarter_driver_http.client.HttpServerClient"

    @export
    def get_url(self) -> str:
        """Returns the URL of the server, without a path."""
        return f"http://{self.get_host()}:{self.get_port()}"

    def listen(self, host: str, port: int, folder: Path) -> HTTPServer | UDPServer:
        """Makes the server."""
        server = ThreadingHTTPServer((host, port), partial(_QuietHandler, directory=str(folder)))
        server.daemon_threads = True
        return server


class MockTftpServer(_FileServer):
    """Serves files over TFTP (RFC 1350), to read only, in blocks of 512 bytes."""

    @classmethod
    def client(cls) -> str:
        """The type tag of TFTP servers."""
        return "jumpstarter_driver_tftp.client.TftpServerClient"

    def listen(self, host: str, port: int, folder: Path) -> HTTPServer | UDPServer:
        """Makes the server."""
        server = ThreadingUDPServer((host, port), partial(_TftpHandler, folder=folder))
        server.daemon_threads = True
        return server


class _QuietHandler(SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name is the standard library's
        """Says nothing."""


class _TftpHandler(BaseRequestHandler):
    """One transfer, from a port of its own, as TFTP wants it."""

    def __init__(self, *arguments: Any, folder: Path) -> None:
        self._folder = folder
        super().__init__(*arguments)

    def handle(self) -> None:
        """Answers a request to read."""
        request = self.request[0]
        (operation,) = struct.unpack("!H", request[:2])
        name, mode = request[2:].split(b"\0")[:2]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as answer:
            answer.connect(self.client_address)
            answer.settimeout(ANSWER_BUDGET)
            path = self._folder / PurePosixPath("/", name.decode(errors="replace")).relative_to("/")
            if operation != _READ or mode.lower() != b"octet":
                _refuse(answer, 4, "only octet files can be read here")
            elif ".." in path.parts or not path.is_file():
                _refuse(answer, 1, "there is no such file")
            else:
                with path.open("rb") as file, contextlib.suppress(OSError):  # the client has gone
                    for number, block in enumerate(_blocks(file), 1):
                        if not _deliver(answer, number & 0xFFFF, block):
                            return


def _blocks(file: Any) -> Iterator[bytes]:
    while len(block := file.read(BLOCK)) == BLOCK:
        yield block
    yield block


def _deliver(answer: socket.socket, number: int, block: bytes) -> bool:
    for _ in range(ATTEMPTS):
        answer.send(struct.pack("!HH", _DATA, number) + block)
        with contextlib.suppress(TimeoutError):
            while True:
                told = answer.recv(BLOCK)
                if told[:4] == struct.pack("!HH", _ACKNOWLEDGED, number):
                    return True
    return False


def _refuse(answer: socket.socket, code: int, reason: str) -> None:
    answer.send(struct.pack("!HH", _ERROR, code) + reason.encode() + b"\0")
