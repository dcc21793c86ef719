"""Device and driver clients against our own session server in this process."""

from __future__ import annotations

import copy
import gc
import threading
import time
import weakref
from collections.abc import AsyncGenerator, Callable, Iterator
from contextlib import ExitStack
from datetime import timedelta
from typing import Any

import anyio
import grpc
import pytest
from helpers.results import eventually
from jumpstarter_protocol import jumpstarter_pb2 as pb

from JumpstarterLibrary.client import Device, DriverClient, PowerClient, PowerReading, connect
from JumpstarterLibrary.client.connection import Connection
from JumpstarterLibrary.drivers import Composite, MockPower, Power, Proxy, SyncMockPower
from JumpstarterLibrary.errors import (
    DriverError,
    DriverNotFoundError,
    DriverNotSupportedError,
    DriverTimeoutError,
    SessionClosedError,
)
from JumpstarterLibrary.exporter import Driver, Session, export
from JumpstarterLibrary.exporter.services import ExporterService
from JumpstarterLibrary.journal import CallEnded, Journal, LogGap, LogLine, SessionClosed, SessionLost, SessionOpened
from JumpstarterLibrary.wire.protocol import LOG_POSITION_KEY


class Trouble(Driver):
    """Waits, counts, and remembers how its methods ended."""

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self.ended: list[str] = []

    @export
    async def echo(self, value: object) -> object:
        return value

    @export
    async def hang(self) -> None:
        try:
            await anyio.sleep(60)
        except BaseException:
            self.ended.append("hang cancelled")
            raise

    @export
    async def endless(self) -> AsyncGenerator[int, None]:
        number = 0
        try:
            while True:
                yield number
                number += 1
                await anyio.sleep(0.005)
        finally:
            self.ended.append("endless closed")

    @export
    async def two(self) -> AsyncGenerator[int, None]:
        yield 1
        yield 2

    @export
    async def tell(self, text: str) -> None:
        self.logger.info(text)


class Meter(Power):
    """A power driver whose readings are what it is told."""

    def __init__(self, read: Callable[[Meter], AsyncGenerator[Any, None]], **driver: Any) -> None:
        super().__init__(**driver)
        self._read = read
        self.closed = False
        self.switched: list[str] = []

    @export
    async def on(self) -> None:
        self.switched.append("on")

    @export
    async def off(self) -> None:
        self.switched.append("off")

    @export
    async def read(self) -> AsyncGenerator[Any, None]:
        try:
            async for item in self._read(self):
                yield item
        finally:
            self.closed = True


@pytest.fixture
def serve() -> Iterator[Callable[..., Device]]:
    """Serves a driver and opens it: `serve(root, logs=False, …)`."""
    with ExitStack() as stack:

        def start(root: Driver, **options: Any) -> Device:
            session = stack.enter_context(Session(root_device=root))
            path = stack.enter_context(session.serve_unix())
            return stack.enter_context(connect(path, **{"timeout": 10, "name": "bench", **options}))

        yield start


@pytest.fixture
def tree(serve: Callable[..., Device]) -> Device:
    return serve(
        Composite(
            children={
                "dut": Composite(
                    children={"power": MockPower(description="main supply"), "call": Trouble(), "name": SyncMockPower()},
                ),
                "alias": Proxy(ref="dut.power"),
            }
        )
    )


# ----------------------------------------------------------------------- trees


def test_children_are_attributes_and_items(tree: Device) -> None:
    power = tree.dut.power
    assert isinstance(power, PowerClient)
    assert tree["dut.power"] is tree.dut["power"] is tree["dut"]["power"] is tree.driver("dut.power") is power
    assert (power.path, power.name, power.description) == ("dut.power", "power", "main supply")
    assert list(tree.dut.children) == ["power", "call", "name"]
    assert tree.root.path == ""
    assert tree[""] is tree.root
    assert {"dut", "alias", "journal"} <= set(dir(tree))
    assert "power" in dir(tree.dut)


def test_shadowed_names_are_reached_as_items(tree: Device) -> None:
    assert isinstance(tree.dut["call"], DriverClient)
    assert tree.dut["call"].call("echo", 1) == 1
    assert callable(tree.dut.call)
    assert tree.dut["name"].path == "dut.name"
    assert tree.dut.name == "dut"


def test_a_proxy_is_its_target_at_another_place(tree: Device) -> None:
    assert tree.alias.node.uuid == tree.dut.power.node.uuid
    assert tree.alias is not tree.dut.power
    assert tree.alias.path == "alias"
    tree.alias.on()


