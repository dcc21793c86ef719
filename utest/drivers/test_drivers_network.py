"""Networks in the box: echo, TCP, and the simulated board's web server."""

from __future__ import annotations

import json
import socket
import threading
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from drivers_support import eventually, tasks
from storage_support import connected, fetch, upload

from JumpstarterLibrary.drivers import Composite, EchoNetwork, TcpNetwork
from JumpstarterLibrary.errors import DriverError, DriverInvalidArgumentError, DriverTimeoutError, JumpstarterError


@contextmanager
def listening() -> Iterator[socket.socket]:
    with socket.create_server(("127.0.0.1", 0)) as server:
        server.settimeout(10)
        yield server


def test_echo(bench):
    device = bench(Composite(children={"echo": EchoNetwork()})).device
    with connected(device, "echo") as one, connected(device, "echo") as other:
        for stream, text in ((one, b"first"), (other, b"second" * 100_000)):
            stream.send(text, 5)
            stream.finish_sending()
            assert b"".join(stream.receive()) == text


class TestTcp:
    def test_bytes_go_both_ways_and_each_side_ends_its_own(self, bench):
        content = bytes(range(256)) * 10_000
        with listening() as server:

            def serve() -> None:
                peer, _ = server.accept()
                with peer:
                    received = b""
                    while part := peer.recv(65536):
                        received += part
                    peer.sendall(received[::-1])

            thread = threading.Thread(target=serve, daemon=True)
            thread.start()
            device = bench(Composite(children={"tcp": TcpNetwork(host="127.0.0.1", port=server.getsockname()[1])})).device
            with connected(device, "tcp") as stream:
                stream.send(content, 10)
                stream.finish_sending()
                assert b"".join(stream.receive()) == content[::-1]
            thread.join(10)

    def test_a_refused_connection_says_so_and_the_next_one_works(self, bench):
        with socket.socket() as probe:
            probe.bind(("127.0.0.1", 0))
            port = probe.getsockname()[1]
        device = bench(Composite(children={"tcp": TcpNetwork(host="127.0.0.1", port=port)})).device
        with pytest.raises(JumpstarterError, match=f"127.0.0.1:{port} cannot be reached"):
            with connected(device, "tcp"):
                pass
        with socket.create_server(("127.0.0.1", port)), connected(device, "tcp") as stream:
            stream.send(b"x", 5)

    @pytest.mark.parametrize(("host", "address"), [("10.0.0.7", "tcp://10.0.0.7:22"), ("fd00::1", "tcp://[fd00::1]:22")])
    def test_the_address(self, bench, host, address):
        tcp = {"open": TcpNetwork(host=host, port=22), "secret": TcpNetwork(host=host, port=22, enable_address=False)}
        device = bench(Composite(children=tcp)).device
        assert device["open"].call("address") == address
        with pytest.raises(DriverInvalidArgumentError, match="enable_address"):
            device["secret"].call("address")


class TestBoard:
    def test_the_page_tells_version_and_power(self, board):
        board = board()
        upload(board.device, "storage", "flash", b"version=2.4.1\n")
        board.power.on()
        status, head, page = fetch(board.device, "network.http")
        assert status == "HTTP/1.1 200 OK"
        assert f"Content-Length: {len(page)}" in head
        assert "<h1>SimBoard 2.4.1</h1>" in page.decode()
        assert "<tr><th>power</th><td>on</td></tr>" in page.decode()
        told = json.loads(fetch(board.device, "network.http", "/status?fresh=1")[2])
        assert told == {"name": "SimBoard", "version": "2.4.1", "power": "on", "running": "idle"}

    def test_other_requests(self, board):
        board = board()
        board.power.on()
        assert fetch(board.device, "network.http", "/none")[0] == "HTTP/1.1 404 Not Found"
        status, head, body = fetch(board.device, "network.http", method="HEAD")
        assert (status, body) == ("HTTP/1.1 200 OK", b"")
        assert "Content-Type: text/html" in head
        assert fetch(board.device, "network.http", method="POST")[0] == "HTTP/1.1 405 Method Not Allowed"
        assert fetch(board.device, "network.http", "x y z")[0] == "HTTP/1.1 400 Bad Request"

    def test_a_board_that_is_off_refuses_and_answers_later(self, board):
        board = board()
        with pytest.raises(DriverError, match="no link: the board is off"):
            fetch(board.device, "network.http")
        board.power.on()
        assert fetch(board.device, "network.http")[0] == "HTTP/1.1 200 OK"

    def test_a_connection_waits_for_a_board_that_is_booting(self, board):
        board = board(boot_time=0.4)
        board.power.on()
        assert not board.state.system_up
        assert b"SimBoard 1.0.0" in fetch(board.device, "network.http")[2]

    @pytest.mark.parametrize("trouble", ["loader", "halted", "hangs"])
    def test_nothing_answers_without_a_system(self, board, trouble):
        board = board(autoboot=5 if trouble == "loader" else None)
        board.root.children["network"].children["http"]._patience = 0.1
        if trouble == "loader":
            board.power.on()
        else:
            board.log_in()
            board.console.write_line("poweroff") if trouble == "halted" else board.call("hang")
            assert eventually(lambda: not board.state.system_up)
        with pytest.raises(DriverTimeoutError, match="no answer: what runs on the board is"):
            fetch(board.device, "network.http")

    def test_switching_off_breaks_connections(self, board):
        board = board()
        board.power.on()
        before = tasks()
        with connected(board.device, "network.http") as stream:
            stream.send(b"GET / HT", 5)
            board.power.off()
            with pytest.raises(JumpstarterError, match="the board lost power"):
                list(stream.receive())
        assert eventually(lambda: tasks() <= before)

    def test_a_connection_that_the_client_leaves_leaves_nothing_behind(self, board):
        board = board()
        board.power.on()
        fetch(board.device, "network.http")
        before, followers = tasks(), len(board.state._followers)
        for _ in range(5):
            with connected(board.device, "network.http") as stream:
                stream.send(b"GET / HT", 5)
        assert eventually(lambda: tasks() <= before)
        assert eventually(lambda: len(board.state._followers) == followers)

    def test_the_echo_is_beside_the_board(self, board):
        with connected(board().device, "network.echo") as stream:
            stream.send(b"hello", 5)
            assert next(stream.receive()) == b"hello"
