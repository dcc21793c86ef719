"""What consoles said since the last time, as one folded block in Robot's log."""

from __future__ import annotations

import html
from collections.abc import Iterable
from pathlib import Path

from robot.api import logger

from ..client.console import Console
from ..client.console.framing import without_frames
from ..client.console.masking import TextMask
from ..sessions import DeviceSession
from ..wire.secrets import Redactor
from .output import link_address

MOST_CHARACTERS = 8_000
"""Shown in one block, from its end; the console's file has everything."""
MOST_LOOKED_AT = 4 * MOST_CHARACTERS


def write_new_output(session: DeviceSession, consoles: Iterable[Console], redact: Redactor) -> None:
    """Writes what a session's consoles said since the last time. Call it on Robot's thread only."""
    mask = TextMask(redact.known)
    for console in consoles:
        begin, end = session.shown.get(console.path, 0), console.transcript.mark().text
        first = max(begin, console.transcript.lost_before, end - MOST_LOOKED_AT)
        text = console.transcript.between(first, end)
        # A secret may have begun that goes on in what comes next: then its begin is shown, masked, together with its rest.
        held = 0 if console.closed else len(text) - mask.certain(text)
        if end - held > begin:
            session.shown[console.path] = end - held
            logger.info(console_block(console, mask(text[: len(text) - held]), first - begin), html=True)


def opened(console: Console) -> str:
    """Returns the line that says that a console is open, with a link to its file if there is one."""
    text = f"Console '{html.escape(console.name)}' of '{html.escape(console.device.name)}' is open"
    if not console.log_file:
        return text
    return f'{text}; all that it says is in <a href="{link_address(Path(console.log_file))}">{html.escape(console.log_file)}</a>'


def console_block(console: Console, whole: str, left_out: int = 0) -> str:
    """Returns a part of a console's output as a folded block: its size, its last line, and inside its text.

    Args:
        console: whose it is.
        whole: the text, with secrets masked.
        left_out: characters before it.
    """
    whole = without_frames(whole)
    text = whole[-MOST_CHARACTERS:]
    left_out += len(whole) - len(text)
    cut = ""
    lines = text.rstrip("\n").split("\n")
    last = next((line for line in reversed(lines) if line.strip()), "")[:120]
    if left_out:
        file = f'<a href="{link_address(Path(console.log_file))}">file</a>' if console.log_file else ""
        where = f", the whole output is in the {file}" if file else ""
        cut = f"<i>{left_out} characters before this are left out{where}</i>\n"
    count = f"{len(lines)} line{'' if len(lines) == 1 else 's'}" if not left_out else f"{len(text) + left_out} characters"
    return (
        f'<details style="border-left:3px solid #7e57c2;padding-left:8px"><summary style="cursor:pointer;color:#607d8b">'
        f"{html.escape(console.name)} said {count}, at last <code>{html.escape(last)}</code></summary>"
        f'<pre style="margin:4px 0;white-space:pre-wrap">{cut}{html.escape(text)}</pre></details>'
    )
