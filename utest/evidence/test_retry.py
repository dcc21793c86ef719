"""`retry=INFRASTRUCTURE`: what the lab broke runs again, and nothing else does."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from evidence_support import PATH
from helpers.robot_run import RobotRun, RobotRunner
from robot.api import ExecutionResult

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    timeout=3s    retry=INFRASTRUCTURE    retries=2    evidence=2s
Library    EvidenceBench.py
Suite Setup    Prepare
Suite Teardown    End Bench

*** Variables ***
${ATTEMPTS}    ${0}

*** Keywords ***
Prepare
    ${PORT} =    Get Free Port
    VAR    ${PORT}    ${PORT}    scope=SUITE
    Start Bench    port=${PORT}
    Open Jumpstarter Session    127.0.0.1:${PORT}    alias=bench
    Open Console    driver=serial
    Fail On Console Output    panic

Count
    VAR    ${ATTEMPTS}    ${ATTEMPTS + 1}    scope=SUITE

*** Test Cases ***
Lab Breaks Once
    Count
    IF    ${ATTEMPTS} == 1
        Freeze Bench
    END
    Power On    driver=power
    Should Be Equal    ${ATTEMPTS}    ${2}
    Run Keyword And Expect Error    DEVICE: *panic*    Write Line To Console And Wait    panic now    nothing    timeout=1s
    [Teardown]    Thaw Bench
Real Failure
    Count
    Fail    no
Device Fails
    Count
    Record Measurement    x    5    limit=<1
Lab Stays Dark
    Count
    Fail    INFRASTRUCTURE: dark
Nobody Is There
    Count
    IF    ${ATTEMPTS} == 8
        Kill Bench
    END
    Power On    driver=power
Passes
    Should Be Equal    ${ATTEMPTS}    ${8}
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RobotRun:
    return RobotRunner(tmp_path_factory.mktemp("retry"))(SUITE, env=PATH, timeout=90)


def attempts(run: RobotRun, name: str) -> list[tuple[str, list[str]]]:
    """Status and tags of each attempt."""
    return [(test.status, sorted(map(str, test.tags))) for test in run.suite.all_tests if test.name == name]


def test_the_attempt_after_the_lab_recovered_decides(run: RobotRun) -> None:
    first, second = (test for test in run.suite.all_tests if test.name == "Lab Breaks Once")

    assert first.status == "SKIP"
    assert first.message.startswith("The lab broke attempt 1 of at most 3; the test is repeated.\n\nINFRASTRUCTURE: ")
    assert list(map(str, first.tags)) == ["retry:attempt-1"]
    assert second.status == "PASS", second.message
    assert list(map(str, second.tags)) == ["retry:attempt-2"]
    assert list(run.outputdir.glob("jumpstarter/Lab_Breaks_Once/evidence.zip"))


def test_other_failures_are_not_repeated(run: RobotRun) -> None:
    assert attempts(run, "Real Failure") == [("FAIL", ["failure:test"])]
    assert attempts(run, "Device Fails") == [("FAIL", ["failure:device"])]


def test_after_the_last_attempt_it_is_a_failure_of_the_lab(run: RobotRun) -> None:
    assert attempts(run, "Lab Stays Dark") == [
        ("SKIP", ["retry:attempt-1"]),
        ("SKIP", ["retry:attempt-2"]),
        ("FAIL", ["failure:infrastructure", "retry:attempt-3"]),
    ]


def test_a_session_that_cannot_be_opened_anew_fails_the_attempt(run: RobotRun) -> None:
    *_, last = (test for test in run.suite.all_tests if test.name == "Nobody Is There")

    assert last.status == "FAIL"
    assert last.message.startswith("INFRASTRUCTURE: The session could not be opened anew for this attempt. ")
    assert [status for status, _ in attempts(run, "Nobody Is There")] == ["SKIP", "SKIP", "FAIL"]


def test_counts_and_console_tell_the_end_only(run: RobotRun) -> None:
    assert run.suite.metadata["Failure classes"] == "test 1, device 1, infrastructure 2"
    assert run.returncode == 4
    assert "Multiple tests with name" not in run.stdout


AGAIN = """\
*** Settings ***
Library    JumpstarterLibrary    retry=INFRASTRUCTURE    retries=1
*** Test Cases ***
Dark
    IF    '${LIGHT}' == 'off'    Fail    INFRASTRUCTURE: dark
"""


def test_what_ran_again_later_can_be_merged_after_the_attempts_were_taken_out(run_robot: RobotRunner, tmp_path: Path) -> None:
    dark = run_robot(AGAIN, "--variable", "LIGHT:off").outputdir / "output.xml"
    light = run_robot(AGAIN, "--variable", "LIGHT:on").outputdir / "output.xml"

    def merged(first: Path) -> list[str]:
        rebot(tmp_path / "merged.xml", "--merge", first, light)
        return [test.status for test in ExecutionResult(tmp_path / "merged.xml").suite.all_tests]

    assert merged(dark) == ["PASS", "FAIL"], "the guide says that it needs the modifier"
    rebot(tmp_path / "last.xml", "--prerebotmodifier", "JumpstarterLibrary.retry.LastAttempts", dark)
    assert merged(tmp_path / "last.xml") == ["PASS"]


def test_nothing_is_repeated_where_robot_stops_at_the_first_failure(run_robot: RobotRunner) -> None:
    run = run_robot(AGAIN + "Other\n    No Operation\n", "--variable", "LIGHT:off", "--exitonfailure")

    assert attempts(run, "Dark") == [("FAIL", ["failure:infrastructure"])]
    assert "is repeated" not in run.tests["Dark"].message
    assert attempts(run, "Other") == [("FAIL", ["failure:infrastructure", "robot:exit"])]


def rebot(output: Path, *arguments: object) -> None:
    command = [sys.executable, "-m", "robot.rebot", "--nostatusrc", "--log", "NONE", "--report", "NONE", "--output", output]
    subprocess.run([*map(str, command), *map(str, arguments)], check=True, capture_output=True, timeout=60)
