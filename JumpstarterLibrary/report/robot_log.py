"""Writes what the journal gathered into Robot's log, in chunks, under the running keyword or test."""

from __future__ import annotations

import html
import time
from collections.abc import Callable, Iterable

from robot.api import logger

from ..journal import CallEnded, ConsoleGap, Event, ForwardingFailed, LogGap, LogLine, SessionLost, SessionRegained
from ..sessions import DeviceSession
from ..wire.deadline import in_words

MOST_LINES = 200
"""Exporter log lines shown in one chunk; the journal's file has them all."""

_COLOURS = {"WARNING": "#b26b00", "ERROR": "#c62828", "CRITICAL": "#c62828", "DEBUG": "#78909c"}


def write_new_events(session: DeviceSession, redact: Callable[[str], str]) -> None:
    """Writes the events since the last time. Call it on Robot's thread only: Robot drops messages of others."""
    if session.journal.position == session.reported:
        return
    events, session.reported, dropped = session.journal.since(session.reported)
    if dropped:
        logger.info(f"[{dropped} earlier events are only in the journal's file]")
    lines: list[LogLine | LogGap] = []
    for event in events:
        if isinstance(event, (LogLine, LogGap)):
            lines.append(event)
        elif text := _one_line(event):
            _write_lines(session, lines, redact)  # what came before stands before
            lines = []
            logger.info(redact(text))
    _write_lines(session, lines, redact)


def _write_lines(session: DeviceSession, lines: list[LogLine | LogGap], redact: Callable[[str], str]) -> None:
    for shown, level in (([e for e in lines if not _is_debug(e)], "INFO"), ([e for e in lines if _is_debug(e)], "DEBUG")):
        if shown:
            logger.write(log_table(session.alias, shown, redact), level, html=True)


def _one_line(event: Event) -> str:
    if isinstance(event, CallEnded):
        call = f"{event.driver + '.' if event.driver else ''}{event.method}({event.arguments})"
        taken = f"{event.seconds * 1000:.1f} ms"
        if event.outcome == "ok":
            return f"{call}{'' if event.detail == 'None' else f' → {event.detail}'}  [{taken}]"
        return f"{call} failed: {event.outcome}  [{taken}]"
    if isinstance(event, ConsoleGap):
        return f"Console '{event.console}' has a gap here: {event.reason}"
    if isinstance(event, ForwardingFailed):
        return f"A connection from {event.address} to '{event.driver}' failed: {event.reason}"
    if isinstance(event, (SessionLost, SessionRegained)):
        gone = "is lost" if isinstance(event, SessionLost) else f"is there again after {in_words(event.seconds)}"
        return f"Session '{event.alias}' {gone}: {event.reason}"
    return ""


def _is_debug(event: Event) -> bool:
    return isinstance(event, LogLine) and event.severity == "DEBUG"


def log_table(alias: str, events: list[LogLine | LogGap], redact: Callable[[str], str] = str) -> str:
    """Returns exporter log lines as a small table: time, level, source, text."""
    rows = "".join(_rows(events[-MOST_LINES:], redact))
    cut = f"<i>{len(events) - MOST_LINES} more lines in the journal's file</i>" if len(events) > MOST_LINES else ""
    return (
        f'<div style="border-left:3px solid #90a4ae;padding-left:8px">'
        f'<span style="color:#607d8b">exporter log of {html.escape(alias)}</span> {cut}'
        f'<table style="border-spacing:0;font-family:monospace;font-size:inherit">{rows}</table></div>'
    )


def _rows(events: Iterable[LogLine | LogGap], redact: Callable[[str], str]) -> Iterable[str]:
    cell = '<td style="padding:0 12px 0 0;border:0;vertical-align:top;white-space:{};color:{}">{}</td>'
    for event in events:
        clock = time.strftime("%H:%M:%S", time.localtime(event.wall)) + f".{int(event.wall % 1 * 1000):03d}"
        if isinstance(event, LogGap):
            level, source, text = "", "", f"[{event.reason}]"
        else:
            level, text = event.severity, event.message
            source = f"{event.source} {event.driver}".strip()
        colour = _COLOURS.get(level, "inherit")
        cells = (
            (clock, "nowrap", "#607d8b"),
            (level, "nowrap", colour),
            (source, "nowrap", "#607d8b"),
            (text, "pre-wrap", colour),
        )
        yield "<tr>" + "".join(cell.format(wrap, tint, html.escape(redact(value))) for value, wrap, tint in cells) + "</tr>"
