"""`JumpstarterTest`, run by Pytester: the seed's scenario and its neighbours."""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.exporter import Driver, Session, export

STRICT = ("-W", "error::pytest.PytestRemovedIn10Warning", "-p", "no:cacheprovider")


@contextmanager
def host(monkeypatch: pytest.MonkeyPatch, root: Driver | None = None) -> Iterator[Session]:
    """Serves a device at JUMPSTARTER_HOST."""
    with Session(root_device=root or MockPower()) as session, session.serve_unix() as path:
        monkeypatch.setenv("JUMPSTARTER_HOST", path)
        monkeypatch.setenv("JMP_DRIVERS_ALLOW", "UNSAFE")
        yield session


class Counter(MockPower):
    """Counts, so that tests see each other on the driver's side."""

    count = 0

    @export
    async def on(self) -> None:
        Counter.count += 1

    @export
    async def total(self) -> int:
        return Counter.count


class Broken(MockPower):
    @export
    async def on(self) -> None:
        raise RuntimeError("relay 3 is stuck")


def test_the_seeds_scenario(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    with host(monkeypatch):
        pytester.makepyfile(
            """
            from JumpstarterLibrary.testing import JumpstarterTest

            class TestSample(JumpstarterTest):
                def test_simple(self, client):
                    client.on()
            """
        )
        pytester.runpytest(*STRICT).assert_outcomes(passed=1)


def test_a_failing_driver_fails_the_test_with_our_message_only(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    with host(monkeypatch, Broken()):
        pytester.makepyfile(
            """
            from JumpstarterLibrary.testing import JumpstarterTest

            class TestSample(JumpstarterTest):
                def test_call(self, client):
                    client.on()

                def test_stream(self, client):
                    client.call("read")

                def test_unknown(self, client):
                    client.dut.power.on()
            """
        )
        result = pytester.runpytest_subprocess(*STRICT)

    result.assert_outcomes(failed=3)
    result.stdout.fnmatch_lines(
        [
            "*    client.on()",
            "E   *DriverError: DEVICE: on() on the root driver of device '*' failed: *: relay 3 is stuck.",
            '*    client.call("read")',
            "E   *DriverMethodNotFoundError: TEST: read() on the root driver*it is not a unary method*",
            "*    client.dut.power.on()",
            "E   *DriverAttributeError: CONFIGURATION: the root driver of device '*' has no child or method 'dut'.*",
        ]
    )
    assert_no_trace_of_ours(result)
    assert "_InactiveRpcError" not in result.stdout.str()


def assert_no_trace_of_ours(result: pytest.RunResult) -> None:
    text = result.stdout.str() + result.stderr.str()
    frames = [line for line in text.splitlines() if re.search(r"JumpstarterLibrary[/\\]\w+.*\.py", line)]
    assert frames == []
    assert "During handling of the above exception" not in text
    assert "The above exception was the direct cause" not in text


def test_no_host_is_an_error_with_the_ways(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from JumpstarterLibrary.testing import JumpstarterTest

        class TestSample(JumpstarterTest):
            def test_simple(self, client):
                client.on()
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            "*CONFIGURATION: Nothing says where the device is.*",
            "*1. give a target*",
            "*2. set JUMPSTARTER_HOST*",
            "*3. run inside a jmp shell*",
            "*4. lease a device*",
        ]
    )
    assert_no_trace_of_ours(result)


def test_a_selector_without_a_client_configuration_is_an_error_with_the_ways(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from JumpstarterLibrary.testing import JumpstarterTest

        class TestSample(JumpstarterTest):
            selector = "board=rpi4"

            def test_simple(self, client):
                client.on()
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*CONFIGURATION: Cannot lease an exporter with board=rpi4: No client configuration*jmp login*"])
    assert_no_trace_of_ours(result)


def test_a_host_that_is_not_there_is_an_error_of_one_message(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUMPSTARTER_HOST", "/no-such-folder/gone/socket")
    pytester.makepyfile(
        """
        from JumpstarterLibrary.testing import JumpstarterTest

        class TestSample(JumpstarterTest):
            def test_simple(self, client):
                client.on()
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)

    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*INFRASTRUCTURE: Cannot open device 'gone': there is no socket*"])
    assert_no_trace_of_ours(result)


def test_two_classes_share_nothing(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    Counter.count = 0
    with host(monkeypatch, Counter()) as session:
        pytester.makepyfile(
            """
            from JumpstarterLibrary.testing import JumpstarterTest

            seen = []

            class TestOne(JumpstarterTest):
                def test_first(self, client):
                    client.on()
                    seen.append(client)

                def test_second(self, client):
                    assert seen == [client], "one class has one device"
                    assert self.client is not client

            class TestTwo(JumpstarterTest):
                def test_third(self, client):
                    assert client is not seen[0]
                    assert seen[0].state == "closed", "the class before has closed its own"
                    assert client.state == "open"
                    assert client.call("total") == 1

            class TestThree(TestTwo):
                def test_third(self, client):
                    assert client.call("total") == 1
            """
        )
        pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=4)
        assert session.log.readers == 0, "nobody of them still reads the log"


def test_xdist_with_two_workers(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    Counter.count = 0
    with host(monkeypatch, Counter()):
        pytester.makepyfile(
            """
            import os
            import pytest
            from JumpstarterLibrary.testing import JumpstarterTest

            class TestSample(JumpstarterTest):
                @pytest.mark.parametrize("number", range(8))
                def test_simple(self, client, number, jumpstarter):
                    client.on()
                    jumpstarter.on()
                    (os.path, open(f"worker-{os.environ['PYTEST_XDIST_WORKER']}", "a").close())
            """
        )
        pytester.runpytest_subprocess(*STRICT, "-p", "xdist", "-n", "2").assert_outcomes(passed=8)

    assert Counter.count == 16
    assert len(list(pytester.path.glob("worker-*"))) == 2


def test_a_class_ends_without_a_pause(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    with host(monkeypatch):
        pytester.makepyfile(
            """
            from JumpstarterLibrary.testing import JumpstarterTest

            class TestSample(JumpstarterTest):
                def test_simple(self, client):
                    client.on()
            """
        )
        reports = pytester.inline_run(*STRICT).getreports("pytest_runtest_logreport")

    (teardown,) = (report for report in reports if report.when == "teardown")
    print(f"teardown of the class: {teardown.duration * 1000:.0f} ms")  # seen with pytest -rP
    assert teardown.duration < 0.5


def test_the_class_works_without_the_plugin(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    with host(monkeypatch):
        pytester.makepyfile(
            """
            from JumpstarterLibrary.testing import JumpstarterTest

            class TestSample(JumpstarterTest):
                def test_simple(self, client):
                    client.on()
            """
        )
        monkeypatch.delenv("PYTEST_PLUGINS")
        pytester.runpytest_subprocess(*STRICT).assert_outcomes(passed=1)
