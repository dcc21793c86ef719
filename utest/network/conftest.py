"""Fixtures for networks, forwarding, SSH and shells."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from helpers.exporters import Exporter, free_port
from helpers.results import eventually
from network_support import Served, echo, exporter_with, our_threads, serve_tcp

from JumpstarterLibrary.client import Device, connect


@pytest.fixture(scope="session")
def echo_server() -> Iterator[Served]:
    """A TCP server that gives back what it gets."""
    with serve_tcp(echo) as served:
        yield served


def drivers(served: Served, refused: int) -> str:
    return (
        f"echo: {{type: CLASSES.EchoNetwork}}\n"
        f"tcp: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {served.port}}}}}\n"
        f"hidden: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {served.port}, enable_address: false}}}}\n"
        f"refused: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {refused}}}}}"
    )


@pytest.fixture(scope="session")
def our_exporter(echo_server: Served) -> Iterator[Exporter]:
    with exporter_with("ours", drivers(echo_server, free_port())) as exporter:
        yield exporter


@pytest.fixture(scope="session")
def upstream_exporter(echo_server: Served) -> Iterator[Exporter]:
    with exporter_with("upstream", drivers(echo_server, free_port())) as exporter:
        yield exporter


@pytest.fixture(params=["ours", pytest.param("upstream", marks=pytest.mark.interop)])
def kind(request: pytest.FixtureRequest) -> str:
    """Whose exporter a test starts."""
    return str(request.param)


@pytest.fixture(params=["ours", pytest.param("upstream", marks=pytest.mark.interop)])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device with networks on our exporter, and one on upstream's; afterwards no thread of ours is left."""
    exporter = request.getfixturevalue("our_exporter" if request.param == "ours" else "upstream_exporter")
    with connect(exporter.address, name="bench", timeout=20) as opened:
        yield opened
    assert eventually(lambda: not our_threads(), 3), our_threads()
