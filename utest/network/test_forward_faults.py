"""Forwardings whose exporter dies or freezes: local connections end with a reset, and somebody knows why."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from contextlib import ExitStack

import pytest
from helpers.exporters import Exporter
from helpers.results import eventually
from network_support import Served, exporter_with, our_threads

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.forward import forward_port
from JumpstarterLibrary.errors import DriverError, InfrastructureError
from JumpstarterLibrary.journal import ForwardingFailed, SessionLost


@pytest.fixture(params=["ours", pytest.param("upstream", marks=pytest.mark.interop)])
def exporter(request: pytest.FixtureRequest, echo_server: Served) -> Iterator[Exporter]:
    text = f"tcp: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {echo_server.port}}}}}"
    with exporter_with(request.param, text) as exporter:
        yield exporter
        exporter.thaw()


def open_connections(stack: ExitStack, address: tuple[str, int], count: int) -> list[socket.socket]:
    opened = []
    for _ in range(count):
        connection = stack.enter_context(socket.create_connection(address, timeout=15))
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"
        opened.append(connection)
    return opened


def reach(address: tuple[str, int]) -> None:
    """Connects and waits; the reset can come at either moment."""
    with socket.create_connection(address, timeout=15) as connection:
        connection.recv(1)


def test_an_exporter_that_dies_resets_what_was_open(exporter: Exporter) -> None:
    with connect(exporter.address, name="bench", timeout=5) as device, ExitStack() as stack:
        forwarding = stack.enter_context(forward_port(device.tcp))
        connections = open_connections(stack, (forwarding.host, forwarding.port), 10)

        exporter.kill()

        for connection in connections:
            with pytest.raises(ConnectionResetError):
                connection.recv(1)
        assert eventually(lambda: len(forwarding.failures) == 10)
        assert "the connection to the exporter was lost" in forwarding.failures[0]
        assert device.state == "lost"
        assert device.journal.events(SessionLost)
        assert device.journal.events(ForwardingFailed)
        with pytest.raises(ConnectionResetError):
            reach((forwarding.host, forwarding.port))
    assert eventually(lambda: not our_threads(), 3), our_threads()


def test_an_exporter_that_freezes_is_noticed(exporter: Exporter) -> None:
    with connect(exporter.address, name="bench", timeout=2) as device, ExitStack() as stack:
        forwarding = stack.enter_context(forward_port(device.tcp))
        (connection,) = open_connections(stack, (forwarding.host, forwarding.port), 1)

        exporter.freeze()

        with pytest.raises(ConnectionResetError):
            connection.recv(1)
        assert eventually(lambda: forwarding.failures)
        assert forwarding.failures[0].endswith("has answered nothing for 2 s; is it frozen?")
        # One that does not even open.
        with (
            socket.create_connection((forwarding.host, forwarding.port), timeout=15) as late,
            pytest.raises(ConnectionResetError),
        ):
            late.recv(1)
        assert eventually(lambda: len(forwarding.failures) == 2)
        exporter.thaw()
        (connection,) = open_connections(stack, (forwarding.host, forwarding.port), 1)
    assert eventually(lambda: not our_threads(), 3), our_threads()


def test_silence_is_no_fault(exporter: Exporter) -> None:
    """The exporter is asked, and answers."""
    with connect(exporter.address, timeout=1) as device, ExitStack() as stack:
        forwarding = stack.enter_context(forward_port(device.tcp))
        (connection,) = open_connections(stack, (forwarding.host, forwarding.port), 1)
        connection.settimeout(2.5)
        with pytest.raises(TimeoutError):
            connection.recv(1)
        connection.sendall(b"y")
        assert connection.recv(1) == b"y"
        assert not forwarding.failures


def test_a_connection_of_our_own_ends_with_the_exporter(exporter: Exporter) -> None:
    with connect(exporter.address, name="bench", timeout=5) as device:
        with device.tcp.connect() as stream:
            stream.send(b"x")
            assert stream.receive(count=1) == b"x"
            exporter.freeze()
            with pytest.raises(InfrastructureError, match=r"connect\(\) on driver 'tcp' of device 'bench' within 1 s.*frozen"):
                stream.receive(count=1, timeout=1)
            exporter.kill()
            with pytest.raises((InfrastructureError, DriverError), match="lost"):
                stream.receive(count=1)
