"""Measurements in real `robot` and real pytest: tables, metadata, files, failures."""

from __future__ import annotations

import json
import re
import xml.etree.ElementTree as ElementTree
from pathlib import Path

import pytest
from helpers.robot_run import RobotRunner

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary
Suite Teardown    Compare With Baseline    %{BASELINE}

*** Test Cases ***
Boots
    Open Jumpstarter Session    mock    alias=board
    Open Console
    Power On
    Login To Console    root    sesame
    ${stages} =    Get Boot Stages
    Should Be True    0 <= $stages['first byte'] <= $stages['kernel'] <= $stages['login']
    ${value} =    Record Measurement    time to login    ${stages}[login]    unit=s    limit=<60 s
    Should Be Equal    ${value}    ${stages}[login]
    Save Baseline    %{BASELINE}
Noted Only
    Record Measurement    speed <b>    ${3}    unit=MB/s    limit=>10    fail=False
Fails
    Record Measurement    load    1.5 s    limit=<1
Wrong
    Run Keyword And Expect Error    TEST: 'fast' is no limit.*    Record Measurement    x    1    limit=fast
    Run Keyword And Expect Error    TEST: There is no baseline to save*    Save Baseline    x.json
    Run Keyword And Expect Error    TEST: There is nothing to compare*    Compare With Baseline    %{BASELINE}
    Run Keyword And Expect Error    CONFIGURATION: The baseline*no such file*    Compare With Baseline    none.json
    Run Keyword And Expect Error    TEST: 'x' is no tolerance*    Compare With Baseline    %{BASELINE}    tolerance=x
"""


@pytest.mark.acceptance
def test_measurements_of_a_run(run_robot: RobotRunner, tmp_path: Path) -> None:
    baseline = tmp_path / "baseline.json"
    run = run_robot(SUITE, env={"BASELINE": str(baseline)})

    assert {name: test.message.split(":")[0] for name, test in run.tests.items()} == {
        "Boots": "",
        "Noted Only": "",
        "Fails": "DEVICE",
        "Wrong": "",
    }
    assert run.tests["Fails"].message.startswith(
        "DEVICE: Measurement 'load' of device 'board' is 1.5 s, which is outside its limit <1 s."
    )
    shown = [each.message for each in run.tests["Boots"].body if each.type == "MESSAGE" and each.html]
    (table,) = [text for text in shown if "Measurements" in text]  # directly under the test
    assert re.findall(r">(boot: [a-z ]+|time to login)<", table) == [
        *("boot: first byte", "boot: loader", "boot: kernel", "boot: login", "time to login")
    ]
    metadata = run.suite.metadata["Measurements"]
    assert re.match(r"7 measured, 2 outside the limit: speed <b> 3 MB/s \(>10\); load 1\.5 s \(<1\); time to login", metadata)
    assert "| Fails | load | 1.5 s | <1 s | \u2717 outside | board |" in metadata
    written = json.loads((run.outputdir / "jumpstarter" / "measurements.json").read_text())["measurements"]
    assert [(row["name"], row["passed"]) for row in written][-3:] == [
        ("time to login", True),
        ("speed <b>", False),
        ("load", False),
    ]
    assert (run.outputdir / "jumpstarter" / "measurements.csv").read_text().count("\n") == 8
    assert len(json.loads(baseline.read_text())["measurements"]) == 5
    assert run.suite.teardown.passed, run.suite.teardown.message  # the new ones are only shown


@pytest.mark.acceptance
def test_run_that_is_worse_than_its_baseline_fails(run_robot: RobotRunner, tmp_path: Path) -> None:
    test = "*** Settings ***\nLibrary    JumpstarterLibrary\n*** Test Cases ***\nT\n    Record Measurement    x    {}    unit=s\n"
    first = run_robot(test.format(10))
    baseline = first.outputdir / "jumpstarter" / "measurements.json"
    compared = f"    Compare With Baseline    {baseline}    tolerance="
    second = run_robot(test.format(12) + f"{compared}10%\n")
    third = run_robot(test.format(12) + f"{compared}25%\n    Compare With Baseline    {baseline}    1%    fail=False\n")
    other = run_robot(test.format(12).replace("\nT\n", "\nRenamed\n") + f"{compared}10%\n")

    assert second.tests["T"].message.startswith(
        "DEVICE: 1 of 1 measurements are worse than in the baseline 'measurements.json' (tolerance 10%): "
        "x was 10 s, and is 12 s (+20.0 %)."
    )
    assert third.tests["T"].passed
    assert "CONFIGURATION" in other.tests["Renamed"].message  # a comparison of nothing is no pass


@pytest.mark.acceptance
def test_two_imports_and_no_output_do_no_harm(run_robot: RobotRunner) -> None:
    suite = (
        "*** Settings ***\nLibrary    JumpstarterLibrary\nLibrary    JumpstarterLibrary    timeout=9s    AS    Other\n"
        "*** Test Cases ***\nT\n    JumpstarterLibrary.Record Measurement    x    1\n    Other.Record Measurement    y    2\n"
    )
    run = run_robot(suite)
    assert run.tests["T"].passed
    written = sorted((run.outputdir / "jumpstarter").glob("*.json"))
    assert sorted(json.loads(each.read_text())["measurements"][0]["name"] for each in written) == ["x", "y"]
    assert sorted(run.suite.metadata) == ["Measurements", "Measurements 2"]
    without = run_robot(suite, "--output", "NONE", "--log", "NONE", "--report", "NONE")
    assert without.returncode == 0
    assert not list(without.outputdir.rglob("*.json"))


PYTEST = """
import pytest
from JumpstarterLibrary.client.console import Match

