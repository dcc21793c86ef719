"""Bytes of a console to lines of text, incrementally: what arrives in any chunks gives the same lines as in one.

UTF-8 with replacement; control sequences (ECMA-48) and control characters removed; CR LF in all its forms is one line end; a
lone CR, backspace and the sequences that move or erase within a line do so, and what follows overwrites.
"""

from __future__ import annotations

import codecs
import re
from collections.abc import Callable

LONGEST_LINE = 64 * 1024
"""Characters after which a line without end is cut, so that nothing grows without bound. A line of exactly so many characters
goes on in the next one, which may be empty; `whole_lines` puts them together."""
MOST_WIPED = 256 * 1024
"""Characters of overwritten lines that are kept of one chunk."""
MOST_LETTERS = 1024
"""Letters of a secret that may stand before the edge of the terminal."""
LONGEST_SEQUENCE = 4096
"""Characters of a control sequence that never ends; then it is taken for text."""

# Bounded below LONGEST_SEQUENCE, so that a sequence that was given up reads the same in whatever pieces it came. Strings end
# with their line, as noise on a line may begin one.
_SEQUENCE = re.compile(
    r"\x1b\[([0-?]{0,4000})[ -/]{0,64}([@-~])?"  # CSI: colours, cursor, erasing
    r"|\x1b\][^\x07\x1b\r\n]{0,4064}(?:\x07|\x1b\\)"  # OSC: window titles, links
    r"|\x1b[PX^_][^\x1b\r\n]{0,4064}\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]{0,16}[0-OQ-WYZ\\`-~]"  # two characters and more: charset, keypad, index
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b\r\n]*\x1b?|[PX^_][^\x1b\r\n]*\x1b?|[ -/]{0,16})\Z")
_DROPPED = bytes(set(range(0x20)) - set(b"\a\b\t\n\r\x1b")) + b"\x7f"
"""Control characters without meaning in a line. BEL is dropped later, as it ends some sequences."""
_C1 = re.compile("[\x80-\x9a\x9c-\x9f]+")
_RETURNS = re.compile("\r\r+")
# What moves and erases within a line, as characters that are free to use because they never come through _DROPPED.
_RIGHT, _LEFT, _ERASE_REST, _ERASE_LINE = "\x01\x02\x05\x06"
_EDITS = re.compile(r"([\r\n\b\x05\x06]|[\x01\x02].)", re.DOTALL)
_MARKS = (_RIGHT, _LEFT, _ERASE_REST, _ERASE_LINE)
_COUNTS = 0xF0000
"""A count is the character at this offset; it follows _RIGHT and _LEFT."""


