"""Device descriptions, and what a dry run finds with them where no device is."""

from __future__ import annotations

import inspect
import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.robot_run import RobotRunner

from JumpstarterLibrary import JumpstarterLibrary
from JumpstarterLibrary.client.power import PowerClient
from JumpstarterLibrary.errors import ConfigurationError, DriverNotFoundError
from JumpstarterLibrary.exporter import Session
from JumpstarterLibrary.report.description import describe, load, save
from JumpstarterLibrary.report.dry_run import drivers_taken
from JumpstarterLibrary.sessions import Sessions

ATEST = Path(__file__).parents[2] / "atest"

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    description=${CURDIR}/board.json
*** Variables ***
${MISSPELT}    powr
*** Test Cases ***
Right
    Open Jumpstarter Session    mock
    Power On    driver=power
    Get Voltage    >    4
    Open Console    driver=console
    Call Driver Method    on    driver=power
    Forward Port    driver=network.http
    ${path} =    Evaluate    'what only a run knows'
    Power On    driver=${path}
    Run Keyword And Expect Error    *    Power On    driver=nope
    Wait For Line On Console    x    console=left:uart
    Upload Text    hello    /greeting
Wrong Path In A Variable
    Power On    driver=${MISSPELT}
Wrong Family
    Power On    driver=console
Family By A Helper
    Get Voltage    driver=console
Several Of A Family
    Forward Port
Default Driver Decides
    Set Default Driver    network.echo
    Forward Port
    Set Default Driver    ${what was before}
    Forward Port
    Open Jumpstarter Session    mock
    Forward Port
No Such Method
    Call Driver Method    onn    driver=power
No Such Console
    Wait For Line On Console    x    console=cons
In A User Keyword
    User Keyword
In A Branch
    TRY
        Power On    driver=nope
    EXCEPT
        Power On    driver=none
    END
In A Teardown
    No Operation
    [Teardown]    Power Off    driver=nope
Wrong Store
    Upload Text    hello    /greeting    driver=power
*** Keywords ***
User Keyword
    Run Keyword If    True    Power On    driver=nope
