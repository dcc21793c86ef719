"""Why a wait failed: what was expected, the nearest miss, what the device said last, and in what state everything is."""

from __future__ import annotations

import difflib
import re
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...journal import PowerSwitched
from .framing import without_frames
from .masking import TextMask

if TYPE_CHECKING:
    from .console import Console

LONGEST_EXPLANATION = 4_000
"""Bytes; the rest is in the console's file."""
LINES_SHOWN = 12
LINES_COMPARED = 500
LONGEST_LINE_SHOWN = 160
COMPARING = 0.1
"""Seconds for finding the nearest miss, the latest lines first: a wait must not outlive its deadline by it."""


def explain_timeout(console: Console, missing: str, length: str, waited: float, start: int | None = None) -> str:
    """Returns the text of a failed wait; its first line says all, as reports show only that.

    Args:
        console: where it was waited.
        missing: what did not come.
        length: how long was waited for it, in words.
        waited: the same as it really was, in seconds.
        start: position in the text from which was searched.
    """
    transcript, redact = console.transcript, console.device.connection.redact
    begin = console.marks["session start"].time
    # Masked before anything is cut, as half a secret would not be recognised.
    said = _masked(transcript.lines_with_times(LINES_COMPARED), TextMask(redact.known), redact)
    lines = [(when, shown) for when, line in said if (shown := without_frames(line)) or not line]
    first = (
        f"Console '{console.name}' of '{console.device.name}': {missing} within {length} (waited {waited:.1f} s; "
        f"{_said(console)} since the console was opened)."
    )
    details = [
        _lost_backslash(missing),
        _nearest(missing, lines, begin, time.monotonic() - waited),
        _silence(console),
        _state(console),
        _forgotten(console, start),
        *(f"  gap at {gap.time - begin:+.3f} s: {gap.reason}" for gap in transcript.gaps[-3:]),
        f"  last line{'s' if len(lines) > 1 else ''}:" if lines else "  the device has said nothing at all",
        *(f"    {when - begin:+10.3f} s  {_short(line)}" for when, line in lines[-LINES_SHOWN:]),
        *([f"  whole output: {console.log_file}"] if console.log_file else []),
    ]
    return _cut(redact("\n".join([first, *(line for line in details if line)])))


def _masked(
    lines: list[tuple[float, str]], in_pieces: Callable[[str], str], redact: Callable[[str], str]
) -> list[tuple[float, str]]:
    """Masks secrets also where they stand on two lines, as a terminal breaks them."""
    if not lines:
        return []
    texts = in_pieces("\n".join(line for _, line in lines)).split("\n")
    return [(when, redact(text)) for (when, _), text in zip(lines, texts, strict=True)]


def _lost_backslash(missing: str) -> str:
    """`(d+)` was mostly meant as `(\\d+)`: Robot takes a single backslash away."""
    lost = re.search(r"regex '.*?(?<![\\\w])([dDsSwW][+*])(?!\w)", missing)
    return (
        f"  is it '{lost[1]}', or should it be '\\{lost[1]}'? In Robot data that is written with two backslashes" if lost else ""
    )


def _said(console: Console) -> str:
    size = console.transcript.bytes_received
    return f"{size} bytes" if size < 10_000 else f"{size / 1000:.1f} kB" if size < 10_000_000 else f"{size / 1e6:.1f} MB"


def _nearest(missing: str, lines: list[tuple[float, str]], begin: float, wait: float) -> str:
    if "'" not in missing:  # no text that could be compared
        return ""
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
            matcher = difflib.SequenceMatcher(None, wanted.lower(), part, autojunk=False)
            # The quick one counts letters wherever they stand: enough to leave out most lines, and no likeness.
            if matcher.quick_ratio() > best and (ratio := matcher.ratio()) > best:
                best, best_line, best_time = ratio, line, when
    before = " (said before this wait; since=power on looks there, too)" if best_time < wait else ""
    return f"  nearest: {best_time - begin:+.3f} s  {_short(best_line)}{before}" if best_line else ""


def _silence(console: Console) -> str:
    quiet = time.monotonic() - console.transcript.last_byte
    open_line = without_frames(console.device.connection.redact(console.open_line))
    pending = f"; the open line is {_short(open_line)!r}" if open_line else ""
    return f"  last byte {quiet:.1f} s ago{pending}" if console.transcript.bytes_received else ""


def _forgotten(console: Console, start: int | None) -> str:
    lost = 0 if start is None else console.transcript.lost_before - start
    if lost <= 0:
        return ""
    return f"  the first {lost} characters since the place to search from had left memory before the wait, and were not searched"


def _state(console: Console) -> str:
    # From the journal, as it may have been switched before the console was opened.
    switches = console.device.journal.events(PowerSwitched)
    state, when = (switches[-1].state, switches[-1].monotonic) if switches else ("", 0.0)
    if (power := console.marks.get("power on")) and power.time > when:  # it is being switched on, or failed to be
        state, when = "on", power.time
    switched = f"switched {state} {time.monotonic() - when:.1f} s ago" if state else "not switched in this session"
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
