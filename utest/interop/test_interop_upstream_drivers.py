"""What upstream's real drivers do and its mocks do not: readings in six forms, errors of every class, large values."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import closing

import pytest
from helpers.exporters import start_upstream_exporter
from helpers.robot_run import RobotRunner
from interop_drivers import Bench
from interop_support import UPSTREAM_MODULES, wait_until

from JumpstarterLibrary.client import Device, DriverClient, PowerClient, connect
from JumpstarterLibrary.errors import (
    DriverError,
    DriverInvalidArgumentError,
    DriverNotSupportedError,
    DriverTimeoutError,
    FailureClass,
    JumpstarterError,
    ValueNotSendableError,
    WrongArgumentsError,
)
from JumpstarterLibrary.exporter import Session

pytestmark = pytest.mark.interop

MODULE = "interop_upstream_drivers"
EXPORTER_YAML = f"""\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {{namespace: default, name: strange}}
export:
  dut:
    children:
      mock:               {{type: jumpstarter_driver_power.driver.MockPower}}
      sync_mock:          {{type: jumpstarter_driver_power.driver.SyncMockPower}}
      one_reading:        {{type: {MODULE}.OneReading}}
      endless:            {{type: {MODULE}.Endless}}
      stream_unsupported: {{type: {MODULE}.StreamUnsupported}}
      unary_unsupported:  {{type: {MODULE}.UnaryUnsupported}}
      unary_null:         {{type: {MODULE}.UnaryNull}}
      no_read:            {{type: {MODULE}.NoRead}}
      no_readings:        {{type: {MODULE}.NoReadings}}
      nonsense:           {{type: {MODULE}.Nonsense}}
      faulty:             {{type: {MODULE}.Faulty}}
      values:             {{type: {MODULE}.Values}}
"""
FIVE_MEGABYTES = 5 * 1024 * 1024
MEGABYTE = 1024 * 1024


@pytest.fixture(scope="module")
def upstream_address() -> Iterator[str]:
    with start_upstream_exporter(EXPORTER_YAML, env={"PYTHONPATH": str(UPSTREAM_MODULES)}) as exporter:
        yield exporter.address


@pytest.fixture(scope="module")
def strange(upstream_address: str) -> Iterator[DriverClient]:
    with connect(upstream_address, timeout=10, name="bench") as device:
        yield device["dut"]


@pytest.fixture(scope="module", params=["upstream", "ours"])
def either(request: pytest.FixtureRequest) -> Iterator[DriverClient]:
    """The same faults from upstream's exporter and from ours."""
    if request.param == "upstream":
        yield request.getfixturevalue("strange")
    else:
        with Session(root_device=Bench()) as session, session.serve_unix() as path:
            with connect(path, timeout=10, name="bench") as device:
                yield device["dut"]


def power(dut: DriverClient, name: str) -> PowerClient:
    client = dut[name]
    assert isinstance(client, PowerClient)
    return client


