"""When sessions are closed that no keyword closes, and that `robot` always ends (real robot in a child process)."""

from __future__ import annotations

import json
import socket
import time
from pathlib import Path

import pytest
from helpers.results import end_of
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

KEYWORDS = """
*** Keywords ***
Note
    [Arguments]    ${place}
    ${sessions} =    Get Jumpstarter Sessions
    Log    ${place}: ${{' '.join(s.alias for s in $sessions)}}
"""
IMPORT = "*** Settings ***\nLibrary    JumpstarterLibrary    auto_close=${LEVEL}\n"
TREE = {
    "__init__.robot": (
        "Suite Setup    Open Jumpstarter Session    mock:power    top\nSuite Teardown    Note    end of top\n",
        "",
    ),
    "1_inner/__init__.robot": ("Suite Setup    Open Jumpstarter Session    mock:power    folder\n", ""),
    "1_inner/a.robot": (
        "Suite Setup    Open Jumpstarter Session    mock:power    a\nSuite Teardown    Note    end of a\n",
        "First\n    Open Jumpstarter Session    mock:power    first\n    Note    first\n    [Teardown]    Note    end of first\n"
        "Second\n    Note    second\n",
    ),
    "1_inner/b.robot": ("", "Third\n    Note    third\n"),
    "2_after.robot": ("", "Fourth\n    Note    fourth\n"),
}
OPEN = {
    "TEST": {
        "first": "top folder a first",
        "end of first": "top folder a first",
        "second": "top folder a",
        "end of a": "top folder a",
        "third": "top folder",
        "fourth": "top",
        "end of top": "top",
    },
    "SUITE": {
        "first": "top folder a first",
        "end of first": "top folder a first",
        "second": "top folder a first",
        "end of a": "top folder a first",
        "third": "top folder",
        "fourth": "top",
        "end of top": "top",
    },
    "MANUAL": dict.fromkeys(
        ["first", "end of first", "second", "end of a", "third", "fourth", "end of top"], "top folder a first"
    ),
}
OPEN["KEEP"] = OPEN["MANUAL"]
CLOSED_AFTER = {
    "TEST": {"first": "First", "a": "Second", "folder": "Third", "top": "Fourth"},
    "SUITE": {"first": "Second", "a": "Second", "folder": "Third", "top": "Fourth"},
    "MANUAL": dict.fromkeys(["first", "a", "folder", "top"], "Fourth"),
}


def events(run: RobotRun, alias: str) -> list[dict[str, object]]:
    """The journal of a session, from its file."""
    return [json.loads(line) for line in (run.outputdir / "jumpstarter" / f"{alias}.jsonl").read_text().splitlines()]


@pytest.mark.parametrize("level", OPEN)
def test_each_closing_level_over_nested_suites(level: str, run_robot: RobotRunner, tmp_path: Path) -> None:
    for name, (settings, tests) in TREE.items():
        file = tmp_path / "tree" / name
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(IMPORT + settings + (f"\n*** Test Cases ***\n{tests}" if tests else "") + KEYWORDS)

    run = run_robot(tmp_path / "tree", "--variable", f"LEVEL:{level}")
    ended = time.time()

    assert run.returncode == 0, run.stdout
    assert ended - end_of(run.suite) < 3, "robot ends at once"
    notes = dict(message.split(": ", 1) for message in run.messages("Log"))
    assert notes == OPEN[level]
    for alias, last_test in CLOSED_AFTER.get(level, {}).items():
        journal = events(run, alias)
        kinds = [event["kind"] for event in journal]
        assert set(kinds[: kinds.index("session-opened")]) <= {"test-started", "keyword-started"}
        assert journal[-1]["kind"] == "session-closed"
        assert [event["kind"] for event in journal].count("session-closed") == 1
        tests = [str(event["name"]).rpartition(".")[2] for event in journal if event["kind"] == "test-ended"]
        assert tests[-1] == last_test


