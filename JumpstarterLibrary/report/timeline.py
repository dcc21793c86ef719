"""What happened in a test, as lanes of marks on one time axis: a view of the journals, without any drawing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from enum import Enum

from ..journal import (
    BootStage,
    CallEnded,
    ConsoleGap,
    ConsoleHit,
    ConsoleMatched,
    ConsoleReceived,
    Event,
    ForwardingFailed,
    LogGap,
    LogLine,
    PowerSwitched,
    Reading,
    SessionLost,
    SessionRegained,
    TransferEnded,
)
from .transfers import in_units

BAD_LEVELS = {"ERROR": True, "CRITICAL": True, "WARNING": False, "WARN": False}
"""Levels of the exporter's log that are worth a mark, and whether they are errors."""
LONGEST_TITLE = 300
"""Characters of a text that a mark shows."""


class Sign(Enum):
    """What a mark looks like; each is told from the others by its shape."""

    BLOCK = "block"
    """Something that took a while."""
    FAILED = "failed"
    """Something that took a while and failed."""
    LEVEL = "level"
    """The power was on."""
    BAR = "bar"
    """Output; the more, the higher."""
    STAGE = "stage"
    MATCH = "match"
    HIT = "hit"
    WARNING = "warning"
    ERROR = "error"
    GAP = "gap"
    """Nobody knows what was there."""


@dataclass(frozen=True, slots=True)
class Mark:
    """One thing on a lane. Times are seconds since the test began."""

    sign: Sign
    begin: float
    end: float
    title: str
    """What a reader is told who points at it."""
    text: str = ""
    """What stands beside or in it, where there is room."""
    height: float = 1.0
    """Of a bar, from 0 to 1."""
    count: int = 1
    """How many things it stands for."""


@dataclass(slots=True)
class Lane:
    """Marks of one kind, with a name, in order of time."""

    name: str
    marks: list[Mark] = field(default_factory=list)
    curve: list[tuple[float, float]] = field(default_factory=list)
    """Seconds and watts."""
    summary: str = ""
    """One line for those who do not see the picture."""


@dataclass(slots=True)
class Group:
    """The lanes of one device session."""

    alias: str
    lanes: list[Lane]
    left_out: int = 0
    """Events that had left memory."""
    file: str = ""
    """Address of the journal's file, ready to stand in a link; empty if there is none."""


def lanes_of(
    events: Sequence[Event], began: float, ended: float, powered: Iterable[str] = (), redact: Callable[[str], str] = str
) -> list[Lane]:
    """Makes lanes of what a journal says of a test; there is none where nothing is to be seen.

    Args:
        events: what the journal has of the test.
        began: when the test began, monotonic.
        ended: when it ended, monotonic.
        powered: paths of the power drivers that were on already.
        redact: masks secrets.
    """
    length = max(ended - began, 1e-3)

    def text(raw: str) -> str:
        short = redact(raw[: 4 * LONGEST_TITLE])
        return short if len(short) <= LONGEST_TITLE else f"{short[: LONGEST_TITLE - 1]}…"

    def at(event: Event, earlier: float = 0.0) -> float:
        return min(max(event.monotonic - earlier - began, 0.0), length)

    lanes = [
        *_power(events, at, length, powered),
        *_consoles(events, at, length, text),
        _transfers(events, at, text),
        _calls(events, at, text),
        _exporter_log(events, at, text),
        _connection(events, at, length, text),
    ]
    return [lane for lane in lanes if lane.marks or lane.curve]


At = Callable[..., float]
Text = Callable[[str], str]


def _power(events: Sequence[Event], at: At, length: float, powered: Iterable[str]) -> list[Lane]:
    on: dict[str, float] = dict.fromkeys(powered, 0.0)
    lanes: dict[str, Lane] = {path: Lane("power") for path in on}
    switched: dict[str, int] = {}
    for event in events:
        if isinstance(event, Reading):
            lane = lanes.setdefault(event.driver, Lane("power"))
            lane.curve.append((at(event), event.voltage * event.current))
        elif isinstance(event, PowerSwitched):
            lane = lanes.setdefault(event.driver, Lane("power"))
            switched[event.driver] = switched.get(event.driver, 0) + 1
            if (since := on.pop(event.driver, None)) is not None:
                lane.marks.append(_level(event.driver, since, at(event)))
            if event.state != "off":
                on[event.driver] = at(event)
            else:
                when = at(event)
                lane.marks.append(Mark(Sign.STAGE, when, when, f"{event.driver or 'power'} off at {clock(when)}", "off"))
    for path, since in on.items():
        lanes[path].marks.append(_level(path, since, length))
    for path, lane in lanes.items():
        if len(lanes) > 1:
            lane.name = f"power {path}"
        watts = [watt for _, watt in lane.curve]
        times = switched.get(path, 0)
        lane.summary = (
            f"switched {'once' if times == 1 else f'{times} times'}" if times else "on" if path in on else "not switched"
        )
        if watts:
            lane.summary += f", {len(watts)} readings from {min(watts):.2f} to {max(watts):.2f} W"
    return list(lanes.values())


