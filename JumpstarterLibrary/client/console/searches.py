"""The kinds of waits: each knows what it looks for, and how far it has looked."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from .patterns import Hit, Match, Pattern
from .search import Found, find_in_lines, find_in_open_line
from .transcript import Transcript, View


class Mode(Enum):
    """How several patterns go together."""

    BLOCK = "block"
    """Each on the line right after the one before."""
    ORDERED = "ordered"
    """In this order, with any lines between."""
    ALL = "all"
    """All of them, in any order."""
    ANY = "any"
    """The first that comes."""


class Search(Protocol):
    """One wait's state."""

    position: int
    """Everything before it has been looked at."""

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks at finished lines; returns what was found once the search is complete."""

    def in_open_line(self, view: View) -> list[Found] | None:
        """Looks at the open line, when it has been quiet."""

    def __str__(self) -> str:
        """What is looked for, for people."""


class SingleSearch:
    """The first match of one pattern."""

    def __init__(self, pattern: Pattern, position: int) -> None:
        self.pattern, self.position = pattern, position

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks at finished lines."""
        found = find_in_lines(view, self.position, self.pattern)
        self.position = max(self.position, view.open_start)
        return [found] if found else None

    def in_open_line(self, view: View) -> list[Found] | None:
        """Looks at the open line."""
        found = find_in_open_line(view, self.position, self.pattern)
        return [found] if found else None

    def __str__(self) -> str:
        return f"no line matching {self.pattern}"


class PromptSearch(SingleSearch):
    """A pattern at the very end of the open line, with nothing but blanks behind it."""

    def in_lines(self, view: View) -> list[Found] | None:
        """A prompt is never on a finished line."""
        self.position = max(self.position, view.open_start)
        return None

    def in_open_line(self, view: View) -> list[Found] | None:
        """Takes the last match in the open line, if it ends there."""
        column, last = max(0, self.position - view.open_start), None
        while (hit := self.pattern.find(view.open_line, column)) is not None:
            last, column = hit, hit.end
        if last is None or view.open_line[last.end :].strip():
            return None
        return [Found(self.pattern, last, view.open_line, view.open_start, view.last_byte)]

    def __str__(self) -> str:
        return f"no prompt {self.pattern}"


class NextLineSearch:
    """The next whole line, whatever it says."""

    def __init__(self, position: int) -> None:
        self.position = position

    def in_lines(self, view: View) -> list[Found] | None:
        """Takes the first line that begins at or after the position."""
        for segment in view.segments:
            text, column = segment.text, max(0, self.position - segment.start)
            begin = column if column == 0 or text[column - 1] == "\n" else text.find("\n", column) + 1
            if begin < len(text) and (begin > 0 or column == 0):
                line = text[begin : text.index("\n", begin)]
                found = Found(Pattern("*", Match.GLOB), Hit(0, len(line)), line, segment.start + begin, segment.time)
                return [found]
        return None

    def in_open_line(self, view: View) -> list[Found] | None:
        """An open line is not a line yet."""
        return None

    def __str__(self) -> str:
        return "no further line"


class ManySearch:
    """Several patterns, in one of the modes."""

    def __init__(self, patterns: Sequence[Pattern], position: int, mode: Mode) -> None:
        self.patterns, self.position, self.mode = list(patterns), position, mode
        self._from = position
        self._found: dict[int, Found] = {}

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks at finished lines."""
        if self.mode is Mode.BLOCK:
            return self._block(view)
        if self.mode is Mode.ORDERED:
            return self._ordered(view)
        for index, pattern in enumerate(self.patterns):
            if index not in self._found and (found := find_in_lines(view, self.position, pattern)):
                self._found[index] = found
        self.position = max(self.position, view.open_start)
        return self._complete()

    def in_open_line(self, view: View) -> list[Found] | None:
        """Looks at the open line; a block is of finished lines only."""
        if self.mode is Mode.BLOCK:
            return None
        for index, pattern in enumerate(self.patterns):
            if index not in self._found and (self.mode is not Mode.ORDERED or index == len(self._found)):
                found = find_in_open_line(view, self._from if self.mode is Mode.ORDERED else self.position, pattern)
                if found:
                    self._found[index] = found
                    self._from = found.end
        return self._complete()

    def _complete(self) -> list[Found] | None:
        if self.mode is Mode.ANY and self._found:
            return [min(self._found.values(), key=lambda found: found.start)]
        if len(self._found) == len(self.patterns):
            return [self._found[index] for index in range(len(self.patterns))]
        return None

    def _ordered(self, view: View) -> list[Found] | None:
        while len(self._found) < len(self.patterns):
            found = find_in_lines(view, max(self._from, self.position), self.patterns[len(self._found)])
            if found is None:
                break
            self._found[len(self._found)] = found
            self._from = self.position = found.end
        if len(self._found) < len(self.patterns):
            self.position = max(self.position, view.open_start)
        return self._complete()

    def _block(self, view: View) -> list[Found] | None:
        """Tries each line as the first of the block. Looks again from the first line whose block is not complete yet."""
        start = self.position
        while first := find_in_lines(view, start, self.patterns[0]):
            block = [first]
            for pattern in self.patterns[1:]:
                line = NextLineSearch(block[-1].line_start + len(block[-1].line) + 1).in_lines(view)
                if line is None:
                    self.position = first.line_start
                    return None
                hit = pattern.find(line[0].line)
                if hit is None:
                    break
                block.append(Found(pattern, hit, line[0].line, line[0].line_start, line[0].time))
            if len(block) == len(self.patterns):
                return block
            start = first.line_start + len(first.line) + 1
        self.position = max(self.position, view.open_start)
        return None

    def __str__(self) -> str:
        missing = [str(pattern) for index, pattern in enumerate(self.patterns) if index not in self._found]
        joined = ", ".join(missing)
        if self.mode is Mode.ANY:
            return f"none of {joined}"
        return f"no block of lines {joined}" if self.mode is Mode.BLOCK else f"not all of the lines: {joined} missing"


def cross_gap(transcript: Transcript, found: list[Found]) -> bool:
    """Whether a match of several lines spans a gap, and so is none."""
    return len(found) > 1 and transcript.gap_between(found[0].start, found[-1].line_start) is not None
