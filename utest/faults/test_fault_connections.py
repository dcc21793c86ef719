"""Exporters that are not there, do not answer, stop answering, or die (in child processes)."""

from __future__ import annotations

import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from fault_exporters import serve_drivers, serve_upstream
from helpers.exporters import Exporter, free_port, start_upstream_exporter
from helpers.results import eventually

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.errors import (
    CallTimeoutError,
    ConnectionFailedError,
    FailureClass,
    InfrastructureError,
    JumpstarterError,
    SessionLostError,
)
from JumpstarterLibrary.sessions import Sessions

SLACK = 1.0
"""Seconds that a busy machine may add."""


@contextmanager
def within(limit: float) -> Iterator[None]:
    begin = time.monotonic()
    yield
    taken = time.monotonic() - begin
    assert taken < limit + SLACK, f"it took {taken:.2f} s instead of {limit} s"


class InBackground:
    """Runs something that waits, in a thread; tells the error that it ended with, and when."""

    def __init__(self, function: Callable[[], object]) -> None:
        self.error: BaseException | None = None
        self.ended = 0.0
        self._thread = threading.Thread(target=self._run, args=[function], daemon=True)
        self._thread.start()

    def _run(self, function: Callable[[], object]) -> None:
        try:
            function()
        except BaseException as error:
            self.error = error
        self.ended = time.monotonic()

    def join(self) -> BaseException | None:
        self._thread.join(20)
        assert not self._thread.is_alive(), "it did not end"
        return self.error


# ---------------------------------------------------------------- nobody there


