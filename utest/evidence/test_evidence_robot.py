"""Evidence in real `robot`: what the bundles hold in each situation, where they are, and that nothing of it changes a verdict."""

from __future__ import annotations

import json
import re
import zipfile
from pathlib import Path
from typing import Any

import pytest
from evidence_support import PATH
from helpers.lab import start_lab
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

MEMORY = {"session and lease", "driver tree", "versions"}


def bundle(run: RobotRun, test: str) -> dict[str, Any]:
    """The index of a test's evidence; all that holds for every bundle is checked here."""
    folder = run.outputdir / "jumpstarter" / re.sub(r"[^\w.-]+", "_", test)
    index: dict[str, Any] = json.loads((folder / "evidence" / "index.json").read_text())
    assert index["seconds"] <= index["budget"], index
    assert index["test"].endswith(test) or "(" in index["test"]
    with zipfile.ZipFile(folder / "evidence.zip") as archive:
        assert {f"evidence/{piece['file']}" for piece in index["pieces"]} <= set(archive.namelist())
    found: dict[str, Any] = {"index": index, "class": index["failure_class"]}
    for piece in index["pieces"]:
        if piece["title"] in found:
            continue  # of a session that was closed before; it is told last
        found[piece["title"]] = piece["outcome"]
        path = folder / "evidence" / piece["file"]
        found[f"{piece['title']} text"] = path.read_bytes()[:8] if path.suffix == ".png" else path.read_text()
    return found


def block(run: RobotRun, test: str) -> str:
    """The block under a test in the log."""
    (text,) = [one.message for one in run.tests[test].body if one.type == "MESSAGE" and "Evidence: " in one.message]
    return str(text)


BOARD_SITUATIONS = ["check of the test", "console is silent", "watcher is hit", "time is over in a wait", "keyword is not there"]


@pytest.mark.parametrize("test", [*BOARD_SITUATIONS, "only the teardown fails", "setup fails, and the teardown too"])
def test_a_board_that_answers_gives_everything(seeded_run: RobotRun, test: str) -> None:
    found = bundle(seeded_run, test)

    if test.startswith("setup fails"):  # before any session was opened there is nothing but the versions
        assert found["versions"] == "ok"
        return
    assert found.keys() >= MEMORY
    assert found["console console"] == "ok"
    assert found["snapshot video"] == "ok"
    assert found["snapshot video text"].startswith(b"\x89PNG")
    assert found["present power power"] == "ok"
    assert re.search(r"JumpstarterLibrary \S+\nPython 3", found["versions text"])
    shown = block(seeded_run, test)
    assert '<img src="data:image/png;base64,' in shown
    assert shown.count("<details") == shown.count("</details>")
    assert "<script" not in shown


def test_it_is_gathered_before_the_teardown(seeded_run: RobotRun) -> None:
    found = bundle(seeded_run, "check of the test")

    assert "power.on()" in found["last calls text"]
    assert "power.off()" not in found["last calls text"]
    assert "power on" in found["exporter log text"]
    volts = re.search(r"(\d+\.\d+) V", found["present power power text"])
    assert volts is not None
    assert float(volts[1]) > 4
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  .*JLBoot", found["console console text"], re.MULTILINE)
    assert re.search(r"^\d\d:\d\d:\d\d\.\d{3}  +\S+ m?s  ok  power.on", found["last calls text"], re.MULTILINE)


@pytest.mark.parametrize(
    ("test", "state"),
    [
        ("exporter is killed", "skipped"),
        ("exporter is killed in a wait", "skipped"),
        ("exporter is frozen", "skipped"),
        ("time is over, exporter frozen", "skipped"),
        ("driver fails", "failed"),
        ("image is not what was written", "failed"),
    ],
)
def test_what_a_bench_can_still_give(seeded_run: RobotRun, test: str, state: str) -> None:
    found = bundle(seeded_run, test)

    assert found.keys() >= MEMORY
    assert found["snapshot camera"] == state  # the camera of this bench never sends a picture
    if state == "skipped":
        assert "Not asked, as session 'bench'" in found["present power power text"]
        assert found["index"]["seconds"] < 3
    else:
        assert found["present power power"] == "ok"
        assert found["present power plug"] == "failed"
        assert "does not measure" in found["present power plug text"]
    assert "secret" not in found.get("console serial text", "")
    assert "uuid" in found["session and lease text"]
    assert "trouble" in found["driver tree text"]