class TestReadings:
    @pytest.mark.parametrize(
        ("name", "expected"),
        [("mock", [(0.0, 0.0), (5.0, 2.0)]), ("sync_mock", [(0.0, 0.0), (5.0, 2.0)]), ("one_reading", [(12.0, 0.5)])],
    )
    def test_stream_with_an_end(self, strange: DriverClient, name: str, expected: list[tuple[float, float]]) -> None:
        readings = list(power(strange, name).read())
        assert [(reading.volt, reading.ampere) for reading in readings] == expected
        latest = power(strange, name).latest()
        assert (latest.voltage, latest.current) == expected[-1]

    def test_stream_without_end(self, strange: DriverClient) -> None:
        endless = power(strange, "endless")
        begin = time.monotonic()
        # Not after a whole second, when the next value is due.
        assert endless.latest().voltage == 1.0
        assert time.monotonic() - begin < 0.9
        with closing(endless.read()) as readings:
            assert [next(readings).voltage, next(readings).voltage] == [1.0, 2.0]
        wait_until(lambda: endless.call("readers") == 0)

    def test_stream_without_end_ends_with_the_timeout(self, strange: DriverClient) -> None:
        begin = time.monotonic()
        readings = power(strange, "endless").read(timeout=1.3)
        assert [next(readings).voltage, next(readings).voltage] == [1.0, 2.0]
        with pytest.raises(DriverTimeoutError, match=r"read\(\) on driver 'dut.endless' of device 'bench' did not return within"):
            next(readings)
        assert time.monotonic() - begin < 2.3

    @pytest.mark.parametrize(
        ("name", "reason"),
        [
            ("stream_unsupported", "this switch has no meter"),
            ("unary_unsupported", "this relay has no meter"),
            ("unary_null", "read() gave nothing"),
            ("no_read", "method read not found on driver"),
        ],
    )
    def test_not_measured(self, strange: DriverClient, name: str, reason: str) -> None:
        for function in (lambda: list(power(strange, name).read()), power(strange, name).latest):
            with pytest.raises(DriverNotSupportedError) as caught:
                function()
            text = str(caught.value)
            assert text.startswith(f"The power driver 'dut.{name}' of device 'bench' does not measure. ")
            assert reason in text
            assert caught.value.failure_class is FailureClass.DEVICE

    @pytest.mark.parametrize(
        ("name", "text"), [("no_readings", "sent no reading at all"), ("nonsense", "sent no reading with voltage and current")]
    )
    def test_never_made_up(self, strange: DriverClient, name: str, text: str) -> None:
        with pytest.raises(DriverError, match=text):
            power(strange, name).latest()

    def test_keywords(self, run_robot: RobotRunner, upstream_address: str) -> None:
        run = run_robot(
            """\
*** Settings ***
Library           JumpstarterLibrary
Suite Setup       Open Jumpstarter Session    %{STRANGE}    bench

*** Test Cases ***
Measured
    Get Voltage    ==    5    driver=dut.mock
    Get Current    ==    0.5    driver=dut.one_reading
    Get Voltage    ==    1    driver=dut.endless
    ${readings} =    Get Power Readings    count=2    driver=dut.endless
    Should Be Equal    ${readings[1].voltage}    ${2.0}

Not Measured
    Get Voltage    driver=dut.unary_unsupported

Ambiguous
    Power On
""",
            env={"STRANGE": upstream_address},
        )
        assert run.tests["Measured"].passed, run.tests["Measured"].message
        assert run.tests["Not Measured"].message.startswith(
            "DEVICE: The power driver 'dut.unary_unsupported' of device 'bench' does not measure."
        )
        assert run.tests["Ambiguous"].message.startswith("CONFIGURATION: Device 'bench' has 10 power drivers: 'dut.mock',")


ERRORS = {
    "NotImplementedError": DriverNotSupportedError,
    "ValueError": DriverInvalidArgumentError,
    "UnicodeError": DriverInvalidArgumentError,
    "TimeoutError": DriverTimeoutError,
    "ConnectionError": DriverError,
    "ConnectionRefusedError": DriverError,
    "OSError": DriverError,
    "TypeError": DriverError,
    "KeyError": DriverError,
    "RuntimeError": DriverError,
    "Exception": DriverError,
}


