"""Consoles and journals in pytest: watchers fail tests, tests are marked, files are written where the option says."""

from __future__ import annotations

import json

import pytest

STRICT = ("-W", "error::pytest.PytestRemovedIn10Warning", "-p", "no:cacheprovider")

RIG = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: rig}
export:
  uart: {type: JumpstarterLibrary.drivers.MockConsole, config: {loopback: false}}
"""

SUITE = """
import time

import pytest
from JumpstarterLibrary.client.console.patterns import Pattern
from JumpstarterLibrary.client.console.watchers import Watcher
from JumpstarterLibrary.testing import JumpstarterTest


def say(device, text):
    device.uart.call("send_hex", text.encode().hex())
    console, end = device.uart.open_console(), time.monotonic() + 10
    while text not in console.transcript.text(0) and time.monotonic() < end:  # no wait, as that would tell of the watcher
        time.sleep(0.01)


class TestBoard(JumpstarterTest):
    def test_hit_after_the_last_call(self, client):
        client.uart.open_console().watchers.add(Watcher(Pattern("PANIC"), "PANIC", "suite"))
        say(client, "PANIC: oops\\n")

    def test_hit_and_own_failure(self, client):
        say(client, "PANIC: again\\n")
        assert client.state == "shut"

    def test_told_once(self, client):
        say(client, "fine\\n")

    @pytest.mark.parametrize("word", ["a/b", "a b"])
    def test_same_name(self, client, word):
        console = client.uart.open_console()
        say(client, f"<{word}>\\n")
        assert console.text("test start") == f"<{word}>\\n"
"""


@pytest.fixture
def rig(pytester: pytest.Pytester) -> str:
    return str(pytester.makefile(".yaml", rig=RIG))


def test_watchers_fail_the_test_in_which_they_were_hit(pytester: pytest.Pytester, rig: str) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_subprocess(*STRICT, "--jumpstarter-target", rig)

    result.assert_outcomes(passed=3, failed=2)
    result.stdout.fnmatch_lines(["DEVICE: Console 'uart' of 'rig' said what it must not (PANIC)*'PANIC: oops'*"])
    result.stdout.fnmatch_lines(["E   *assert 'open' == 'shut'*"])
    result.stdout.fnmatch_lines(["E  *DEVICE: *PANIC: again*"])
    result.stdout.no_fnmatch_line("*JumpstarterLibrary/*.py*")
    assert not list(pytester.path.glob("**/*.jsonl")), "no files unless asked for"


def test_files_go_where_the_option_says(pytester: pytest.Pytester, rig: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # the inner run is no part of the outer one
    pytester.makepyfile(SUITE)
    pytester.runpytest_subprocess(*STRICT, "--jumpstarter-target", rig, "--jumpstarter-output", "out")

    out = pytester.path / "out"
    journal = [json.loads(line) for line in (out / "rig.jsonl").read_text().splitlines()]
    assert [event["name"].rpartition("::")[2] for event in journal if event["kind"] == "test-started"] == [
        "test_hit_after_the_last_call",
        "test_hit_and_own_failure",
        "test_told_once",
        "test_same_name[a/b]",
        "test_same_name[a b]",
    ]
    assert [event["status"] for event in journal if event["kind"] == "test-ended"] == ["FAIL", "FAIL", "PASS", "PASS", "PASS"]
    logs = {str(path.relative_to(out)): path.read_text() for path in out.rglob("uart.log")}
    assert logs.pop("rig/uart.log") == "PANIC: oops\nPANIC: again\nfine\n<a/b>\n<a b>\n"
    assert logs["rig/test_told_once/uart.log"] == "fine\n"
    assert logs["rig/test_same_name_a_b/uart.log"] == "<a/b>\n"
    assert logs["rig/test_same_name_a_b-2/uart.log"] == "<a b>\n"


def test_the_class_takes_the_target_of_the_command_line(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUMPSTARTER_HOST", "127.0.0.1:1")  # the option wins
    pytester.makepyfile(
        """
        from JumpstarterLibrary.testing import JumpstarterTest

        class TestBoard(JumpstarterTest):
            selector = "board=rpi4"

            def test_on(self, client):
                client.on()
                assert client.latest().volt == 5
        """
    )
    pytester.runpytest_subprocess(*STRICT, "--jumpstarter-target", "mock:power").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("act", "word"),
    [
        ("client.call('fail')", "TEST"),
        ("client.driver('nowhere')", "CONFIGURATION"),
        ("client.power.latest()", "DEVICE"),
        (
            "client.connection.way = None; client.connection.lose(SessionLostError('the cable')); client.power.on()",
            "INFRASTRUCTURE",
        ),
    ],
)
def test_the_first_word_of_a_failure_says_who_has_to_look(pytester: pytest.Pytester, act: str, word: str) -> None:
    pytester.makepyfile(
        f"""
        from JumpstarterLibrary.drivers import Composite
        from JumpstarterLibrary.exporter import Driver, Session, export
        from JumpstarterLibrary.drivers import MockPower
        from JumpstarterLibrary.client import connect
        from JumpstarterLibrary.errors import SessionLostError

        class Dead(MockPower):
            @export
            async def read(self):
                raise RuntimeError("the meter is dead")
                yield

        def test_it():
            root = Composite(children={{"power": Dead()}})
            with Session(root_device=root) as session, session.serve_unix() as path, connect(path, timeout=10) as client:
                {act}
        """
    )
    result = pytester.runpytest_subprocess(*STRICT)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E *JumpstarterLibrary.errors.*Error: {word}: *"])
