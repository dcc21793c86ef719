"""Robot's timeout and Ctrl-C in every keyword that waits on a console: it ends at once, and the console is usable afterwards."""

from __future__ import annotations

import json
import signal
import statistics
from pathlib import Path

import pytest
from helpers.robot_run import RobotRun, RobotRunner

from JumpstarterLibrary import JumpstarterLibrary
from JumpstarterLibrary.keywords.tags import Tag

pytestmark = pytest.mark.acceptance

LATEST = 1.0
"""Seconds: the aim is 0.3, which is measured here; more only because other things run on the machine that tests."""

RIG = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: rig}
export:
  echo: {type: JumpstarterLibrary.drivers.MockConsole}
  mute: {type: JumpstarterLibrary.drivers.MockConsole, config: {loopback: false}}
  power: {type: JumpstarterLibrary.drivers.MockPower}
"""

WAITS = {
    "line": "Wait For Line On Console    never",
    "line as regex": "Wait For Line On Console    nev(er|er ever)    match=REGEX    idle=20s",
    "line as bytes": "Wait For Line On Console    never    match=BYTES",
    "lines in a block": "Wait For Lines On Console    never    ever",
    "all lines": "Wait For Lines On Console    never    ever    mode=ALL",
    "any line": "Wait For Lines On Console    never    ever    mode=ANY",
    "next line": "Wait For Next Line On Console",
    "prompt": "Wait For Prompt On Console    never",
    "bytes": "Wait For Bytes On Console    never",
    "any console": "Wait For Line On Any Console    never",
    "consoles of two sessions": "Wait For Line On Any Console    never    rig:echo    shell:console",
    "should not be": "Should Not Be On Console    never    during=30s",
    "idle": "Console Should Be Idle    during=30s",
    "until idle": "Wait Until Console Is Idle    quiet=30s",
    "write and wait": "Write Line To Console And Wait    hello    never",
    "power cycle, off": "Power Cycle And Wait For Line On Console    never    wait=30s    driver=power",
    "power cycle, on": "Power Cycle And Wait For Line On Console    never    wait=10ms    driver=power",
    "echo of a line": "Write Line To Console    hello    expect_echo=True    console=mute",
    "slow writing": "Write Line To Console    ${{'x' * 200}}    char_delay=100ms",
    "slow writing, long pauses": "Write To Console    xyz    char_delay=9s    timeout=1min",
    "slow bytes": "Write Bytes To Console    xyz    char_delay=9s    timeout=1min",
    "login": "Login To Console    root    x",
    "shell that is none": "Execute Console Command    true",
    "command": "Execute Console Command    sleep 30    console=shell",
    "boot to u-boot": "Boot To U-Boot    wait=10ms    key=x    driver=power",
    "boot to u-boot, off": "Boot To U-Boot    wait=30s    driver=power",
    "no u-boot": "Execute U-Boot Command    version",
    "u-boot command": "Execute U-Boot Command    sleep 30    console=loader",
    "get u-boot variable": "Get U-Boot Variable    ethaddr",
    "set u-boot variable": "Set U-Boot Variable    greeting    hello",
    "leave u-boot": "Leave U-Boot",
}
"""Every keyword that waits; `console=shell` and `console=loader` stand for the console of another session."""

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    timeout=10s
Library    interrupting.py
Suite Setup    Open All

*** Keywords ***
Open All
    Open Jumpstarter Session    mock    loader    consoles=console
    Boot To U-Boot    wait=10ms    timeout=20s
    Open Jumpstarter Session    mock    shell    consoles=console
    Power On
    Login To Console    root    sesame    timeout=20s
    Open Jumpstarter Session    {rig}    rig    consoles=echo
    Open Console    driver=mute
    Switch Console    echo
    Set Jumpstarter Timeout    30s    scope=Suite

All Are Usable
    Switch Jumpstarter Session    rig
    Set Console Configuration    expect_echo=False
    Write Line To Console    still here
    Wait For Line On Console    still here    timeout=5s
    Call Driver Method    send    this one too\\n    driver=mute
    Wait For Line On Console    this one too    console=mute    timeout=5s

The Shell Is Usable
    Switch Jumpstarter Session    shell
    ${{result}} =    Execute Console Command    echo fine    timeout=10s
    Should Be Equal    ${{result.stdout}}    fine

U-Boot Is Usable
    Switch Jumpstarter Session    loader
    ${{result}} =    Execute U-Boot Command    echo fine    timeout=10s
    Should Be Equal    ${{result.stdout}}    fine

*** Test Cases ***
{tests}
"""

INTERRUPTING = '''\
"""Interrupts a keyword as Ctrl-C does, and says how long it went on after that."""

import json
import os
import signal
import threading
import time
from pathlib import Path

from robot.errors import ExecutionFailed
from robot.libraries.BuiltIn import BuiltIn
from robot.running.signalhandler import STOP_SIGNAL_MONITOR

taken = {}


def interrupted(name, *arguments):
    sent = []

    def strike():
        sent.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.35, strike)
    timer.start()
    try:
        BuiltIn().run_keyword(name, *arguments)
    except ExecutionFailed as error:
        ended = time.monotonic()
        timer.cancel()
        if "Execution terminated by signal" not in str(error):
            raise AssertionError(f"it ended by itself: {error}") from None
    else:
        raise AssertionError("it ended by itself, and well")
    finally:
        STOP_SIGNAL_MONITOR._signal_count = 0  # so that this run goes on, with the next keyword
    taken[BuiltIn().get_variable_value("${TEST NAME}")] = ended - sent[0]
    Path(BuiltIn().get_variable_value("${OUTPUT DIR}"), "taken.json").write_text(json.dumps(taken))
'''


