"""What our pages in a log cost `robot` when it makes log.html."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

from bench_contest import Contest, row, timed
from helpers.processes import clean_environment
from robot.api import ExecutionResult, ResultVisitor

TESTS, EVENTS = 50, 2_000
ROUNDS = 5
SUITE = """\
*** Settings ***
Library        JumpstarterLibrary
Library        {folder}/many.py
Suite Setup    Open Jumpstarter Session    mock

*** Test Cases ***
"""
TEST = """\
Test {number}
    Power On
    Make Events
    Record Measurement    number    {number}    limit=< 1000
    Power Off
"""
MANY = """\
from robot.libraries.BuiltIn import BuiltIn
from JumpstarterLibrary.journal.events import CallEnded, Reading

def make_events():
    journal = BuiltIn().get_library_instance("JumpstarterLibrary").sessions.current.journal
    for i in range({events} // 2):
        journal.append(CallEnded(driver="power", method="read", arguments="", seconds=0.001, outcome="ok"))
        journal.append(Reading(driver="power", voltage=5.0, current=1 + i % 7 / 10))
"""


class WithoutUs(ResultVisitor):
    """Takes out what we wrote as HTML: timelines, tables, plots."""

    def start_body_item(self, item: Any) -> None:
        self._clean(item)

    def start_test(self, test: Any) -> None:
        self._clean(test)

    def _clean(self, item: Any) -> None:
        if hasattr(item, "body"):
            item.body = [part for part in item.body if not getattr(part, "html", False)]


def test_log_creation(benchmark: Any, tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(MANY.replace("{events}", str(EVENTS)))
    suite = SUITE.replace("{folder}", str(tmp_path)) + "".join(TEST.replace("{number}", str(number)) for number in range(TESTS))
    (tmp_path / "suite.robot").write_text(suite)
    robot = [sys.executable, "-m", "robot", "--log", "NONE", "--report", "NONE", "--outputdir", str(tmp_path)]
    subprocess.run(
        [*robot, str(tmp_path / "suite.robot")], check=True, env=clean_environment(), stdout=subprocess.DEVNULL, timeout=300
    )
    result = ExecutionResult(tmp_path / "output.xml")
    result.visit(WithoutUs())
    result.save(tmp_path / "bare.xml")

    def turn(name: str) -> Any:
        files = [str(tmp_path / f"{name}.html"), str(tmp_path / f"{name}.xml")]
        return lambda: timed(sys.executable, "-m", "robot.rebot", "--report", "NONE", "--log", *files)

    contest = Contest().play(benchmark, {"ours": turn("output"), "without": turn("bare")}, ROUNDS)

    sizes = [(tmp_path / f"{name}.html").stat().st_size / 1e6 for name in ("output", "bare")]
    assert sizes[0] > sizes[1] + TESTS * 0.005, "our pages are not in the log"
    text = f"making log.html of {TESTS} tests with {EVENTS:,} events each: with our pages / without"
    detail = f"{contest.summary('s')}; log.html {sizes[0]:.1f} and {sizes[1]:.1f} MB"
    row(benchmark, text, contest.ratios("ours", "without"), bar=2, detail=detail)
