"""Why a wait failed: what was expected, the nearest miss, what the device said last, and in what state everything is."""

from __future__ import annotations

import difflib
import re
import time
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from .console import Console

LONGEST_EXPLANATION = 4_000
"""Bytes; the rest is in the console's file."""
LINES_SHOWN = 12
LINES_COMPARED = 500
LONGEST_LINE_SHOWN = 160
COMPARING = 0.1
"""Seconds for finding the nearest miss, the latest lines first: a wait must not outlive its deadline by it."""


def explain_timeout(console: Console, missing: str, length: str, waited: float) -> str:
    """Returns the text of a failed wait; its first line says all, as reports show only that."""
    transcript = console.transcript
    begin = console.marks["session start"].time
    lines = transcript.lines_with_times(LINES_COMPARED)
    first = (
        f"Console '{console.name}' of '{console.device.name}': {missing} within {length} (waited {waited:.1f} s; "
        f"{_said(console)} since the console was opened)."
    )
    details = [
        _nearest(missing, lines, begin),
        _silence(console),
        _state(console),
        *(f"  gap at {gap.time - begin:+.3f} s: {gap.reason}" for gap in transcript.gaps[-3:]),
        f"  last {min(LINES_SHOWN, len(lines))} lines:" if lines else "  the device has said nothing at all",
        *(f"    {when - begin:+10.3f} s  {_short(line)}" for when, line in lines[-LINES_SHOWN:]),
        *([f"  whole output: {console.log_file}"] if console.log_file else []),
    ]
    return _cut(console.device.connection.redact("\n".join([first, *(line for line in details if line)])))


def _said(console: Console) -> str:
    size = console.transcript.bytes_received
    return f"{size} bytes" if size < 10_000 else f"{size / 1000:.1f} kB" if size < 10_000_000 else f"{size / 1e6:.1f} MB"


def _nearest(missing: str, lines: list[tuple[float, str]], begin: float) -> str:
    wanted = max(re.findall(r"[\w :/.=-]{3,}", re.sub(r"^.*?'|'[^']*$", "", missing)), key=len, default="").strip()
    if not wanted:
        return ""
    best, best_line, best_time = 0.6, "", 0.0
    end = time.monotonic() + COMPARING
    for when, line in reversed(lines):
        if time.monotonic() > end:
            break
        for start in range(0, max(1, min(len(line), 400) - len(wanted) + 1), max(1, len(wanted) // 3)):
            part = line[start : start + len(wanted) + 2].lower()
            ratio = difflib.SequenceMatcher(None, wanted.lower(), part, autojunk=False).quick_ratio()
            if ratio > best:
                best, best_line, best_time = ratio, line, when
    return f"  nearest: {best_time - begin:+.3f} s  {_short(best_line)}" if best_line else ""


def _silence(console: Console) -> str:
    quiet = time.monotonic() - console.transcript.last_byte
    view = console.transcript.view(1 << 62)
    pending = f"; the open line is {_short(view.open_line)!r}" if view.open_line else ""
    return f"  last byte {quiet:.1f} s ago{pending}" if console.transcript.bytes_received else ""


def _state(console: Console) -> str:
    power = console.marks.get("power on")
    switched = f"switched on {time.monotonic() - power.time:.1f} s ago" if power else "not switched on in this session"
    stream = "connected" if console.connected else f"broken ({console.problem})"
    gaps, hits = len(console.transcript.gaps), console.watchers.count
    watchers = f"{len(console.watchers.active)} watchers, {hits} hits"
    return f"  device: {switched}; stream {stream}, {gaps} gap{'' if gaps == 1 else 's'}; {watchers}"


def _short(line: str) -> str:
    return line if len(line) <= LONGEST_LINE_SHOWN else f"{line[:LONGEST_LINE_SHOWN]}… ({len(line)} characters)"


def _cut(text: str) -> str:
    data = text.encode()
    if len(data) <= LONGEST_EXPLANATION:
        return text
    return data[: LONGEST_EXPLANATION - 20].decode(errors="ignore") + "\n  […]"
