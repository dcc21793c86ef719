"""`make demo`: it says what to look at, one test fails on purpose, and only then all is well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from robot.api import ExecutionResult

DEMO = Path(__file__).parents[1] / "atest" / "demo"


def show(output: Path, demo: Path = DEMO) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(demo / "show.py"), str(output)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.acceptance
def test_demo_shows_a_failure_and_succeeds(tmp_path: Path) -> None:
    run = show(tmp_path / "out")

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[0].startswith("Look at log.html: ")
    assert run.stdout.splitlines()[-1] == f"log: {tmp_path / 'out' / 'log.html'} (one test failed, as it was meant to)"
    assert (tmp_path / "out" / "log.html").exists()
    failed = [test for test in ExecutionResult(tmp_path / "out" / "output.xml").suite.all_tests if test.failed]
    assert [test.name for test in failed] == ["This Test Fails On Purpose"]
    assert failed[0].message.startswith("DEVICE: ")


@pytest.mark.acceptance
@pytest.mark.parametrize(
    ("suite", "said"),
    [
        ("*** Test Cases ***\nThis Test Fails On Purpose\n    No Operation\n", "should have failed, and did not"),
        ("*** Test Cases ***\nThis Test Fails On Purpose\n    Fail    TEST: x\n", "should have failed as DEVICE"),
        ("*** Test Cases ***\nThis Test Fails On Purpose\n    Fail    DEVICE: x\nOther\n    Fail    y\n", "'Other' failed: y"),
    ],
)
def test_anything_else_is_a_failure(tmp_path: Path, suite: str, said: str) -> None:
    demo = tmp_path / "demo"
    demo.mkdir()
    shutil.copy(DEMO / "show.py", demo)
    (demo / "demo.robot").write_text("*** Test Cases ***\nFine\n    No Operation\n")
    (demo / "failing.robot").write_text(suite)

    run = show(tmp_path / "out", demo)

    assert run.returncode == 1
    assert said in run.stderr
