"""What stands in log.html, and where (real robot in a child process)."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import pytest
from helpers.exporters import Exporter, start_our_exporter
from helpers.results import find_keyword, find_keywords
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    ${TARGET}    bench

*** Test Cases ***
Powers
    Power On    driver=${POWER}
    No Operation
    Power Off    driver=${POWER}
    Get Driver Tree
Fails
    Call Driver Method    no_such_method    driver=${POWER}
"""


@pytest.fixture(scope="module")
def ours() -> Iterator[Exporter]:
    with start_our_exporter("mock") as exporter:
        yield exporter


def rows(messages: list[Any]) -> list[list[str]]:
    """The lines of the exporter's log in some messages: level, source, text."""
    found = []
    for message in messages:
        if message.html and "exporter log of" in message.message:
            table = re.findall(r"<tr>(.*?)</tr>", message.message)
            found += [[re.sub("<[^>]*>", "", cell) for cell in re.findall(r"<td.*?</td>", row)][1:] for row in table]
    return found


def run_against(run_robot: RobotRunner, target: str, power: str) -> RobotRun:
    run = run_robot(SUITE, "--variable", f"TARGET:{target}", "--variable", f"POWER:{power}")
    assert run.tests["Powers"].passed, run.tests["Powers"].message
    return run


@pytest.mark.parametrize("place", ["embedded", "child"])
def test_lines_of_our_exporter_stand_under_their_keyword(
    place: str, run_robot: RobotRunner, request: pytest.FixtureRequest
) -> None:
    target = "mock" if place == "embedded" else request.getfixturevalue("ours").address
    run = run_against(run_robot, target, "power")

    on = rows(run.log_messages("Power On"))
    assert on == [["INFO", "driver power", "power on"]] or on == [["INFO", "driver power", "already on"]]
    assert rows(run.log_messages("Power Off")) == [["INFO", "driver power", "power off"]]
    assert rows(find_keyword(run.suite, "No Operation").messages) == []
    assert len(rows(run.log_messages())) == 2, "each line stands there once"


@pytest.mark.interop
def test_lines_of_upstreams_exporter_stand_in_their_test(run_robot: RobotRunner, upstream_smoke: Exporter) -> None:
    run = run_against(run_robot, upstream_smoke.address, "dut.power")

    texts = [text for _, _, text in rows(all_messages(run.tests["Powers"]))]
    assert "power on" in texts
    assert "power off" in texts


def all_messages(item: Any) -> list[Any]:
    return [
        message
        for part in item.body
        for message in ([part] if getattr(part, "type", "") == "MESSAGE" else all_messages(part) if hasattr(part, "body") else [])
    ]


def test_each_call_is_a_line_with_its_duration_and_the_tree_is_a_table(run_robot: RobotRunner, ours: Exporter) -> None:
    run = run_against(run_robot, ours.address, "power")

    assert any(re.fullmatch(r"power\.on\(\)  \[\d+\.\d ms\]", message) for message in run.messages("Power On"))
    (tree,) = [message for message in run.log_messages("Get Driver Tree") if message.html]
    assert "power.client.PowerClient" in tree.message
    failure = run.tests["Fails"].message
    assert failure.startswith("TEST: no_such_method() on driver 'power' of device 'bench' failed: ")
    assert not [text for text in run.messages() if "Traceback" in text or "JumpstarterLibrary/" in text]
    assert len(find_keywords(run.suite, "Power On")) == 1
