"""The file servers in the box, and the client of file servers, with real clients as the device."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.programs import needs
from storing_support import image_file

from JumpstarterLibrary.client import Device, HttpServerClient, TftpServerClient
from JumpstarterLibrary.client.images import Source, open_source
from JumpstarterLibrary.drivers import MockHttpServer, MockTftpServer
from JumpstarterLibrary.errors import DriverError, DriverNotFoundError, UsageError
from JumpstarterLibrary.exporter import Driver, export


class Elsewhere(Driver):
    """A server at another address, without files."""

    def __init__(self, host: object = "fe80::1", port: object = 69) -> None:
        super().__init__()
        self._host, self._port = host, port

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_tftp.client.TftpServerClient"

    @export
    def start(self) -> None: ...

    @export
    def get_host(self) -> object:
        return self._host

    @export
    def get_port(self) -> object:
        return self._port


def fetch(url: str, target: Path, patience: int = 10) -> int:
    """Fetches a file as a device would; returns curl's exit status."""
    command = [needs("curl"), "--silent", "--fail", "--max-time", str(patience), "--output", str(target), url]
    return subprocess.run(command, check=False).returncode


@pytest.mark.parametrize("size", [0, 511, 512, 200_000])
@pytest.mark.parametrize("kind", [HttpServerClient, TftpServerClient])
def test_a_file_is_served(kind: type, size: int, serve: Callable[..., Device], tmp_path: Path) -> None:
    server = serve(MockHttpServer() if kind is HttpServerClient else MockTftpServer()).driver_of(kind)
    image = image_file(tmp_path, size)

    served = server.serve(open_source(image, unpack=False), "/boot/kernel.bin")

    assert served.written.proven
    assert served.url.endswith("/boot/kernel.bin")
    assert fetch(served.url, tmp_path / "fetched") == 0
    assert (tmp_path / "fetched").read_bytes() == image.read_bytes() if size else True
    assert fetch(f"{served.url}.not", tmp_path / "other") != 0
    assert server.start() == server.url, "it is not started twice"
    server.stop()
    assert fetch(served.url, tmp_path / "other", patience=1) != 0
    server.stop()


def test_names_are_quoted(serve: Callable[..., Device], tmp_path: Path) -> None:
    server = serve(MockHttpServer()).driver_of(HttpServerClient)
    served = server.serve(Source.of_bytes(b"data"), "a name#é?.bin")
    assert served.url.endswith("/a%20name%23%C3%A9%3F.bin")
    assert fetch(served.url, tmp_path / "fetched") == 0
    with pytest.raises(UsageError, match="needs a name"):
        server.serve(Source.of_bytes(b"data"), "/")


def test_a_port_in_use_is_an_error(serve: Callable[..., Device]) -> None:
    first = serve(MockHttpServer()).driver_of(HttpServerClient)
    port = int(first.start().rpartition(":")[2])
    with pytest.raises(DriverError, match="in use"):
        serve(MockHttpServer(port=port)).driver_of(HttpServerClient).start()


def test_addresses(serve: Callable[..., Device]) -> None:
    assert serve(Elsewhere()).driver_of(TftpServerClient).start() == "tftp://[fe80::1]:69"
    assert serve(Elsewhere("lab", 6969.0)).driver_of(TftpServerClient).url == "tftp://lab:6969"
    for host, port in (("", 69), (None, 69), ("lab", 0), ("lab", "69"), ("lab", -1)):
        with pytest.raises(DriverError, match="gave"):
            serve(Elsewhere(host, port)).driver_of(TftpServerClient).start()


def test_a_server_without_files_says_so(serve: Callable[..., Device]) -> None:
    with pytest.raises(DriverNotFoundError, match="no driver 'storage'"):
        serve(Elsewhere()).driver_of(TftpServerClient).serve(Source.of_bytes(b""), "name")