def _level(path: str, since: float, until: float) -> Mark:
    return Mark(Sign.LEVEL, since, until, f"{path or 'power'} on from {clock(since)} to {clock(until)}", "on")


def _consoles(events: Sequence[Event], at: At, length: float, text: Text) -> list[Lane]:
    lanes: dict[str, Lane] = {}
    received: dict[str, list[tuple[float, int]]] = {}
    for event in events:
        if not isinstance(event, (ConsoleReceived, ConsoleMatched, ConsoleHit, BootStage, ConsoleGap)):
            continue
        lane, when = lanes.setdefault(event.console, Lane(event.console)), at(event)
        if isinstance(event, ConsoleReceived):
            received.setdefault(event.console, []).append((when, event.size))
        elif isinstance(event, ConsoleMatched):
            title = f"{clock(when)} found: {text(event.pattern)}\nin the line: {text(event.line)}"
            lane.marks.append(Mark(Sign.MATCH, when, when, title))
        elif isinstance(event, ConsoleHit):
            title = f"{clock(when)} watcher '{text(event.label)}' was hit by: {text(event.line)}"
            lane.marks.append(Mark(Sign.HIT, when, when, title))
        elif isinstance(event, BootStage):
            title = f"{text(event.stage)}, {event.since_power_on:.3f} s after power on"
            lane.marks.append(Mark(Sign.STAGE, when, when, title, text(event.stage)))
        else:
            lane.marks.append(Mark(Sign.GAP, when, when, f"{clock(when)} the stream broke: {text(event.reason)}"))
    for name, lane in lanes.items():
        signs = [mark.sign for mark in lane.marks]
        told = (("match", "matches", Sign.MATCH), ("watcher hit", "watcher hits", Sign.HIT), ("gap", "gaps", Sign.GAP))
        counts = (f"{signs.count(sign)} {one if signs.count(sign) == 1 else many}" for one, many, sign in told if sign in signs)
        size = sum(size for _, size in received.get(name, ()))
        stages = [f"{mark.text} at {clock(mark.begin)}" for mark in lane.marks if mark.sign is Sign.STAGE]
        more = [f"{len(stages) - MOST_STAGES} more stages"] if len(stages) > MOST_STAGES else []
        lane.summary = ", ".join([f"{size:,} bytes", *counts, *stages[:MOST_STAGES], *more])
        lane.marks[:0] = _bars(received.get(name, ()), length)
    return list(lanes.values())


MOST_STAGES = 6
"""Stages of the start that a summary tells."""
BARS = 160
"""Pieces of the time axis in which the output of a console is counted."""


def _bars(received: Sequence[tuple[float, int]], length: float) -> list[Mark]:
    sizes: dict[int, int] = {}
    for when, size in received:
        place = min(int(when / length * BARS), BARS - 1)
        sizes[place] = sizes.get(place, 0) + size
    highest, step = max(sizes.values(), default=1), length / BARS
    return [
        Mark(
            Sign.BAR,
            place * step,
            (place + 1) * step,
            f"{size:,} bytes from {clock(place * step)} to {clock((place + 1) * step)}",
            # The square root, so that a prompt is to be seen beside a boot log.
            height=max(0.08, (size / highest) ** 0.5),
        )
        for place, size in sorted(sizes.items())
    ]


def _transfers(events: Sequence[Event], at: At, text: Text) -> Lane:
    lane = Lane("transfers")
    for event in events:
        if isinstance(event, TransferEnded):
            ok = event.status == "ok"
            rate = f", {in_units(event.size / event.seconds)}/s" if event.seconds > 0 else ""
            name = text(event.name.rpartition("/")[2] or event.name)
            title = (
                f"{event.direction} of {text(event.name)} {'to' if event.direction == 'upload' else 'from'} {event.driver}: "
                f"{in_units(event.size)} in {event.seconds:.2f} s{rate}{'' if ok else f', failed: {event.status}'}"
            )
            sign = Sign.BLOCK if ok else Sign.FAILED
            lane.marks.append(Mark(sign, at(event, event.seconds), at(event), title, f"{name} {in_units(event.size)}"))
    lane.summary = _ended(lane, "transfer")
    return lane


