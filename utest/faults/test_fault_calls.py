"""Calls that go wrong: what the driver raises, names and arguments that do not exist, values that are too large."""

from __future__ import annotations

import pytest

from JumpstarterLibrary.client import Device
from JumpstarterLibrary.errors import (
    DriverError,
    DriverInvalidArgumentError,
    DriverMethodNotFoundError,
    DriverNotFoundError,
    DriverNotSupportedError,
    DriverTimeoutError,
    ExporterNotReadyError,
    FailureClass,
    UnknownAliasError,
    ValueNotSendableError,
    WrongArgumentsError,
)
from JumpstarterLibrary.sessions import Sessions
from JumpstarterLibrary.wire.protocol import ExporterStatus

MIB = 1024 * 1024

TEXTS = {
    "one line": "relay 3 is stuck",
    "empty": "",
    "several lines": "first line\nsecond line\n  third line",
    "not ASCII": "Spannung zu hoch: 5 µV ≠ 5 mV 🔥 100%",
    "1 MiB": "x" * MIB,
}
RAISED = {
    "ValueError": DriverInvalidArgumentError,
    "NotImplementedError": DriverNotSupportedError,
    "TimeoutError": DriverTimeoutError,
    "ConnectionError": DriverError,
    "OSError": DriverError,
    "TypeError": DriverError,
    "KeyError": DriverError,
    "RuntimeError": DriverError,
}


@pytest.mark.parametrize("text", TEXTS)
@pytest.mark.parametrize("kind", RAISED)
def test_what_a_driver_raises_is_the_devices_failure(device: Device, kind: str, text: str) -> None:
    with pytest.raises(RAISED[kind]) as raised:
        device.trouble.call("fail", kind, TEXTS[text])

    message = str(raised.value)
    assert raised.value.failure_class is FailureClass.DEVICE
    assert message.startswith("fail() on driver 'trouble' of device 'bench' failed: ")
    if text == "1 MiB":
        assert len(message) < 8_000
        assert "characters cut]" in message
    elif text == "empty":
        assert "without saying why" in message or kind in message
    else:
        told = repr(TEXTS[text]) if kind == "KeyError" else TEXTS[text]
        assert told in message
    assert raised.value.__cause__ is None
    assert raised.value.__suppress_context__, "no trace of gRPC's beneath ours"
    assert device.trouble.call("echo", 1) == 1


def test_an_unknown_driver_has_near_matches(device: Device) -> None:
    for path in ("troble", "dut.power"):
        with pytest.raises(DriverNotFoundError) as raised:
            device.driver(path)
        assert raised.value.failure_class is FailureClass.CONFIGURATION
        assert f"Device 'bench' has no driver '{path}'. Did you mean '{'trouble' if path == 'troble' else 'power'}'?" in str(
            raised.value
        )
    with pytest.raises(DriverNotFoundError, match=r"It has 'trouble', 'power'\."):
        device.driver("zzz")


def test_an_unknown_method_is_the_tests_failure(device: Device) -> None:
    with pytest.raises(DriverMethodNotFoundError, match=r"ecko\(\) on driver 'trouble' of device 'bench'") as raised:
        device.trouble.call("ecko", 1)
    assert raised.value.failure_class is FailureClass.TEST
    with pytest.raises(DriverMethodNotFoundError, match="ecko"):
        list(device.trouble.stream_call("ecko", 1))


def test_a_method_of_the_other_kind_names_the_right_way(device: Device) -> None:
    with pytest.raises(DriverMethodNotFoundError, match="Stream Driver Method / stream_call") as raised:
        device.trouble.call("endless")
    assert raised.value.failure_class is FailureClass.TEST
    with pytest.raises(DriverMethodNotFoundError, match="Call Driver Method / call"):
        list(device.trouble.stream_call("echo", 1))


@pytest.mark.parametrize("arguments", [(), (1, 2)], ids=["too few", "too many"])
def test_a_wrong_number_of_arguments_is_the_tests_failure(device: Device, arguments: tuple[object, ...]) -> None:
    with pytest.raises(WrongArgumentsError, match=r"echo\(\) on driver 'trouble' of device 'bench' failed") as raised:
        device.trouble.call("echo", *arguments)

    assert raised.value.failure_class is FailureClass.TEST
    assert device.trouble.call("echo", 1) == 1


