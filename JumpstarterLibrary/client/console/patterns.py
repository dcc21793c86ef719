"""What a wait looks for, and how it is found without ever seeing half a value."""

from __future__ import annotations

import fnmatch
import time
from dataclasses import dataclass
from enum import Enum
from functools import cached_property
from typing import Any

import regex

from ...errors import UsageError

SEARCH_LIMIT = 0.25
"""Seconds that searching may take. More means that the pattern backtracks without end on what the device said."""
SLOWEST = 1_000_000
"""Characters that are searched in a second, at the least, on a busy machine too: what takes longer counts against the limit."""
FAST_ENOUGH = 20_000_000
"""Characters that a search in many lines at once gets through in a second; else line by line is quicker."""
LINE_COST = 100
"""Characters that the search in one line costs beside its own."""

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
        UsageError: it is empty, matches the empty text, is no regular expression, or is of bytes, which no line has.
    """

    def __init__(self, text: str, match: Match = Match.CONTAINS) -> None:
        self.text = text
        self.match = match
        if match is Match.BYTES:
            raise UsageError("Bytes can be waited for with Wait For Line On Console and Wait For Bytes On Console only.")
        if not text:
            raise UsageError("An empty pattern would match everything.")
        if "\n" in text and match is not Match.REGEX:
            raise UsageError("A pattern is compared line by line and cannot hold a line end; use Wait For Lines On Console.")
        self._regex: Any = None
        self._spent, self._searched, self._too_slow_in_many = 0.0, 0, False
        if match in (Match.REGEX, Match.GLOB):
            # Python's translation ends with an end of text that is written differently in each version.
            expression = text if match is Match.REGEX else fnmatch.translate(text)[:-2]
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
        found = self._guarded(line, column)
        if found is None or (found.start() == found.end() and self.match is Match.REGEX):
            return None
        return Hit(found.start(), found.end(), found.groups(), found.groupdict())

    def first_candidate(self, lines: str, start: int) -> int:
        """Returns a position in many lines before which the pattern cannot be; -1 if it is nowhere."""
        if self.match in (Match.CONTAINS, Match.EXACT):
            return lines.find(self.text, start)
        if self._in_many is not None and not self._too_slow_in_many:
            try:
                found = self._in_many.search(lines, start, timeout=0.005 + (len(lines) - start) / FAST_ENOUGH)
                return found.start() if found else -1
            except TimeoutError:
                # It may be slow only because it runs over the ends of lines, as [^x]* does.
                self._too_slow_in_many = True
        return start if start < len(lines) else -1

    @cached_property
    def _in_many(self) -> Any:
        """The expression for many lines at once, to skip what cannot match: fifty times quicker than line by line."""
        if self.match is Match.GLOB or _SINGLE_LINE_ONLY.search(self.text):
            return None
        return regex.compile(self.text, regex.MULTILINE)

    def _guarded(self, line: str, column: int) -> Any:
        """Searches in a line; keeps count of the time, as many slow searches take as long as one without end."""
        search = self._regex.fullmatch if self.match is Match.GLOB else self._regex.search
        begin = time.perf_counter()
        try:
            found = search(line, column, timeout=SEARCH_LIMIT)
        except TimeoutError:
            self._spent = float("inf")
        # At most a third each: this process may have been stopped for a while.
        self._spent += min(time.perf_counter() - begin, SEARCH_LIMIT / 3)
        self._searched += len(line) + LINE_COST
        if self._spent > SEARCH_LIMIT + self._searched / SLOWEST:
            self._spent, self._searched = 0.0, 0
            raise UsageError(
                f"The {self.match.value} pattern '{self.text}' took more than {SEARCH_LIMIT} s on what the device said, so it "
                "backtracks without end. Nested repetitions such as (a+)+ do that."
            )
        return found
