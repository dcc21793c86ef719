"""Failed tests in pytest: class, evidence and health; and nothing of it where no device is."""

from __future__ import annotations

import json
from pathlib import Path
from xml.etree import ElementTree

import pytest

TESTS = """
import pytest

def test_passes(jumpstarter):
    jumpstarter.power.on()

def test_check(jumpstarter):
    jumpstarter.power.on()
    assert jumpstarter.power.latest().volt > 40

def test_device(jumpstarter, record_measurement):
    record_measurement("load", 5, limit="<1")

def test_method(jumpstarter):
    jumpstarter.driver("power").call("nope")

def test_skips(jumpstarter):
    pytest.skip("no")

@pytest.mark.xfail
def test_expected(jumpstarter):
    raise RuntimeError("no")

@pytest.mark.jumpstarter("unix:/nonexistent/socket")
def test_nobody(jumpstarter):
    pass
"""


def properties(path: Path) -> dict[str, dict[str, str]]:
    cases = ElementTree.parse(path).getroot().iter("testcase")
    return {
        str(case.get("name")): {str(one.get("name")): str(one.get("value")) for one in case.iter("property")} for case in cases
    }


@pytest.fixture(autouse=True)
def no_worker_of_this_run(monkeypatch: pytest.MonkeyPatch) -> None:
    """The tests that are run here are not those of this run's worker, which has folders of its own."""
    monkeypatch.delenv("PYTEST_XDIST_WORKER", raising=False)


@pytest.mark.parametrize("options", [("-p", "no:xdist"), ("-n", "1")], ids=["one process", "xdist"])
def test_class_evidence_and_health(pytester: pytest.Pytester, options: tuple[str, ...]) -> None:
    pytester.makepyfile(TESTS)
    where = ("--jumpstarter-target=mock", "--jumpstarter-output=out", "--jumpstarter-health=lab/health.jsonl")
    result = pytester.runpytest_subprocess(*options, *where, "--junit-xml=x.xml")

    result.assert_outcomes(passed=1, failed=3, skipped=1, xfailed=1, errors=1)
    found = properties(pytester.path / "x.xml")
    classes = {name: values.get("failure_class") for name, values in found.items()}
    assert classes == {
        "test_passes": None,
        "test_check": "test",
        "test_device": "device",
        "test_method": "test",
        "test_skips": None,
        "test_expected": None,
        "test_nobody": "infrastructure",
    }
    result.stdout.fnmatch_lines(["*Jumpstarter failure*", "Failure class: TEST \u2013 a check of the test itself failed."])
    result.stdout.fnmatch_lines(["Evidence: *test_check*evidence.zip (* pieces in * s)"])
    result.stdout.fnmatch_lines(["FAILED *::test_device - DEVICE: *", "ERROR *::test_nobody - INFRASTRUCTURE: *"])

    output = pytester.path / "out" / ("gw0" if "-n" in options else "")
    index = json.loads((output / "test_check" / "evidence" / "index.json").read_text())
    outcomes = {piece["title"]: piece["outcome"] for piece in index["pieces"]}
    assert outcomes["snapshot video"] == outcomes["present power power"] == outcomes["last calls"] == "ok"
    assert index["failure_class"] == "test"
    assert index["seconds"] <= index["budget"] == 10
    assert sorted(path.parent.name for path in output.rglob("evidence.zip")) == [
        *("test_check", "test_device", "test_method", "test_nobody")
    ]

    rows = [json.loads(line) for line in (pytester.path / "lab" / "health.jsonl").read_text().splitlines()]
    assert [(row["test"].partition("::")[2], row["status"], row["class"]) for row in rows][:4] == [
        ("test_passes", "PASS", None),
        ("test_check", "FAIL", "test"),
        ("test_device", "FAIL", "device"),
        ("test_method", "FAIL", "test"),
    ]
    assert {row["exporter"] for row in rows} == {"mock"}


def test_without_a_device_nothing_is_said(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_plain(): assert 1 == 2")
    result = pytester.runpytest_subprocess("-p", "no:xdist", "--jumpstarter-output=out", "--junit-xml=x.xml")

    assert properties(pytester.path / "x.xml") == {"test_plain": {}}
    result.stdout.no_fnmatch_line("*Jumpstarter failure*")
    assert not (pytester.path / "out").exists()


def test_a_folder_that_cannot_be_written_changes_no_verdict(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_check(jumpstarter_mock):\n    assert 1 == 2")
    (pytester.path / "file").write_text("")
    where = ("--jumpstarter-health=file/health.jsonl", "--jumpstarter-evidence=none")
    result = pytester.runpytest_subprocess("-p", "no:xdist", *where)

    result.assert_outcomes(failed=1, warnings=1)
    result.stdout.fnmatch_lines(["*The health file 'file/health.jsonl' cannot be written: *"])
    assert pytester.runpytest_subprocess("-p", "no:xdist", "--jumpstarter-evidence=soon").ret == pytest.ExitCode.USAGE_ERROR


UNSPEAKABLE = """
import pytest

class Unspeakable(Exception):
    def __str__(self):
        raise RuntimeError("no")

def test_unspeakable(jumpstarter_mock):
    raise Unspeakable

def test_broken_report(jumpstarter_mock):
    from JumpstarterLibrary.report import evidence_files

    def broken(*_):
        raise ZeroDivisionError

    evidence_files.write = broken
    assert 0

def test_next(jumpstarter_mock):
    pass
"""


def test_no_report_that_breaks_ends_the_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(UNSPEAKABLE)

    result = pytester.runpytest_subprocess("--jumpstarter-output", "out", "-p", "no:cacheprovider")

    result.assert_outcomes(passed=1, failed=2, warnings=1)
    result.stdout.fnmatch_lines(["*Telling whose failure it is failed: ZeroDivisionError*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


SECRETS = """
import pytest

@pytest.mark.parametrize("word", ["hush-one", "hush-two"])
def test_says(jumpstarter, word):
    jumpstarter.device.connection.redact.add(word)
"""


def test_the_health_file_masks_the_secrets_of_each_tests_sessions(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SECRETS)
    health = "--jumpstarter-health=health.jsonl"
    result = pytester.runpytest_subprocess("-p", "no:xdist", "--jumpstarter-target=mock", health)

    result.assert_outcomes(passed=2)
    text = (pytester.path / "health.jsonl").read_text()
    assert text.count("test_says") == 2
    assert "hush" not in text
