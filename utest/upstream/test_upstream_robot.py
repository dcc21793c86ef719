"""Real robot runs with upstream's clients: timeouts, Ctrl-C, secrets, and an end without hanging."""

from __future__ import annotations

import signal

import pytest
from helpers.exporters import start_upstream_exporter
from helpers.results import find_keyword
from helpers.robot_run import RobotRunner
from upstream_support import ONE_SUPPLY

pytestmark = [pytest.mark.interop, pytest.mark.acceptance]

HEAD = "*** Settings ***\nLibrary    JumpstarterLibrary\n\n*** Test Cases ***\n"
ALLOW = "allow=jumpstarter_driver_*"


def test_a_run_with_clients_ends_by_itself(run_robot: RobotRunner) -> None:
    run = run_robot(
        f"{HEAD}Used\n    Open Jumpstarter Session    mock\n    ${{client}} =    Get Driver Client    power    {ALLOW}\n"
        "    Call Method    ${client}    on\n    Call Driver Client Method    power    cycle    wait=${0.01}\n"
        f"    ${{outcome}} =    Run Driver Command    off    driver=power    {ALLOW}\n"
        "    Should Be Equal As Integers    ${outcome.rc}    0\n    ${host} =    Get Jumpstarter Host\n"
        "    Should End With    ${host}    /socket\n",
        timeout=30,
    )
    assert run.returncode == 0, run.stdout
    assert run.tests["Used"].passed


@pytest.mark.parametrize("close", ["SUITE", "KEEP"])
def test_robots_timeout_ends_a_method_at_once(run_robot: RobotRunner, close: str) -> None:
    run = run_robot(
        f"*** Settings ***\nLibrary    JumpstarterLibrary    auto_close={close}\n\n*** Test Cases ***\n"
        f"Slow\n    [Timeout]    1s\n    Open Jumpstarter Session    mock\n    Get Driver Client    power    {ALLOW}\n"
        "    Call Driver Client Method    power    cycle    ${30}\n"
        f"Direct\n    [Timeout]    1s\n    ${{client}} =    Get Driver Client    power    {ALLOW}\n"
        "    Evaluate    list($client.read())\n"
        "After\n    Call Driver Client Method    power    on\n",
        timeout=30,
    )
    assert "Test timeout 1 second exceeded" in run.tests["Slow"].message
    assert "Test timeout 1 second exceeded" in run.tests["Direct"].message
    assert run.tests["After"].passed, run.tests["After"].message
    assert find_keyword(run.suite.tests[0], "Call Driver Client Method").elapsed_time.total_seconds() < 2.5


@pytest.mark.parametrize(
    "keyword",
    [
        "Call Driver Client Method    power    cycle    ${30}",
        f"Run Driver Command    cycle    --wait    30    driver=power    {ALLOW}",
    ],
)
def test_ctrl_c_ends_it(run_robot: RobotRunner, keyword: str) -> None:
    process = run_robot.start(
        f"{HEAD}Slow\n    Open Jumpstarter Session    mock\n    Get Driver Client    power    {ALLOW}\n"
        f"    Log To Console    now\n    {keyword}\n"
    )
    process.wait_for_output("now", 30)
    process.send_signal(signal.SIGINT)
    run = process.finish(15)
    assert run.tests["Slow"].failed
    assert not process.pids()


def test_the_librarys_timeout_bounds_a_method(run_robot: RobotRunner) -> None:
    run = run_robot(
        f"{HEAD}Slow\n    Open Jumpstarter Session    mock\n    Get Driver Client    power    {ALLOW}\n"
        "    Set Jumpstarter Timeout    300ms\n    Call Driver Client Method    power    cycle    ${30}\n",
    )
    assert run.tests["Slow"].message.startswith(
        "DEVICE: PowerClient.cycle() on driver 'power' of device 'mock' did not return within 300 ms and was cancelled."
    )


def test_secrets_reach_no_file(run_robot: RobotRunner) -> None:
    with start_upstream_exporter(ONE_SUPPLY, passphrase="sesame-4711") as exporter:
        run = run_robot(
            "*** Settings ***\nLibrary    JumpstarterLibrary\n\n"
            "*** Variables ***\n${PASS: secret}    %{PHRASE}\n\n*** Test Cases ***\n"
            f"Locked\n    Open Jumpstarter Session    {exporter.address}    passphrase=${{PASS}}\n"
            f"    Get Driver Client    power    {ALLOW}\n    Call Driver Client Method    power    on\n"
            "    Run Keyword And Expect Error    TEST: PowerClient.call()*\n"
            "    ...    Call Driver Client Method    power    call    ${PASS}\n"
            f"    Run Driver Command    on    driver=power    {ALLOW}\n"
            f"    Run Keyword And Expect Error    *    Run Driver Command    sesame-4711    driver=power    {ALLOW}\n"
            "    Get Jumpstarter Host\n",
            "--loglevel",
            "TRACE",
            env={"PHRASE": "sesame-4711"},
        )
    assert run.tests["Locked"].passed, run.tests["Locked"].message
    assert run.files_with("sesame-4711") == []
