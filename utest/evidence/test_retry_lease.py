"""`retry=INFRASTRUCTURE` after a lease was lost: the next attempt has a new one, with the consoles and watchers of before."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.lab import start_lab
from helpers.robot_run import RobotRunner

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    timeout=5s    retry=INFRASTRUCTURE    evidence=2s
Suite Setup    Prepare
*** Variables ***
${ATTEMPT}    ${0}
*** Keywords ***
Prepare
    Open Jumpstarter Session    selector=board=mock    alias=leased
    Open Console
    Fail On Console Output    Linux version    label=kernel
*** Test Cases ***
Works
    VAR    ${ATTEMPT}    ${ATTEMPT + 1}    scope=SUITE
    IF    ${ATTEMPT} == 1
        Log To Console    LEASED
        Wait For Line On Console    never    timeout=30s
    END
    Power On
    Run Keyword And Expect Error    DEVICE: *kernel*    Wait For Line On Console    never    timeout=5s
"""


def test_a_new_lease_for_the_next_attempt(run_robot: RobotRunner, tmp_path: Path) -> None:
    with start_lab(tmp_path / "lab") as lab:
        lab.start_session_exporter("bench-1", {"board": "mock"})
        lab.client_config("ci", current=True)
        process = run_robot.start(SUITE, env=lab.environment())
        process.wait_for_output("LEASED", 30)
        (lease,) = lab.leases()
        lab.release_lease(lease["name"])
        run = process.finish(60)

    assert [(test.status, list(map(str, test.tags))[-1]) for test in run.suite.all_tests] == [
        *(("SKIP", "retry:attempt-1"), ("PASS", "retry:attempt-2"))
    ], [test.message for test in run.suite.all_tests]
    assert run.returncode == 0