def place(keyword: str) -> tuple[str, str, str]:
    """The session for a keyword, its call there, and what is usable afterwards."""
    if keyword.endswith("console=shell"):
        return "shell", keyword.removesuffix("    console=shell"), "The Shell Is Usable"
    if keyword.endswith("console=loader"):
        return "loader", keyword.removesuffix("    console=loader"), "U-Boot Is Usable"
    return "rig", keyword, "All Are Usable"


def suite(folder: Path, test: str) -> str:
    """A suite with a test for each wait.

    Args:
        folder: where files that it needs are written.
        test: the lines of a test, with `{name}`, `{keyword}`, `{session}` and `{usable}`.
    """
    (folder / "rig.yaml").write_text(RIG)
    tests = []
    for name, keyword in WAITS.items():
        session, call, usable = place(keyword)
        tests.append(test.format(name=name, keyword=call, session=session, usable=usable))
    return SUITE.format(rig=folder / "rig.yaml", tests="\n".join(tests))


def judge(run: RobotRun, taken: dict[str, float]) -> None:
    """Every wait ended in time."""
    in_order = sorted(taken.values())
    worst = sorted(taken, key=lambda name: taken[name])[-3:]
    text = (
        f"{len(taken)} waits ended {in_order[0] * 1e3:.0f} ms (min), {statistics.median(in_order) * 1e3:.0f} ms (median), "
        f"{in_order[-1] * 1e3:.0f} ms (max) after the interrupt; the longest: "
        + ", ".join(f"{name} {taken[name] * 1e3:.0f} ms" for name in worst)
    )
    print(text)
    (run.outputdir / "interrupts.txt").write_text(text)
    assert set(taken) == set(WAITS)
    assert in_order[-1] < LATEST, text


def test_every_keyword_that_waits_on_a_console_is_interrupted_here() -> None:
    library = JumpstarterLibrary()
    waiting = {
        name.replace("_", " ").casefold()
        for name in library.get_keyword_names()
        if Tag.CONSOLE in library.get_keyword_tags(name)
        and any(str(argument[0]).partition(":")[0] in ("timeout", "during") for argument in library.get_keyword_arguments(name))
    }
    assert len(waiting) > 15
    assert waiting - {keyword.partition("    ")[0].casefold() for keyword in WAITS.values()} == set()


def test_robots_timeout_ends_every_wait_and_leaves_the_console_usable(run_robot: RobotRunner, tmp_path: Path) -> None:
    test = """\
{name}
    [Setup]    Switch Jumpstarter Session    {session}
    [Timeout]    350ms
    {keyword}
    [Teardown]    {usable}
"""
    (tmp_path / "interrupting.py").write_text(INTERRUPTING)
    run = run_robot(suite(tmp_path, test), "--pythonpath", str(tmp_path), timeout=120)

    assert run.suite.setup.passed, run.suite.setup.message
    for name, result in run.tests.items():
        assert result.message.split("\n")[0] == "Test timeout 350 milliseconds exceeded.", name
        assert result.teardown.passed, f"{name}: {result.teardown.message}"
    # An interrupted test has messages beside its keywords.
    ends = {name: [part.end_time for part in result.body if part.type == "KEYWORD"][-1] for name, result in run.tests.items()}
    judge(run, {name: (end - run.tests[name].start_time).total_seconds() - 0.35 for name, end in ends.items()})


def test_ctrl_c_ends_every_wait_and_leaves_the_console_usable(run_robot: RobotRunner, tmp_path: Path) -> None:
    test = """\
{name}
    Switch Jumpstarter Session    {session}
    Interrupted    {keyword}
    {usable}
"""
    (tmp_path / "interrupting.py").write_text(INTERRUPTING)
    run = run_robot(suite(tmp_path, test), "--pythonpath", str(tmp_path), timeout=120)

    assert run.suite.setup.passed, run.suite.setup.message
    assert {name: result.message for name, result in run.tests.items() if not result.passed} == {}
    judge(run, json.loads((run.outputdir / "taken.json").read_text()))


@pytest.mark.parametrize("name", ["line", "command"])
def test_a_real_ctrl_c_ends_the_run_with_its_teardown(run_robot: RobotRunner, tmp_path: Path, name: str) -> None:
    session, call, usable = place(WAITS[name])
    (tmp_path / "rig.yaml").write_text(RIG)
    (tmp_path / "interrupting.py").write_text(INTERRUPTING)
    test = (
        f"Interrupted\n    Switch Jumpstarter Session    {session}\n    Log To Console    waiting now\n    {call}\n"
        f"    [Teardown]    {usable}\n"
    )
    process = run_robot.start(SUITE.format(rig=tmp_path / "rig.yaml", tests=test), "--pythonpath", str(tmp_path))
    process.wait_for_output("waiting now", 30)
    process.send_signal(signal.SIGINT)
    run = process.finish(20)

    interrupted = run.tests["Interrupted"]
    assert "Execution terminated by signal" in interrupted.message
    assert interrupted.teardown.passed, interrupted.teardown.message
    assert interrupted.elapsed_time.total_seconds() < 5
