"""However a run ends, no lease is left: real robot, pytest and plain Python in child processes."""

from __future__ import annotations

import contextlib
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.lab import Lab, start_lab
from helpers.processes import Process
from helpers.results import eventually
from helpers.robot_run import RobotProcess, RobotRunner

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=20s
Suite Setup       Open Jumpstarter Session    selector=board=mock
{settings}

*** Test Cases ***
One
    Power On
    Log    leased    console=yes
    {body}
"""
WAIT = "Sleep    60s"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab with one exporter for all endings."""
    with start_lab(tmp_path_factory.mktemp("endings")) as running:
        running.start_session_exporter("bench-1", {"board": "mock"})
        running.client_config("ci", current=True)
        yield running


@pytest.fixture
def start(lab: Lab, run_robot: RobotRunner) -> Iterator[Callable[..., RobotProcess]]:
    """Starts a suite that leases, and waits until it has its lease; afterwards no lease may be left."""
    lab.network("controller")
    for lease in lab.leases():
        lab.release_lease(lease["name"])
    lab.wait_for_status("bench-1", "AVAILABLE")

    def starter(body: str, settings: str = "", *options: str) -> RobotProcess:
        process = run_robot.start(SUITE.format(body=body, settings=settings), *options, env=lab.environment())
        process.wait_for_output("leased", 30)
        assert lab.requests("CreateLease")  # the lease itself may be gone already
        return process

    yield starter
    assert lab.leases() == []


@pytest.mark.parametrize(
    ("body", "settings", "code"),
    [
        ("No Operation", "", 0),
        ("Fail    as it happens", "", 1),
        ("Sleep    30s", "Test Timeout    500ms", 1),
        (WAIT, "Suite Teardown    Fail    in the teardown\nTest Timeout    200ms", 1),
        ("Fatal Error    no more", "", 1),
        ("Evaluate    sys.exit(3)", "", 1),
        ("Close All Jumpstarter Sessions", "", 0),
    ],
    ids=["pass", "fail", "timeout", "teardown", "fatal", "exit", "closed"],
)
def test_a_run_that_ends_leaves_no_lease(start: Callable[..., RobotProcess], body: str, settings: str, code: int) -> None:
    run = start(body, settings).finish(30)

    assert (run.returncode > 0) == bool(code)


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM, signal.SIGHUP])
@pytest.mark.parametrize("body", [WAIT, "Power Cycle    wait=60s"], ids=["sleep", "keyword"])
def test_a_run_that_is_interrupted_leaves_no_lease(start: Callable[..., RobotProcess], number: int, body: str) -> None:
    process = start(body)
    process.send_signal(number)
    process.finish(30)


def test_a_run_that_is_interrupted_twice_leaves_no_lease(start: Callable[..., RobotProcess]) -> None:
    process = start(WAIT, "Suite Teardown    Sleep    60s")
    process.send_signal(signal.SIGINT)
    process.wait_for_output("Second signal will force exit", 20)
    process.send_signal(signal.SIGINT)
    process.finish(30)


def test_a_run_that_is_interrupted_again_and_again_leaves_no_lease(start: Callable[..., RobotProcess], lab: Lab) -> None:
    process = start(WAIT, "Suite Teardown    Sleep    60s")
    lab.delay("DeleteLease", 1.0)
    for _ in range(20):
        if process.returncode is not None:
            break
        process.send_signal(signal.SIGINT)
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.popen.wait(0.15)
    lab.delay("DeleteLease", 0)
    process.finish(30)
    lab.wait_until_free()


def test_an_interrupted_wait_for_an_exporter_leaves_no_lease(lab: Lab, run_robot: RobotRunner) -> None:
    lab.hold()
    process = run_robot.start(SUITE.format(body=WAIT, settings=""), env=lab.environment())
    lab.wait_for(lab.leases, "a lease that waits")
    process.send_signal(signal.SIGINT)
    process.finish(30)
    lab.unhold()
    assert lab.leases() == []


def test_a_broken_controller_that_is_back_in_time_leaves_no_lease(start: Callable[..., RobotProcess], lab: Lab) -> None:
    process = start("Sleep    0.5s")
    lab.controller_down()
    lab.wait_for(lambda: "| PASS |" in process.output, "the end of the test")
    lab.controller_up()
    assert process.finish(40).returncode == 0