SUITE = """\
*** Settings ***
Library    JumpstarterLibrary{arguments}

*** Test Cases ***
"""


@pytest.mark.parametrize("level", ["SUITE", "KEEP"])
@pytest.mark.parametrize("target", ["mock", "nobody"])
def test_robot_ends_at_once_whatever_was_left_open(
    level: str, target: str, run_robot: RobotRunner, request: pytest.FixtureRequest
) -> None:
    suite = SUITE.format(arguments=f"    auto_close={level}")
    if target == "mock":
        suite += "Leaves\n    Open Jumpstarter Session    mock\n    Power On\n    Fail    on purpose\n"
    else:
        suite += "Leaves\n    Open Jumpstarter Session    127.0.0.1:1    timeout=1s\n"

    run = run_robot(suite, "--log", "NONE", "--report", "NONE")
    ended = time.time()

    assert run.returncode == 1
    assert ended - end_of(run.suite) < 3
    assert "Traceback" not in run.stdout
    assert "[ ERROR ]" not in run.stdout
    assert "[ WARN ]" not in run.stdout


def test_two_imports_are_two_libraries(run_robot: RobotRunner) -> None:
    run = run_robot(
        "*** Settings ***\nLibrary    JumpstarterLibrary    timeout=5s    AS    Left\n"
        "Library    JumpstarterLibrary    timeout=7s    AS    Right\n\n*** Test Cases ***\n"
        "Both\n    Left.Open Jumpstarter Session    mock    board\n    Right.Open Jumpstarter Session    mock    board\n"
        "    Left.Power On\n    Left.Get Voltage    >    4.5\n    Right.Get Voltage    ==    0\n"
        "    ${before} =    Left.Set Jumpstarter Timeout    1s\n    Should Be Equal As Strings    ${before}    0:00:05\n"
        "    ${before} =    Right.Set Jumpstarter Timeout    1s\n    Should Be Equal As Strings    ${before}    0:00:07\n"
    )

    assert run.returncode == 0, run.tests["Both"].message
    journals = sorted(path.name for path in (run.outputdir / "jumpstarter").iterdir())
    for journal in journals:
        kinds = [json.loads(line)["kind"] for line in (run.outputdir / "jumpstarter" / journal).read_text().splitlines()]
        assert kinds.count("session-closed") == kinds.count("session-opened")


def test_a_dry_run_connects_to_nothing(run_robot: RobotRunner) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        listener.settimeout(0)
        address = f"127.0.0.1:{listener.getsockname()[1]}"
        suite = SUITE.format(arguments="    timeout=5s")
        suite += f"Dry\n    Open Jumpstarter Session    {address}\n    Power On\n    Power Cycle    wait=2s\n"
        suite += "Wrong Value\n    Power Cycle    wait=abc\nWrong Name\n    Power On    drivr=power\n"

        run = run_robot(suite, "--dryrun")

        with pytest.raises(BlockingIOError):
            listener.accept()
    assert run.tests["Dry"].passed
    assert "'wait' got value 'abc' that cannot be converted to timedelta" in run.tests["Wrong Value"].message
    assert run.tests["Wrong Name"].failed
    assert not (run.outputdir / "jumpstarter").exists()


