"""What consoles said since the last time, as one folded block in Robot's log."""

from __future__ import annotations

import html
from collections.abc import Callable, Iterable

from robot.api import logger

from ..client.console import Console
from ..sessions import DeviceSession

MOST_CHARACTERS = 8_000
"""Shown in one block, from its end; the console's file has everything."""


def write_new_output(session: DeviceSession, consoles: Iterable[Console], redact: Callable[[str], str]) -> None:
    """Writes what a session's consoles said since the last time. Call it on Robot's thread only."""
    for console in consoles:
        end = console.transcript.mark().text
        begin = session.shown.get(console.path, 0)
        if end > begin:
            session.shown[console.path] = end
            logger.info(console_block(console, begin, end, redact), html=True)


def console_block(console: Console, begin: int, end: int, redact: Callable[[str], str]) -> str:
    """Returns a part of a console's output as a folded block: its size, its last line, and inside its text."""
    first = max(begin, end - MOST_CHARACTERS, console.transcript.start)
    text = redact(console.transcript.between(first, end))
    lines = text.rstrip("\n").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")[:120]
    cut = ""
    if first > begin:
        where = f", the whole output is in {html.escape(console.log_file)}" if console.log_file else ""
        cut = f"<i>{first - begin} characters before this are left out{where}</i>\n"
    count = f"{len(lines)} line{'' if len(lines) == 1 else 's'}" if first == begin else f"{end - begin} characters"
    return (
        f'<details style="border-left:3px solid #7e57c2;padding-left:8px"><summary style="cursor:pointer;color:#607d8b">'
        f"{html.escape(console.name)} said {count}, at last <code>{html.escape(last)}</code></summary>"
        f'<pre style="margin:4px 0;white-space:pre-wrap">{cut}{html.escape(text)}</pre></details>'
    )
