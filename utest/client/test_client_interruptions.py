"""Whatever is opened and interrupted on the way, at any line: nothing is left of it, and it can be opened at once again."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import grpc
import pytest
from helpers.interrupting import Interrupter, Interruption, every_interruption
from helpers.results import eventually

from JumpstarterLibrary import places
from JumpstarterLibrary import sessions as sessions_module
from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.console.console import Console
from JumpstarterLibrary.client.console.reader import ConsoleReader
from JumpstarterLibrary.client.device import open_device
from JumpstarterLibrary.client.driver_stream import DriverStream
from JumpstarterLibrary.client.serial import SerialClient
from JumpstarterLibrary.client.streams import ByteStream
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.exporter import Session
from JumpstarterLibrary.journal import JsonLinesFile
from JumpstarterLibrary.sessions import Sessions
from JumpstarterLibrary.wire import event_loop

OURS = ("jumpstarter-log", "jumpstarter-console", "jumpstarter-driver-stream")


@pytest.fixture
def root() -> MockConsole:
    """A driver that counts its open streams."""
    return MockConsole(loopback=False)


@pytest.fixture
def served(root: MockConsole) -> Iterator[tuple[Session, str]]:
    """The driver, served in this process."""
    with Session(root_device=root) as session, session.serve_unix() as path:
        yield session, path


def threads() -> list[str]:
    """The threads that a client starts; not those that stay for the whole process."""
    ours = (thread for thread in threading.enumerate() if thread.name.startswith(OURS) or isinstance(thread, threading.Timer))
    return sorted(thread.name for thread in ours)


def nothing_left(session: Session, root: MockConsole, before: list[str]) -> bool:
    return session.log.readers == 0 and root.uart.connected == 0 and threads() == before


def check(interrupter: Interrupter, session: Session, root: MockConsole, before: list[str]) -> None:
    left = f"log readers {session.log.readers}, streams {root.uart.connected}, threads {threads()}"
    assert eventually(lambda: nothing_left(session, root, before)), f"interrupted at {interrupter.place}: {left}"


def test_an_interrupted_opening_of_a_device(served: tuple[Session, str], root: MockConsole, channels: list[Any]) -> None:
    session, path = served
    before = threads()
    for interrupter in every_interruption(open_device):
        try:
            with interrupter:
                device = open_device(path, timeout=10, logs=True)
        except Interruption:
            assert all(channel.closed for channel in channels), interrupter.place
        else:
            device.close()
        check(interrupter, session, root, before)


@pytest.fixture
def channels(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The channels that clients make; each knows whether it was closed."""
    from JumpstarterLibrary.client import device

    made: list[Any] = []

    def make(*arguments: Any) -> Any:
        channel = make_channel(*arguments)
        really = channel.close
        channel.closed = False

        def close() -> None:
            channel.closed = True
            really()

        channel.close = close
        made.append(channel)
        return channel

    make_channel = device.make_channel
    monkeypatch.setattr(device, "make_channel", make)
    return made


@pytest.fixture
def servers(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """The servers that sessions make; each knows whether it was stopped."""
    made: list[Any] = []

    def make(*arguments: Any, **options: Any) -> Any:
        server = make_server(*arguments, **options)
        really = server.stop
        server.stopped = False

        async def stop(grace: float) -> None:
            await really(grace)
            server.stopped = True

        server.stop = stop
        made.append(server)
        return server

    make_server = grpc.aio.server
    monkeypatch.setattr(grpc.aio, "server", make)
    return made


@pytest.mark.parametrize("what", ["stream", "driver stream", "console"])
def test_an_interrupted_opening_of_a_stream(what: str, served: tuple[Session, str], root: MockConsole) -> None:
    session, path = served
    with connect(path, timeout=10) as device:
        before = threads()
        functions = {
            "stream": (ByteStream.__init__,),
            "driver stream": (DriverStream.__init__, ByteStream.__init__),
            "console": (
                SerialClient.open_console,
                SerialClient._connect,
                Console.__init__,
                ConsoleReader.__init__,
                ByteStream.__init__,
            ),
        }[what]
        for interrupter in every_interruption(*functions):
            opened: Any = None
            try:
                with interrupter:
                    if what == "stream":
                        from JumpstarterLibrary.client.failures import Act

                        opened = ByteStream(device.connection, Act("bench", "", "connect"), device.root.node.uuid, 10)
                    elif what == "driver stream":
                        opened = DriverStream(device.root)
                    else:
                        opened = device.root.open_console()
            except Interruption:
                assert not device.consoles, interrupter.place
            else:
                opened.close()
                device.consoles.clear()
            check(interrupter, session, root, before)
            assert not device._closers, interrupter.place


@pytest.mark.parametrize("target", ["address", "embedded"])
def test_an_interrupted_opening_of_a_session(
    target: str,
    servers: list[Any],
    served: tuple[Session, str],
    root: MockConsole,
    tmp_path: Path,
    channels: list[Any],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    session, path = served
    sessions = Sessions()
    before = threads()
    functions = (
        *(Sessions.open, open_device, sessions_module._journal_file, places.served),
        *(Session.__enter__, Session.serve_unix, Session._listen),
    )
    sockets, acts = tmp_path / "sockets", len(event_loop._last_acts)
    sockets.mkdir()
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(sockets))
    journals = tmp_path / "journals"
    journals.mkdir()
    files: list[JsonLinesFile] = []
    monkeypatch.setattr(sessions_module, "JsonLinesFile", lambda *given: files.append(JsonLinesFile(*given)) or files[-1])
    for interrupter in every_interruption(*functions):
        try:
            with interrupter:
                sessions.open(path if target == "address" else "mock:power", alias="bench", timeout=10, journal_folder=journals)
        except Interruption:
            assert len(sessions) == 0, interrupter.place
            assert sessions._current is None, interrupter.place
            assert all(channel.closed for channel in channels), interrupter.place
        else:
            sessions.close("bench")
        check(interrupter, session, root, before)
        assert [file.name for file in journals.iterdir()] in ([], ["bench.jsonl"]), interrupter.place
        assert all(file._file is None for file in files), interrupter.place
        assert list(sockets.iterdir()) == [], interrupter.place
        assert len(event_loop._last_acts) == acts, interrupter.place
        assert all(server.stopped for server in servers[1:]), interrupter.place
        sessions.open(path, alias="bench", timeout=10).device.root.call("send_hex", "00")
        sessions.close_all()


def test_a_server_that_is_interrupted_while_it_starts_does_not_go_on_listening(
    monkeypatch: pytest.MonkeyPatch, servers: list[Any], tmp_path: Path
) -> None:
    monkeypatch.setenv("XDG_RUNTIME_DIR", str(tmp_path))
    from grpc.aio._server import Server

    start = Server.start

    async def starts_and_hangs(server: Any) -> None:
        await start(server)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        await anyio.sleep(30)

    monkeypatch.setattr(Server, "start", starts_and_hangs)
    with Session(root_device=MockConsole()) as session:
        with pytest.raises(KeyboardInterrupt), session.serve_unix():
            pass
        assert [server.stopped for server in servers] == [True]
        assert list(tmp_path.iterdir()) == []