def test_timeouts_have_scopes_and_return_the_one_before(run_robot: RobotRunner, tmp_path: Path) -> None:
    settings = "*** Settings ***\nLibrary    JumpstarterLibrary    timeout=30s\n"
    keywords = """
*** Keywords ***
Expect
    [Arguments]    ${seconds}    ${new}    ${scope}
    ${before} =    Set Jumpstarter Timeout    ${new}    ${scope}
    Should Be Equal    ${before.total_seconds()}    ${seconds}    type=float
"""
    folder = tmp_path / "scopes"
    folder.mkdir()
    (folder / "__init__.robot").write_text(settings + "Suite Setup    Expect    30    20s    Suite\n" + keywords)
    (folder / "1.robot").write_text(
        settings + "Suite Setup    Expect    20    10s    suite\n\n*** Test Cases ***\n"
        "One\n    Expect    10    1s    Test\n    Expect    1    2s    TEST\n"
        "Two\n    Expect    10    3s    Test\n    Expect    3    9s    Suite\n    Expect    9    9s    Test\n"
        "Three\n    Expect    9    9s    Test\n" + keywords
    )
    (folder / "2.robot").write_text(
        settings + "\n*** Test Cases ***\nFour\n    Expect    20    20s    Test\n    Expect    20    15s    Global\n"
        "    Expect    15    15s    Test\n"
        "Five\n    Expect    15    4s    Global\n"
        "Wrong\n    Set Jumpstarter Timeout    0s\nUnknown Scope\n    Set Jumpstarter Timeout    1s    Sweet\n" + keywords
    )
    (folder / "3.robot").write_text(settings + "\n*** Test Cases ***\nSix\n    Expect    4    4s    Test\n" + keywords)

    run = run_robot(folder)

    failed = {name: test.message for name, test in run.tests.items() if test.failed}
    assert failed.pop("Wrong").split("\n")[0] == "TEST: A timeout must be longer than nothing, not 0 s."
    assert "Sweet" in failed.pop("Unknown Scope")
    assert failed == {}


def test_the_timeout_holds_for_calls(run_robot: RobotRunner, tmp_path: Path) -> None:
    (tmp_path / "slow.py").write_text(
        "import anyio\nfrom JumpstarterLibrary.exporter import Driver, export\n\nclass Slow(Driver):\n"
        "    @export\n    async def hang(self) -> None:\n        await anyio.sleep(60)\n"
    )
    (tmp_path / "slow.yaml").write_text(
        "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {namespace: n, name: n}\n"
        "export: {slow: {type: slow.Slow}}\n"
    )
    run = run_robot(
        SUITE.format(arguments="    timeout=300ms")
        + f"Hangs\n    Open Jumpstarter Session    {tmp_path}/slow.yaml    timeout=20s\n"
        "    Call Driver Method    hang    driver=slow\n"
        f"Longer\n    Call Driver Method    hang    driver=slow    timeout=500ms\n",
        env={"PYTHONPATH": str(tmp_path)},
    )

    assert run.tests["Hangs"].message.startswith("DEVICE: hang() on driver 'slow' of device 'slow' did not return within 300 ms.")
    assert run.tests["Longer"].message.startswith(
        "DEVICE: hang() on driver 'slow' of device 'slow' did not return within 500 ms."
    )


def test_a_plugin_adds_keywords(run_robot: RobotRunner, tmp_path: Path) -> None:
    (tmp_path / "lamp.py").write_text(
        "from JumpstarterLibrary.client import PowerClient\n"
        "from JumpstarterLibrary.keywords.base import KeywordGroup, Tag, keyword\n\n"
        "class Lamp(KeywordGroup):\n"
        "    @keyword(tags=[Tag.POWER])\n"
        "    def blink(self, times: int = 2, *, driver: str | None = None) -> int:\n"
        "        for _ in range(times):\n"
        "            self.driver(PowerClient, driver).on()\n"
        "            self.driver(PowerClient, driver).off()\n"
        "        return times\n\n"
        "    def no_keyword(self) -> None:\n"
        "        pass\n"
    )
    run = run_robot(
        SUITE.format(arguments="    plugins=lamp.Lamp") + "Blinks\n    Open Jumpstarter Session    mock\n"
        "    ${times} =    Blink    3\n    Should Be Equal    ${times}    ${3}\n    Power On\nHidden\n    No Keyword\n",
        env={"PYTHONPATH": str(tmp_path)},
    )

    assert run.tests["Blinks"].passed, run.tests["Blinks"].message
    assert sum("power.on()" in message for message in run.messages("Blink")) == 3
    assert "No keyword with name" in run.tests["Hidden"].message
