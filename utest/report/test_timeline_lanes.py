"""The timeline of a test: lanes out of journal events, and their drawing within its limits."""

from __future__ import annotations

import random
import re
from collections.abc import Sequence

import pytest

from JumpstarterLibrary.journal import (
    BootStage,
    CallEnded,
    ConsoleGap,
    ConsoleHit,
    ConsoleMatched,
    ConsoleReceived,
    Event,
    LogLine,
    PowerSwitched,
    Reading,
    SessionLost,
    SessionRegained,
    TransferEnded,
)
from JumpstarterLibrary.report.timeline import Group, Lane, Mark, Sign, clock, lanes_of, thinned
from JumpstarterLibrary.report.timeline_drawing import FEWEST, MOST_BYTES, MOST_MARKS, timeline_html

BEGAN = 100.0


def lanes(events: Sequence[Event], length: float = 10.0, powered: Sequence[str] = ()) -> dict[str, Lane]:
    return {lane.name: lane for lane in lanes_of(events, BEGAN, BEGAN + length, powered)}


def drawn(lanes: Sequence[Lane], length: float = 10.0, keywords: Lane | None = None) -> str:
    return timeline_html(keywords or Lane("keywords"), [Group("bench", list(lanes))], length, unfolded=True)


def call(at: float, seconds: float = 0.1, outcome: str = "ok") -> CallEnded:
    return CallEnded(driver="power", method="on", arguments="", seconds=seconds, outcome=outcome, monotonic=BEGAN + at)


def test_power_is_on_between_switching_on_and_off() -> None:
    power = lanes([switched("on", 2), switched("off", 5)])["power"]
    [level] = [mark for mark in power.marks if mark.sign is Sign.LEVEL]
    assert (level.begin, level.end) == (2, 5)
    assert power.summary == "switched 2 times"


def test_a_device_that_was_on_is_on_from_the_begin_of_the_test() -> None:
    [level] = [mark for mark in lanes([call(1)], powered=["power"])["power"].marks if mark.sign is Sign.LEVEL]
    assert (level.begin, level.end) == (0, 10)


def test_power_that_is_switched_on_twice_is_two_levels_side_by_side() -> None:
    marks = lanes([switched("on", 2), switched("on", 4)])["power"].marks
    assert [(mark.begin, mark.end) for mark in marks] == [(2, 4), (4, 10)]


def switched(state: str, at: float, driver: str = "power") -> PowerSwitched:
    return PowerSwitched(driver=driver, state=state, monotonic=BEGAN + at)


def test_readings_are_a_curve_in_watts() -> None:
    power = lanes([Reading(driver="power", voltage=5, current=i, monotonic=BEGAN + i) for i in range(3)])["power"]
    assert power.curve == [(0, 0), (1, 5), (2, 10)]
    assert "3 readings from 0.00 to 10.00 W" in power.summary


def test_two_supplies_have_a_lane_each() -> None:
    assert set(lanes([switched("on", 1, "a.power"), switched("on", 2, "b.power")])) == {"power a.power", "power b.power"}


def test_a_console_shows_how_much_came_when_and_what_was_found() -> None:
    console = lanes(
        [
            ConsoleReceived(console="serial", position=0, size=100, monotonic=BEGAN + 1),
            ConsoleReceived(console="serial", position=100, size=10_000, monotonic=BEGAN + 5),
            ConsoleMatched(console="serial", pattern="login:", line="board login:", monotonic=BEGAN + 6),
            ConsoleHit(console="serial", label="panic", line="Kernel panic", monotonic=BEGAN + 7),
            BootStage(console="serial", stage="kernel", since_power_on=1.5, monotonic=BEGAN + 5),
            ConsoleGap(console="serial", reason="cut", monotonic=BEGAN + 8),
        ]
    )["serial"]
    bars = [mark for mark in console.marks if mark.sign is Sign.BAR]
    assert [mark.begin for mark in bars] == pytest.approx([1, 5])
    assert bars[0].height < bars[1].height == 1
    assert {mark.sign for mark in console.marks} == {Sign.BAR, Sign.MATCH, Sign.HIT, Sign.STAGE, Sign.GAP}
    assert console.summary == "10,100 bytes, 1 match, 1 watcher hit, 1 gap, kernel at 5.000 s"


def test_a_call_and_a_transfer_begin_when_they_began() -> None:
    found = lanes(
        [
            call(3, 2),
            call(4, 1, "DriverError"),
            TransferEnded(
                driver="storage",
                method="flash",
                direction="upload",
                name="/images/system.img",
                size=3 * 1024 * 1024,
                seconds=4,
                sha256="ab",
                status="ok",
                monotonic=BEGAN + 9,
            ),
        ]
    )
    assert [(mark.sign, mark.begin, mark.end) for mark in found["calls"].marks] == [(Sign.BLOCK, 1, 3), (Sign.FAILED, 3, 4)]
    [transfer] = found["transfers"].marks
    assert (transfer.begin, transfer.end, transfer.text) == (5, 9, "system.img 3.0 MiB")


def test_only_what_is_bad_in_the_exporters_log_is_marked() -> None:
    levels = ("DEBUG", "INFO", "WARNING", "ERROR", "CRITICAL")
    log = lanes([LogLine(severity=level, source="driver", message="m", monotonic=BEGAN + 1) for level in levels])["exporter log"]
    assert [mark.sign for mark in log.marks] == [Sign.WARNING, Sign.ERROR, Sign.ERROR]