def test_boots(jumpstarter, record_measurement):
    console = jumpstarter.console.open_console()
    jumpstarter.power.on()
    console.wait_for_prompt("login:", timeout=30)
    assert record_measurement("to login", console.boot_stages()["kernel"], "s", limit="<60") > 0

def test_outside(record_measurement):
    record_measurement("noted", 3, limit="<1", fail=False)
    record_measurement("supply", 6, "V", limit="4..5")
"""


def test_pytest_fixture(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)  # a worker of this run has a folder of its own
    pytester.makepyfile(PYTEST)
    run = pytester.runpytest_subprocess(
        *("-p", "no:cacheprovider", "--jumpstarter-target", "mock", "--jumpstarter-output", "out", "--junit-xml", "x.xml")
    )
    run.assert_outcomes(passed=1, failed=1)
    run.stdout.fnmatch_lines(["*DEVICE: Measurement 'supply' of device 'mock' is 6 V, which is outside its limit 4..5 V.*"])
    run.stdout.fnmatch_lines(["FAILED *::test_outside - DEVICE: *"])
    run.stdout.no_fnmatch_line("*pytest_plugin.py*")
    run.stdout.no_fnmatch_line("*PytestWarning*")
    rows = json.loads((pytester.path / "out" / "measurements.json").read_text())["measurements"]
    names = {(row["suite"], row["test"].partition("::")[2], row["name"]) for row in rows}
    assert {(file, test, name) for file, test, name in names if name != "boot: login"} == {
        ("test_pytest_fixture.py", "test_boots", "boot: first byte"),
        ("test_pytest_fixture.py", "test_boots", "boot: loader"),
        ("test_pytest_fixture.py", "test_boots", "boot: kernel"),
        ("test_pytest_fixture.py", "test_boots", "to login"),
        ("test_pytest_fixture.py", "test_outside", "noted"),
        ("test_pytest_fixture.py", "test_outside", "supply"),
    }
    properties = [each.attrib for each in ElementTree.parse(pytester.path / "x.xml").iter("property")]
    assert {"name": "supply: limit", "value": "4..5 V, outside"} in properties