class LineReader:
    """Turns chunks into finished lines and the open line.

    Args:
        secrets: gives the secrets that are known now. A shell that reaches the right edge of the terminal while it echoes sends a
            blank and a CR; one in the middle of a secret is passed over, so that the secret stands there in one piece.
    """

    def __init__(self, secrets: Callable[[], list[str]] = list) -> None:
        self._secrets = secrets
        self.wiped: list[tuple[int, str]] = []
        """Lines that the last chunk overwrote or erased in part, as they stood before, each with its number in the chunk."""
        self._number = 0
        self._fresh = False  # whether anything was added to the line since it was in `wiped`
        self._wiped_size = 0
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self.rewritten: int | None = None
        """The first column that the last chunk overwrote or erased in the line that was open before it."""
        self._held = ""
        self._parts: list[str] = []
        self._cells = False  # whether each part is one character, to be overwritten
        self.length = 0
        """Characters of the open line."""
        self._column: int | None = None  # None: at the end of the line, where writing appends
        self._in_first_line = True

    def feed(self, data: bytes) -> str:
        """Takes a chunk and returns the lines that it finished, each with its `\\n`."""
        self.rewritten, self._in_first_line, self._number = None, True, 0
        if self.wiped:
            self.wiped, self._wiped_size = [], 0
        text = self._held + self._decode(data)
        self._held = ""
        marked = "\x1b" in text
        if marked:
            text = self._without_sequences(text)
            marked = any(mark in text for mark in _MARKS)
        if "\a" in text:
            text = text.replace("\a", "")
        finished = ""
        if "\r" in text:
            text = _RETURNS.sub("\r", text) if "\r\r" in text else text
            text = text.replace("\r\n", "\n").replace("\n\r", "\n")
            if not self._cursor and text.startswith("\r"):
                text = text[1:]  # at the begin of a line it says nothing
        if self._column is not None and text.startswith("\n"):  # the other half of a CR LF
            finished, text = self.take() + "\n", text[1:].removeprefix("\r")
        body = text.removesuffix("\r")
        if marked or self._column is not None or "\r" in body or "\b" in body:
            return finished + self._edit(text)
        finished += self._add(body)
        return finished + self._edit("\r") if len(body) < len(text) else finished

    @property
    def open_line(self) -> str:
        """What stands on the line that has not ended yet."""
        if len(self._parts) > 1 and not self._cells:
            self._parts = ["".join(self._parts)]
        line = "".join(self._parts) if self._cells else self._parts[0] if self._parts else ""
        if self._column:  # blanks behind the cursor were not printed, but erased by being overwritten
            return line[: self._column] + line[self._column :].rstrip(" ")
        return line

    def take(self) -> str:
        """Returns the open line and starts a new one."""
        line = self.open_line
        self._parts, self._cells, self.length, self._column, self._fresh = [], False, 0, None, False
        self._in_first_line = False
        self._number += 1
        return line

    def interrupt(self) -> str:
        """Returns the open line, and forgets what was going on: nothing that comes later belongs to it."""
        self._held, self.wiped = "", []
        self._decoder.reset()
        return self.take()

    def _decode(self, data: bytes) -> str:
        text = self._decoder.decode(data.translate(None, _DROPPED))
        return text if text.isascii() else _C1.sub("", text.replace("\x9b", "\x1b["))

    def _without_sequences(self, text: str) -> str:
        if (unfinished := _UNFINISHED.search(text)) and len(text) - unfinished.start() <= LONGEST_SEQUENCE:
            self._held, text = text[unfinished.start() :], text[: unfinished.start()]
        return _SEQUENCE.sub(_replace_sequence, text).replace("\x1b", "")

    def _add(self, text: str) -> str:
        """Takes text without any editing in it: nearly everything is, so this is the quick way."""
        head, newline, rest = text.rpartition("\n")
        finished = ""
        if newline:
            finished = self.take() + head + "\n"
            if len(finished) > LONGEST_LINE:
                finished = _cut_lines(finished)
        self._append(rest)
        return finished + self._cut_open()

    def _append(self, text: str) -> None:
        if self._cells:
            self._parts.extend(text)
        elif text:
            self._parts.append(text)
        self.length += len(text)
        self._fresh = True

    def _edit(self, text: str) -> str:
        finished: list[str] = []
        for part in _EDITS.split(text):
            if part == "\n":
                finished.append(self.take() + "\n")
            elif part == "\r":
                self._move(0)
            elif part == "\b":
                self._move(self._cursor - 1)
            elif part[:1] == _LEFT:
                self._move(self._cursor - (ord(part[1]) - _COUNTS))
            elif part[:1] == _RIGHT:
                self._move(self._cursor + ord(part[1]) - _COUNTS)
            elif part == _ERASE_REST:
                self._erase_from(self._cursor)
            elif part == _ERASE_LINE:
                column = self._cursor
                self._erase_from(0)
                self._column = column or None
            elif part:
                self._write(part)
                finished.append(self._cut_open())
        return "".join(finished)

    @property
    def _cursor(self) -> int:
        return self.length if self._column is None else self._column

    def _move(self, column: int) -> None:
        column = max(0, column)
        self._column = column if column < self.length else None

    def _write(self, text: str) -> None:
        column = self._column
        if column == 0 and self._goes_on_with(text):
            self._unwrap()
            column = None
        if column is None:
            self._append(text)
            return
        self._rewrite(column)
        if column > self.length:  # after the line was erased
            self._parts.extend(" " * (column - self.length))
        self._parts[column : column + len(text)] = text
        self.length, self._fresh = len(self._parts), True
        self._move(column + len(text))

    def _erase_from(self, column: int) -> None:
        if column < self.length:
            self._rewrite(column)
            del self._parts[column:]
            self.length, self._column = column, None

    def _rewrite(self, column: int) -> None:
        if self._in_first_line and (self.rewritten is None or column < self.rewritten):
            self.rewritten = column
        if self._fresh and self._wiped_size < MOST_WIPED:
            self.wiped.append((self._number, "".join(self._parts)))
            self._wiped_size += self.length
        self._fresh = False
        if not self._cells:
            self._parts, self._cells = list("".join(self._parts)), True

    def _goes_on_with(self, text: str) -> bool:
        """Whether a secret that began at the end of the line, before a blank, goes on with the text."""
        secrets = self._secrets()
        if not secrets or not (tail := "".join(self._parts[-MOST_LETTERS:])[-MOST_LETTERS:]).endswith(" "):
            return False
        tail = tail[:-1]
        return any(
            tail.endswith(secret[:cut]) and text.startswith(secret[cut : cut + len(text)])
            for secret in secrets
            for cut in range(1, min(len(secret), MOST_LETTERS))
        )

    def _unwrap(self) -> None:
        """Goes on behind the line, without the blank at its end."""
        line = "".join(self._parts)[:-1]
        self._parts, self._cells, self.length, self._column = [line], False, len(line), None
        if self._in_first_line:  # somebody may have looked at the blank
            self.rewritten = self.length if self.rewritten is None else min(self.rewritten, self.length)

    def _cut_open(self) -> str:
        if self.length < LONGEST_LINE:
            return ""
        line = self.take()
        cut = len(line) // LONGEST_LINE * LONGEST_LINE
        self._append(line[cut:])
        return "".join(line[start : start + LONGEST_LINE] + "\n" for start in range(0, cut, LONGEST_LINE))


def _replace_sequence(match: re.Match[str]) -> str:
    parameter, final = match[1], match[2]
    if final in ("K", "J"):
        if parameter == "2":
            return _ERASE_LINE if final == "K" else ""
        return _ERASE_REST if parameter in ("", "0") else ""
    if final in ("C", "D", "G") and (parameter.isdecimal() or not parameter):
        count = min(max(int(parameter[:6] or 1), 1), 0xFFFF)
        if final == "G":
            return "\r" if count == 1 else f"\r{_RIGHT}{chr(_COUNTS + count - 1)}"
        return (_RIGHT if final == "C" else _LEFT) + chr(_COUNTS + count)
    return ""


def _cut_lines(text: str) -> str:
    """Cuts the lines that are too long."""
    pieces = []
    for line in text.split("\n")[:-1]:
        pieces += [line[start : start + LONGEST_LINE] for start in range(0, len(line) + 1, LONGEST_LINE)]
    return "\n".join(pieces) + "\n"


def whole_lines(text: str) -> str:
    """Puts the lines together that were cut because they are too long."""
    if len(text) <= LONGEST_LINE:
        return text
    lines = text.split("\n")
    ends = ("" if len(line) == LONGEST_LINE else "\n" for line in lines[:-1])
    return "".join(part for pair in zip(lines, ends, strict=False) for part in pair) + lines[-1]
