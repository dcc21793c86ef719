"""One suite folder, sharded by pabot over several exporters behind one controller: one lease for each process."""

from __future__ import annotations

import html
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import pytest
from helpers.lab import Lab, start_lab
from helpers.processes import Process
from robot.api import ExecutionResult

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=20s
Suite Setup       Open Jumpstarter Session    selector=board=mock    alias=dut

*** Test Cases ***
Board Of Suite {number} Is Ours
    Power On
    Log    the device is busy
    Sleep    {seconds}s
    Power Off
"""
SHARDS = 4
PABOT = ("pabot.pabot", "--no-pabotlib", "--processes", str(SHARDS))  # its library has one port for all runs


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab with four exporters."""
    with start_lab(tmp_path_factory.mktemp("pabot")) as running:
        for number in range(1, SHARDS + 1):
            running.start_session_exporter(f"bench-{number}", {"board": "mock"}, "mock:power")
        running.client_config("ci", current=True)
        yield running


def suites(folder: Path, seconds: float) -> Path:
    """A folder with a suite for each process."""
    folder.mkdir()
    for number in range(1, SHARDS + 1):
        (folder / f"suite_{number}.robot").write_text(SUITE.format(number=number, seconds=seconds))
    return folder


def run(lab: Lab, folder: Path, output: Path, *command: str) -> tuple[float, Any]:
    """Runs robot or pabot; returns seconds and the result."""
    for number in range(1, SHARDS + 1):
        lab.wait_for_status(f"bench-{number}", "AVAILABLE")
    began = time.monotonic()
    # pabot starts the `robot` of the path, and keeps notes where it is started.
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    line = [sys.executable, "-m", *command, "--outputdir", str(output), str(folder)]
    with Process(line, env={**lab.environment(), "PATH": path}, cwd=folder.parent) as process:
        code = process.wait(180)
    seconds = time.monotonic() - began
    assert code == 0, process.output
    return seconds, ExecutionResult(output / "output.xml").suite


def test_four_processes_share_four_exporters_and_leave_no_lease(lab: Lab, tmp_path: Path) -> None:
    lab.clear_requests()
    folder = suites(tmp_path / "suites", 2)
    _, suite = run(lab, folder, tmp_path / "output", *PABOT)

    assert lab.leases() == []
    assert {test.name: test.status for test in suite.all_tests} == {
        f"Board Of Suite {number} Is Ours": "PASS" for number in range(1, SHARDS + 1)
    }
    used = [child.metadata["Exporter of dut"].split()[0] for child in suite.suites]
    leases = {child.metadata["Exporter of dut"].split("(lease ")[1].split(";")[0] for child in suite.suites}
    assert sorted(used) == [f"bench-{number}" for number in range(1, SHARDS + 1)], "each process had an exporter of its own"
    assert len(leases) == len(lab.requests("CreateLease")) == SHARDS
    assert all(f"exporter:{exporter}" in test.tags for exporter, test in zip(used, suite.all_tests, strict=True))
    journals = list((tmp_path / "output").rglob("*.jsonl"))
    assert len({path.read_text() for path in journals}) == SHARDS, journals


LINKED = """\
*** Settings ***
Library           JumpstarterLibrary
Suite Setup       Open Jumpstarter Session    mock

*** Test Cases ***
Shows {number}
    Open Console
    Power On
    Wait For Line On Console    Linux    timeout=20s
    Take Snapshot
    Record Measurement    number    {number}    unit=A
    Fail    no
"""
HREF = re.compile(r'(?:href|src)="((?!data:|#)[^"]+)"')


def test_what_the_merged_log_links_is_there(tmp_path: Path) -> None:
    """Journals, console files, snapshots and evidence of each process; timelines and measurements stand in the log itself."""
    folder, output = tmp_path / "suites", tmp_path / "output"
    folder.mkdir()
    for number in (1, 2):
        (folder / f"suite_{number}.robot").write_text(LINKED.format(number=number))
    path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
    line = [sys.executable, "-m", *PABOT, "--outputdir", str(output), str(folder)]
    with Process(line, env={"PATH": path}, cwd=tmp_path) as process:
        assert process.wait(120) == 2, process.output

    tests = list(ExecutionResult(output / "output.xml").suite.all_tests)
    said = {test.name: "".join(message.message for message in test.body.filter(messages=True)) for test in tests}
    assert set(said) == {"Shows 1", "Shows 2"}
    for name, text in said.items():
        assert "jlt" in text, f"{name} has no timeline"
        assert "number" in text
    links = [html.unescape(unquote(link)) for link in HREF.findall(html.unescape((output / "output.xml").read_text()))]
    assert {Path(link).suffix for link in links} >= {".jsonl", ".png", ".zip", ".txt", ".log"}
    assert [link for link in links if not (output / link).exists()] == []


@pytest.mark.slow
def test_four_processes_are_quicker_than_one(
    lab: Lab, tmp_path: Path, capfd: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    folder = suites(tmp_path / "suites", 15)
    one, _ = run(lab, folder, tmp_path / "one", "robot")
    four, suite = run(lab, folder, tmp_path / "four", *PABOT)

    with capfd.disabled():
        print(f"\n4 suites of 15 s of waiting: robot {one:.1f} s, pabot with 4 processes {four:.1f} s, ratio {four / one:.2f}")
    record_property("pabot", four / one)
    assert suite.statistics.failed == 0
    assert four < one
    assert lab.leases() == []