def test_what_a_device_says_stands_as_text(seeded_run: RobotRun) -> None:
    shown = block(seeded_run, "driver fails")

    assert "<script" not in shown
    assert "&lt;script&gt;alert(&#x27;lens&#x27;)&lt;/script&gt;" in shown


def test_a_fault_without_a_device_has_no_device_in_its_evidence(seeded_run: RobotRun) -> None:
    assert not list(seeded_run.outputdir.glob("jumpstarter/author_says*"))
    found = bundle(seeded_run, "nobody listens")
    assert not [title for title in found if title.startswith(("snapshot", "present"))]
    assert found["class"] == "infrastructure"


# ------------------------------------------------------------------------ runs of their own

ENDINGS = {
    "1_setup.robot": """\
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open And Fail
*** Keywords ***
Open And Fail
    Open Jumpstarter Session    mock    alias=board
    Power On    driver=nope
*** Test Cases ***
After Setup
    No Operation
""",
    "2_teardown.robot": """\
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    mock    alias=board
Suite Teardown    Record Measurement    x    5    limit=<1
*** Test Cases ***
Before Teardown
    No Operation
""",
    "3_stop.robot": """\
*** Settings ***
Library    JumpstarterLibrary
Library    EvidenceBench.py
Suite Setup    Prepare
Test Teardown    Log    over
*** Keywords ***
Prepare
    Open Jumpstarter Session    mock    alias=board
    Collect On Failure    Get Voltage
    Collect On Failure    Wait For Line On Console    never    timeout=30s
    Open Console
    Power On
    Login To Console    root    sesame
*** Test Cases ***
Skipped
    Skip This
Passes
    No Operation
Says HTML
    Execute Console Command    echo '<script>alert(1)</script>' '<img src=x onerror=alert(2)>'
    Fail    *HTML*<b>no</b>
Tells No Secret
    ${secret} =    Make Secret
    Execute Console Command    ${secret}
    Fail    no
Stops All
    Stop All
Not Run
    No Operation
""",
}


@pytest.fixture(scope="module")
def endings(tmp_path_factory: pytest.TempPathFactory) -> RobotRun:
    """Suites that end in every way, in one run."""
    folder = tmp_path_factory.mktemp("endings")
    suites = folder / "suites"
    suites.mkdir()
    for name, text in ENDINGS.items():
        (suites / name).write_text(
            text.replace("Library    JumpstarterLibrary\n", "Library    JumpstarterLibrary    evidence=1s\n")
        )
    return RobotRunner(folder)(suites, env=PATH, timeout=90)


def tags(run: RobotRun, test: str) -> list[str]:
    return [str(tag) for tag in run.tests[test].tags if str(tag).startswith("failure:")]


def test_a_failed_suite_setup_and_teardown_have_class_and_evidence(endings: RobotRun) -> None:
    assert tags(endings, "After Setup") == ["failure:configuration"]
    assert "Parent suite setup failed:\nCONFIGURATION: " in endings.tests["After Setup"].message
    setup, teardown, _ = endings.suite.suites
    assert [one for one in setup.setup.body if one.type == "MESSAGE" and "Evidence: " in one.message]
    assert bundle(endings, "1_Setup_setup")["snapshot video"] == "ok"
    assert setup.metadata["Failure classes"] == "configuration 1"

    assert endings.tests["Before Teardown"].message.endswith(
        "Failure class: DEVICE \u2013 what was measured is outside its limit, or worse than it was (board)."
    )
    assert teardown.metadata["Failure classes"] == "device 1"
    assert bundle(endings, "2_Teardown_teardown")["class"] == "device"


def test_only_failed_tests_have_a_class(endings: RobotRun) -> None:
    for name, status in {"Skipped": "SKIP", "Passes": "PASS"}.items():
        assert endings.tests[name].status == status
        assert tags(endings, name) == []
        assert not (endings.outputdir / "jumpstarter" / name / "evidence").exists()


