"""Bytes of a console to lines of text, incrementally: what arrives in any chunks gives the same lines as in one.

UTF-8 with replacement; control sequences (ECMA-48) and control characters removed; CR LF in all its forms is one line end; a
lone CR and backspace move within the line, and what follows overwrites.
"""

from __future__ import annotations

import codecs
import re

LONGEST_LINE = 64 * 1024
"""Characters after which a line without end is cut into lines, so that nothing grows without bound."""
LONGEST_SEQUENCE = 4096
"""Characters of a control sequence that never ends; then it is taken for text."""

_SEQUENCE = re.compile(
    r"\x1b\[[0-?]*[ -/]*([@-~])?"  # CSI: colours, cursor, erasing
    r"|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)"  # OSC: window titles, links
    r"|\x1b[PX^_][^\x1b]*\x1b\\"  # DCS, SOS, PM, APC
    r"|\x1b[ -/]*[0-OQ-WYZ`-~]"  # two characters and more: charset, keypad, index
)
_UNFINISHED = re.compile(r"\x1b(?:\[[0-?]*[ -/]*|\][^\x07\x1b]*\x1b?|[PX^_][^\x1b]*\x1b?|[ -/]*)\Z")
_DROPPED = bytes(set(range(0x20)) - set(b"\a\b\t\n\r\x1b")) + b"\x7f"
"""Control characters without meaning in a line. BEL is dropped later, as it ends some sequences."""
_C1 = re.compile("[\x80-\x9a\x9c-\x9f]+")
_EDITS = re.compile(r"([\r\n\b\x05\x06])")
_ERASE_REST, _ERASE_LINE = "\x05", "\x06"  # free to use: they never come through _DROPPED


class LineReader:
    """Turns chunks into finished lines and the open line."""

    def __init__(self) -> None:
        self._decoder = codecs.getincrementaldecoder("utf-8")("replace")
        self._held = ""
        self._parts: list[str] = []
        self._length = 0
        self._column: int | None = None  # None: at the end of the line, where writing appends
        self._erase_at_return = False

    def feed(self, data: bytes) -> str:
        """Takes a chunk and returns the lines that it finished, each with its `\\n`."""
        text = self._held + self._decode(data)
        self._held = ""
        if "\x1b" in text:
            text = self._without_sequences(text)
        if "\a" in text:
            text = text.replace("\a", "")
        while "\r\n" in text:
            text = text.replace("\r\n", "\n")
        finished = ""
        if self._column is not None and text.startswith("\n"):  # the other half of a CR LF
            finished, text = self.take() + "\n", text[1:]
        body = text.removesuffix("\r")
        if "\r" in body or "\b" in body or "\x05" in body or "\x06" in body or self._column is not None:
            return finished + self._edit(text)
        finished += self._add(body)
        return finished + self._edit("\r") if len(body) < len(text) else finished

    @property
    def open_line(self) -> str:
        """What stands on the line that has not ended yet."""
        if len(self._parts) > 1:
            self._parts = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def take(self) -> str:
        """Returns the open line and starts a new one."""
        line = self.open_line
        self._parts, self._length, self._column, self._erase_at_return = [], 0, None, False
        return line

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
        if text:
            self._parts.append(text)
            self._length += len(text)

    def _edit(self, text: str) -> str:
        finished: list[str] = []
        for part in _EDITS.split(text):
            if part == "\n":
                finished.append(self.take() + "\n")
            elif part == "\r":
                if self._erase_at_return:
                    self.take()
                self._column = 0 if self._length else None
            elif part == "\b":
                self._column = max(0, (self._length if self._column is None else self._column) - 1)
            elif part == _ERASE_REST:
                if self._column is not None:
                    self._replace(self.open_line[: self._column])
            elif part == _ERASE_LINE:
                self._erase_at_return = True
            elif part:
                self._write(part)
                finished.append(self._cut_open())
        return "".join(finished)

    def _write(self, text: str) -> None:
        self._erase_at_return = False
        if self._column is None:
            self._append(text)
            return
        line, end = self.open_line, self._column + len(text)
        self._replace(line[: self._column] + text + line[end:])
        self._column = end if end < self._length else None

    def _replace(self, line: str) -> None:
        self._parts, self._length = [line], len(line)
        if self._column is not None and self._column >= self._length:
            self._column = None

    def _cut_open(self) -> str:
        if self._length <= LONGEST_LINE:
            return ""
        line = self.take()
        cut = len(line) - len(line) % LONGEST_LINE
        self._append(line[cut:])
        return "".join(line[start : start + LONGEST_LINE] + "\n" for start in range(0, cut, LONGEST_LINE))


def _replace_sequence(match: re.Match[str]) -> str:
    if match[1] == "K":
        return _ERASE_LINE if match[0] == "\x1b[2K" else _ERASE_REST if match[0] in ("\x1b[K", "\x1b[0K") else ""
    return ""


def _cut_lines(text: str) -> str:
    """Cuts the lines that are too long."""
    pieces = []
    for line in text.split("\n")[:-1]:
        pieces += [line[start : start + LONGEST_LINE] for start in range(0, max(len(line), 1), LONGEST_LINE)]
    return "\n".join(pieces) + "\n"
