"""Connections and datagrams to networks, and their addresses: our client against our and upstream's drivers."""

from __future__ import annotations

import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest
from helpers.exporters import Exporter
from helpers.results import eventually
from network_support import Served, exporter_with, our_threads, receive_all

from JumpstarterLibrary.client import Device, NetworkClient, connect
from JumpstarterLibrary.client.driver_stream import DriverStream
from JumpstarterLibrary.client.forward import forward_port
from JumpstarterLibrary.errors import (
    DriverError,
    DriverMethodNotFoundError,
    DriverNotSupportedError,
    DriverTimeoutError,
    FailureClass,
    UsageError,
)


def network(device: Device, path: str) -> NetworkClient:
    found = device.driver(path)
    assert isinstance(found, NetworkClient)
    return found


def test_what_is_sent_is_received(device: Device) -> None:
    for path in ("echo", "tcp"):
        with network(device, path).connect() as stream:
            stream.send(b"first line\nsecond")
            assert stream.receive(until=b"\n") == b"first line\n"
            assert stream.receive(count=6) == b"second"
            stream.send(b"rest")
            stream.finish_sending()
            assert stream.receive(count=100) == b"rest"
            assert stream.receive() == b""


def test_silence_is_an_error_and_nothing_is_lost(device: Device) -> None:
    with network(device, "tcp").connect() as stream:
        stream.send(b"half")
        with pytest.raises(DriverTimeoutError, match="4 bytes came so far"):
            stream.receive(until=b"\n", timeout=0.5)
        stream.send(b" line\n")
        assert stream.receive(until=b"\n") == b"half line\n"


def test_a_refused_connection_has_the_drivers_reason(device: Device) -> None:
    with pytest.raises(DriverError, match=r"connect\(\) on driver 'refused' of device 'bench' failed") as raised:
        network(device, "refused").connect()
    assert raised.value.failure_class is FailureClass.DEVICE
    assert "refused" in str(raised.value).partition("failed")[2] or "attempts failed" in str(raised.value)


def test_the_address_is_told_or_the_error_says_why_not(device: Device, echo_server: Served) -> None:
    assert network(device, "tcp").address() == f"tcp://127.0.0.1:{echo_server.port}"
    with pytest.raises(DriverNotSupportedError, match=r"does not tell the address of driver 'hidden'.*enable_address"):
        network(device, "hidden").address()
    with pytest.raises(DriverNotSupportedError, match="driver 'echo' of device 'bench' has no address"):
        network(device, "echo").address()


def test_a_driver_that_is_no_network_says_so(device: Device) -> None:
    with pytest.raises(DriverMethodNotFoundError, match="open"):
        DriverStream(device.driver("echo"), "open")


@contextmanager
def udp_server(answers: list[bytes]) -> Iterator[int]:
    """Answers each datagram with its length and itself, and writes it down."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as server:
        server.bind(("127.0.0.1", 0))
        server.settimeout(20)

        def serve() -> None:
            try:
                while True:
                    data, peer = server.recvfrom(65536)
                    if data == b"end":
                        return
                    answers.append(data)
                    server.sendto(b"%d:" % len(data) + data, peer)
            except OSError:
                return

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        yield server.getsockname()[1]
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as last:
            last.sendto(b"end", server.getsockname())
        thread.join(5)


@pytest.mark.interop
def test_udp_keeps_datagrams_apart() -> None:
    seen: list[bytes] = []
    with udp_server(seen) as port:
        text = f"udp: {{type: CLASSES.UdpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}"
        with exporter_with("upstream", text) as exporter, connect(exporter.address, name="bench") as device:
            udp = network(device, "udp")
            assert udp.address() == f"udp://127.0.0.1:{port}"
            with udp.connect() as stream:
                datagrams = [b"one", b"two two", b"x" * 8000]
                for datagram in datagrams:
                    stream.send(datagram)
                got = {stream.receive_message(timeout=5) for _ in datagrams}
                with pytest.raises(DriverTimeoutError):
                    stream.receive_message(timeout=0.2)
    assert got == {b"3:one", b"7:two two", b"8000:" + b"x" * 8000}
    assert sorted(seen) == sorted(datagrams)
    assert eventually(lambda: not our_threads(), 3)


@pytest.mark.interop
def test_websocket_keeps_messages_apart() -> None:
    from websockets.sync.server import ServerConnection, serve

    def answer(connection: ServerConnection) -> None:
        for message in connection:
            connection.send(b"<" + (message if isinstance(message, bytes) else message.encode()) + b">")

    with serve(answer, "127.0.0.1", 0) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        url = f"ws://127.0.0.1:{server.socket.getsockname()[1]}/console"
        text = f"ws: {{type: CLASSES.WebsocketNetwork, config: {{url: '{url}'}}}}"
        with exporter_with("upstream", text) as exporter, connect(exporter.address, name="bench") as device:
            assert network(device, "ws").address() == url
            with network(device, "ws").connect() as stream:
                for message in (b"one", b"two", b"x" * 200_000):
                    stream.send(message)
                    assert stream.receive_message(timeout=5) == b"<" + message + b">"
        server.shutdown()


@pytest.mark.interop
def test_a_unix_network_and_a_port_in_front_of_it(tmp_path: Path) -> None:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(tmp_path / "device"))
        listener.listen()

        def serve() -> None:
            for _ in range(2):
                connection, _ = listener.accept()
                with connection:
                    connection.sendall(receive_all(connection)[::-1])

        thread = threading.Thread(target=serve, daemon=True)
        thread.start()
        text = f"unix: {{type: CLASSES.UnixNetwork, config: {{path: '{tmp_path}/device'}}}}"
        with exporter_with("upstream", text) as exporter, connect(exporter.address) as device:
            with network(device, "unix").connect() as stream:
                stream.send(b"abc")
                stream.finish_sending()
                assert stream.receive(count=3) == b"cba"
            with forward_port(device.unix) as forwarding, socket.create_connection((forwarding.host, forwarding.port)) as local:
                local.sendall(b"xyz")
                local.shutdown(socket.SHUT_WR)
                assert receive_all(local) == b"zyx"
        thread.join(5)


def test_connections_end_with_the_device(our_exporter: Exporter) -> None:
    with connect(our_exporter.address) as device:
        stream = network(device, "tcp").connect()
    assert stream.closed
    with pytest.raises(UsageError, match="closed"):
        stream.send(b"x")
    assert eventually(lambda: not our_threads(), 3)


def test_200_kb_through_a_connection(device: Device) -> None:
    said = bytes(range(256)) * 800
    with network(device, "tcp").connect() as stream:
        stream.send(said)
        assert stream.receive(count=len(said)) == said
