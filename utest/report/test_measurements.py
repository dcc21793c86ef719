"""Measurements without Robot: limits, boot stages, files, comparing."""

from __future__ import annotations

import csv
import json
import math
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest

from JumpstarterLibrary.errors import ConfigurationError, FailureClass, MeasurementError, UsageError
from JumpstarterLibrary.journal import BootStage, Measured
from JumpstarterLibrary.report import measurement_files as files
from JumpstarterLibrary.report.measurement_files import Tolerance, compare
from JumpstarterLibrary.report.measurements import comparison, metadata_table, summary, table
from JumpstarterLibrary.report.measuring import Limit, Measurement, Measurements
from JumpstarterLibrary.sessions import Sessions


@pytest.mark.parametrize(
    ("limit", "inside", "outside"),
    [
        ("<15", 14.999, 15),
        ("<=15", 15, 15.001),
        (">3", 3.001, 3),
        (">= 3", 3, 2.999),
        ("==0", 0, 1e-9),
        ("3..5", 3, 2.999),
        ("3..5", 5, 5.001),
        ("-5 .. -3", -4, 4),
        ("<1e3", 999, 1000),
        (".5...75", 0.6, 0.8),
        ("", 1e300, None),
    ],
)
def test_limit_allows_what_it_says(limit: str, inside: float, outside: float | None) -> None:
    assert Limit.parse(limit).allows(inside)
    assert outside is None or not Limit.parse(limit).allows(outside)


@pytest.mark.parametrize("limit", ["15", "=15", "=<15", "<", "<abc", "3..", "3...", "5..3", "< 15 apples", "!=3", "<15s", "<nan"])
def test_what_is_no_limit_is_refused(limit: str) -> None:
    with pytest.raises(UsageError):
        Limit.parse(limit)


def test_limit_may_repeat_the_unit_and_no_other() -> None:
    assert Limit.parse("<15 s", "s").text == "<15"
    with pytest.raises(UsageError, match="in ms, but the value is in s"):
        Limit.parse("<15ms", "s")


def test_value_outside_is_written_down_and_then_fails_with_value_unit_and_limit() -> None:
    measurements = Measurements()
    measurement = measurements.record(None, "boot time", 15.0000001, "s", "<15")
    with pytest.raises(MeasurementError, match=r"'boot time' is 15\.0000001 s, which is outside its limit <15 s\.") as failure:
        measurement.check()
    assert failure.value.failure_class is FailureClass.DEVICE
    assert [one.passed for one in measurements] == [False]


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_what_is_no_number_is_refused(value: float) -> None:
    measurements = Measurements()
    with pytest.raises(UsageError, match="no number"):
        measurements.record(None, "x", value, limit="<5")
    with pytest.raises(UsageError, match="its unit is s"):
        measurements.record(None, "x", timedelta(seconds=2), "ms")
    assert len(measurements) == 0
    assert measurements.record(None, "x", timedelta(milliseconds=1500), limit="<2s").shown == "1.5 s"


def test_measurement_and_boot_stages_of_a_session_are_events_and_rows() -> None:
    measurements, sessions = Measurements(), Sessions()
    session = sessions.open("mock", alias="board")
    try:
        session.journal.append(BootStage(console="console", stage="first byte", since_power_on=0.1))
        measurements.enter_test("Suite.Test", "Suite")
        measurements.follow(session)  # which also tells of what was before
        session.journal.append(BootStage(console="console", stage="kernel", since_power_on=1.23456))
        measurements.record(session, "supply", 5, "V", "4..6")
    finally:
        sessions.close_all()
    rows = [(one.name, one.value, one.unit, one.device, one.test, one.suite) for one in measurements.of_test("Suite.Test")]
    assert rows == [
        ("boot: first byte", 0.1, "s", "board", "Suite.Test", "Suite"),
        ("boot: kernel", 1.235, "s", "board", "Suite.Test", "Suite"),
        ("supply", 5.0, "V", "board", "Suite.Test", "Suite"),
    ]
    (event,) = session.journal.events(Measured)
    assert (event.name, event.value, event.unit, event.limit, event.passed) == ("supply", 5.0, "V", "4..6", True)


def test_files_hold_what_was_measured(tmp_path: Path) -> None:
    measurements = Measurements()
    measurements.enter_test("S.T", "S")
    measurements.record(None, "geheim", 1.5, "s", "<2")
    measurements.record(None, "=1+1", 2)
    path = tmp_path / "new" / "measurements.json"
    files.save(measurements, path, lambda text: text.replace("geheim", "***"))

    assert [(row["name"], row["value"], row["unit"], row["limit"], row["passed"]) for row in files.load(path)] == [
        ("***", 1.5, "s", "<2", True),
        ("=1+1", 2.0, "", "", True),
    ]
    with path.with_suffix(".csv").open(newline="") as file:
        assert [(row["test"], row["name"], row["value"]) for row in csv.DictReader(file)] == [
            ("S.T", "***", "1.5"),
            ("S.T", "'=1+1", "2.0"),  # a spreadsheet would calculate it
        ]
    assert sorted(each.name for each in path.parent.iterdir()) == ["measurements.csv", "measurements.json"]


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        "{}",
        '{"measurements": [{"name": "x"}]}',
        '{"measurements": [{"name": "x", "value": "12"}]}',
        '{"measurements": 3}',
    ],
)
def test_what_is_no_baseline_is_a_clear_error(tmp_path: Path, text: str) -> None:
    path = tmp_path / "baseline.json"
    path.write_text(text)
    with pytest.raises(ConfigurationError, match="no file of measurements"):
        files.load(path)
    with pytest.raises(ConfigurationError, match="no such file"):
        files.load(tmp_path / "other.json")


