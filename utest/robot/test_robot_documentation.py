"""What Libdoc, editors and readers see: documentation, tags, links, types; and every example runs."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from helpers.lab import start_lab
from helpers.robot_run import RobotRunner
from robot.libdocpkg import LibraryDocumentation

from JumpstarterLibrary.errors import FailureClass
from JumpstarterLibrary.keywords.tags import Tag

EXAMPLE = re.compile(r"^```robotframework\n(.*?)^```", re.MULTILINE | re.DOTALL)
CODE = re.compile(r"^```.*?^```|`[^`]*`", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]]+)\](?!\()")


@cache
def library() -> dict[str, Any]:
    return LibraryDocumentation("JumpstarterLibrary").to_dictionary()


def keywords() -> list[Any]:
    return [pytest.param(keyword, id=keyword["name"]) for keyword in library()["keywords"]]


def arguments(keyword: dict[str, Any]) -> list[dict[str, Any]]:
    return [argument for argument in keyword["args"] if argument["name"]]


def linked() -> set[str]:
    """What a `[link]` may lead to."""
    sections = re.findall(r"^#+ (.+)$", CODE.sub("", library()["doc"]), re.MULTILINE)
    return {*sections, *(k["name"] for k in library()["keywords"]), *(t["name"] for t in library()["typedocs"])}


def types_in(kind: dict[str, Any]) -> list[dict[str, Any]]:
    return [*([] if kind["union"] else [kind]), *(inner for nested in kind["nested"] for inner in types_in(nested))]


def test_there_are_the_keywords_of_the_spine() -> None:
    names = {keyword["name"] for keyword in library()["keywords"]}
    assert {
        *("Open Jumpstarter Session", "Close Jumpstarter Session", "Close All Jumpstarter Sessions"),
        *("Switch Jumpstarter Session", "Get Jumpstarter Session", "Get Jumpstarter Sessions"),
        *(
            "Power On",
            "Power Off",
            "Power Cycle",
            "Power Rescue",
            "Get Power Readings",
            "Get Voltage",
            "Get Current",
            "Get Power",
        ),
        *("Get Driver Tree", "Find Drivers", "Driver Should Exist", "Set Default Driver", "Call Driver Method"),
        *("Stream Driver Method", "Set Jumpstarter Timeout"),
    } <= names


@pytest.mark.parametrize("keyword", keywords())
def test_keyword_is_documented(keyword: dict[str, Any]) -> None:
    assert re.match(r"[A-Z][^\n]*\.$", keyword["shortdoc"]), "one sentence says what it does"
    undocumented = [argument["name"] for argument in arguments(keyword) if not argument["doc"].strip()]
    assert undocumented == []
    returns = keyword["returnType"] is not None and keyword["returnType"]["name"] != "None"
    assert bool(keyword["returnDoc"]) == returns, "Returns: stands there if, and only if, it returns something"
    assert set(keyword.get("raises") or {}) <= {each.value for each in FailureClass}
    assert len(EXAMPLE.findall(keyword["doc"])) == 1, "one example"


@pytest.mark.parametrize("keyword", keywords())
def test_tags_are_of_the_vocabulary(keyword: dict[str, Any]) -> None:
    assert keyword["tags"]
    assert set(keyword["tags"]) <= {tag.value for tag in Tag}
    assert (Tag.GETTER.value in keyword["tags"]) == keyword["name"].startswith(("Get ", "Find ")), keyword["tags"]


def test_every_tag_is_used() -> None:
    assert {tag.value for tag in Tag} == set(library()["tags"])


@pytest.mark.parametrize("keyword", keywords())
def test_every_type_is_known_to_robot(keyword: dict[str, Any]) -> None:
    for argument in arguments(keyword):
        assert argument["type"], f"{argument['name']} has a type"
        unknown = [kind["name"] for kind in types_in(argument["type"]) if not kind["typedoc"]]
        assert unknown == [], f"Robot cannot convert to {unknown}"


def test_the_import_arguments_are_documented() -> None:
    for argument in arguments(library()["inits"][0]):
        assert argument["doc"].strip()
        assert all(kind["typedoc"] for kind in types_in(argument["type"]))


def test_every_link_leads_somewhere() -> None:
    texts = {"introduction": library()["doc"]}
    for keyword in [*library()["keywords"], *library()["inits"]]:
        parts = [keyword["doc"], keyword.get("returnDoc") or "", *(argument["doc"] for argument in arguments(keyword))]
        texts[keyword["name"]] = "\n".join([*parts, *(keyword.get("raises") or {}).values()])
    dead = {
        f"{name}: [{link}]" for name, text in texts.items() for link in LINK.findall(CODE.sub("", text)) if link not in linked()
    }
    assert dead == set()


@pytest.mark.acceptance
def test_every_example_runs(run_robot: RobotRunner, tmp_path: Path) -> None:
    settings, tests = {"Library    JumpstarterLibrary", "Test Teardown    Close All Jumpstarter Sessions"}, ""
    for keyword in library()["keywords"]:
        (example,) = EXAMPLE.findall(keyword["doc"])
        head, body = example.split("\nExample\n")
        above, _, nothing = head.partition("*** Test Cases ***")
        assert not nothing
        assert above == "" or above.startswith("*** Settings ***\n")
        settings |= set(above.splitlines()[1:]) - {""}
        tests += f"{keyword['name']}\n{body}\n"
    assert not [line for line in settings if not line.startswith(("Library  ", "Test Teardown  "))]
    with start_lab(tmp_path) as lab:  # for the keywords that lease
        lab.start_session_exporter("bench-1", {"board": "mock"})
        lab.client_config("ci", current=True)
        suite = "\n".join(["*** Settings ***", *sorted(settings), "", "*** Test Cases ***", tests])
        run = run_robot(suite, env=lab.environment())

    assert {name: test.message for name, test in run.tests.items() if test.failed} == {}
    assert len(run.tests) == len(library()["keywords"])


@pytest.mark.acceptance
def test_every_example_of_the_introduction_runs(run_robot: RobotRunner) -> None:
    for example in EXAMPLE.findall(library()["doc"]):
        settings = "" if "*** Settings ***" in example else "*** Settings ***\nLibrary    JumpstarterLibrary\n\n"
        run = run_robot(settings + example)
        assert run.tests
        assert {name: test.message for name, test in run.tests.items() if test.failed} == {}


@pytest.mark.acceptance
def test_text_becomes_the_types_of_the_arguments(run_robot: RobotRunner) -> None:
    run = run_robot(
        "*** Settings ***\nLibrary    JumpstarterLibrary    timeout=1 min 2 s    auto_close=manual\n\n*** Test Cases ***\n"
        "Right\n    Open Jumpstarter Session    mock    security=Plaintext    timeout=10 seconds\n"
        "    Power Cycle    wait=50 ms    timeout=00:00:05\n"
        "    ${before} =    Set Jumpstarter Timeout    2.5    scope=GLOBAL\n"
        "    Should Be Equal    ${before.total_seconds()}    ${62}\n"
        "    ${readings} =    Get Power Readings    2\n    Length Should Be    ${readings}    2\n"
        "    Get Voltage    less than    6\n    Get Voltage    validate    0 < value < 6\n"
        "Wrong Enum\n    Open Jumpstarter Session    mock    security=open\n"
        "Wrong Time\n    Power Cycle    wait=soon\n"
        "Wrong Number\n    Get Power Readings    two\n"
    )

    assert run.tests["Right"].passed, run.tests["Right"].message
    assert "'security' got value 'open' that cannot be converted to Security" in run.tests["Wrong Enum"].message
    assert "'soon' that cannot be converted to timedelta" in run.tests["Wrong Time"].message
    assert "'two' that cannot be converted to integer" in run.tests["Wrong Number"].message
