"""What happens when keywords close things: last words are shown, watchers still count, files of earlier runs are emptied."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from helpers.robot_run import RobotRunner

pytestmark = pytest.mark.acceptance

RIG = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: rig}
export:
  uart: {type: JumpstarterLibrary.drivers.MockConsole, config: {loopback: false}}
"""
SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    plugins=${PLUGINS}

*** Keywords ***
Open It
    [Arguments]    ${alias}=rig
    Open Jumpstarter Session    ${RIG}    ${alias}    consoles=uart
Say
    [Arguments]    ${text}
    Call Driver Method    send_hex    ${{ $text.encode().hex() }}    driver=uart

*** Test Cases ***
"""


@pytest.fixture
def rig(tmp_path: Path) -> list[str]:
    (tmp_path / "rig.yaml").write_text(RIG)
    return ["--variable", f"RIG:{tmp_path}/rig.yaml", "--variable", "PLUGINS:"]


CLOSING = ["Close Console", "Close Jumpstarter Session", "Close All Jumpstarter Sessions"]


@pytest.mark.parametrize("closing", CLOSING)
def test_a_watcher_that_is_hit_while_a_keyword_closes_the_console_fails_that_keyword(
    closing: str, rig: list[str], run_robot: RobotRunner, tmp_path: Path
) -> None:
    (tmp_path / "lastwords.py").write_text(LAST_WORDS)
    run = run_robot(
        SUITE + f"Closes\n    Open It\n    Fail On Console Output    PANIC\n    Speak When It Closes\n    {closing}\n"
        "    Log    not reached\n"
        "Works Again\n    Open It    again\n    Say    hello\n",
        *(*rig, "--variable", "PLUGINS:lastwords.LastWords", "--pythonpath", str(tmp_path)),
    )

    test = run.tests["Closes"]
    assert test.failed
    assert test.message.startswith("DEVICE: ")
    assert "PANIC" in test.message
    assert run.tests["Works Again"].passed
    blocks = [message for message in run.messages(closing) if message.startswith("<details")]
    assert any("PANIC: the very last words" in block for block in blocks), "they are shown too"


LAST_WORDS = """\
import time

from JumpstarterLibrary.keywords.base import KeywordGroup, Tag, keyword


class LastWords(KeywordGroup):
    @keyword(tags=[Tag.CONSOLE])
    def speak_when_it_closes(self) -> None:
        \"\"\"The device speaks while the keyword that closes it is under way, so that no keyword before can have heard it.\"\"\"
        console, uart = self.session.device.consoles["uart"], self.session.device.driver("uart")

        def first(closing):
            def close() -> None:
                if self.spoken is False:
                    self.spoken = True
                    uart.call("send_hex", b"PANIC: the very last words\\n".hex())
                    end = time.monotonic() + 5
                    while "very last words" not in console.transcript.text(0) and time.monotonic() < end:
                        time.sleep(0.01)
                closing()

            return close

        self.spoken = False
        console.close, self.session.close = first(console.close), first(self.session.close)
"""


def test_files_of_an_earlier_run_in_the_same_folder_are_emptied(rig: list[str], run_robot: RobotRunner, tmp_path: Path) -> None:
    suite = SUITE + "Speaks\n    Open It\n    Say    WORD\n    Wait For Line On Console    WORD\n    Close Jumpstarter Session\n"
    suite += "Speaks Again\n    Open It\n    Say    WORD\n    Wait For Line On Console    WORD\n"
    outputs = tmp_path / "outputs"
    for word in ("first", "second"):
        run = run_robot(suite.replace("WORD", word), *rig, "--outputdir", str(outputs), "--log", "NONE", "--report", "NONE")
        assert run.returncode == 0, run.stdout

    folder = outputs / "jumpstarter"
    journal = [json.loads(line) for line in (folder / "rig.jsonl").read_text().splitlines()]
    assert [event["kind"] for event in journal].count("session-opened") == 2, "both sessions of the second run are in it"
    logs = {str(path.relative_to(folder)): path.read_text() for path in folder.rglob("uart.log")}
    assert logs == {
        "rig/uart.log": "secondsecond",
        "rig/Speaks/uart.log": "second",
        "rig/Speaks_Again/uart.log": "second",
    }


def test_tests_of_one_name_have_console_files_of_their_own(rig: list[str], run_robot: RobotRunner, tmp_path: Path) -> None:
    folder = tmp_path / "suites"
    folder.mkdir()
    (folder / "__init__.robot").write_text("*** Settings ***\nLibrary    JumpstarterLibrary    auto_close=MANUAL\n")
    for name in ("one", "two", "zero"):
        opening = "    Open It\n" if name == "one" else ""
        text = SUITE + f"Same Name\n{opening}    Say    {name}\n    Wait For Line On Console    {name}\n"
        (folder / f"{name}.robot").write_text(text.replace("plugins=${PLUGINS}", "auto_close=MANUAL"))

    run = run_robot(folder, *rig)

    assert run.returncode == 0, run.stdout
    files = run.outputdir / "jumpstarter" / "rig"
    logs = {str(path.relative_to(files)): path.read_text() for path in files.rglob("uart.log")}
    parts = {"Same_Name/uart.log": "one", "Same_Name-2/uart.log": "two", "Same_Name-3/uart.log": "zero"}
    assert logs == {"uart.log": "onetwozero", **parts}


def test_a_journal_begins_with_the_test_and_the_keyword_that_open_the_session(run_robot: RobotRunner) -> None:
    run = run_robot(
        "*** Settings ***\nLibrary    JumpstarterLibrary\n\n*** Test Cases ***\n"
        "Opens\n    Open Jumpstarter Session    mock\n    Power On\n"
    )

    lines = (run.outputdir / "jumpstarter" / "mock.jsonl").read_text().splitlines()
    journal = [json.loads(line) for line in lines]
    assert [(event["kind"], event["name"]) for event in journal[:2]] == [
        ("test-started", "Suite.Opens"),
        ("keyword-started", "open_jumpstarter_session"),
    ]
    assert (journal[2]["kind"], journal[2]["target"]) == ("session-opened", "mock")
    times = [event["monotonic"] for event in journal if event["kind"] in ("test-started", "keyword-started", "session-opened")]
    assert times == sorted(times)
    kinds = [event["kind"] for event in journal]
    assert kinds.count("keyword-started") == kinds.count("keyword-ended") == 2
    assert kinds.count("test-started") == kinds.count("test-ended") == 1


def test_what_an_assertion_says_has_a_class(run_robot: RobotRunner) -> None:
    run = run_robot(
        "*** Settings ***\nLibrary    JumpstarterLibrary\nTest Setup    Open Jumpstarter Session    mock\n"
        "Test Teardown    Close All Jumpstarter Sessions\n\n*** Test Cases ***\n"
        "Not As Expected\n    Get Voltage    >    4.5\n"
        "Own Message\n    Get Voltage    >    4.5    the board is off\n"
        "Wrong Value\n    Get Voltage    ==    high\n"
        "Wrong Driver\n    Power On    driver=console\n"
    )

    voltage = "Voltage in V of the power driver 'power' of device 'mock': "
    assert run.tests["Not As Expected"].message.startswith(f"DEVICE: {voltage}'0")
    assert run.tests["Own Message"].message.splitlines()[0] == "DEVICE: the board is off"
    assert run.tests["Wrong Value"].message.startswith(f"TEST: {voltage}")
    assert run.tests["Wrong Driver"].message.splitlines()[0] == (
        "CONFIGURATION: 'console' of device 'mock' is a console driver, no power driver. Its power drivers: 'power'."
    )