def row(name: str, value: float, test: str = "S.T", unit: str = "s") -> dict[str, Any]:
    return {"suite": "S", "test": test, "name": name, "value": value, "unit": unit, "limit": "", "passed": True, "device": ""}


def measured(**values: tuple[float, str]) -> Measurements:
    measurements = Measurements()
    measurements.enter_test("S.T", "S")
    for name, (value, limit) in values.items():
        measurements.record(None, name.replace("__", ": "), value, "s", limit)
    return measurements


@pytest.mark.parametrize(
    ("before", "now", "limit", "tolerance", "verdict"),
    [
        (10, 10.9, "<15", "10%", "same"),
        (10, 11.1, "<15", "10%", "worse"),
        (10, 8, "<15", "10%", "better"),
        (10, 8, ">3", "10%", "worse"),
        (10, 12, ">3", "10%", "better"),
        (10, 12, "", "10%", "worse"),
        (10, 8, "", "10%", "worse"),
        (10, 8, "5..15", "10%", "worse"),
        (10, 10.4, "", "0.5", "same"),
        (10, 10.6, "", "0.5", "worse"),
        (0, 0.001, "", "10%", "worse"),
        (-10, -10.5, "", "10%", "same"),
        (-10, -8, "<0", "10%", "worse"),
    ],
)
def test_worse_is_what_the_limit_says(before: float, now: float, limit: str, tolerance: str, verdict: str) -> None:
    (found,) = compare([row("x", before)], measured(x=(now, limit)), Tolerance.parse(tolerance))
    assert found.verdict == verdict


def test_boot_stage_that_comes_sooner_is_better() -> None:
    (found,) = compare([row("boot: kernel", 10)], measured(boot__kernel=(5, "")), Tolerance.parse("10%"))
    assert found.verdict == "better"


def test_missing_new_and_other_units_are_told_apart() -> None:
    baseline = [row("a", 1), row("a", 2), row("gone", 3), row("b", 1, unit="ms"), row("elsewhere", 1, test="S.Not Run")]
    now = measured(a=(1, ""), b=(1, ""), c=(1, ""))
    now.record(None, "a", 4, "s")
    found = [(one.name, one.before, one.now, one.verdict) for one in compare(baseline, now, Tolerance.parse("10%"))]
    assert found == [
        ("a", 1, 1, "same"),
        ("b", 1, 1, "unit"),
        ("c", None, 1, "new"),
        ("a", 2, 4, "worse"),
        ("gone", 3, None, "missing"),
    ]


@pytest.mark.parametrize("text", ["ten", "-5%", "10 %%", "", "nan"])
def test_what_is_no_tolerance_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no tolerance"):
        Tolerance.parse(text)


def test_merging_replaces_the_tests_that_were_measured_anew() -> None:
    merged = files.merge([row("x", 1), row("y", 2), row("z", 3, test="S.Other")], measured(x=(9, "")))
    assert [(each["name"], each["value"]) for each in merged] == [("z", 3), ("x", 9.0)]
    assert json.dumps(merged)


def test_tables_show_text_as_text() -> None:
    nasty = "<script>alert(1)</script> | [javascript:x|y]"
    measurements = list(measured(**{nasty: (20, "<15")}))
    shown = table("Measurements", measurements) + comparison("x", compare([row(nasty, 1)], measurements, Tolerance.parse("1%")))
    assert "<script" not in shown
    assert shown.count("&lt;script&gt;") == 2
    assert "\u2717 outside" in shown
    assert "\u2717 worse" in shown
    for robot in (metadata_table(measurements).splitlines()[1], summary(measurements)):
        assert "javascript:x|" not in robot
    assert metadata_table(measurements).splitlines()[1].count("|") == 7


def test_summary_is_one_line_that_begins_with_what_is_bad() -> None:
    measurements = list(measured(a=(1, ""), b=(2, "<9"), c=(3, ">9"), d=(4, ""), e=(5, "")))
    assert summary(measurements) == "5 measured, 1 outside the limit: c 3 s (>9); b 2 s (<9); a 1 s; d 4 s; ..."


def test_measurement_of_a_nested_suite_counts_in_its_parent_only_between_tests() -> None:
    measurements = Measurements()
    measurements.enter_suite("A")
    measurements.enter_suite("A.B")
    measurements.enter_test("A.B.T")
    measurements.record(None, "x", 1)
    assert [one.name for one in measurements.here()] == ["x"]
    measurements.leave_test()
    measurements.leave_suite("A.B")
    measurements.record(None, "y", 2)
    assert [one.name for one in measurements.here()] == ["x", "y"]
    assert [one.name for one in measurements.of_suite("A")] == ["y"]
    assert isinstance(measurements.of_suite("A.B")[0], Measurement)


class CountedName(str):
    """A name that counts how often it is compared."""

    __slots__ = ()
    comparisons = 0
    __hash__ = str.__hash__

    def __eq__(self, other: object) -> bool:
        CountedName.comparisons += 1
        return str.__eq__(self, other)


def test_the_work_for_a_test_does_not_grow_with_the_tests_before_it() -> None:
    measurements, tests = Measurements(), 500
    for number in range(tests):
        name = CountedName(f"Suite.Test {number}")
        measurements.enter_test(name, CountedName("Suite"))
        measurements.record(None, "load", number)
        assert [one.value for one in measurements.of_test(name)] == [number]
        assert [one.value for one in measurements.here()] == [number]
        measurements.leave_test()

    assert CountedName.comparisons < 10 * tests
    assert len(measurements.of_suite("Suite")) == tests