def test_a_broken_controller_is_told_with_the_command_that_releases_by_hand(lab: Lab, run_robot: RobotRunner) -> None:
    lab.wait_for_status("bench-1", "AVAILABLE")
    process = run_robot.start(SUITE.format(body="Sleep    0.5s", settings=""), env=lab.environment())
    process.wait_for_output("leased", 30)
    (lease,) = lab.leases()
    lab.controller_down()
    run = process.finish(60)
    lab.controller_up()

    assert f"by hand: jmp delete leases {lease['name']}" in run.stdout
    lab.release_lease(lease["name"])
    lab.wait_until_free()
    lab.wait_for_status("bench-1", "AVAILABLE")


PROGRAM = """\
import sys, time
from JumpstarterLibrary.lab.wish import Wish
from JumpstarterLibrary.sessions import Sessions

sessions = Sessions()
device = sessions.open(wish=Wish(selector="board=mock")).device
device.power.on()
print("leased", flush=True)
{rest}
"""


@pytest.mark.parametrize(
    ("rest", "number"),
    [
        ("pass", None),
        ("raise RuntimeError('as it happens')", None),
        ("sys.exit(3)", None),
        ("time.sleep(60)", signal.SIGINT),
        ("time.sleep(60)", signal.SIGTERM),
        ("time.sleep(60)", signal.SIGHUP),
    ],
)
def test_a_program_that_ends_leaves_no_lease(lab: Lab, rest: str, number: int | None) -> None:
    lab.wait_for_status("bench-1", "AVAILABLE")
    with Process([sys.executable, "-c", PROGRAM.format(rest=rest)], env=lab.environment()) as process:
        process.wait_for_output("leased", 30)
        if number is not None:
            process.send_signal(number)
        code = process.wait(20)

    if number in (signal.SIGTERM, signal.SIGHUP):
        assert code == -number
    lab.wait_until_free(5)


def test_a_program_that_is_terminated_while_it_releases_ends_and_leaves_no_lease(lab: Lab) -> None:
    lab.wait_for_status("bench-1", "AVAILABLE")
    before = len(lab.requests("DeleteLease"))
    lab.delay("DeleteLease", 30, times=1)
    with Process([sys.executable, "-c", PROGRAM.format(rest="sessions.close_all()")], env=lab.environment()) as process:
        process.wait_for_output("leased", 30)
        assert eventually(lambda: len(lab.requests("DeleteLease")) > before, 10)
        process.send_signal(signal.SIGTERM)
        code = process.wait(8)

    assert code == -signal.SIGTERM
    lab.wait_until_free(5)


def test_a_program_that_is_terminated_twice_leaves_no_lease(lab: Lab) -> None:
    lab.wait_for_status("bench-1", "AVAILABLE")
    with Process([sys.executable, "-c", PROGRAM.format(rest="time.sleep(60)")], env=lab.environment()) as process:
        process.wait_for_output("leased", 30)
        before = len(lab.requests("DeleteLease"))
        lab.delay("DeleteLease", 0.5, times=1)
        process.send_signal(signal.SIGTERM)
        assert eventually(lambda: len(lab.requests("DeleteLease")) > before, 10)
        process.send_signal(signal.SIGTERM)
        assert process.wait(10) == -signal.SIGTERM

    lab.wait_until_free(5)


PYTEST = """\
from JumpstarterLibrary.testing import JumpstarterTest

class TestBoard(JumpstarterTest):
    selector = "board=mock"

    def test_on(self, client):
        client.power.on()
        print("leased", flush=True)
        {rest}
"""


@pytest.mark.parametrize(
    ("rest", "number", "code"),
    [
        ("pass", None, 0),
        ("raise RuntimeError", None, 1),
        ("import time; time.sleep(60)", signal.SIGINT, 2),
        ("import time; time.sleep(60)", signal.SIGTERM, -signal.SIGTERM),
    ],
)
def test_a_pytest_run_that_ends_leaves_no_lease(lab: Lab, tmp_path: Path, rest: str, number: int | None, code: int) -> None:
    (tmp_path / "test_board.py").write_text(PYTEST.format(rest=rest))
    lab.wait_for_status("bench-1", "AVAILABLE")
    command = [sys.executable, "-m", "pytest", "-s", "-q", "-p", "no:cacheprovider", str(tmp_path)]
    plugins = {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1", "PYTEST_PLUGINS": "JumpstarterLibrary.pytest_plugin"}
    with Process(command, env={**lab.environment(), **plugins}, cwd=tmp_path) as process:
        process.wait_for_output("leased", 30)
        if number is not None:
            process.send_signal(number)
        assert process.wait(20) == code

    lab.wait_until_free(5)
