"""The lab's health: a file that many runs share, and what it adds up to."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.robot_run import RobotRun, RobotRunner

from JumpstarterLibrary.report.health import Health, describe, load
from JumpstarterLibrary.sessions import Sessions


def row(exporter: str, test: str, status: str, **more: object) -> dict[str, object]:
    return {"exporter": exporter, "suite": "S", "test": test, "status": status, **more}


def test_what_many_runs_add_up_to() -> None:
    rows = [
        *(row("bench-7", "Boots", "PASS", boot={"kernel": 1.0, "login": time}) for time in (11.2, 19.8, 11.9)),
        row("bench-7", "Boots", "FAIL", **{"class": "device", "boot": {"kernel": 1.0}}),
        row("bench-7", "Updates", "FAIL", **{"class": "infrastructure", "flashed": 0, "not_flashed": 1}),
        row("bench-7", "Skips", "SKIP"),
        row("bench-8", "Boots", "PASS", flashed=29, not_flashed=0),
        row("bench-8", "Updates", "FAIL", **{"class": "test"}),
    ]

    assert describe(rows, 1).splitlines() == [
        "bench-7",
        "  tests   5 run, 2 failed, 1 skipped",
        "  class   device 1, infrastructure 1",
        "  boot    3 to login: 11.2 to 19.8 s, median 11.9 s",
        "  flash   0 of 1 ok (0 %)",
        "bench-8",
        "  tests   2 run, 1 failed",
        "  class   test 1",
        "  flash   29 of 29 ok (100 %)",
        "'Boots' fails on bench-7 only; it passes on bench-8.",
        "1 line of the file cannot be read.",
    ]
    assert describe([]) == "Nothing has run yet."


ADD = """\
import sys
from pathlib import Path
from JumpstarterLibrary.report.health import Health
from JumpstarterLibrary.sessions import Sessions
sessions = Sessions()
sessions.open("mock:power")
health = Health(Path(sys.argv[1]), str)
for number in range(200):
    assert health.add(sessions, "S", "x" * 500, status="PASS") == ""
"""


def test_processes_that_write_at_once_tear_no_line(tmp_path: Path) -> None:
    file = tmp_path / "lab" / "health.jsonl"
    processes = [subprocess.Popen([sys.executable, "-c", ADD, str(file)]) for _ in range(2)]
    assert [process.wait(60) for process in processes] == [0, 0]

    rows, broken = load(file)
    assert (len(rows), broken) == (400, 0)


def test_a_boot_of_the_setup_counts_once_and_secrets_are_masked(tmp_path: Path) -> None:
    sessions = Sessions()
    sessions.redact.add("hush-hush-4711")
    try:
        device = sessions.open("mock").device
        console = device.driver("console").open_console()
        device.driver("power").on()
        console.wait_for_line("Linux version", timeout=10)
        sessions.current.write_down()
        health = Health(tmp_path / "health.jsonl", sessions.redact)
        health.add(sessions, "S", "hush-hush-4711", status="PASS")
        health.add(sessions, "S", "second", status="PASS")
    finally:
        sessions.close_all()

    first, second = (json.loads(line) for line in (tmp_path / "health.jsonl").read_text().splitlines())
    assert first["boot"]["kernel"] > 0
    assert first["test"] == "<secret>"
    assert second["boot"] == {}


SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    health=${HEALTH}
Suite Setup    Open Jumpstarter Session    mock
*** Test Cases ***
Flashes
    ${image} =    Set Variable    ${TEMPDIR}
    Power On
Fails
    Fail    no
"""


@pytest.mark.acceptance
def test_doctor_tells_the_health(run_robot: RobotRunner, tmp_path: Path) -> None:
    file = tmp_path / "health.jsonl"
    run: RobotRun = run_robot(SUITE, "--variable", f"HEALTH:{file}")
    assert run.returncode == 1

    def doctor(path: Path) -> subprocess.CompletedProcess[str]:
        command = [sys.executable, "-m", "JumpstarterLibrary", "doctor", "--health", str(path)]
        return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)

    told = doctor(file)
    assert told.returncode == 0
    assert told.stdout == "mock\n  tests   2 run, 1 failed\n  class   test 1\n"
    missing = doctor(tmp_path / "nope")
    assert missing.returncode == 3
    assert "cannot be read" in missing.stdout
