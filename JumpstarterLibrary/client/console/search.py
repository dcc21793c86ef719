"""Finding patterns in a transcript: only what is new, line by line, linear in the output."""

from __future__ import annotations

from dataclasses import dataclass

from .patterns import Hit, Pattern
from .transcript import View


@dataclass(frozen=True, slots=True)
class Found:
    """A pattern that was found."""

    pattern: Pattern
    hit: Hit
    line: str
    line_start: int
    """Position of the line in the transcript."""
    time: float
    """When the line arrived, monotonic."""

    @property
    def start(self) -> int:
        """Position of the match."""
        return self.line_start + self.hit.start

    @property
    def end(self) -> int:
        """Position behind the match."""
        return self.line_start + self.hit.end


def find_in_lines(view: View, position: int, pattern: Pattern) -> Found | None:
    """Finds the first match at or after a position in the finished lines of a view."""
    for segment in view.segments_from(position):
        text = segment.text
        here = max(0, position - segment.start)
        while here < len(text):
            candidate = pattern.first_candidate(text, here)
            if candidate < 0:
                break
            line_start = text.rfind("\n", 0, candidate) + 1
            line_end = text.find("\n", candidate)
            line = text[line_start:line_end]
            if hit := pattern.find(line, max(0, here - line_start)):
                return Found(pattern, hit, line, segment.start + line_start, segment.time)
            here = line_end + 1
    return None


def find_in_open_line(view: View, position: int, pattern: Pattern) -> Found | None:
    """Finds the first match at or after a position in the line that has not ended. Whether it counts is for the caller to say:
    the line may go on, so a match here is only true once the stream has been quiet."""
    column = max(0, position - view.open_start)
    if column >= len(view.open_line):
        return None
    hit = pattern.find(view.open_line, column)
    return Found(pattern, hit, view.open_line, view.open_start, view.last_byte) if hit else None