"""


@pytest.fixture
def board(tmp_path: Path) -> Path:
    sessions, path = Sessions(), tmp_path / "board.json"
    try:
        save(describe(sessions.open("mock", alias="board")), path)
    finally:
        sessions.close_all()
    return path


def test_description_has_the_tree_with_families_methods_and_labels(board: Path) -> None:
    rows = {row["path"]: row for row in json.loads(board.read_text())["drivers"]}
    assert next(iter(rows)) == ""
    assert rows["power"]["family"] == "power"
    assert rows["power"]["client"] == "jumpstarter_driver_power.client.PowerClient"
    assert sorted(rows["power"]["methods"]) == ["off", "on", "read", "rescue"]
    assert rows["power"]["all_methods"]
    device = load(board)
    assert [node.path for node in device.tree.walk()] == list(rows)
    assert device.driver_of(PowerClient).path == "power"
    with pytest.raises(DriverNotFoundError, match=r"'board \(board.json\)' has no driver 'powr'. Did you mean 'power'"):
        device.driver("powr")


def test_methods_of_a_device_elsewhere_are_not_known(tmp_path: Path) -> None:
    from JumpstarterLibrary.drivers import MockPower

    sessions = Sessions()
    with Session(root_device=MockPower(methods_description={"on": "switches on"})) as session, session.serve_unix() as path:
        (row,) = describe(sessions.open(str(path)))["drivers"]
        sessions.close_all()
    assert row["methods"] == {"on": "switches on"}
    assert not row["all_methods"]


@pytest.mark.parametrize("text", ["", "[]", '{"drivers": []}', '{"drivers": [{"path": "a.b"}], "device": "x"}', "\udcff"])
def test_what_is_no_description_is_a_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "lab.json"
    path.write_text(text, errors="surrogateescape")
    with pytest.raises(ConfigurationError, match=r"is no device description.*describe"):
        load(path)
    with pytest.raises(ConfigurationError, match="cannot be read: no such file"):
        JumpstarterLibrary(description=str(tmp_path / "none.json"))


@pytest.mark.acceptance
def test_dry_run_finds_what_the_device_does_not_have(run_robot: RobotRunner, board: Path) -> None:
    suite = board.parent / "suite.robot"
    suite.write_text(SUITE)
    run = run_robot(suite, "--dryrun")

    expected = {
        "Right": "",
        "Wrong Path In A Variable": r"CONFIGURATION: Device 'board \(board.json\)' has no driver 'powr'. Did you mean 'power'",
        "Wrong Family": "'console' of device .* is a console driver, no power driver",
        "Family By A Helper": "'console' of device .* is a console driver, no power driver",
        "Several Of A Family": "has 2 network drivers: 'network.echo', 'network.http'",
        "Default Driver Decides": "has 2 network drivers",  # the last one: the new session has no default driver
        "No Such Method": "TEST: Driver 'power' of device .* has no method 'onn'. Did you mean 'on'",
        "No Such Console": "has no driver 'cons'",
        "In A User Keyword": "has no driver 'nope'",
        "In A Branch": "has no driver 'none'",
        "In A Teardown": "has no driver 'nope'",
        "Wrong Store": "'power' of device .* is a power driver, no file store",
    }
    wrong = {name: run.tests[name].message for name, text in expected.items() if not re.search(text, run.tests[name].message)}
    assert wrong == {}
    assert {name for name, test in run.tests.items() if test.passed} == {"Right"}
    assert "Several failures" not in run.tests["Default Driver Decides"].message


@pytest.mark.acceptance
def test_description_has_no_effect_on_a_run(run_robot: RobotRunner, board: Path) -> None:
    (board.parent / "suite.robot").write_text(SUITE)
    run = run_robot(board.parent / "suite.robot", "--test", "In A Branch", "--test", "Default Driver Decides")
    assert "TEST: No device session is open" in run.tests["In A Branch"].message
    assert "board.json" not in run.tests["Default Driver Decides"].message


@pytest.mark.acceptance
def test_wrong_description_fails_the_import(run_robot: RobotRunner) -> None:
    run = run_robot(SUITE, "--dryrun", "--test", "Right")
    assert run.tests["Right"].failed
    assert "The device description" in run.stdout
    assert "cannot be read: no such file" in run.stdout


@pytest.mark.acceptance
def test_our_own_suites_are_right_for_our_own_devices(run_robot: RobotRunner, tmp_path: Path) -> None:
    """Nothing that works is reported: all suites, with the descriptions of all devices that they use."""
    descriptions = []
    for number, target in enumerate(["mock", "mock:power", "mock:lab", *sorted(ATEST.rglob("*.yaml"))]):
        command = [
            sys.executable,
            "-m",
            "JumpstarterLibrary",
            "describe",
            str(target),
            "--output",
            str(tmp_path / f"{number}.json"),
        ]
        if subprocess.run(command, cwd=ATEST, capture_output=True, timeout=60, check=False).returncode == 0:
            descriptions.append(str(tmp_path / f"{number}.json"))
    assert len(descriptions) > 5
    suites = shutil.copytree(ATEST, tmp_path / "atest")
    changed = 0
    for suite in suites.rglob("*.robot"):
        text, count = re.subn(
            r"^(Library +JumpstarterLibrary)$",
            rf"\1    description={','.join(descriptions)}",
            suite.read_text(),
            flags=re.MULTILINE,
        )
        changed += count
        suite.write_text(text)
    run = run_robot(suites, "--dryrun")
    assert changed > 10
    assert {name: test.message for name, test in run.tests.items() if test.failed} == {}
    assert len(run.tests) > 100


def test_it_is_known_which_driver_each_keyword_takes() -> None:
    unknown = []
    for name, method in JumpstarterLibrary().keywords.items():
        known = {taken.argument for taken in drivers_taken(method)}
        unknown += [
            f"{name}: {each}"
            for each in ("driver", "console")
            if each in inspect.signature(method).parameters and each not in known
        ]
    assert unknown == []


def test_describe_command(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "JumpstarterLibrary", "describe"]
    run = subprocess.run([*command, "mock:power"], capture_output=True, text=True, timeout=60, check=False)
    assert run.returncode == 0
    assert [row["family"] for row in json.loads(run.stdout)["drivers"]] == ["power"]
    failed = subprocess.run([*command, "nonsense.yaml"], capture_output=True, text=True, timeout=60, check=False)
    assert failed.returncode == 3
    assert failed.stderr.startswith("CONFIGURATION: ")
