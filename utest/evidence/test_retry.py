"""`retry=INFRASTRUCTURE`: what the lab broke runs again, and nothing else does."""

from __future__ import annotations

import pytest
from conftest import PATH
from helpers.robot_run import RobotRun, RobotRunner

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
