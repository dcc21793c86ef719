"""Plots of power: limits, escaping, and how they look in the log of a real run."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

import pytest
from helpers.browser import ask
from helpers.exporters import start_our_exporter
from helpers.robot_run import RobotRunner

from JumpstarterLibrary.report.plots import Plot, decimated, plot_html

MOST_BYTES = 60_000
EVIL = "<script>window.hacked=1</script>"


def plot(**changes: Any) -> Plot:
    return Plot(**{"quantity": "power", "unit": "W", "curve": [(0.0, 1.0), (1.0, 2.0)], "caption": "one watt", **changes})


def test_a_long_recording_with_an_envelope_and_gaps_keeps_to_its_size() -> None:
    curve = [(n / 100, 5 + math.sin(n / 7)) for n in range(60_000)]
    text = plot_html(
        plot(
            curve=curve,
            lower=[(when, value - 1) for when, value in curve],
            upper=[(when, value + 1) for when, value in curve],
            outside=curve,
            gaps=[(n * 5.0, n * 5.0 + 1) for n in range(100)],
            limits=[("min", 1.0), ("max", 9.0)],
        )
    )
    assert len(text.encode()) <= MOST_BYTES


def test_thousands_of_gaps_keep_to_the_size() -> None:
    curve = [(n / 10, 5.0) for n in range(6_000)]
    assert len(plot_html(plot(curve=curve, gaps=[(n / 10, n / 10 + 0.05) for n in range(6_000)])).encode()) <= MOST_BYTES


@pytest.mark.parametrize("place", [0, 1, 3_333, 5_999])
def test_no_peak_is_lost(place: int) -> None:
    curve = [(n / 10, 10.0 if n == place else 2.0) for n in range(6_000)]
    assert (place / 10, 10.0) in decimated(curve)


def test_it_has_axes_with_units_and_a_text_alternative() -> None:
    text = plot_html(plot(limits=[("max", 1.5)], outside=[(1.0, 2.0)], events=[("power on", 0.0)]))
    assert 'role="img"' in text
    assert "<desc>one watt</desc>" in text
    for words in ("power in W", ">seconds<", ">max 1.5 W<", ">power on<", "outside at 1.000 s: 2 W"):
        assert words in text, words


def test_a_curve_is_broken_where_nobody_measured() -> None:
    curve = [(0.0, 1.0), (1.0, 1.0), (5.0, 1.0), (6.0, 1.0)]
    assert plot_html(plot(curve=curve)).count("<polyline") == 1
    assert plot_html(plot(curve=curve, gaps=[(1.0, 5.0)])).count("<polyline") == 2


@pytest.mark.parametrize(
    "curve", [[], [(0.0, 0.0)], [(1.0, 5.0), (1.0, 5.0)], [(0.0, 0.0), (9.0, 0.0)], [(0.0, -3.0), (1.0, 1e9)]]
)
def test_odd_recordings_are_drawn_without_numbers_that_are_none(curve: list[tuple[float, float]]) -> None:
    text = plot_html(plot(curve=curve))
    assert not re.search(r'"-?(nan|inf)', text)


def test_what_others_wrote_stands_there_as_text() -> None:
    text = plot_html(
        plot(caption=EVIL, quantity=EVIL, unit=EVIL, limits=[(EVIL, 1.0)], events=[(EVIL, 0.5)], outside=[(1.0, 2.0)])
    )
    assert "<script" not in text


SUITE = """
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    mock    alias=<script>hack()</script>

*** Test Cases ***
Recorded
    Start Power Recording    interval=50ms
    Power On
    Sleep    700ms
    Stop Power Recording
    Save Power Recording    <b>good.csv
Limits
    Power Should Stay Within    max=0.5    during=5s
Signature
    Power Off
    Start Power Recording    interval=50ms
    Sleep    900ms
    Stop Power Recording
    Power Should Match Signature    ${OUTPUT DIR}/<b>good.csv    tolerance=5%
Stopped By Robot
    [Timeout]    500ms
    Power Should Stay Within    min=0    during=1h