def test_reprs_are_short(tree: Device) -> None:
    assert repr(tree) == "<Device bench open>"
    assert repr(tree.dut.power) == "<PowerClient bench:dut.power>"
    assert repr(tree.root) == "<DriverClient bench:(root)>"


def test_what_does_not_exist_has_near_matches(tree: Device) -> None:
    with pytest.raises(
        AttributeError, match=r"driver 'dut' of device 'bench' has no child or method 'pwer'\. Did you mean power"
    ):
        _ = tree.dut.pwer
    with pytest.raises(DriverNotFoundError, match=r"has no driver 'dut\.pwr'\. Did you mean 'dut\.power'"):
        _ = tree["dut.pwr"]
    with pytest.raises(DriverNotFoundError, match=r"Did you mean 'dut\.power'"):
        _ = tree["power"]
    assert not hasattr(tree, "nothing")
    assert getattr(tree.dut, "nothing", None) is None


def test_devices_survive_what_asks_for_special_methods(tree: Device) -> None:
    for thing in (tree, tree.dut):
        assert not hasattr(thing, "__fspath__")
        assert copy.copy(thing) is not None


def test_the_default_driver_narrows_the_search(tree: Device) -> None:
    with pytest.raises(DriverNotFoundError) as raised:
        tree.driver_of(PowerClient)
    assert "has 2 power drivers: 'dut.power', 'dut.name', 'alias'." in str(raised.value)
    assert "Set Default Driver" in str(raised.value)

    tree.default_driver = "alias"
    assert tree.driver_of(PowerClient).path == "alias"
    tree.default_driver = "dut.call"
    with pytest.raises(DriverNotFoundError, match=r"has no power driver at or below its default driver 'dut\.call'; give"):
        tree.driver_of(PowerClient)
    assert tree.driver_of(PowerClient, "dut.name").path == "dut.name"
    named = tree.driver_of(PowerClient, "dut.call")
    assert isinstance(named, PowerClient), "a driver that is named on purpose is taken at its word"


def test_the_same_driver_at_two_places_is_one_candidate(serve: Callable[..., Device]) -> None:
    device = serve(Composite(children={"power": MockPower(), "alias": Proxy(ref="power")}))
    assert device.driver_of(PowerClient).path == "power"


def test_a_root_of_its_own_is_the_device(serve: Callable[..., Device]) -> None:
    device = serve(MockPower())
    device.on()
    assert device.latest() == PowerReading(5.0, 2.0)
    assert device.call("on") is None
    with pytest.raises(DriverNotFoundError, match="no children; leave the driver out"):
        device.driver("power")


# ----------------------------------------------------------------------- calls


@pytest.mark.parametrize("timeout", [0.2, timedelta(seconds=0.2)])
def test_timeouts_are_durations_or_seconds(serve: Callable[..., Device], timeout: Any) -> None:
    root = Trouble()
    device = serve(root)
    for attempt in (lambda: device.call("hang", timeout=timeout), lambda: list(device.stream_call("endless", timeout=timeout))):
        with pytest.raises(DriverTimeoutError, match=r"within 200 ms"):
            attempt()
    device.timeout = timeout
    assert device.timeout == timedelta(seconds=0.2)
    with pytest.raises(DriverTimeoutError, match=r"hang\(\) on the root driver of device 'bench' did not return within 200 ms"):
        device.call("hang")
    assert eventually(lambda: sorted(root.ended) == ["endless closed", "hang cancelled", "hang cancelled"])
    assert device.state == "open"


