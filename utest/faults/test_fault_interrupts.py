"""Robot's timeouts, Ctrl-C and SIGTERM end every waiting keyword at once, wherever it waits (real robot in a child process)."""

from __future__ import annotations

import signal
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from fault_drivers import configuration, notes
from fault_exporters import DRIVERS, WITH_DRIVERS
from helpers.exporters import Exporter
from helpers.results import end_of, eventually, find_keyword
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

SLACK = 1.0
"""Seconds that a busy machine may add to what takes 0.2 s; the benchmarks measure, this only tells working from hanging."""


@dataclass(frozen=True)
class Act:
    """Something that waits long: the keyword, its arguments, and what the driver writes when it begins and is cancelled."""

    keyword: str
    arguments: str
    begun: str
    cancelled: str | None

    @property
    def call(self) -> str:
        return f"{self.keyword}    {self.arguments}"


ACTS = {
    "call": Act("Call Driver Method", "hang    driver=trouble", "hang begun", "hang cancelled"),
    "stream": Act("Stream Driver Method", "endless    driver=trouble", "endless begun", "endless closed"),
    "cycle": Act("Power Cycle", "wait=30s", "power off", None),
    "open": Act("Open Jumpstarter Session", "${HANGING}    other", "", "reset cancelled"),
}
PLACES = ("child", "embedded")

SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=40s
Library           OperatingSystem
Suite Setup       Open Jumpstarter Session    ${TARGET}    device
Suite Teardown    Create File    ${OUTPUT DIR}/torn-down

*** Test Cases ***
"""


@dataclass
class Bench:
    """Where the device of a test is, and where its drivers write."""

    place: str
    options: list[str]
    file: Path


@pytest.fixture
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Bench:
    """The device of the test, in a child process or embedded in Robot's own; and one that cannot be opened."""
    if request.param == "child":
        exporter: Exporter = request.getfixturevalue("shared_exporter")
        frozen: Exporter = request.getfixturevalue("frozen_exporter")
        exporter.file.unlink(missing_ok=True)
        return Bench("child", variables(exporter.address, frozen.address), exporter.file)
    file = tmp_path / "notes"
    (tmp_path / "device.yaml").write_text(configuration(DRIVERS, file))
    (tmp_path / "hanging.yaml").write_text(configuration({"slow": "SlowReset"}, file))
    return Bench("embedded", variables(str(tmp_path / "device.yaml"), str(tmp_path / "hanging.yaml")), file)


def variables(target: str, hanging: str) -> list[str]:
    return ["--variable", f"TARGET:{target}", "--variable", f"HANGING:{hanging}", "--log", "NONE", "--report", "NONE"]


@pytest.mark.parametrize("bench", PLACES, indirect=True)
def test_robot_timeouts(bench: Bench, run_robot: RobotRunner) -> None:
    tests, keywords = "", "\n*** Keywords ***\n"
    for name, act in ACTS.items():
        tests += f"{name} test\n    [Timeout]    1s\n    {act.call}\n"
        tests += f"{name} keyword\n    Wait For {name}\n"
        keywords += f"Wait For {name}\n    [Timeout]    1s\n    {act.call}\n"
    tests += "The Session Still Works\n    ${told} =    Call Driver Method    echo    hello    driver=trouble\n"
    tests += "    Should Be Equal    ${told}    hello\n    ${open} =    Get Jumpstarter Sessions\n"
    tests += "    Length Should Be    ${open}    1\n"

    run = run_robot(SUITE + tests + keywords, *bench.options, env=WITH_DRIVERS)

    assert run.tests["The Session Still Works"].passed, run.tests["The Session Still Works"].message
    for name, act in ACTS.items():
        for kind in ("test", "keyword"):
            test = run.tests[f"{name} {kind}"]
            assert test.message.splitlines()[0] == f"{kind.title()} timeout 1 second exceeded."
            late = test.elapsed_time.total_seconds() - 1
            print(f"{bench.place} {name} {kind} timeout: {late:.3f} s")  # seen with pytest -rP
            assert late < SLACK, f"{name}, {kind} timeout: ended {late:.2f} s after it"
            assert find_keyword(test, act.keyword).elapsed_time.total_seconds() - 1 < SLACK
    check_run(run)
    # The exporter outlives the run, or its methods are cancelled before the process ends: nothing may run to its end.
    written = notes(bench.file)
    cancelled = {act.cancelled for act in ACTS.values() if act.cancelled and (bench.place == "embedded" or act.begun)}
    assert cancelled <= set(written)
    assert not {"hang completed", "endless completed", "power on"} & set(written)


def check_run(run: RobotRun) -> None:
    assert (run.outputdir / "torn-down").exists(), run.stdout
    assert "Traceback" not in run.stdout
    assert "[ ERROR ]" not in run.stdout.replace("[ ERROR ] Execution stopped by user.", "")


@pytest.mark.parametrize("bench", PLACES, indirect=True)
@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM], ids=lambda number: number.name)
def test_signals(bench: Bench, name: str, number: signal.Signals, run_robot: RobotRunner) -> None:
    act = ACTS[name]
    robot = run_robot.start(
        SUITE + f"Waits\n    Create File    ${{OUTPUT DIR}}/begun\n    {act.call}\n", *bench.options, env=WITH_DRIVERS
    )
    begun = robot.outputdir / "begun"
    assert eventually(lambda: begun.exists() and (not act.begun or act.begun in notes(bench.file)), 20), robot.output
    time.sleep(0.2)

    moment = time.time()
    robot.send_signal(number)
    run = robot.finish(20)
    gone = time.time()

    test = run.tests["Waits"]
    late = end_of(find_keyword(test, act.keyword)) - moment
    exit_time = gone - end_of(run.suite)
    print(f"{bench.place} {name} {number.name}: {late:.3f} s, process {exit_time:.3f} s")  # seen with pytest -rP
    assert test.failed
    assert late < SLACK, f"the keyword ended {late:.2f} s after the signal"
    assert exit_time < 2 + SLACK, f"robot ended {exit_time:.2f} s after the suite"
    check_run(run)
    if act.cancelled and (bench.place == "embedded" or act.begun):
        assert eventually(lambda: act.cancelled in notes(bench.file), 2), notes(bench.file)
        cancelled: Any = notes(bench.file)[act.cancelled]
        assert cancelled - moment < SLACK
    assert not {"hang completed", "endless completed", "power on"} & set(notes(bench.file))