def test_a_fatal_failure_gives_its_class_to_what_did_not_run(endings: RobotRun) -> None:
    assert tags(endings, "Stops All") == ["failure:test"]
    assert tags(endings, "Not Run") == ["failure:test"]
    assert "not run, as the run was stopped" in endings.tests["Not Run"].message
    assert bundle(endings, "Stops All")["snapshot video"] == "ok"


def test_what_authors_collect_keeps_to_the_time(endings: RobotRun) -> None:
    found = bundle(endings, "Says HTML")

    assert found["collected Get Voltage"] == "ok"
    assert float(found["collected Get Voltage text"]) > 4
    assert found["collected Wait For Line On Console"] == "failed"
    assert found["index"]["budget"] == 1
    assert endings.tests["Says HTML"].status == "FAIL"


def test_html_of_a_console_is_shown_as_text(endings: RobotRun) -> None:
    shown = block(endings, "Says HTML")

    assert "<script" not in shown
    assert "<img src=x" not in shown
    assert "&lt;script&gt;alert(1)" in shown
    assert endings.tests["Says HTML"].message.startswith("*HTML*<b>no</b>")
    assert "<p>Failure class: TEST" in endings.tests["Says HTML"].message


def test_no_secret_is_in_a_bundle(endings: RobotRun) -> None:
    assert bundle(endings, "Tells No Secret")["console console"] == "ok"
    assert endings.files_with("hush-hush-4711") == []
    for archive in endings.outputdir.rglob("evidence.zip"):
        with zipfile.ZipFile(archive) as file:
            assert not [name for name in file.namelist() if b"hush-hush-4711" in file.read(name)]


CTRL_C = """\
*** Settings ***
Library    JumpstarterLibrary
Library    EvidenceBench.py
*** Test Cases ***
Stopped
    Open Jumpstarter Session    mock    alias=board
    Open Console
    Power On
    Collect On Failure    Get Voltage
    Press Ctrl C
    Wait For Line On Console    never
    [Teardown]    Log    over
Not Run
    No Operation
"""


def test_ctrl_c_leaves_evidence(run_robot: RobotRunner) -> None:
    run = run_robot(CTRL_C, env=PATH)

    found = bundle(run, "Stopped")
    assert found["snapshot video"] == "ok"
    assert "collected Get Voltage" in found
    assert tags(run, "Stopped") == tags(run, "Not Run") == ["failure:infrastructure"]
    assert "the run was stopped from outside" in run.tests["Stopped"].message


LEASE = """\
*** Settings ***
Library    JumpstarterLibrary    timeout=5s
*** Test Cases ***
Lease Is Lost
    Open Jumpstarter Session    selector=board=mock    alias=leased
    Open Console
    Log To Console    LEASED
    Wait For Line On Console    never    timeout=30s
"""


def test_a_lost_lease_leaves_evidence(run_robot: RobotRunner, tmp_path: Path) -> None:
    with start_lab(tmp_path / "lab") as lab:
        lab.start_session_exporter("bench-1", {"board": "mock"})
        lab.client_config("ci", current=True)
        process = run_robot.start(LEASE, env=lab.environment())
        process.wait_for_output("LEASED", 30)
        (lease,) = lab.leases()
        lab.release_lease(lease["name"])
        run = process.finish(60)

    found = bundle(run, "Lease Is Lost")
    assert tags(run, "Lease Is Lost") == ["failure:infrastructure"], run.tests["Lease Is Lost"].message
    assert re.search(r"lease .*ended: ", found["session and lease text"])
    assert "board=mock" in found["session and lease text"]
    assert found["console console"] == "ok"
    assert found["snapshot video"] == "skipped"


def test_a_collector_that_is_not_there_is_told_at_once(run_robot: RobotRunner) -> None:
    head = "*** Settings ***\nLibrary    JumpstarterLibrary\n*** Test Cases ***\nOne\n"
    run = run_robot(f"{head}    Collect On Failure    Get Driver Tre\n")

    assert run.tests["One"].message.startswith("TEST: Cannot run 'Get Driver Tre' when the test fails: there is no keyword")
