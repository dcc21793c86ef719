"""The timeline in the log of real Robot runs, and how Chromium shows it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import ask
from helpers.robot_run import RobotRun, RobotRunner

EVIL = "<script>window.hacked=1</script>"

SUITE = f"""
*** Settings ***
Library    JumpstarterLibrary
Library    OperatingSystem
Suite Setup    Open Both

*** Test Cases ***
Without The Device
    Log    nothing to see

With Trouble
    Open Console    driver=console
    Fail On Console Output    panic    label=panic {EVIL}
    Power Cycle And Wait For Line On Console    Welcome to    wait=100ms
    Login To Console    root    sesame
    Execute Console Command    echo '{EVIL}'
    FOR    ${{i}}    IN RANGE    3
        Get Voltage
    END
    Create File    ${{OUTPUT DIR}}/a.img    content
    Run Keyword And Ignore Error    Flash Image    ${{OUTPUT DIR}}/a.img    checksum=00
    Flash Image    ${{OUTPUT DIR}}/a.img
    Run Keyword And Ignore Error    Call Driver Method    power    {EVIL}
    Switch Jumpstarter Session    two
    Power On
    Switch Jumpstarter Session    one
    Write Line To Console    panic
    Sleep    300ms
    Get Voltage
    [Teardown]    Power Off

Closed Within The Test
    Open Jumpstarter Session    mock    alias=three
    Power On
    Close Jumpstarter Session    three

*** Keywords ***
Open Both
    Open Jumpstarter Session    mock    alias=two
    Open Jumpstarter Session    mock    alias=one
"""


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RobotRun]:
    runner = RobotRunner(tmp_path_factory.mktemp("timeline"))
    yield runner(SUITE)
    runner.close()


def timelines(test: Any) -> list[str]:
    return [item.message for item in test.body if item.type == "MESSAGE" and 'class="jlt"' in item.message]


def test_each_test_that_used_a_device_has_a_timeline(run: RobotRun) -> None:
    assert timelines(run.tests["Without The Device"]) == []
    [trouble] = timelines(run.tests["With Trouble"])
    [closed] = timelines(run.tests["Closed Within The Test"])
    assert " open><summary>" in trouble, "that of a failed test is unfolded"
    assert " open><summary>" not in closed
    for words in ("power on from", "kernel", "watcher", "login", "a.img to storage", "failed: ", "Power Cycle And Wait For Line"):
        assert words in trouble, words
    assert "three.jsonl" in closed
    assert "power on from" in closed


def test_steps_stand_where_they_were(run: RobotRun) -> None:
    [text] = timelines(run.tests["With Trouble"])
    for name in ("Login To Console", "FOR ${i} IN RANGE 3", "Power Off"):
        assert f"<title>{name}: " in text, name
    assert "Get Voltage: " in text
    assert ", FAIL</title>" in text


LOOK = """
const out = [], near = 1.5;
const pictures = [...document.querySelectorAll('.jlt')];
for (const picture of pictures) {
  const frame = picture.parentElement.getBoundingClientRect(), whole = picture.getBoundingClientRect();
  if (whole.right > frame.right + near) out.push('the timeline is wider than its place: ' + whole.right + ' > ' + frame.right);
  const box = picture.querySelector('.jlt-box').getBoundingClientRect();
  if (box.right > whole.right + near) out.push('the box is wider than the timeline');
  for (const svg of picture.querySelectorAll('.jlt-lane > svg')) {
    if (!svg.getAttribute('aria-label')) out.push('a lane without a text alternative');
    const bounds = svg.getBoundingClientRect();
    for (const part of svg.querySelectorAll('text,rect,circle,line')) {
      const r = part.getBoundingClientRect();
      if (r.left < bounds.left - near || r.right > bounds.right + near || r.bottom > bounds.bottom + 4) {
        out.push(part.outerHTML.slice(0, 120) + ' is outside');
      }
    }
  }
}
const colour = pictures.length ? getComputedStyle(pictures[0].querySelector('svg text')).fill : '';
return {count: pictures.length, out: out, hacked: !!window.hacked, colour: colour,
        scripts: [...document.querySelectorAll('.message script, .jlt script, td script')].length};
"""


@pytest.mark.parametrize("width", [600, 1280])
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_chromium_shows_timelines_within_their_boxes(run: RobotRun, theme: str, width: int) -> None:
    found = ask(run.outputdir / "log.html", LOOK, theme=theme, width=width)
    assert found["count"] == 2
    assert found["out"] == []
    assert not found["hacked"]
    assert found["scripts"] == 0
    assert found["colour"] == ("rgb(0, 0, 0)" if theme == "light" else "rgb(226, 225, 215)")


MANY = """
from robot.libraries.BuiltIn import BuiltIn
from JumpstarterLibrary.journal import CallEnded, ConsoleReceived, LogLine, Reading

def make_events():
    journal = BuiltIn().get_library_instance("JumpstarterLibrary").sessions.current.journal
    for i in range(10_000):
        journal.append(CallEnded(driver="power", method="on", arguments="", seconds=0.001, outcome="ok"))
    for i in range(2_000):  # 100 MB
        journal.append(ConsoleReceived(console="console", position=i * 50_000, size=50_000))
    for i in range(6_000):  # ten minutes at 10 Hz
        journal.append(Reading(driver="power", voltage=5.0, current=1 + i % 7 / 10))
"""


def test_a_busy_test_makes_the_log_less_than_a_megabyte_larger(run_robot: RobotRunner, tmp_path: Path) -> None:
    (tmp_path / "many.py").write_text(MANY)
    head = f"*** Settings ***\nLibrary    JumpstarterLibrary\nLibrary    {tmp_path}/many.py\n*** Test Cases ***\nBusy\n"
    text = f"{head}    Open Jumpstarter Session    mock\n"
    quiet, busy = run_robot(text), run_robot(f"{text}    Make Events\n")
    assert quiet.returncode == busy.returncode == 0
    [timeline] = timelines(busy.tests["Busy"])
    assert "18000 calls" in timeline or "10000 calls" in timeline
    assert len(timeline.encode()) < 200_000
    grown = (busy.outputdir / "log.html").stat().st_size - (quiet.outputdir / "log.html").stat().st_size
    assert grown < 1_000_000


def test_nothing_is_written_where_robot_writes_no_files(run_robot: RobotRunner) -> None:
    head = "*** Settings ***\nLibrary    JumpstarterLibrary\n*** Test Cases ***\nOne\n"
    suite = f"{head}    Open Jumpstarter Session    mock\n    Power On\n"
    run = run_robot(suite, "--output", "NONE")
    assert run.returncode == 0
    assert "Calling method" not in run.stdout