def _calls(events: Sequence[Event], at: At, text: Text) -> Lane:
    lane = Lane("calls")
    for event in events:
        if isinstance(event, CallEnded):
            ok = event.outcome == "ok"
            name = f"{event.driver + '.' if event.driver else ''}{event.method}"
            title = f"{clock(at(event, event.seconds))} {text(f'{name}({event.arguments})')} took {event.seconds * 1000:.1f} ms"
            title += "" if ok else f", failed: {event.outcome}"
            lane.marks.append(Mark(Sign.BLOCK if ok else Sign.FAILED, at(event, event.seconds), at(event), title, name))
    lane.summary = _ended(lane, "call")
    return lane


def _ended(lane: Lane, what: str) -> str:
    failed = sum(mark.sign is Sign.FAILED for mark in lane.marks)
    return f"{len(lane.marks)} {what}{'' if len(lane.marks) == 1 else 's'}, {failed} failed"


def _exporter_log(events: Sequence[Event], at: At, text: Text) -> Lane:
    lane = Lane("exporter log")
    for event in events:
        if isinstance(event, LogLine) and event.severity in BAD_LEVELS:
            sign = Sign.ERROR if BAD_LEVELS[event.severity] else Sign.WARNING
            lane.marks.append(Mark(sign, at(event), at(event), f"{clock(at(event))} {event.severity}: {text(event.message)}"))
    errors = sum(mark.sign is Sign.ERROR for mark in lane.marks)
    lane.summary = f"{len(lane.marks) - errors} warnings, {errors} errors"
    return lane


def _connection(events: Sequence[Event], at: At, length: float, text: Text) -> Lane:
    lane = Lane("connection")
    for event in events:
        when = at(event)
        if isinstance(event, SessionLost):
            title = f"{clock(when)} the session was lost: {text(event.reason)}"
            lane.marks.append(Mark(Sign.GAP, when, length, title, "lost"))
        elif isinstance(event, SessionRegained):
            title = f"gone for {event.seconds:.1f} s until {clock(when)}: {text(event.reason)}"
            lane.marks.append(Mark(Sign.GAP, at(event, event.seconds), when, title, "away"))
        elif isinstance(event, LogGap):
            lane.marks.append(Mark(Sign.WARNING, when, when, f"{clock(when)} {text(event.reason)}"))
        elif isinstance(event, ForwardingFailed):
            lane.marks.append(Mark(Sign.ERROR, when, when, f"{clock(when)} {text(event.address)}: {text(event.reason)}"))
    lane.summary = "; ".join(mark.title for mark in lane.marks[:3])
    return lane


def thinned(lane: Lane, most: int, length: float) -> Lane:
    """Merges neighbours until a lane has no more marks than allowed; what was merged says how many things it stands for."""
    if len(lane.marks) <= most:
        return lane
    pieces: dict[tuple[int, Sign], list[Mark]] = {}
    # Each sign has pieces of its own, so that no failure hides behind what went well.
    signs = len({mark.sign for mark in lane.marks})
    count = max(most // max(signs, 1), 1)
    for mark in lane.marks:
        piece = min(int(mark.begin / length * count), count - 1)
        pieces.setdefault((piece, mark.sign), []).append(mark)
    merged = [marks[0] if len(marks) == 1 else _merged(marks) for _, marks in sorted(pieces.items(), key=lambda item: item[0][0])]
    return Lane(lane.name, merged, lane.curve, lane.summary)


def _merged(marks: Sequence[Mark]) -> Mark:
    begin, end, count = marks[0].begin, max(mark.end for mark in marks), sum(mark.count for mark in marks)
    title = f"{count} things from {clock(begin)} to {clock(end)}; the first: {marks[0].title}"
    return Mark(marks[0].sign, begin, end, title[:LONGEST_TITLE], "", max(mark.height for mark in marks), count)


def clock(seconds: float) -> str:
    """Returns a time on the axis as people write it: `0.250 s`, `12.3 s`, `3:05 min`."""
    if seconds < 10:
        return f"{seconds:.3f} s"
    if seconds < 120:
        return f"{seconds:.1f} s"
    return f"{int(seconds // 60)}:{int(seconds % 60):02d} min"
