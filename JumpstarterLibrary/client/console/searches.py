"""The kinds of waits: each knows what it looks for, and how far it has looked."""

from __future__ import annotations

from collections.abc import Sequence
from enum import Enum
from typing import Protocol

from .patterns import Hit, Match, Pattern
from .search import Found, find_in_lines, find_in_open_line
from .transcript import View


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
        for start, line, when in view.lines_from(self.position):
            return [Found(Pattern("*", Match.GLOB), Hit(0, len(line)), line, start, when)]
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
        return self._complete(self._found)

    def in_open_line(self, view: View) -> list[Found] | None:
        """Looks at the open line; a block is of finished lines only."""
        if self.mode is Mode.BLOCK:
            return None
        # Only for now: what is found here counts once everything is found, as the line may still change.
        found, position = dict(self._found), self.position
        for index, pattern in enumerate(self.patterns):
            if index not in found and (one := find_in_open_line(view, position, pattern)):
                found[index] = one
                if self.mode is Mode.ORDERED:
                    position = one.end
            elif index not in found and self.mode is Mode.ORDERED:
                break
        return self._complete(found)

    def _complete(self, found: dict[int, Found]) -> list[Found] | None:
        if self.mode is Mode.ANY and found:
            return [min(found.values(), key=lambda one: one.start)]
        if len(found) == len(self.patterns):
            return [found[index] for index in range(len(self.patterns))]
        return None

    def _ordered(self, view: View) -> list[Found] | None:
        while len(self._found) < len(self.patterns):
            found = find_in_lines(view, self.position, self.patterns[len(self._found)])
            if found is None:
                break
            self._found[len(self._found)] = found
            self.position = found.end
        if len(self._found) < len(self.patterns):
            self.position = max(self.position, view.open_start)
        return self._complete(self._found)

    def _block(self, view: View) -> list[Found] | None:
        """Tries each line as the first of the block. Looks again from the first line whose block is not complete yet."""
        start = self.position
        while first := find_in_lines(view, start, self.patterns[0]):
            block = [first]
            lines = view.lines_from(first.line_start + len(first.line) + 1)
            for pattern in self.patterns[1:]:
                line_start, line, when = next(lines, (-1, "", 0.0))
                if line_start < 0:
                    self.position = max(start, first.line_start)
                    return None
                hit = pattern.find(line)
                if hit is None or view.gap_between(first.line_start, line_start):
                    break
                block.append(Found(pattern, hit, line, line_start, when))
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
