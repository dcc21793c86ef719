"""`python -m JumpstarterLibrary verdict`: counts, reasons, exit codes, xUnit; of outputs of all kinds."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree

import pytest
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary
*** Test Cases ***
Passes
    No Operation
Lab
    Open Jumpstarter Session    unix:/nonexistent/socket
Setting
    Open Jumpstarter Session
Device
    Open Jumpstarter Session    mock
    Record Measurement    x    5    limit=<1
Test
    Fail    no <b>
"""
PLAIN = "*** Test Cases ***\nOther\n    Fail    INFRASTRUCTURE: dark\n"


def verdict(*arguments: object) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "JumpstarterLibrary", "verdict", *map(str, arguments)]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def rebot(*arguments: object) -> None:
    subprocess.run(
        [sys.executable, "-m", "robot.rebot", "--nostatusrc", *map(str, arguments)], check=True, capture_output=True, timeout=60
    )


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> RobotRun:
    return RobotRunner(tmp_path_factory.mktemp("verdict"))(SUITE, "--log", "NONE", "--report", "NONE")


def test_it_tells_counts_reasons_and_a_code(run: RobotRun, tmp_path: Path) -> None:
    told = verdict(run.outputdir / "output.xml", "--xunit", tmp_path / "x.xml")

    assert told.returncode == 1, told.stderr
    assert told.stdout.splitlines()[0] == (
        "5 tests, 1 passed, 4 failed, 0 skipped: test 1, device 1, infrastructure 1, configuration 1"
    )
    assert "INFRASTRUCTURE  Suite.Lab: the exporter could not be reached" in told.stdout
    assert "TEST            Suite.Test: a check of the test itself failed\n                no <b>\n" in told.stdout
    cases = {case.get("name"): case for case in ElementTree.parse(tmp_path / "x.xml").getroot().iter("testcase")}
    properties = {name: [one.get("value") for one in case.iter("property")] for name, case in cases.items()}
    assert properties["Passes"] == []
    assert properties["Device"][0] == "device"
    assert properties["Lab"][0] == "infrastructure"


@pytest.mark.parametrize("arguments", [(), ("--xnuit", "x.xml", "output.xml")])
def test_a_mistyped_command_is_not_taken_for_the_labs_failure(arguments: tuple[str, ...]) -> None:
    told = verdict(*arguments)

    assert told.returncode == 252
    assert "usage: python -m JumpstarterLibrary verdict" in told.stderr
    assert "error: " in told.stderr


@pytest.mark.parametrize(
    ("include", "code"),
    [(["Passes"], 0), (["Passes", "Lab"], 2), (["Lab", "Setting"], 2), (["Device", "Lab"], 1), (["Test"], 1), (["Device"], 1)],
)
def test_a_real_failure_is_a_real_failure(run: RobotRun, tmp_path: Path, include: list[str], code: int) -> None:
    options = [part for name in include for part in ("--test", name)]
    rebot(*options, "--output", tmp_path / "part.xml", "--log", "NONE", "--report", "NONE", run.outputdir / "output.xml")

    assert verdict(tmp_path / "part.xml").returncode == code


def test_it_reads_json_and_merged_outputs_and_suites_without_the_library(
    run: RobotRun, run_robot: RobotRunner, tmp_path: Path
) -> None:
    other = run_robot(PLAIN, "--output", "output.json", name="other.robot")
    json_output = other.outputdir / "output.json"

    assert verdict(json_output).returncode == 2
    both = verdict(run.outputdir / "output.xml", json_output)
    assert both.returncode == 1
    assert "6 tests, 1 passed, 5 failed, 0 skipped: test 1, device 1, infrastructure 2, configuration 1" in both.stdout

    rebot(
        "--output",
        tmp_path / "merged.json",
        "--log",
        "NONE",
        "--report",
        "NONE",
        "--merge",
        run.outputdir / "output.xml",
        run.outputdir / "output.xml",
    )
    assert "device 1, infrastructure 1" in verdict(tmp_path / "merged.json").stdout


def test_what_is_no_output_is_told(tmp_path: Path) -> None:
    (tmp_path / "output.xml").write_text("<robot/>")
    assert verdict(tmp_path / "nope.xml").returncode == 252
    told = verdict(tmp_path / "output.xml")
    assert told.returncode == 252
    assert "holds no tests" in told.stderr
    assert "Traceback" not in told.stderr


TEARDOWN = """\
*** Settings ***
Library    JumpstarterLibrary
Suite Teardown    Fail    INFRASTRUCTURE: dark
*** Test Cases ***
Passes
    No Operation
Fails
    Fail    DEVICE: no
"""


def test_a_failed_teardown_of_a_suite_keeps_the_class_of_what_failed_before(tmp_path: Path) -> None:
    (tmp_path / "both").mkdir()
    (tmp_path / "both" / "one.robot").write_text(TEARDOWN)
    (tmp_path / "both" / "__init__.robot").write_text(
        "*** Settings ***\nLibrary    JumpstarterLibrary\nSuite Teardown    Fail    CONFIGURATION: late\n"
    )
    told = verdict(run_both(tmp_path))

    assert told.returncode == 1, told.stdout
    assert "INFRASTRUCTURE  Both.One.Passes: the lab between test and device broke\n" in told.stdout
    assert "DEVICE          Both.One.Fails: the device, or the driver that stands for it, said no\n" in told.stdout
    rebot("--test", "Passes", "--output", tmp_path / "part.xml", "--log", "NONE", "--report", "NONE", tmp_path / "output.xml")
    assert verdict(tmp_path / "part.xml").returncode == 2


def run_both(folder: Path) -> Path:
    command = [sys.executable, "-m", "robot", "--nostatusrc", "--outputdir", folder, "--log", "NONE", "--report", "NONE"]
    subprocess.run([*map(str, command), str(folder / "both")], check=True, capture_output=True, timeout=60)
    return folder / "output.xml"
