"""What ends a test does its work whatever breaks beside it; imports of the library beside each other tell one story."""

from __future__ import annotations

import os
import time
import zipfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from evidence_drivers import CONFIGURATION
from evidence_support import PATH
from helpers.robot_run import RobotRun, RobotRunner

from JumpstarterLibrary.report import evidence_files
from JumpstarterLibrary.report.evidence import Evidence, Gathering, Piece
from JumpstarterLibrary.report.failure_class import Failure, stated
from JumpstarterLibrary.report.health import Health
from JumpstarterLibrary.wire.secrets import Redactor

BROKEN = """\
*** Settings ***
Library    JumpstarterLibrary    auto_close=TEST    health=${OUTPUT DIR}/health.jsonl
Library    BrokenReports.py

*** Test Cases ***
Reported
    Open Jumpstarter Session    ${TARGET}
    Record Measurement    seconds    3
    Power On    driver=power
    Break Report    ${PLACE}
    Fail    DEVICE: it said no
Second
    Fail    DEVICE: again
"""


@pytest.fixture
def target(tmp_path: Path) -> str:
    path = tmp_path / "bench.yaml"
    path.write_text(CONFIGURATION)
    return f"TARGET:{path}"


def blocks(run: RobotRun, test: str) -> int:
    """How many blocks of evidence there are under a test."""
    return sum("Evidence: " in one.message for one in run.tests[test].body if one.type == "MESSAGE")


@pytest.mark.acceptance
@pytest.mark.parametrize("place", ["log", "consoles", "measurements", "timeline", "evidence", "class", "suite"])
def test_a_broken_report_takes_no_other_with_it(run_robot: RobotRunner, target: str, place: str) -> None:
    run = run_robot(BROKEN, "--variable", target, "--variable", f"PLACE:{place}", env=PATH)

    output = run.stdout
    assert "of listener" not in output
    assert "failed: ZeroDivisionError: division by zero" in output  # and nobody has to guess
    assert (run.outputdir / "health.jsonl").read_text().count("\n") == 1
    journal = (run.outputdir / "jumpstarter" / "bench.jsonl").read_text()
    assert '"kind": "session-closed"' in journal
    if place != "class":
        assert "failure:device" in run.tests["Reported"].tags
        assert run.tests["Second"].message.count("Failure class: DEVICE") == 1
        assert run.suite.metadata["Failure classes"] == "device 2"
        assert blocks(run, "Reported") == (place != "evidence")


WATCHERS = """\
*** Settings ***
Library    JumpstarterLibrary
Library    BrokenReports.py

*** Test Cases ***
Watched
    Open Jumpstarter Session    ${TARGET}
    Open Console    driver=serial
    Break Report    watchers
"""


@pytest.mark.acceptance
def test_watchers_that_cannot_be_checked_let_no_test_pass(run_robot: RobotRunner, target: str) -> None:
    run = run_robot(WATCHERS, "--variable", target, env=PATH)

    assert run.tests["Watched"].status == "FAIL"
    assert run.tests["Watched"].message.startswith("LIBRARY: The watchers could not be checked: ZeroDivisionError")
    assert "failure:library" in run.tests["Watched"].tags


TWICE = """\
*** Settings ***
Library    JumpstarterLibrary    evidence=NONE    AS    A
Library    JumpstarterLibrary    timeout=20s    evidence=NONE    AS    B

*** Test Cases ***
Of The First
    [Timeout]    1s
    A.Open Jumpstarter Session    ${TARGET}
    A.Open Console    driver=serial
    A.Wait For Line On Console    nothing like that    timeout=10s
Of The Second
    [Timeout]    1s
    B.Open Jumpstarter Session    ${TARGET}
    B.Open Console    driver=serial
    B.Wait For Line On Console    nothing like that    timeout=10s
Of None
    Fail    *HTML*<b>no</b>
"""


@pytest.mark.acceptance
def test_two_imports_tell_one_class(run_robot: RobotRunner, target: str) -> None:
    run = run_robot(TWICE, "--variable", target, env=PATH)

    for test in ("Of The First", "Of The Second", "Of None"):
        own = "failure:test" if test == "Of None" else "failure:device"
        assert [tag for tag in run.tests[test].tags if tag.startswith("failure:")] == [own]
        assert run.tests[test].message.count("Failure class: ") == 1
    assert run.suite.metadata["Failure classes"] == "test 1, device 2"


IMPORTED = """\
*** Test Cases ***
Imported
    Import Library    JumpstarterLibrary
    Collect On Failure    Log    something
    Fail    no
Next
    Fail    no
"""


