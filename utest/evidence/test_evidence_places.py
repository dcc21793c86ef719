"""Evidence wherever Robot writes to, and where it cannot write at all."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote

import pytest
from helpers.robot_run import RobotRunner
from robot.api import ExecutionResult

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary
*** Test Cases ***
Fails
    Open Jumpstarter Session    mock
    Fail    no
"""


def test_output_and_log_elsewhere(run_robot: RobotRunner, tmp_path: Path) -> None:
    run = run_robot(SUITE, "--output", str(tmp_path / "there" / "o.json"), "--log", str(tmp_path / "logs" / "log.html"))

    assert run.returncode == 1
    result = ExecutionResult(tmp_path / "there" / "o.json")
    (test,) = result.suite.all_tests
    assert list(map(str, test.tags)) == ["failure:test"]
    (block,) = [one.message for one in test.body if one.type == "MESSAGE" and "Evidence: " in one.message]
    links = re.findall('href="([^"]*)"', block)
    assert len(links) > 5
    for link in links:
        assert (tmp_path / "logs" / unquote(link)).exists(), link


@pytest.mark.parametrize("options", [("--log", "NONE"), ("--output", "NONE", "--log", "NONE", "--report", "NONE")])
def test_no_log_and_no_output(run_robot: RobotRunner, options: tuple[str, ...]) -> None:
    run = run_robot(SUITE, *options)

    assert run.returncode == 1
    assert "[ ERROR ]" not in run.stdout
    assert (run.outputdir / "jumpstarter").exists() == (len(options) == 2)


def test_a_folder_that_cannot_be_written(run_robot: RobotRunner, tmp_path: Path) -> None:
    suite = SUITE.replace("    Fail    no", "    Evaluate    open($blocker, 'w').close()\n    Fail    no")
    output = tmp_path / "robot-1" / "output"
    blocker = output / "jumpstarter" / "Fails"
    run = run_robot(suite, "--variable", f"blocker:{blocker}")

    test = run.tests["Fails"]
    assert test.message == "no\n\nFailure class: TEST \u2013 a check of the test itself failed."
    (block,) = [one.message for one in test.body if one.type == "MESSAGE" and "Evidence: " in one.message]
    assert "The evidence cannot be kept in" in block
    assert "JumpstarterLibrary" in block  # what was gathered stands in the log all the same
    assert blocker.is_file()


def test_none_is_gathered_where_none_is_wanted(run_robot: RobotRunner) -> None:
    run = run_robot(SUITE.replace("Library    JumpstarterLibrary", "Library    JumpstarterLibrary    evidence=NONE"))

    assert list(run.tests["Fails"].tags) == ["failure:test"]
    assert not list(run.outputdir.rglob("evidence*"))
