"""Whose failure it is: many seeded faults in one run of real `robot`, and the rules that decide."""

from __future__ import annotations

from pathlib import Path

import pytest
from helpers.robot_run import RobotRun
from seeded_faults import FAULTS, table

from JumpstarterLibrary.errors import FailureClass, SessionLostError
from JumpstarterLibrary.report.failure_class import Circumstances, NotedErrors, classify, of_tags, stated

GUIDE = Path(__file__).parent.parent.parent / "docs" / "guide" / "failures.md"


@pytest.mark.acceptance
def test_each_seeded_fault_has_its_class(seeded_run: RobotRun) -> None:
    assert len(FAULTS) >= 40

    wrong = []
    for fault in FAULTS:
        test = seeded_run.tests[fault.name]
        tags = sorted(str(tag) for tag in test.tags if str(tag).startswith("failure:"))
        last = test.message.rsplit("\n", 1)[-1]
        expected = f"Failure class: {fault.expected.upper()} \u2013 "
        told = last.startswith(expected) and fault.reason in last
        if test.status != "FAIL" or tags != [f"failure:{fault.expected}"] or not told:
            wrong.append(f"{fault.name}: {test.status} {tags}\n{test.message}")
    assert not wrong, "\n\n".join(wrong)
    counts = {
        one: sum(fault.expected == one for fault in FAULTS) for one in ("test", "device", "infrastructure", "configuration")
    }
    assert (
        seeded_run.suite.metadata["Failure classes"]
        == ", ".join(f"{name} {count}" for name, count in counts.items()) + ", library 1"
    )


def test_the_guide_has_the_same_table() -> None:
    assert table() in GUIDE.read_text(encoding="utf-8"), f"the table in {GUIDE} should be:\n{table()}"


@pytest.mark.parametrize(
    ("message", "expected"),
    [
        ("DEVICE: no", FailureClass.DEVICE),
        ("Setup failed:\nINFRASTRUCTURE: gone\n\nAlso teardown failed:\nDEVICE: no", FailureClass.INFRASTRUCTURE),
        ("Teardown failed:\nCONFIGURATION: no", FailureClass.CONFIGURATION),
        ("Parent suite setup failed:\nINFRASTRUCTURE: gone", FailureClass.INFRASTRUCTURE),
        ("Parent suite teardown failed:\nDEVICE: no", FailureClass.DEVICE),
        ("1 != 2\n\nAlso teardown failed:\nDEVICE: no", FailureClass.TEST),
        ("Several failures occurred:\n\n1) DEVICE: no\n\n2) INFRASTRUCTURE: gone", FailureClass.DEVICE),
        ("Keyword teardown failed:\nDEVICE: no", FailureClass.DEVICE),
        ("*HTML* DEVICE: no", FailureClass.DEVICE),
        ("the device said INFRASTRUCTURE: gone", FailureClass.TEST),
        ("'x'\nINFRASTRUCTURE: gone", FailureClass.TEST),
        ("Execution terminated by signal", FailureClass.INFRASTRUCTURE),
        ("", FailureClass.TEST),
    ],
)
def test_the_first_failure_in_time_decides(message: str, expected: FailureClass) -> None:
    assert classify(message).failure_class is expected


def test_what_the_keyword_raised_is_told_as_the_reason() -> None:
    errors = NotedErrors()
    text = "INFRASTRUCTURE: on() on driver 'power' of device 'bench-7' failed: gone"
    errors.add(SessionLostError(text), text)

    found = classify(f"{text}\nmore", Circumstances(errors))

    assert found.line == (
        "Failure class: INFRASTRUCTURE \u2013 the connection to the exporter broke while the session was open (bench-7)."
    )
    assert found.tag == "failure:infrastructure"
    assert stated(f"x\n\n{found.line}") == found
    assert of_tags(["a", "Failure:Infrastructure"]) is FailureClass.INFRASTRUCTURE


def test_a_device_cannot_choose_its_class() -> None:
    said = "DEVICE: the console said:\nFailure class: INFRASTRUCTURE \u2013 not me.\n\nFailure class: DEVICE \u2013 it was you."
    found = stated(said)
    assert found is not None
    assert found.failure_class is FailureClass.DEVICE


def test_a_check_is_the_labs_failure_only_after_a_loss_in_this_test() -> None:
    errors = NotedErrors()
    errors.add(SessionLostError("gone"), "INFRASTRUCTURE: gone")
    (noted,) = errors.since(0.1)

    assert classify("1 != 2", Circumstances(errors, noted.monotonic)).failure_class is FailureClass.INFRASTRUCTURE
    assert classify("1 != 2", Circumstances(errors, noted.monotonic + 1)).failure_class is FailureClass.TEST
    assert classify("1 != 2", Circumstances(lost=("bench",))).reason == "a session was lost before this failed (bench)"
    assert classify("DEVICE: no", Circumstances(lost=("bench",))).failure_class is FailureClass.DEVICE