@pytest.mark.acceptance
def test_collectors_of_a_library_that_a_keyword_imported(run_robot: RobotRunner) -> None:
    run = run_robot(IMPORTED, env=PATH)

    assert "failure:test" in run.tests["Imported"].tags
    assert blocks(run, "Imported") == 1
    assert blocks(run, "Next") == 0  # they end with the test


STOPPED = """\
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    ${TARGET}

*** Test Cases ***
Fails
    Fail    no
Does Not Run
    No Operation
"""


@pytest.mark.acceptance
def test_no_evidence_is_gathered_of_a_test_that_did_not_run(run_robot: RobotRunner, target: str) -> None:
    run = run_robot(STOPPED, "--variable", target, "--exitonfailure", env=PATH)

    assert blocks(run, "Fails") == 1
    assert "failure:test" in run.tests["Does Not Run"].tags
    assert blocks(run, "Does Not Run") == 0


HIDING = """\
*** Settings ***
Library    JumpstarterLibrary    retry=INFRASTRUCTURE    evidence=NONE

*** Variables ***
${TIMES}    ${0}

*** Test Cases ***
Both In The Body
    [Tags]    robot:continue-on-failure
    Fail    INFRASTRUCTURE: dark
    Fail    DEVICE: smoke
Device In The Teardown
    Fail    INFRASTRUCTURE: dark
    [Teardown]    Fail    DEVICE: smoke
Lab Only
    Fail    INFRASTRUCTURE: dark
    [Teardown]    Fail    INFRASTRUCTURE: still dark
"""


@pytest.mark.acceptance
def test_a_test_in_which_the_device_failed_too_is_not_repeated(run_robot: RobotRunner) -> None:
    run = run_robot(HIDING, env=PATH)

    attempts = [test.name for test in run.suite.all_tests]
    assert attempts == ["Both In The Body", "Device In The Teardown", "Lab Only", "Lab Only"]
    assert run.tests["Both In The Body"].status == "FAIL"


def test_a_clock_of_1970_makes_a_zip_all_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = evidence_files._write_piece

    def old(piece: Piece, target: Path) -> None:
        write(piece, target)
        os.utime(target / piece.file, (60, 60))

    monkeypatch.setattr(evidence_files, "_write_piece", old)
    evidence = Evidence("S.T", "no", 10.0, [Piece("versions", "", "1")])

    evidence_files.write(evidence, tmp_path, None, str)

    assert not evidence.problem
    assert evidence.archive is not None
    assert "evidence/versions.txt" in zipfile.ZipFile(evidence.archive).namelist()


def test_the_class_is_read_from_a_message_of_html() -> None:
    message = "*HTML*<b>no</b><p>Failure class: DEVICE \u2013 time ran out while &#x27;X&#x27; waited.</p>"

    assert stated(message) == Failure(stated(message).failure_class, "time ran out while 'X' waited")  # type: ignore[union-attr]


def test_a_secret_with_quotes_does_not_reach_the_health_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    redact = Redactor()
    redact.add('hush"back\\slash')
    health = Health(tmp_path / "health.jsonl", redact)
    monkeypatch.setattr(health, "_row", lambda *args, **_: {"test": args[2]})

    assert health.add([object()], "S", 'with hush"back\\slash', status="PASS") == ""  # type: ignore[list-item]

    assert (tmp_path / "health.jsonl").read_text() == '{"test": "with <secret>"}\n'


DOTTED = """\
*** Settings ***
Library    JumpstarterLibrary

*** Test Cases ***
Boots v1.2
    Open Jumpstarter Session    ${TARGET}
    Fail    no
"""


@pytest.mark.acceptance
def test_a_folder_has_the_whole_name_of_its_test(run_robot: RobotRunner, target: str) -> None:
    run = run_robot(DOTTED, "--variable", target, env=PATH)

    assert (run.outputdir / "jumpstarter" / "Boots_v1.2" / "evidence" / "index.json").exists()


def test_many_frozen_exporters_leave_time(monkeypatch: pytest.MonkeyPatch) -> None:
    sessions = [frozen_session(f"d{number}") for number in range(20)]
    monkeypatch.setattr(Gathering, "_remember", lambda *_: None)
    monkeypatch.setattr("JumpstarterLibrary.report.evidence._askable", lambda *_: [])
    evidence = Evidence("S.T", "no", 0.5)

    Gathering(evidence, sessions, Redactor(), 0.0).run()  # type: ignore[arg-type]

    assert 0 < len(evidence.silent) < 20
    assert evidence.seconds <= evidence.budget


def frozen_session(alias: str) -> Session:
    """One whose exporter answers nothing, which is noticed after a while."""
    connection = SimpleNamespace(alive=lambda: time.sleep(0.05))
    return Session(alias=alias, device=SimpleNamespace(state="open", connection=connection))


class Session(SimpleNamespace):
    """As a key of sets."""

    __hash__ = object.__hash__
