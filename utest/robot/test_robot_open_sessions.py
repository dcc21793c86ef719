"""Sessions that stay open by mistake: told in a warning; and closed although a report breaks."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library       JumpstarterLibrary    auto_close={close}
{settings}

*** Test Cases ***
One
    {body}
Two
    {body}
Three
    {body}
"""


def warnings(run: RobotRun) -> list[str]:
    return [message.message for message in run.result.errors.messages]


def test_a_test_setup_that_opens_another_session_each_time_is_told_once(run_robot: RobotRunner) -> None:
    settings = "Test Setup    Open Jumpstarter Session    mock:power"
    run = run_robot(SUITE.format(close="SUITE", settings=settings, body="Power On"))

    assert run.returncode == 0
    (warning,) = warnings(run)
    assert warning.startswith("Test 'Two' opens mock:power again, while the session 'mock-power' of test 'One' is still open")


@pytest.mark.parametrize(
    ("close", "settings", "body"),
    [
        ("TEST", "Test Setup    Open Jumpstarter Session    mock:power", "Power On"),
        ("SUITE", "Suite Setup    Open Jumpstarter Session    mock:power", "Power On"),
        (
            "SUITE",
            "Suite Setup    Open Jumpstarter Session    mock:power",
            "Open Jumpstarter Session    mock:power    ${TEST NAME}",
        ),
        (
            "SUITE",
            "Test Setup    Open Jumpstarter Session    mock:power\nTest Teardown    Close Jumpstarter Session",
            "Open Jumpstarter Session    mock:power\n    Close Jumpstarter Session",
        ),
    ],
    ids=["of tests", "of the suite", "with aliases", "closed"],
)
def test_sessions_that_do_not_pile_up_are_not_told(run_robot: RobotRunner, close: str, settings: str, body: str) -> None:
    run = run_robot(SUITE.format(close=close, settings=settings, body=body))

    assert run.returncode == 0
    assert warnings(run) == []


def test_a_report_that_breaks_keeps_no_session_open(run_robot: RobotRunner, tmp_path: Path) -> None:
    (tmp_path / "breaker.py").write_text(
        "from JumpstarterLibrary import lifecycle\n\n\ndef broken(*_):\n    raise RuntimeError('a defect')\n\n\n"
        "lifecycle.write_new_output = broken\n"
    )
    run = run_robot(
        "*** Settings ***\nLibrary    JumpstarterLibrary    auto_close=TEST\n\n*** Test Cases ***\n"
        f"One\n    Open Jumpstarter Session    mock:power\n    Import Library    {tmp_path}/breaker.py\n"
        "Two\n    ${open} =    Get Jumpstarter Sessions\n    Should Be Empty    ${open}\n"
    )

    assert run.tests["Two"].passed, run.tests["Two"].message
    assert any("a defect" in warning for warning in warnings(run))
