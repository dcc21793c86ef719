"""What a lab and its devices say stands in log.html as text: no script of theirs runs, and no link or picture comes of it."""

from __future__ import annotations

import html
import json
import re
from pathlib import Path

import pytest
from helpers import browser
from helpers.lab import start_lab
from helpers.robot_run import RobotRunner
from robot.utils import html_format

from JumpstarterLibrary.report.robot_text import JOINER, plain

SCRIPT = "<script>window.hacked=1</script>"
PICTURE = '"><img src=x onerror="window.hacked=2">'
LABELS = {
    "a": SCRIPT,
    "b": PICTURE,
    "c": "*bold* _lean_ ``code``",
    "d": "http://evil.test/x.png",
    "e": "[http://evil.test|login]",
}
HOOK = [f"hook {SCRIPT}", f"hook {PICTURE}"]

SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=20s
Suite Setup       Open Jumpstarter Session    exporter_name=bench-1

*** Test Cases ***
All
    Get Exporters
    Get Leases
    Record Measurement    *load*    5
    Fail    no
"""


@pytest.mark.parametrize(
    "text",
    [
        *LABELS.values(),
        "(*bold*)",
        '"*bold*"',
        "_*both*_",
        "x *bold* y",
        "a (http://evil.test) b",
        "# code",
        "= Head =",
        "---",
        "- item",
        "| =cell= |",
        "x\n| =cell= |",
        "javascript://evil.test/%0aalert(1)",
    ],
)
def test_robot_formats_nothing_of_it(text: str) -> None:
    shown = html_format(plain(text))

    assert re.fullmatch(r"(?:<p>)?([^<>]*)(?:</p>)?", shown), shown
    read = html.unescape(re.sub("</?p>", "", shown)).replace(JOINER, "")
    assert read == " ".join(text.split()).replace("|", "\u00a6")


@pytest.mark.parametrize("text", ["board_type=rpi4_b, a=1", "bench-7 (lease 01-a; 2*3)", "5 V"])
def test_usual_labels_are_left_alone(text: str) -> None:
    assert plain(text) == text


LOOK = """
const text = document.body.innerText;
const said = %s.map(one => one.replace(/\\s+/g, ' '));
const flat = text.replace(/\\u2060/g, '').replace(/\\s+/g, ' ');
return {
  hacked: window.hacked || 0,
  missing: said.filter(one => !flat.includes(one)),
  links: [...document.querySelectorAll('a')].map(a => a.href).filter(one => one.includes('evil.test')),
  pictures: [...document.images].map(i => i.getAttribute('src')).filter(one => one === 'x' || one.includes('evil.test')),
  bold: [...document.querySelectorAll('.metadata b, .metadata i, .metadata code')].map(b => b.innerText)
};
"""


@pytest.mark.acceptance
def test_no_label_and_no_hook_of_a_lab_does_anything_in_the_log(run_robot: RobotRunner, tmp_path: Path) -> None:
    with start_lab(tmp_path) as lab:
        lab.start_session_exporter("bench-1", LABELS, before_lease={"seconds": 0, "output": HOOK, "fails": None})
        lab.client_config("ci", current=True)
        run = run_robot(SUITE, env=lab.environment())

    assert run.tests["All"].message.startswith("no\n"), run.tests["All"].message
    said = [*HOOK, *(f"{key}={value}".replace("|", "\u00a6") for key, value in LABELS.items()), "*load*"]
    found = browser.ask(run.outputdir / "log.html", LOOK % json.dumps(said).replace("</", "<\\/"))

    assert found["missing"] == []
    assert (found["hacked"], found["links"], found["pictures"]) == (0, [], [])
    assert found["bold"] == []