Goes On Afterwards
    Power Should Stay Within    min=0    during=200ms
"""

LOOK = """
const out = [], near = 1.5;
const plots = [...document.querySelectorAll('figure.jlp')];
for (const plot of plots) {
  const frame = plot.parentElement.getBoundingClientRect(), whole = plot.getBoundingClientRect();
  if (whole.right > frame.right + near) out.push('wider than its place: ' + whole.right + ' > ' + frame.right);
  const box = plot.querySelector('div').getBoundingClientRect();
  if (box.right > whole.right + near) out.push('the box is wider than the figure');
  const svg = plot.querySelector('svg'), bounds = svg.getBoundingClientRect();
  if (svg.getAttribute('role') !== 'img' || !svg.querySelector('desc').textContent) out.push('no text alternative');
  for (const part of svg.querySelectorAll('text,rect,line,polyline,polygon,path')) {
    const r = part.getBoundingClientRect();
    if (r.left < bounds.left - near || r.right > bounds.right + near ||
        r.top < bounds.top - near || r.bottom > bounds.bottom + near)
      out.push(part.outerHTML.slice(0, 120) + ' is outside');
  }
}
const texts = plots.flatMap(plot => [...plot.querySelectorAll('svg text')]);
return {count: plots.length, out: out, hacked: !!window.hacked, colour: getComputedStyle(texts[0]).fill,
        scripts: document.querySelectorAll('.message script, td script, .jlp script, .jlt script').length};
"""


@pytest.mark.acceptance
def test_plots_in_the_log_of_a_run(run_robot: RobotRunner) -> None:
    run = run_robot(SUITE)
    messages = {name: test.message.partition("\n")[0] for name, test in run.tests.items()}
    assert messages["Recorded"] == ""
    assert re.match(r"DEVICE: The power of .* it was \d.*above max=0.5 W", messages["Limits"])
    assert "does not match the signature '<b>good.csv'" in messages["Signature"]
    assert messages["Stopped By Robot"].startswith("Test timeout 500 milliseconds exceeded")
    assert messages["Goes On Afterwards"] == ""
    log = run.outputdir / "log.html"
    for theme, colour in (("light", "rgb(0, 0, 0)"), ("dark", "rgb(226, 225, 215)")):
        for width in (600, 1280):
            found = ask(log, LOOK, theme=theme, width=width)
            assert found == {"count": 5, "out": [], "hacked": False, "colour": colour, "scripts": 0}


@pytest.mark.acceptance
def test_a_recording_that_nobody_stopped_does_not_hold_up_the_end(run_robot: RobotRunner) -> None:
    head = "*** Settings ***\nLibrary    JumpstarterLibrary    auto_close=KEEP\n*** Test Cases ***\nOne\n"
    suite = f"{head}    Open Jumpstarter Session    mock\n    Start Power Recording\n    Power On\n"
    run = run_robot(suite, "--log", "NONE", timeout=30)
    assert run.returncode == 0
    assert (Path(run.outputdir) / "output.xml").exists()


FROZEN = """
*** Settings ***
Library    Process
Library    JumpstarterLibrary    timeout=2s    evidence=NONE

*** Test Cases ***
Frozen While Recorded
    Open Jumpstarter Session    %{ADDRESS}
    Power On
    Start Power Recording
    Run Process    kill    -STOP    %{EXPORTER}
    Power Should Stay Within    max=100    during=1s
Frozen Before
    Power Should Stay Within    max=100    during=1s    driver=power
    [Setup]    Stop Power Recording
"""


@pytest.mark.acceptance
def test_a_frozen_exporter_is_never_within_limits(run_robot: RobotRunner) -> None:
    with start_our_exporter() as exporter:
        run = run_robot(FROZEN, env={"ADDRESS": exporter.address, "EXPORTER": str(exporter.pid)})
        exporter.thaw()
    assert {name: test.message.partition(":")[0] for name, test in run.tests.items()} == {
        "Frozen While Recorded": "INFRASTRUCTURE",
        "Frozen Before": "INFRASTRUCTURE",
    }
