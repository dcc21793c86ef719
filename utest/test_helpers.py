"""The helpers themselves: a helper that leaks processes or skips too easily would spoil every other test."""

import shutil
import signal
import sys
import time
from pathlib import Path

import pytest
from helpers.exporters import Exporter, start_our_exporter, start_upstream_exporter, wait_until_ready
from helpers.order import LONG_FILES
from helpers.processes import Process, clean_environment
from helpers.programs import ALL_WANTED, needs
from helpers.robot_run import RobotRunner

POWER_YAML = """\
metadata: {namespace: default, name: one-power}
export:
  power: {type: jumpstarter_driver_power.driver.MockPower}
"""

SUITE = """\
*** Test Cases ***
Passes
    Log    first
    Log    hidden    level=DEBUG

Fails
    Fail    on purpose
"""


def test_a_missing_program_skips_and_names_its_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv(ALL_WANTED, raising=False)
    with pytest.raises(pytest.skip.Exception, match="Debian package no-such-package"):
        needs("no-such-package", "no-such-program")


def test_a_missing_program_fails_where_all_tests_are_wanted(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(ALL_WANTED, "1")
    with pytest.raises(pytest.fail.Exception, match="Debian package no-such-package"):
        needs("no-such-package", "no-such-program")


def test_a_present_program_gives_its_path() -> None:
    assert needs("coreutils", "ls", "cat") == shutil.which("ls")


def test_a_target_of_the_developers_does_not_reach_children(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUMPSTARTER_HOST", "lab:1234")
    monkeypatch.setenv("JMP_LEASE", "mine")
    environment = clean_environment({"JMP_NAME": "given", "HOME": None})
    assert {name for name in environment if name.startswith(("JMP_", "JUMPSTARTER_HOST"))} == {"JMP_NAME"}
    assert "HOME" not in environment


def test_stop_also_ends_descendants_that_left_the_process_group() -> None:
    code = "import os, time\nif os.fork() == 0: os.setsid()\nprint('up', flush=True)\ntime.sleep(60)"
    with Process([sys.executable, "-c", code]) as process:
        process.wait_for_output("up", 10)
        while len(process.pids()) < 2:
            time.sleep(0.01)
    assert process.pids() == []
    assert process.returncode == -signal.SIGTERM


def test_a_process_that_prints_something_else_fails_with_its_output() -> None:
    with (
        Process([sys.executable, "-c", "print('something else')"]) as process,
        pytest.raises(AssertionError, match=r"ended with 0\. Its output:\nsomething else"),
    ):
        process.wait_for_output("never", 10)


def test_robot_runs_a_text_and_its_results_are_parsed(run_robot: RobotRunner) -> None:
    run = run_robot(SUITE, "--loglevel", "DEBUG", "--variable", "X:1")
    assert run.returncode == 1
    assert run.tests["Passes"].passed
    assert run.tests["Fails"].message == "on purpose"
    assert run.messages("Log") == ["first", "hidden"]
    assert run.messages()[:3] == ["first", "hidden", "on purpose"]
    assert run.log_messages("Log")[1].level == "DEBUG"
    assert run.outputdir / "output.xml" in run.files_with("on purpose")
    assert run.files_with("no such text") == []


def test_a_robot_that_never_ends_is_killed(run_robot: RobotRunner) -> None:
    process = run_robot.start("*** Test Cases ***\nSleeps\n    Log To Console    asleep\n    Sleep    60s\n")
    process.wait_for_output("asleep", 20)
    with pytest.raises(AssertionError, match=r"still ran after 0\.1 s"):
        process.finish(timeout=0.1)
    assert process.pids() == []


def test_our_exporter_says_where_it_listens_and_ends_politely() -> None:
    with start_our_exporter("mock") as exporter:
        wait_until_ready(exporter, None, 5)
    assert exporter.returncode == 0
    assert exporter.pids() == []


@pytest.mark.interop
def test_upstreams_exporter_answers_freezes_and_dies(tmp_path: Path) -> None:
    with start_upstream_exporter(POWER_YAML, passphrase="open sesame") as exporter:
        assert exporter.address.startswith("127.0.0.1:")
        with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
            wait_until_ready(exporter, "wrong", 0)
        exporter.freeze()
        with pytest.raises(AssertionError, match="DEADLINE_EXCEEDED"):
            wait_until_ready(exporter, "open sesame", 0)
        exporter.thaw()
        wait_until_ready(exporter, "open sesame", 10)
        exporter.kill()
        assert exporter.pids() == []


@pytest.mark.interop
def test_upstreams_exporter_with_a_broken_configuration_fails_with_its_output() -> None:
    with (
        pytest.raises(AssertionError, match=r"(?s)ended with 1 .*metadata\.namespace"),
        start_upstream_exporter("metadata: {name: no-namespace}\n"),
    ):
        pytest.fail("it started")


@pytest.mark.interop
def test_the_smoke_exporter_is_shared(upstream_smoke: Exporter) -> None:
    wait_until_ready(upstream_smoke, None, 5)


def test_files_that_begin_first_are_there() -> None:
    assert [name for name in LONG_FILES if len(list(Path(__file__).parent.rglob(f"{name}.py"))) != 1] == []
