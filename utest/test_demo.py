"""`make demo`: it says what to look at, one test fails on purpose, and only then all is well."""

from __future__ import annotations

import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.browser import ask
from robot.api import ExecutionResult

DEMO = Path(__file__).parents[1] / "atest" / "demo"


def show(output: Path, demo: Path = DEMO) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, str(demo / "show.py"), str(output)]
    return subprocess.run(command, capture_output=True, text=True, timeout=120, check=False)


LOOK = """
const wide = document.documentElement.clientWidth;
const fits = e => {
  for (let p = e.parentElement; p && p !== document.body; p = p.parentElement) {
    const scrolls = ['auto', 'scroll'].includes(getComputedStyle(p).overflowX);
    if (scrolls && p.getBoundingClientRect().right <= wide + 1) return true;
  }
  return false;
};
const outside = [];
for (const piece of document.querySelectorAll('.message *')) {
  const box = piece.getBoundingClientRect();
  if (piece.closest('svg') !== null && piece.tagName !== 'svg') continue;
  if (box.width && box.height && box.right > wide + 1 && !fits(piece)) outside.push(piece.outerHTML.slice(0, 200));
}
const unnamed = [...document.querySelectorAll('.message img')].filter(e => !e.alt)
  .concat([...document.querySelectorAll('.message svg')].filter(e => !e.getAttribute('aria-label') && !e.querySelector('title')));
const count = selector => document.querySelectorAll('.message ' + selector).length;
return {outside, unnamed: unnamed.map(e => e.outerHTML.slice(0, 200)),
        shown: {pictures: count('img'), drawings: count('svg'), tables: count('table'), folded: count('details')}};
"""


@pytest.fixture(scope="module")
def shown(tmp_path_factory: pytest.TempPathFactory) -> tuple[subprocess.CompletedProcess[str], Path]:
    """One run of the demo, and its folder."""
    folder = tmp_path_factory.mktemp("demo") / "out"
    return show(folder), folder


@pytest.mark.acceptance
@pytest.mark.parametrize("width", [600, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_piece_of_the_demos_log_stays_in_its_box_and_has_a_text(
    shown: tuple[subprocess.CompletedProcess[str], Path], theme: str, width: int
) -> None:
    """Timelines, plots, tables of measurements, the driver tree, evidence, transcripts, snapshots; no script errs."""
    found = ask(shown[1] / "log.html", LOOK, theme=theme, width=width)

    assert found["outside"] == []
    assert found["unnamed"] == []
    assert min(found["shown"].values()) >= 3, found["shown"]


@pytest.mark.acceptance
def test_demo_shows_a_failure_and_succeeds(shown: tuple[subprocess.CompletedProcess[str], Path]) -> None:
    run, folder = shown

    assert run.returncode == 0, run.stdout + run.stderr
    assert run.stdout.splitlines()[-3].startswith("Look at log.html: ")
    assert run.stdout.splitlines()[-1] == f"log: {folder / 'log.html'} (one test failed, as it was meant to)"
    assert (folder / "log.html").exists()
    failed = [test for test in ExecutionResult(folder / "output.xml").suite.all_tests if test.failed]
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