class TestErrors:
    def fail(self, dut: DriverClient, kind: str, text: str, times: int = 1) -> JumpstarterError:
        with pytest.raises(JumpstarterError) as caught:
            dut["faulty"].call("fail", kind, text, times)
        assert str(caught.value).startswith("fail() on driver 'dut.faulty' of device 'bench' failed: ")
        assert type(caught.value) is ERRORS[kind]
        assert caught.value.failure_class is FailureClass.DEVICE
        assert dut["values"].call("echo", "still usable") == "still usable"
        return caught.value

    @pytest.mark.parametrize("kind", ERRORS)
    def test_each_class(self, either: DriverClient, kind: str) -> None:
        assert "the relay is stuck" in str(self.fail(either, kind, "the relay is stuck"))

    @pytest.mark.parametrize("kind", ERRORS)
    def test_without_a_text(self, either: DriverClient, kind: str) -> None:
        # Upstream's exporter sends no text then; ours sends the name of the class.
        assert str(self.fail(either, kind, "")).endswith(("without saying why.", f": {kind}."))

    @pytest.mark.parametrize("kind", ERRORS)
    def test_text_of_several_lines(self, either: DriverClient, kind: str) -> None:
        text = str(self.fail(either, kind, "first line\nsecond line\n\n"))
        first, *rest = text.splitlines()
        assert "first line" in first
        if kind != "KeyError":  # which shows its text as a literal
            assert rest == ["second line."]

    @pytest.mark.parametrize("kind", ERRORS)
    @pytest.mark.parametrize("character", ["x", "ü"])
    def test_text_of_a_mebibyte_is_cut(self, either: DriverClient, kind: str, character: str) -> None:
        text = str(self.fail(either, kind, character, MEGABYTE))
        assert character * 500 in text
        assert len(text) < 8_000
        assert "characters cut]" in text

    @pytest.mark.parametrize("kind", ["ValueError", "RuntimeError"])
    def test_from_a_thread(self, either: DriverClient, kind: str) -> None:
        with pytest.raises(ERRORS[kind], match="the relay is stuck"):
            either["faulty"].call("fail_in_thread", kind, "the relay is stuck")

    @pytest.mark.parametrize("kind", ERRORS)
    def test_in_a_stream_after_the_values_before(self, either: DriverClient, kind: str) -> None:
        items = either["faulty"].stream_call("fail_after_two", kind, "then it broke")
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(JumpstarterError, match="then it broke") as caught:
            next(items)
        assert type(caught.value) is ERRORS[kind]

    def test_wrong_number_of_arguments(self, either: DriverClient) -> None:
        for arguments in ((), ("ValueError",), ("ValueError", "text", 1, 2)):
            with pytest.raises(WrongArgumentsError, match=r"fail\(\) on driver 'dut.faulty' .* wrong number of arguments"):
                either["faulty"].call("fail", *arguments)

    def test_driver_that_never_answers(self, strange: DriverClient) -> None:
        begin = time.monotonic()
        with pytest.raises(DriverTimeoutError, match=r"did not return within 500 ms\. The exporter answers") as caught:
            strange["faulty"].call("never_answer", timeout=0.5)
        assert time.monotonic() - begin < 1.5
        assert caught.value.failure_class is FailureClass.DEVICE

    def test_in_a_suite(self, run_robot: RobotRunner, upstream_address: str) -> None:
        run = run_robot(
            """\
*** Settings ***
Library           JumpstarterLibrary
Suite Setup       Open Jumpstarter Session    %{STRANGE}    bench

*** Test Cases ***
Long Text
    Call Driver Method    fail    RuntimeError    x    ${1048576}    driver=dut.faulty

No Text
    Call Driver Method    fail    RuntimeError    ${EMPTY}    driver=dut.faulty
""",
            env={"STRANGE": upstream_address},
        )
        message = run.tests["Long Text"].message
        assert message.startswith(
            "DEVICE: fail() on driver 'dut.faulty' of device 'bench' failed: the driver raised an error: xxx"
        )
        assert message.splitlines()[0].endswith("characters cut]")
        assert run.tests["No Text"].message.splitlines()[0].endswith("failed: the driver raised an error, without saying why.")
        assert "Traceback" not in (run.outputdir / "output.xml").read_text()


class TestLargeValues:
    def test_result(self, either: DriverClient) -> None:
        assert either["values"].call("text", FIVE_MEGABYTES) == "x" * FIVE_MEGABYTES

    def test_streamed_values(self, either: DriverClient) -> None:
        assert [len(str(item)) for item in either["values"].stream_call("texts", FIVE_MEGABYTES)] == [FIVE_MEGABYTES] * 2

    def test_argument_to_upstream(self, strange: DriverClient) -> None:
        values = strange["values"]
        with pytest.raises(ValueNotSendableError, match=r"length\(\) on driver 'dut.values' .* larger than the exporter takes"):
            values.call("length", "x" * FIVE_MEGABYTES)
        with pytest.raises(ValueNotSendableError):
            list(values.stream_call("texts", "x" * FIVE_MEGABYTES))
        assert values.call("length", "x" * (4 * MEGABYTE - 1024)) == 4 * MEGABYTE - 1024

    def test_argument_to_ours(self) -> None:
        with Session(root_device=Bench()) as session, session.serve_unix() as path, connect(path, timeout=10) as device:
            assert _values(device).call("length", "x" * FIVE_MEGABYTES) == FIVE_MEGABYTES


def _values(device: Device) -> DriverClient:
    return device["dut.values"]


class TestValues:
    @pytest.mark.parametrize(
        "value",
        [
            None,
            True,
            False,
            0,
            -1,
            2**53,
            1.5,
            "",
            "text äöü € 🙂",
            "a\x00b",
            [],
            {},
            [1, [2, {"three": None}]],
            {"a b": {"": []}},
        ],
        ids=repr,
    )
    def test_come_back_as_they_were(self, either: DriverClient, value: object) -> None:
        back = either["values"].call("echo", value)
        assert back == value
        assert type(back) is type(value)
