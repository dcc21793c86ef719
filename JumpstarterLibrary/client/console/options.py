"""How a console is read and written."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import timedelta

from ...errors import UsageError


@dataclass(frozen=True)
class ConsoleOptions:
    """How a console is read and written; `Set Console Configuration` changes it."""

    newline: str = "\n"
    """What ends a line that is sent: LF, CR or CR LF."""
    encoding: str = "utf-8"
    """How text that is sent becomes bytes."""
    prompt: str = r"[$#>] ?$"
    """Regular expression for the prompt."""
    settle: timedelta = timedelta(milliseconds=100)
    """How long the stream must be quiet before a line without end counts."""
    char_delay: timedelta = timedelta(0)
    """Pause between the characters that are sent."""
    expect_echo: bool = False
    """Whether lines that are sent have to come back."""


def control_character(name: str) -> bytes:
    """Returns the byte of a named key: `C` or `ctrl-c`, `ESC`, `TAB`, `ENTER`, `BACKSPACE`, `DEL`.

    Raises:
        UsageError: there is no such key.
    """
    key = re.sub(r"^(ctrl[-+]|\^)", "", name.strip().lower())
    named = {"esc": 0x1B, "tab": 0x09, "enter": 0x0D, "cr": 0x0D, "lf": 0x0A, "backspace": 0x08, "del": 0x7F, "space": 0x20}
    if key in named:
        return bytes([named[key]])
    if len(key) == 1 and key.upper() in "@ABCDEFGHIJKLMNOPQRSTUVWXYZ[\\]^_":
        return bytes([ord(key.upper()) & 0x1F])
    raise UsageError(f"'{name}' is no control character: say a letter such as C, or one of {', '.join(named)}.")
