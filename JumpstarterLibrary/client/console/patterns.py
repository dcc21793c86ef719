"""What a wait looks for, and how it is found without ever seeing half a value."""

from __future__ import annotations

import fnmatch
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import regex

from ...errors import UsageError

SEARCH_LIMIT = 0.25
"""Seconds that one search may take. More means that the pattern backtracks without end on what the device said."""

_SINGLE_LINE_ONLY = regex.compile(r"\\[AZzGKRX]|\(\?(?!P?<[^=!]|:|[aiLmsux-]+[:)])|[+*?}]\+|\\n|\\r")
"""Constructs that may mean something else in many lines at once than in each line by itself."""


class Match(Enum):
    """How a pattern is compared with a line."""

    CONTAINS = "contains"
    """The text stands somewhere in the line."""
    EXACT = "exact"
    """The text is the line."""
    GLOB = "glob"
    """`*`, `?` and `[…]` describe the line."""
    REGEX = "regex"
    """A regular expression is found in the line."""
    BYTES = "bytes"
    """The bytes stand somewhere in the output, whatever lines are."""


@dataclass(frozen=True, slots=True)
class Hit:
    """Where a pattern was found in a line: columns, and what the groups hold."""

    start: int
    end: int
    groups: tuple[str | None, ...] = ()
    named: dict[str, str | None] | None = None


class Pattern:
    """A pattern, checked before anything is sent to the device.

    Raises:
        UsageError: it is empty, matches the empty text, or is no regular expression.
    """

    def __init__(self, text: str, match: Match = Match.CONTAINS) -> None:
        self.text = text
        self.match = match
        if not text:
            raise UsageError("An empty pattern would match everything.")
        if "\n" in text and match is not Match.REGEX:
            raise UsageError("A pattern is compared line by line and cannot hold a line end; use Wait For Lines On Console.")
        self._regex: Any = None
        if match in (Match.REGEX, Match.GLOB):
            expression = text if match is Match.REGEX else fnmatch.translate(text)
            try:
                self._regex = regex.compile(expression)
            except regex.error as error:
                raise UsageError(f"'{text}' is no regular expression: {error}.") from None
            if match is Match.REGEX and self._regex.search(""):
                raise UsageError(f"The regular expression '{text}' matches the empty text, so it would match everything.")

    def __str__(self) -> str:
        return f"'{self.text}'" if self.match is Match.CONTAINS else f"{self.match.value} '{self.text}'"

    def find(self, line: str, column: int = 0) -> Hit | None:
        """Looks for the pattern in one line, from a column on.

        Raises:
            UsageError: the search took too long.
        """
        if self.match is Match.CONTAINS:
            start = line.find(self.text, column)
            return None if start < 0 else Hit(start, start + len(self.text))
        if self.match is Match.EXACT:
            return Hit(0, len(line)) if column == 0 and line == self.text else None
        if self.match is Match.GLOB and column > 0:
            return None
        found = self._guarded(self._regex.search, line, column)
        if found is None or found.start() == found.end():
            return None
        return Hit(found.start(), found.end(), found.groups(), found.groupdict())

    def first_candidate(self, lines: str, start: int) -> int:
        """Returns a position in many lines before which the pattern cannot be; -1 if it is nowhere."""
        if self.match in (Match.CONTAINS, Match.EXACT):
            return lines.find(self.text, start)
        if self._in_many is None:
            return start if start < len(lines) else -1
        found = self._guarded(self._in_many.search, lines, start)
        return found.start() if found else -1

    @cached_property
    def _in_many(self) -> Any:
        """The expression for many lines at once, to skip what cannot match: fifty times quicker than line by line."""
        if self.match is Match.GLOB or _SINGLE_LINE_ONLY.search(self.text):
            return None
        return regex.compile(self.text, regex.MULTILINE)

    def _guarded(self, search: Callable[..., Any], text: str, start: int) -> Any:
        try:
            return search(text, start, timeout=SEARCH_LIMIT)
        except TimeoutError:
            raise UsageError(
                f"The regular expression '{self.text}' took more than {SEARCH_LIMIT} s on what the device said, "
                "so it backtracks without end. Nested repetitions such as (a+)+ do that."
            ) from None
