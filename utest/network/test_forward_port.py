"""Forwarded ports: many connections, half-close, large amounts, refused targets, and ends that look like what they are."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import tempfile
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, suppress
from pathlib import Path

import pytest
from helpers.exporters import Exporter
from helpers.programs import needs
from helpers.results import eventually
from network_support import exporter_with, our_threads, receive_all, serve_tcp

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.forward import Forwarding, forward_port, forward_unix
from JumpstarterLibrary.errors import SessionClosedError, UsageError
from JumpstarterLibrary.journal import ForwardingClosed, ForwardingFailed, ForwardingOpened

MIB = 1024 * 1024


def dial(forwarding: Forwarding) -> socket.socket:
    connection = socket.create_connection((forwarding.host, forwarding.port), timeout=20)
    connection.settimeout(20)
    return connection


def reach(forwarding: Forwarding) -> None:
    """Connects and waits; a reset can come at either moment."""
    with dial(forwarding) as connection:
        connection.recv(1)


def is_reset(connection: socket.socket) -> bool:
    """Whether the next that comes is a reset, and not an end."""
    try:
        connection.recv(1)
        return False
    except (ConnectionResetError, BrokenPipeError):
        return True


def test_bytes_go_both_ways_and_the_end_too(device: Device) -> None:
    with forward_port(device.tcp) as forwarding, dial(forwarding) as connection:
        assert forwarding.host == "127.0.0.1"
        assert str(forwarding) == f"127.0.0.1:{forwarding.port}"
        connection.sendall(b"hello")
        assert connection.recv(100) == b"hello"
        connection.sendall(b"last words")
        connection.shutdown(socket.SHUT_WR)
        assert receive_all(connection) == b"last words"
        assert eventually(lambda: forwarding.open_connections == 0)
        assert (forwarding.sent, forwarding.received) == (15, 15)
    assert not forwarding.failures


def test_a_target_that_ends_first_still_gets_everything(kind: str) -> None:
    """Ending the stream must not overtake what was sent (D4)."""
    got = threading.Event()
    received: list[bytes] = []

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"bye")
        connection.shutdown(socket.SHUT_WR)
        received.append(receive_all(connection))
        got.set()

    with (
        serve_tcp(serve) as served,
        exporter_with(kind, f"late: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {served.port}}}}}") as exporter,
        connect(exporter.address) as device,
        forward_port(device.late) as forwarding,
    ):
        with dial(forwarding) as connection:
            assert receive_all(connection) == b"bye"
            connection.sendall(b"x" * (4 * MIB))
        assert got.wait(10)
    assert len(received[0]) == 4 * MIB


def test_200_connections_at_once_do_not_mix(device: Device) -> None:
    def talk(number: int) -> bool:
        said = f"connection {number} ".encode() * 500
        connection = stack.enter_context(dial(forwarding))
        connections.append(connection)
        connection.sendall(said)
        heard = b""
        while len(heard) < len(said):
            heard += connection.recv(65536)
        return heard == said

    connections: list[socket.socket] = []
    with forward_port(device.tcp) as forwarding, ExitStack() as stack:
        with ThreadPoolExecutor(20) as pool:
            assert all(pool.map(talk, range(200)))
        assert forwarding.open_connections == 200
        for connection in connections:
            connection.shutdown(socket.SHUT_WR)
        for connection in connections:
            assert receive_all(connection) == b""
        assert eventually(lambda: forwarding.open_connections == 0)
        assert not forwarding.failures


def test_1_gib_through_one_connection() -> None:
    """Counted there: nothing of it is kept anywhere."""
    size = 1024 * MIB

    def serve(connection: socket.socket) -> None:
        count, buffer = 0, bytearray(4 * MIB)
        while taken := connection.recv_into(buffer):
            count += taken
            if any(buffer[:taken:4096]):
                return
        connection.sendall(str(count).encode())

    with serve_tcp(serve) as served:
        text = f"sink: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {served.port}}}}}"
        with exporter_with("ours", text) as exporter, connect(exporter.address, timeout=60) as device:
            with forward_port(device.sink) as forwarding, dial(forwarding) as connection:
                connection.settimeout(60)
                piece = bytes(4 * MIB)
                for _ in range(size // len(piece)):
                    connection.sendall(piece)
                connection.shutdown(socket.SHUT_WR)
                assert receive_all(connection) == str(size).encode()


def fill(connection: socket.socket) -> int:
    """Sends until nothing more is taken; returns how much was."""
    sent, piece = 0, bytes(MIB)
    with suppress(TimeoutError):
        while sent < 512 * MIB:
            sent += connection.send(piece)
    return sent


def test_a_slow_reader_holds_the_writer(device: Device) -> None:
    """Without back-pressure the bytes would pile up in this process or in the exporter."""
    with forward_port(device.tcp) as forwarding, dial(forwarding) as connection:
        connection.settimeout(1)
        sent = fill(connection)
        assert sent < 200 * MIB
        connection.settimeout(30)
        received = 0
        while received < sent:
            received += len(connection.recv(MIB))
        assert received == sent


def test_a_refused_target_closes_that_connection_and_the_forwarding_goes_on(device: Device) -> None:
    with forward_port(device.refused) as forwarding:
        for _ in range(3):
            begin = time.monotonic()
            with pytest.raises(ConnectionResetError):
                reach(forwarding)
            assert time.monotonic() - begin < 5
        assert eventually(lambda: len(forwarding.failures) == 3)
        assert not forwarding.closed
    assert "connect() on driver 'refused' of device 'bench' failed" in forwarding.failures[0]
    assert device.state == "open"
    (failed, *_) = device.journal.events(ForwardingFailed)
    assert (failed.driver, failed.address) == ("refused", str(forwarding))
    assert failed.reason == forwarding.failures[0]
    (closed,) = device.journal.events(ForwardingClosed)
    assert (closed.connections, closed.failed) == (3, 3)
    assert device.journal.events(ForwardingOpened)[0].address == str(forwarding)


def test_a_target_that_appears_later_is_reached() -> None:
    with socket.socket() as reserved:
        reserved.bind(("127.0.0.1", 0))
        port = reserved.getsockname()[1]
        text = f"late: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}"
        with exporter_with("ours", text) as exporter, connect(exporter.address) as device:
            forwarding = forward_port(device.late)
            with pytest.raises(ConnectionResetError):
                reach(forwarding)
            reserved.listen()
            with dial(forwarding) as connection:
                accepted, _ = reserved.accept()
                connection.sendall(b"now")
                assert accepted.recv(10) == b"now"
                accepted.close()


def test_a_target_that_breaks_off_is_a_reset_and_no_end() -> None:
    """A download that was cut must not look complete. (Upstream's exporter does not tell the two apart.)"""

    def serve(connection: socket.socket) -> None:
        connection.sendall(b"half of it")
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")

    with serve_tcp(serve) as served:
        text = f"cut: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {served.port}}}}}"
        with exporter_with("ours", text) as exporter, connect(exporter.address) as device, forward_port(device.cut) as forwarding:
            with dial(forwarding) as connection:
                assert connection.recv(100) == b"half of it"
                connection.sendall(b"x")
                assert is_reset(connection)
            assert eventually(lambda: forwarding.failures)


def test_a_local_reset_breaks_the_targets_connection(device: Device) -> None:
    with forward_port(device.tcp) as forwarding:
        connection = dial(forwarding)
        connection.sendall(b"x")
        connection.recv(1)
        connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
        connection.close()
        assert eventually(lambda: forwarding.open_connections == 0)
        assert not forwarding.failures


def test_closing_ends_connections_and_threads(device: Device) -> None:
    forwarding = forward_port(device.tcp)
    with ExitStack() as stack:
        connections = [stack.enter_context(dial(forwarding)) for _ in range(20)]
        for connection in connections:
            connection.sendall(b"x")
            assert connection.recv(1) == b"x"
        before = time.monotonic()

        forwarding.close()
        forwarding.close()

        assert time.monotonic() - before < 3
        assert all(map(is_reset, connections))
    assert not [name for name in our_threads() if "forward" in name]
    with pytest.raises(ConnectionRefusedError):
        dial(forwarding)


def test_closing_while_a_transfer_stands_still(device: Device) -> None:
    """The thread that carries to the local side is stuck in the middle of a message."""
    forwarding = forward_port(device.tcp)
    with dial(forwarding) as connection:
        connection.settimeout(0.5)
        fill(connection)

        forwarding.close()

        assert eventually(lambda: not [name for name in our_threads() if "forward" in name], 2), our_threads()


def test_it_ends_with_the_device(our_exporter: Exporter) -> None:
    with connect(our_exporter.address) as device:
        forwarding = forward_port(device.tcp)
        connection = dial(forwarding)
        connection.sendall(b"x")
        assert connection.recv(1) == b"x"

    with connection:
        assert forwarding.closed
        assert is_reset(connection)
    assert eventually(lambda: not our_threads(), 3)
    with pytest.raises(SessionClosedError):
        forward_port(device.tcp)


def test_a_port_that_is_taken_is_refused_clearly(device: Device) -> None:
    with forward_port(device.echo) as forwarding, pytest.raises(UsageError, match="already in use"):
        forward_port(device.tcp, port=forwarding.port)
    with pytest.raises(UsageError, match=r"Cannot forward 192\.0\.2\.1:0 to driver 'tcp' of device 'bench'"):
        forward_port(device.tcp, "192.0.2.1")


def test_a_unix_socket(device: Device, tmp_path: Path) -> None:
    given = tmp_path / "socket"
    for path in (given, None):
        with forward_unix(device.tcp, path) as forwarding, socket.socket(socket.AF_UNIX) as connection:
            assert forwarding.path is not None
            assert forwarding.path.stat().st_mode & 0o777 == 0o600
            connection.connect(forwarding.address)
            connection.sendall(b"hello")
            assert connection.recv(10) == b"hello"
            connection.shutdown(socket.SHUT_WR)
            assert receive_all(connection) == b""
        assert not forwarding.path.exists()
    assert not forwarding.path.parent.exists()
    given.write_text("mine")
    with pytest.raises(UsageError, match="already in use"):
        forward_unix(device.tcp, given)
    assert given.read_text() == "mine"


class Interrupted(BaseException):
    pass


@pytest.mark.parametrize("place", ["chmod", "start"])
def test_an_interrupt_while_a_unix_socket_is_made_leaves_nothing(
    device: Device, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch, place: str
) -> None:
    def interrupted(*_: object) -> None:
        raise Interrupted

    folder = tempfile.TemporaryDirectory(dir="/tmp")  # short: the paths of sockets have little room
    request.addfinalizer(folder.cleanup)
    monkeypatch.setattr(tempfile, "tempdir", folder.name)
    with monkeypatch.context() as patch:
        patch.setattr(*((Path, "chmod") if place == "chmod" else (threading.Thread, "start")), interrupted)
        with pytest.raises(Interrupted):
            forward_unix(device.tcp)
    assert list(Path(folder.name).iterdir()) == []


def test_a_unix_socket_whose_folder_somebody_removed_still_ends_its_connections(device: Device) -> None:
    with forward_unix(device.tcp) as forwarding, socket.socket(socket.AF_UNIX) as connection:
        assert forwarding.path is not None
        connection.settimeout(20)
        connection.connect(forwarding.address)
        connection.sendall(b"hello")
        assert connection.recv(10) == b"hello"
        shutil.rmtree(forwarding.path.parent)
        forwarding.close()
        with suppress(ConnectionError):
            assert connection.recv(10) == b""
    assert forwarding.open_connections == 0


def test_curl_fetches_a_file_through_it(kind: str, tmp_path: Path) -> None:
    curl = needs("curl")
    content = os.urandom(3 * MIB)
    head = f"HTTP/1.1 200 OK\r\nContent-Length: {len(content)}\r\nConnection: close\r\n\r\n".encode()

    def serve(connection: socket.socket) -> None:
        connection.recv(65536)
        connection.sendall(head + content)

    with serve_tcp(serve) as served:
        text = f"web: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {served.port}}}}}"
        with exporter_with(kind, text) as exporter, connect(exporter.address) as device, forward_port(device.web) as forwarding:
            target = tmp_path / "fetched"
            subprocess.run([curl, "-fsS", "--noproxy", "*", "-o", target, f"http://{forwarding}/"], check=True, timeout=20)
    assert target.read_bytes() == content