def test_a_lost_session_is_a_gap_to_the_end_and_one_that_came_back_to_its_return() -> None:
    marks = lanes(
        [
            SessionRegained(alias="bench", reason="restarted", seconds=2, monotonic=BEGAN + 4),
            SessionLost(alias="bench", reason="killed", monotonic=BEGAN + 7),
        ]
    )["connection"].marks
    assert [(mark.begin, mark.end) for mark in marks] == [(2, 4), (7, 10)]


def test_what_began_before_the_test_is_cut_at_its_begin() -> None:
    [mark] = lanes([call(1, 50)])["calls"].marks
    assert (mark.begin, mark.end) == (0, 1)


def test_where_nothing_happened_there_is_no_lane() -> None:
    assert lanes([]) == {}


def test_too_many_marks_are_merged_and_say_how_many_they_are() -> None:
    lane = lanes([call(i / 1000, 0, "ok" if i % 1000 else "DriverError") for i in range(10_000)])["calls"]
    few = thinned(lane, 100, 10.0)
    assert len(few.marks) <= 100
    assert sum(mark.count for mark in few.marks) == 10_000
    assert sum(mark.count for mark in few.marks if mark.sign is Sign.FAILED) == 10


def test_a_drawing_keeps_to_its_limits_whatever_happened() -> None:
    events: list[Event] = []
    for i in range(4_000):
        at = BEGAN + i / 400
        name = f"{'x' * 200}{i}"
        events += [
            call(i / 400, 0.01, random.Random(i).choice(["ok", "DriverError"])),
            ConsoleMatched(console=f"console{i % 7}", pattern=name, line=name, monotonic=at),
            LogLine(severity="WARNING", source="driver", message=name, monotonic=at),
            Reading(driver="power", voltage=5, current=i % 9, monotonic=at),
        ]
    text = drawn(lanes_of(events, BEGAN, BEGAN + 10))
    assert len(text.encode()) <= MOST_BYTES
    assert len(re.findall(r"<(?:rect|circle)|<text class", text)) <= MOST_MARKS
    assert "merged" in text
    assert "4000 readings from 0.00 to 40.00 W" in text


def test_a_peak_between_thousands_of_readings_is_still_in_the_curve() -> None:
    readings = [Reading(driver="p", voltage=1, current=99 if i == 3_333 else 1, monotonic=BEGAN + i / 1000) for i in range(9_000)]
    text = drawn(lanes_of(readings, BEGAN, BEGAN + 10))
    points = re.search(r'points="([^"]*)"', text)
    assert points is not None
    assert min(float(point.split(",")[1]) for point in points[1].split()) == pytest.approx(12.0)
    assert len(points[1].split()) <= 410


def test_more_lanes_than_marks_are_still_drawn() -> None:
    many = [Lane(f"lane {i}", [Mark(Sign.BLOCK, 0, 1, "t")] * (FEWEST + 5)) for i in range(300)]
    assert drawn(many).count('role="img"') == 302


def test_what_a_device_says_stands_there_as_text() -> None:
    evil = '"><script>alert(1)</script><img src=x onerror=alert(2)>'
    events: list[Event] = [
        ConsoleMatched(console=evil, pattern=evil, line=evil, monotonic=BEGAN),
        ConsoleHit(console=evil, label=evil, line=evil, monotonic=BEGAN),
        BootStage(console=evil, stage=evil, since_power_on=1, monotonic=BEGAN + 5),
        LogLine(severity="ERROR", source=evil, message=evil, monotonic=BEGAN),
        CallEnded(driver=evil, method=evil, arguments=evil, seconds=5, outcome=evil, monotonic=BEGAN + 6),
        PowerSwitched(driver=evil, state="on", monotonic=BEGAN),
        PowerSwitched(driver=f"{evil}2", state="on", monotonic=BEGAN),
        SessionLost(alias=evil, reason=evil, monotonic=BEGAN),
        TransferEnded(
            driver=evil,
            method=evil,
            direction="upload",
            name=evil,
            size=1,
            seconds=1,
            sha256="",
            status=evil,
            monotonic=BEGAN + 4,
        ),
    ]
    keywords = Lane("keywords", [Mark(Sign.FAILED, 0, 9, evil, evil)], summary=evil)
    text = timeline_html(keywords, [Group(evil, lanes_of(events, BEGAN, BEGAN + 10)), Group(evil, [])], 10.0, unfolded=True)
    assert "<script" not in text
    assert "<img" not in text
    assert "onerror=alert(2)&gt;" in text


def test_secrets_are_masked() -> None:
    def redact(text: str) -> str:
        return text.replace("hunter2", "<secret>")

    events: list[Event] = [LogLine(severity="ERROR", source="d", message="password hunter2", monotonic=BEGAN)]
    assert "hunter2" not in drawn(lanes_of(events, BEGAN, BEGAN + 1, (), redact))


@pytest.mark.parametrize(("seconds", "text"), [(0.25, "0.250 s"), (12.34, "12.3 s"), (185, "3:05 min")])
def test_times_are_written_for_people(seconds: float, text: str) -> None:
    assert clock(seconds) == text


@pytest.mark.parametrize("length", [0.001, 0.004, 0.1, 1, 59, 3_600, 200_000])
def test_the_axis_has_few_and_round_times(length: float) -> None:
    text = drawn([Lane("calls", [Mark(Sign.BLOCK, 0, length, "t")])], length)
    ticks = re.findall(r">([\d.e+-]+) s</text>", text)
    assert 2 <= len(ticks) <= 8
    assert ticks[0] == "0"