def test_a_driver_that_calls_wrongly_itself_is_the_devices_failure(device: Device) -> None:
    with pytest.raises(DriverError, match="missing 1 required") as raised:
        device.trouble.call("fail", "TypeError", "Relay.connect() missing 1 required positional argument: 'port'")

    assert raised.value.failure_class is FailureClass.DEVICE


def test_an_unknown_alias_lists_the_known_ones() -> None:
    sessions = Sessions()
    sessions.open("mock:power", alias="left")
    try:
        with pytest.raises(UnknownAliasError, match="Open: 'left'") as raised:
            sessions.get("lift")
        assert raised.value.failure_class is FailureClass.TEST
    finally:
        sessions.close_all()


def test_a_result_of_5_mib_arrives(device: Device) -> None:
    assert device.trouble.call("bytes_of", 5 * MIB) == "x" * (5 * MIB)


def test_an_argument_of_5_mib_arrives_or_is_refused_clearly(device: Device, request: pytest.FixtureRequest) -> None:
    large = "y" * (5 * MIB)
    if "upstream" in request.node.name:
        with pytest.raises(ValueNotSendableError, match=r"echo\(\) on driver 'trouble'.*larger than") as raised:
            device.trouble.call("echo", large)
        assert raised.value.failure_class is FailureClass.TEST
        assert "yyy" not in str(raised.value)
    else:
        assert device.trouble.call("echo", large) == large
    assert device.trouble.call("echo", 1) == 1


def test_an_unsendable_argument_is_refused_before_it_is_sent(device: Device) -> None:
    with pytest.raises(ValueNotSendableError, match=r"echo\(\) on driver 'trouble' .* was not sent: argument 1: at \['a'\]\[1\]"):
        device.trouble.call("echo", {"a": [1, float("nan")]})


# ---------------------------------------------------------------------- status


@pytest.mark.parametrize("status", ExporterStatus, ids=lambda status: status.name)
def test_each_status_that_is_not_ready_is_named_when_opening(status: ExporterStatus) -> None:
    from JumpstarterLibrary.client import connect
    from JumpstarterLibrary.drivers import MockPower
    from JumpstarterLibrary.exporter import Session

    with Session(root_device=MockPower()) as session, session.serve_unix() as path:
        session.update_status(status, "the hook says so")
        if status is ExporterStatus.LEASE_READY:
            with connect(path, timeout=5) as device:
                device.on()
            return
        with pytest.raises(ExporterNotReadyError) as raised, connect(path, timeout=0.25):
            pass

    assert f"the exporter's status is {'' if status.is_final else 'still '}{status.name}, the hook says so" in str(raised.value)
    assert raised.value.failure_class is FailureClass.INFRASTRUCTURE


@pytest.mark.parametrize("status", [status for status in ExporterStatus if not status.allows_calls], ids=lambda s: s.name)
def test_each_status_that_is_not_ready_is_named_by_calls(status: ExporterStatus) -> None:
    from JumpstarterLibrary.client import connect
    from JumpstarterLibrary.drivers import MockPower
    from JumpstarterLibrary.exporter import Session

    with Session(root_device=MockPower()) as session, session.serve_unix() as path, connect(path, timeout=5) as device:
        session.update_status(status)
        for attempt in (device.on, device.latest):
            with pytest.raises(ExporterNotReadyError, match=rf"root driver of .* was refused: .*{status.name}") as raised:
                attempt()
            assert raised.value.failure_class is FailureClass.INFRASTRUCTURE
        assert device.state == "open"
        session.update_status(ExporterStatus.LEASE_READY)
        device.on()


def test_opening_waits_for_the_status() -> None:
    import threading

    from JumpstarterLibrary.client import connect
    from JumpstarterLibrary.drivers import MockPower
    from JumpstarterLibrary.exporter import Session

    with Session(root_device=MockPower()) as session, session.serve_unix() as path:
        session.update_status(ExporterStatus.BEFORE_LEASE_HOOK)
        later = threading.Timer(0.15, session.update_status, [ExporterStatus.LEASE_READY])
        later.start()
        with connect(path, timeout=10) as device:
            device.on()
        later.join()
