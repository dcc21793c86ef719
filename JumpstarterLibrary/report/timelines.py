"""The timeline of each test in Robot's log, made when the test ends."""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from typing import Any

from robot.api import logger

from ..journal import Event, PowerSwitched, SessionOpened
from ..sessions import DeviceSession
from ..wire.secrets import Redactor
from .output import link_address
from .timeline import Group, Lane, Mark, Sign, clock, lanes_of
from .timeline_drawing import timeline_html

EVERYDAY = (SessionOpened,)
"""Events that alone make no timeline: nothing was done with the device yet."""


def write_timeline(result: Any, sessions: Sequence[DeviceSession], began: float, redact: Redactor) -> None:
    """Writes the timeline of a test into the log, under the test; nothing where nothing happened with a device.

    Args:
        result: Robot's result of the test, which has ended.
        sessions: the device sessions that the test used, also those that are closed.
        began: when the test began, monotonic.
        redact: masks secrets.
    """
    ended = time.monotonic()
    groups = [group for session in sessions if (group := _group(session, began, ended, redact)).lanes]
    if not groups:
        return
    keywords = Lane("keywords", list(_blocks(result, began, ended, redact)))
    keywords.summary = f"{len(keywords.marks)} steps"
    unfolded = result.status == "FAIL"
    logger.info(timeline_html(keywords, groups, ended - began, unfolded=unfolded), html=True)


def _group(session: DeviceSession, began: float, ended: float, redact: Redactor) -> Group:
    session.write_down()
    known: list[Event] = session.journal.events()
    events = _of_the_test(known, began)
    left_out = session.journal.position - len(known) if len(events) == len(known) else 0
    lanes = lanes_of(events, began, ended, _powered(known, began), redact)
    if all(isinstance(event, EVERYDAY) for event in events):
        lanes = []
    file = session.journal_file
    return Group(session.alias, lanes, left_out, link_address(file) if file is not None else "")


def _of_the_test(events: Sequence[Event], began: float) -> list[Event]:
    """The events since a moment. They are nearly in order: an event about the past is written down late."""
    return [event for event in events if event.monotonic >= began]


def _powered(events: Sequence[Event], began: float) -> list[str]:
    """The power drivers that were on when a test began."""
    states = {e.driver: e.state for e in events if isinstance(e, PowerSwitched) and e.monotonic < began}
    return [path for path, state in states.items() if state != "off"]


def _blocks(result: Any, began: float, ended: float, redact: Redactor) -> Iterator[Mark]:
    """The steps of a test, with its setup and its teardown. Robot tells their times by the wall clock."""
    offset = time.time() - time.monotonic() + began
    steps = [result.setup] if result.has_setup else []
    steps += [*result.body, *([result.teardown] if result.has_teardown else [])]
    for step in steps:
        if step.type == "MESSAGE" or step.start_time is None or step.status in ("NOT RUN", "NOT SET"):
            continue
        begin = min(max(step.start_time.timestamp() - offset, 0.0), ended - began)
        end = min(begin + step.elapsed_time.total_seconds(), ended - began)
        name = redact(_name(step))
        failed = step.status == "FAIL"
        title = f"{name}: {clock(begin)} to {clock(end)}, {step.status}"
        yield Mark(Sign.FAILED if failed else Sign.BLOCK, begin, end, title, name)


def _name(step: Any) -> str:
    # Of control structures Robot has a text, such as `FOR    ${i}    IN RANGE    3`.
    whole = step.type not in {"KEYWORD", "SETUP", "TEARDOWN"}
    return str(step).replace("    ", " ") if whole else str(step.name or step.type).rpartition(".")[2]