@pytest.fixture
def address(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An address where nobody listens."""
    if request.param == "missing socket":
        yield str(tmp_path / "socket")
    elif request.param == "closed port":
        yield f"127.0.0.1:{free_port()}"
    elif request.param == "stale socket":
        with socket.socket(socket.AF_UNIX) as left_behind:
            left_behind.bind(str(tmp_path / "socket"))
        yield str(tmp_path / "socket")
    else:
        (tmp_path / "socket").write_text("")
        yield f"unix:{tmp_path / 'socket'}"


@pytest.mark.parametrize("address", ["missing socket", "closed port", "stale socket", "plain file"], indirect=True)
def test_nobody_there_is_told_at_once_with_what_to_check(address: str) -> None:
    with within(1), pytest.raises(ConnectionFailedError) as raised, connect(address, timeout=20):
        pass

    message = str(raised.value)
    assert raised.value.failure_class is FailureClass.INFRASTRUCTURE
    assert address.removeprefix("unix:") in message
    assert message.splitlines()[0].endswith("?"), f"the message says what to check: {message}"
    assert "still run?" in message or "host and port right?" in message


def test_an_address_that_swallows_packets_is_given_up_in_time() -> None:
    with ExitStack() as stack:
        full = stack.enter_context(socket.socket())
        full.bind(("127.0.0.1", 0))
        full.listen(0)
        for _ in range(4):  # Linux drops what comes to a listener whose queue is full
            client = stack.enter_context(socket.socket())
            client.settimeout(0)
            client.connect_ex(full.getsockname())
        name = f"127.0.0.1:{full.getsockname()[1]}"

        with within(0.5), pytest.raises(ConnectionFailedError, match=f"(?s){name}.*firewall") as raised:
            connect(name, timeout=0.5).__enter__()

    assert raised.value.failure_class is FailureClass.INFRASTRUCTURE


def test_something_that_is_no_exporter_is_told_apart() -> None:
    with socket.socket() as web:
        web.bind(("127.0.0.1", 0))
        web.listen()
        address = f"127.0.0.1:{web.getsockname()[1]}"

        def answer() -> None:
            with web.accept()[0] as connection:
                connection.sendall(b"HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n")
                connection.recv(1000)

        threading.Thread(target=answer, daemon=True).start()
        with within(1), pytest.raises(InfrastructureError, match=address):
            connect(address, timeout=5).__enter__()


# -------------------------------------------------------------------- freezing


def test_a_frozen_exporter_cannot_be_opened_until_it_thaws(start_exporter: Callable[..., Exporter]) -> None:
    exporter = start_exporter()
    exporter.freeze()

    with within(0.5), pytest.raises(ConnectionFailedError, match=r"no answer within 500 ms.*frozen") as raised:
        connect(exporter.address, timeout=0.5).__enter__()

    assert raised.value.failure_class is FailureClass.INFRASTRUCTURE
    exporter.thaw()
    with connect(exporter.address, timeout=10) as device:
        assert device.trouble.call("echo", 1) == 1


@pytest.mark.parametrize("listen", ["127.0.0.1:0", None], ids=["tcp", "unix"])
def test_an_exporter_that_freezes_during_a_call_is_given_up_in_time(
    start_exporter: Callable[..., Exporter], listen: str | None
) -> None:
    exporter = start_exporter(listen=listen)
    with connect(exporter.address, name="bench", timeout=10, logs=True) as device:
        call = InBackground(lambda: device.trouble.call("hang", timeout=1.5))
        stream = InBackground(lambda: list(device.trouble.stream_call("endless", timeout=1.5)))
        begin = time.monotonic()
        time.sleep(0.3)
        exporter.freeze()

        for attempt, method in ((call, "hang"), (stream, "endless")):
            error = attempt.join()
            assert isinstance(error, CallTimeoutError), error
            assert error.failure_class is FailureClass.INFRASTRUCTURE
            assert str(error).startswith(f"{method}() on driver 'trouble' of device 'bench' got no answer within 1.5 s")
            assert attempt.ended - begin < 1.5 + 1 + SLACK

        with within(1), pytest.raises(CallTimeoutError):
            device.power.on(timeout=0.4)
        begin = time.monotonic()
    assert time.monotonic() - begin < 1 + SLACK, "closing a session of a frozen exporter takes long"

    exporter.thaw()
    with connect(exporter.address, timeout=10) as device:
        assert device.trouble.call("echo", 1) == 1


def test_a_driver_that_hangs_is_told_from_an_exporter_that_hangs(device: Device) -> None:
    with within(0.5), pytest.raises(JumpstarterError, match=r"did not return within 500 ms. The exporter answers") as raised:
        device.trouble.call("hang", timeout=0.5)

    assert raised.value.failure_class is FailureClass.DEVICE
    assert device.state == "open"


# ----------------------------------------------------------------------- dying


def kinds() -> list[object]:
    return ["ours", pytest.param("upstream", marks=pytest.mark.interop)]


@pytest.mark.parametrize("whose", kinds())
def test_an_exporter_killed_during_calls_is_told_at_once(whose: str, tmp_path: Path) -> None:
    serve = serve_drivers(tmp_path / "notes") if whose == "ours" else serve_upstream()
    with serve as exporter, connect(exporter.address, name="bench", timeout=30) as device:
        call = InBackground(lambda: device.trouble.call("hang"))
        stream = InBackground(lambda: list(device.trouble.stream_call("endless")))
        time.sleep(0.3)
        moment = time.monotonic()
        exporter.kill()

        for attempt, method in ((call, "hang"), (stream, "endless")):
            error = attempt.join()
            assert isinstance(error, SessionLostError), error
            assert error.failure_class is FailureClass.INFRASTRUCTURE
            assert str(error).startswith(f"{method}() on driver 'trouble' of device 'bench' failed: the connection")
            assert attempt.ended - moment < 1 + SLACK
        assert device.state == "lost"
        with within(0.1), pytest.raises(SessionLostError, match=r"on\(\) on driver 'power' of device 'bench' is not possible"):
            device.power.on()


@pytest.mark.parametrize("logs", [True, False], ids=["with log", "without log"])
def test_an_exporter_killed_between_calls_is_told_at_the_next_call(start_exporter: Callable[..., Exporter], logs: bool) -> None:
    exporter = start_exporter()
    with connect(exporter.address, name="bench", timeout=10, logs=logs) as device:
        device.power.on()
        exporter.kill()
        with within(1), pytest.raises(SessionLostError) as raised:
            device.power.off()
        assert device.state == "lost"

    assert "off() on driver 'power' of device 'bench'" in str(raised.value)
    assert raised.value.failure_class is FailureClass.INFRASTRUCTURE


def test_a_lost_session_is_shown_and_opens_anew_under_its_name(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    sessions = Sessions()
    with serve_drivers(tmp_path / "notes", listen=listen) as exporter:
        sessions.open(listen, alias="bench", timeout=10)
        exporter.kill()
    assert eventually(lambda: sessions.current.device.state == "lost", 3), "the log reader notices without a call"
    lost = sessions.current

    with serve_drivers(tmp_path / "notes", listen=listen):
        again = sessions.open(listen, alias="bench", timeout=10)
        again.device.power.on()

        assert again is sessions.current
        assert list(sessions) == [again]
        assert lost.device.state == "closed"
        assert again.device.state == "open"
        sessions.close_all()


def test_a_restarted_exporter_is_the_same_session_and_never_a_wrong_driver(tmp_path: Path) -> None:
    listen = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        first = stack.enter_context(serve_drivers(tmp_path / "notes", listen=listen))
        device = stack.enter_context(connect(listen, name="bench", timeout=10))
        first.kill()
        stack.enter_context(serve_drivers(tmp_path / "notes", listen=listen))

        device.trouble.call("echo", 1)
        device.power.on()

        assert device.state == "open"
        assert device.driver("power").node.uuid != device.connection.uuid(device.driver("power").node.uuid)


@pytest.mark.interop
def test_a_passphrase_of_upstreams_exporter_is_asked_for() -> None:
    from JumpstarterLibrary.errors import PassphraseError

    with start_upstream_exporter(
        "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {namespace: default, name: p}\n"
        "export:\n  power: {type: jumpstarter_driver_power.driver.MockPower}\n",
        passphrase="right one",
    ) as exporter:
        for wrong in (None, "wrong one"):
            with within(1), pytest.raises(PassphraseError, match="Give the exporter's passphrase") as raised:
                connect(exporter.address, timeout=5, passphrase=wrong).__enter__()
            assert "right one" not in str(raised.value)
            assert "wrong one" not in str(raised.value)
        with connect(exporter.address, timeout=5, passphrase="right one") as device:
            device.power.on()