@pytest.fixture
def keep_rpcs(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Keeps the RPCs alive: gRPC cancels those that are collected, sooner or later, and hides what was forgotten."""
    kept: list[Any] = []
    complete = Connection.__init__

    def keeping(connection: Connection, *arguments: Any, **options: Any) -> None:
        complete(connection, *arguments, **options)
        really = connection.stub.StreamingDriverCall
        connection.stub.StreamingDriverCall = lambda *a, **o: kept.append(really(*a, **o)) or kept[-1]

    monkeypatch.setattr(Connection, "__init__", keeping)
    return kept


@pytest.mark.usefixtures("keep_rpcs")
def test_leaving_a_stream_early_cancels_it_on_the_drivers_side(serve: Callable[..., Device]) -> None:
    root = Trouble()
    device = serve(root)
    for value in device.stream_call("endless"):
        if value == 3:
            break
    assert eventually(lambda: root.ended == ["endless closed"])
    stream = device.stream_call("endless")
    assert next(stream) == 0
    stream.close()
    assert eventually(lambda: root.ended == ["endless closed"] * 2)
    calls = device.journal.events(CallEnded)
    assert [call.outcome for call in calls] == ["ok", "ok"]
    assert all(call.streaming for call in calls)


def test_a_stream_that_is_never_begun_calls_nothing(serve: Callable[..., Device]) -> None:
    device = serve(Trouble())
    device.stream_call("endless").close()
    assert device.journal.events(CallEnded) == []


def test_64_threads_on_one_session_get_their_own_answers(serve: Callable[..., Device]) -> None:
    device = serve(Trouble())
    wrong: list[object] = []

    def work(number: int) -> None:
        for turn in range(10):
            value = {"thread": number, "turn": turn}
            try:
                if device.call("echo", value) != value or list(device.stream_call("two")) != [1, 2]:
                    wrong.append(value)
            except Exception as error:
                wrong.append(error)

    threads = [threading.Thread(target=work, args=[number]) for number in range(64)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert wrong == []
    assert len(device.journal.events(CallEnded)) == 64 * 20


def test_a_call_after_closing_says_so(serve: Callable[..., Device]) -> None:
    device = serve(Trouble())
    stream = device.stream_call("endless")
    assert next(stream) == 0
    device.close()
    device.close()

    assert device.state == "closed"
    assert repr(device) == "<Device bench closed>"
    with pytest.raises(SessionClosedError, match=r"echo\(\) on the root driver of device 'bench'.*the session was closed"):
        device.call("echo", 1)
    with pytest.raises(SessionClosedError):
        list(device.stream_call("two"))
    with pytest.raises(SessionClosedError):
        list(stream)
    assert len(device.journal.events(SessionClosed)) == 1


def test_closing_ends_the_calls_of_other_threads(serve: Callable[..., Device]) -> None:
    root = Trouble()
    device = serve(root)
    errors: list[Exception] = []

    def work() -> None:
        try:
            device.call("hang")
        except Exception as error:
            errors.append(error)

    thread = threading.Thread(target=work)
    thread.start()
    time.sleep(0.1)
    device.close()
    thread.join(2)

    assert isinstance(errors[0], SessionClosedError)
    assert eventually(lambda: root.ended == ["hang cancelled"])


def test_the_journal_tells_the_call(serve: Callable[..., Device]) -> None:
    device = serve(Composite(children={"t": Trouble()}))
    device.t.call("echo", "a", timeout=5)
    device.t.call("echo", "x" * 500)
    with pytest.raises(DriverError):
        device.t.call("hang", timeout=0.1)

    short, long, failed = device.journal.events(CallEnded)
    assert (short.driver, short.method, short.arguments, short.outcome, short.detail) == ("t", "echo", "'a'", "ok", "'a'")
    assert 0 < short.seconds < 5
    assert len(long.arguments) < 250
    assert failed.outcome == "DriverTimeoutError"
    assert device.journal.events(SessionOpened)[0].drivers == 2


# ----------------------------------------------------------------------- power


def reading(volt: float, ampere: float = 1.0) -> dict[str, float]:
    return {"voltage": volt, "current": ampere}


async def endless(meter: Meter) -> AsyncGenerator[Any, None]:
    yield reading(0.0)
    while True:
        await anyio.sleep(0.02)
        yield reading(5.0)


async def three(meter: Meter) -> AsyncGenerator[Any, None]:
    for volt in (1.0, 2.0, 3.0):
        yield reading(volt)


async def nothing(meter: Meter) -> AsyncGenerator[Any, None]:
    return
    yield


async def unsupported(meter: Meter) -> AsyncGenerator[Any, None]:
    raise NotImplementedError("no meter on board")
    yield


async def nonsense(meter: Meter) -> AsyncGenerator[Any, None]:
    yield {"voltage": "high"}


async def fails_later(meter: Meter) -> AsyncGenerator[Any, None]:
    yield reading(5.0)
    raise RuntimeError("meter fell off")


@pytest.mark.usefixtures("keep_rpcs")
def test_latest_of_an_endless_stream_settles_and_cancels_it(serve: Callable[..., Device]) -> None:
    root = Meter(endless)
    device = serve(root)
    begin = time.monotonic()

    assert device.latest().volt == 5.0

    assert time.monotonic() - begin < 2
    assert eventually(lambda: root.closed), "the driver saw the end of the call"
    assert device.journal.events(CallEnded)[0].outcome == "ok"


@pytest.mark.usefixtures("keep_rpcs")
def test_readings_of_an_endless_stream_can_be_left(serve: Callable[..., Device]) -> None:
    root = Meter(endless)
    device = serve(root)
    for item in device.read():
        if item.volt > 0:
            break
    assert eventually(lambda: root.closed)


def test_latest_of_a_stream_that_ends_is_its_last(serve: Callable[..., Device]) -> None:
    device = serve(Meter(three))
    assert device.latest() == PowerReading(3.0, 1.0)
    assert [item.volt for item in device.read()] == [1.0, 2.0, 3.0]
    assert PowerReading(2.0, 1.5).watt == 3.0
    assert (PowerReading(2.0, 1.5).volt, PowerReading(2.0, 1.5).ampere) == (2.0, 1.5)
    assert str(PowerReading(2.0, 1.5)) == "2.000 V, 1.500 A, 3.000 W"


@pytest.mark.parametrize(
    ("form", "kind", "text"),
    [
        (nothing, DriverError, "sent no reading at all"),
        (unsupported, DriverNotSupportedError, "does not measure.*no meter on board"),
        (nonsense, DriverError, "sent no reading with voltage and current"),
        (fails_later, DriverError, "meter fell off"),
    ],
)
def test_what_is_no_reading_is_an_error_and_never_zero(serve: Callable[..., Device], form: Any, kind: Any, text: str) -> None:
    device = serve(Meter(form))
    with pytest.raises(kind, match=text):
        device.latest()


class UnaryRead(Power):
    def __init__(self, result: Any, **driver: Any) -> None:
        super().__init__(**driver)
        self._result = result

    @export
    async def read(self) -> Any:
        if isinstance(self._result, Exception):
            raise self._result
        return self._result


@pytest.mark.parametrize("result", [None, NotImplementedError("not here")])
def test_unary_reads_that_give_nothing_are_not_supported(serve: Callable[..., Device], result: Any) -> None:
    with pytest.raises(DriverNotSupportedError, match="does not measure"):
        serve(UnaryRead(result)).latest()


def test_a_unary_read_that_measures_is_a_reading(serve: Callable[..., Device]) -> None:
    assert serve(UnaryRead(reading(3.3))).latest().volt == 3.3


def test_a_driver_without_read_is_not_supported(serve: Callable[..., Device]) -> None:
    class Switch(Power):
        @export
        async def on(self) -> None:
            pass

    device = serve(Switch())
    with pytest.raises(DriverNotSupportedError, match="does not measure"):
        device.latest()
    with pytest.raises(DriverNotSupportedError, match="no rescue mode"):
        device.rescue()


def test_cycle_waits_beside_its_timeout(serve: Callable[..., Device]) -> None:
    root = Meter(three)
    device = serve(root, timeout=5)
    begin = time.monotonic()
    device.cycle(0.2, timeout=0.5)
    device.cycle(timedelta(seconds=0.05))

    assert time.monotonic() - begin >= 0.25
    assert root.switched == ["off", "on", "off", "on"]


def test_cycle_is_bounded_by_its_deadline(serve: Callable[..., Device]) -> None:
    class StuckOff(Power):
        @export
        async def off(self) -> None:
            await anyio.sleep(60)

        @export
        async def on(self) -> None:
            raise AssertionError("it must stay off")

    device = serve(StuckOff())
    begin = time.monotonic()
    with pytest.raises(DriverTimeoutError, match=r"off\(\)"):
        device.cycle(0.1, timeout=0.3)
    assert time.monotonic() - begin < 2


# ------------------------------------------------------------------- log reader


def lines(device: Device) -> list[LogLine]:
    return device.journal.events(LogLine)


def test_log_lines_arrive_with_the_path_of_their_driver(serve: Callable[..., Device]) -> None:
    device = serve(Composite(children={"dut": Composite(children={"t": Trouble()})}), logs=True)
    device.dut.t.call("tell", "hello")
    assert device.logs is not None
    device.logs.catch_up(2)

    (line,) = lines(device)
    assert (line.message, line.driver, line.severity, line.source) == ("hello", "dut.t", "INFO", "driver")


def test_lines_are_there_when_the_call_has_caught_up(serve: Callable[..., Device]) -> None:
    device = serve(Trouble(), logs=True)
    assert device.logs is not None
    for number in range(100):
        device.call("tell", str(number))
        device.logs.catch_up(2)
        assert lines(device)[-1].message == str(number)


def test_lines_from_before_the_session_are_not_shown() -> None:
    root = Trouble()
    with Session(root_device=root) as session, session.serve_unix() as path:
        root.logger.info("of somebody else's session")
        with connect(path, timeout=10, logs=True) as device:
            device.call("tell", "of this one")
            assert device.logs is not None
            device.logs.catch_up(2)
            assert [line.message for line in lines(device)] == ["of this one"]


def test_lines_that_were_lost_leave_a_mark(serve: Callable[..., Device], monkeypatch: pytest.MonkeyPatch) -> None:
    from JumpstarterLibrary.exporter import logs

    monkeypatch.setattr(logs, "HISTORY", 10)
    root = Trouble()
    with Session(root_device=root) as session, session.serve_unix() as path:
        session.log._reader_limit = 5
        with connect(path, timeout=10, logs=True) as device:
            device.call("tell", "before")
            for number in range(1000):
                root.logger.info(str(number))
            assert eventually(lambda: lines(device) and lines(device)[-1].message == "999")
            texts = [line.message for line in lines(device)]
            assert any("lines lost here" in text for text in texts)
            device.call("tell", "after")
            assert device.logs is not None
            device.logs.catch_up(2)
            assert lines(device)[-1].message == "after", "a gap does not spoil the count"


@pytest.mark.parametrize("counted", [True, False], ids=["ours", "like upstream's"])
def test_a_log_stream_that_breaks_off_is_opened_again(monkeypatch: pytest.MonkeyPatch, counted: bool) -> None:
    complete = ExporterService.LogStream
    broken: list[float] = []

    async def breaks_off(service: Any, request: Any, context: Any) -> None:
        if not broken:
            with service._session.log.reader() as (position, log):
                if counted:
                    await context.send_initial_metadata(((LOG_POSITION_KEY, str(position)),))
                async for line in log:
                    await context.write(pb.LogStreamResponse(severity="INFO", message=line.message, source=1))
                    broken.append(time.monotonic())
                    await context.abort(grpc.StatusCode.UNAVAILABLE, "the log has hiccups")
        await complete(service, request, context)

    monkeypatch.setattr(ExporterService, "LogStream", breaks_off)
    with Session(root_device=Trouble()) as session, session.serve_unix() as path:
        with connect(path, timeout=10, logs=True) as device:
            device.call("tell", "first")
            assert eventually(lambda: broken)
            device.call("tell", "second")
            assert eventually(lambda: "second" in [line.message for line in lines(device)])
            device.call("tell", "third")
            assert eventually(lambda: "third" in [line.message for line in lines(device)])

            assert device.state == "open"
            texts = [line.message for line in lines(device)]
            gaps = device.journal.events(LogGap)
    if counted:
        assert texts == ["first", "second", "third"], "the history of the new stream is not told twice"
        assert gaps == []
    else:
        assert len(gaps) == 1


def test_the_log_thread_ends_with_the_session(serve: Callable[..., Device]) -> None:
    device = serve(Trouble(), logs=True)
    assert device.logs is not None
    thread = device.logs._thread
    assert thread.daemon
    assert thread.name == "jumpstarter-log-bench"
    device.close()
    assert not thread.is_alive()


def test_a_session_that_goes_away_is_lost_once(serve: Callable[..., Device]) -> None:
    journal = Journal()
    with ExitStack() as server, ExitStack() as client:
        session = server.enter_context(Session(root_device=MockPower()))
        path = server.enter_context(session.serve_unix())
        device = client.enter_context(connect(path, timeout=5, name="bench", journal=journal, logs=True))
        assert device.state == "open"
        server.close()

        assert eventually(lambda: device.state == "lost"), "the log reader notices"
        for _ in range(3):
            with pytest.raises(Exception, match="bench"):
                device.on()
        assert len(journal.events(SessionLost)) == 1
        assert repr(device) == "<Device bench lost>"
        device.close()
        assert device.state == "closed"


def test_nothing_is_left_of_a_closed_device(serve: Callable[..., Device]) -> None:
    with Session(root_device=MockPower()) as session, session.serve_unix() as path:
        before = threading.active_count()
        with connect(path, timeout=5, logs=True) as device:
            device.on()
        gone = weakref.ref(device)
        del device
        gc.collect()
        assert gone() is None
        assert eventually(lambda: threading.active_count() <= before + 1)
        assert eventually(lambda: session.log.readers == 0)


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        ("a word", "'a word'"),
        ("A" * 60, repr("A" * 60)),
        ("iVBORw0KGgo" * 1000, "'iVBORw0KGgoiVBORw0KGgoi…' (11000 characters)"),
        ("many short words " * 100, repr("many short words " * 100)[:200] + "…"),
        ({"kind": "client_stream", "uuid": "1"}, "the file"),
        ({"kind": "presigned_request", "url": "https://example.com/?token=1"}, "a request for the exporter"),
        ({"kind": "other"}, "{'kind': 'other'}"),
    ],
)
def test_what_nobody_reads_is_shown_short(value: object, shown: str) -> None:
    with Session(root_device=MockPower()) as session, session.serve_unix() as path, connect(path) as device:
        assert device.connection.shown(value) == shown
