"""Everything that one console said, with the times of arrival. It only grows at its end; each reader has its own position."""

from __future__ import annotations

import bisect
import itertools
import time
from collections import deque
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Protocol, TypeVar

from ...wire.interruptible import SoundCondition
from .text import LineReader

T = TypeVar("T")

LIMIT = 8 * 1024 * 1024
"""Bytes of raw data, and characters of text, that stay in memory; the file has everything."""
_OVERHEAD = 120
"""Bytes that a chunk costs beside its data."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a console's output."""

    text: int
    """A position in the text: it grows with it, but not always by as much, as what was rewritten counts anew."""
    raw: int
    """Bytes before it."""
    time: float
    """When it was made, monotonic."""


@dataclass(frozen=True, slots=True)
class Segment:
    """Finished lines that arrived together."""

    start: int
    text: str
    time: float

    @property
    def end(self) -> int:
        """The position behind it."""
        return self.start + len(self.text)


@dataclass(frozen=True, slots=True)
class Chunk:
    """Bytes that arrived together."""

    start: int
    data: bytes
    time: float
    wall: float


@dataclass(frozen=True, slots=True)
class Gap:
    """A place where the stream was broken: nothing that was said meanwhile is known, and no match spans it."""

    position: int
    raw: int
    time: float
    reason: str


@dataclass(frozen=True, slots=True)
class View:
    """What a reader sees at one moment: the finished lines from a position on, and the open line."""

    segments: list[Segment]
    open_start: int
    open_line: str
    complete: bool
    """Whether it reaches to the end."""
    last_byte: float
    quiet: float
    """Seconds since the last byte, at the moment of the view."""
    gaps: tuple[int, ...]
    """Positions of the gaps."""
    finished_lines: int
    """How many lines have ended so far."""

    def segments_from(self, position: int) -> list[Segment]:
        """The segments with anything at or after a position."""
        return self.segments[bisect.bisect_right(self.segments, position, key=_segment_end) :]

    def lines_from(self, position: int) -> Iterator[tuple[int, str, float]]:
        """Finished lines that begin at or after a position: where each begins, its text, and when it arrived."""
        for segment in self.segments_from(position):
            text, here = segment.text, max(0, position - segment.start)
            if here and text[here - 1] != "\n":
                here = text.find("\n", here) + 1
            while here < len(text):
                end = text.index("\n", here)
                yield segment.start + here, text[here:end], segment.time
                here = end + 1

    def gap_between(self, first: int, last: int) -> bool:
        """Whether the stream was broken between two positions."""
        return any(first < gap <= last for gap in self.gaps)


def _segment_end(segment: Segment) -> int:
    return segment.end


class Follower(Protocol):
    """Who is told of changes."""

    def tell(self) -> None:
        """Something has changed. Called with the transcript locked."""


class Transcript:
    """The output of one console. The reader thread appends; everybody else looks, each from its own position.

    Args:
        limit: bytes, and characters of text, that stay in memory; 8 MiB unless given.
        secrets: gives the secrets that are known now; see `LineReader`.
    """

    def __init__(self, limit: int | None = None, secrets: Callable[[], list[str]] = list) -> None:
        self.changed = SoundCondition()
        """Notified at every change."""
        self.gaps: list[Gap] = []
        self.bytes_received = 0
        self.finished_lines = 0
        self.version = 0
        self.last_byte = time.monotonic()
        self._limit = LIMIT if limit is None else limit
        self._lines = LineReader(secrets)
        self._segments: deque[Segment] = deque()
        self._chunks: deque[Chunk] = deque()
        self._text_end = 0  # where the open line begins
        self._seen = 0  # how much of the open line anybody may have a position in
        self._text_kept = 0
        self._raw_kept = 0
        self.lost_before = 0
        """Position of the oldest text that has not left memory."""
        self._followers: list[Follower] = []

    def follow(self, follower: Follower) -> None:
        """Has somebody told of every change."""
        with self.changed:
            self._followers.append(follower)

    def unfollow(self, follower: Follower) -> None:
        """Takes back `follow`."""
        with self.changed:
            if follower in self._followers:  # not if `follow` was interrupted
                self._followers.remove(follower)

    @property
    def wiped(self) -> list[tuple[int, str]]:
        """What the last chunk overwrote or erased, as whole lines as they stood before, each with the number of the line in the
        chunk. Look with the transcript locked."""
        return self._lines.wiped

    def append(self, data: bytes) -> str:
        """Takes a chunk; returns the lines that it finished."""
        now, wall = time.monotonic(), time.time()
        with self.changed:
            self._chunks.append(Chunk(self.bytes_received, data, now, wall))
            self.bytes_received += len(data)
            self._raw_kept += len(data) + _OVERHEAD
            finished = self._lines.feed(data)
            if self._seen:
                self._renew(finished, self._lines.rewritten)
            self._add(finished, now)
            self.last_byte = now
            self._forget()
            self._notify()
            return finished

    def add_gap(self, reason: str) -> str:
        """Marks that the stream was broken here. The open line is cut, so that no match spans the gap; returns it."""
        with self.changed:
            now = time.monotonic()
            cut = self._lines.interrupt()
            finished = cut + "\n" if cut else ""
            if self._seen:
                self._renew(finished, None)
            self._add(finished, now)
            if self.gaps and self.gaps[-1].raw == self.bytes_received:
                self.gaps.pop()  # nothing came in between, so it is still the same gap
            self.gaps.append(Gap(self._text_end, self.bytes_received, now, reason))
            self._notify()
            return finished

    def wake(self) -> None:
        """Wakes everybody who waits, because something has changed."""
        with self.changed:
            self._notify()

    def mark(self) -> Mark:
        """Returns the present end."""
        with self.changed:
            return Mark(self._text_end + self._look_at_open_line(), self.bytes_received, time.monotonic())

    @property
    def start(self) -> int:
        """Position of the oldest text still in memory."""
        with self.changed:
            return self._segments[0].start if self._segments else self._text_end

    @property
    def open_start(self) -> int:
        """Position of the line that has not ended."""
        return self._text_end

    @property
    def open_line(self) -> str:
        """The line that has not ended."""
        with self.changed:
            self._look_at_open_line()
            return self._lines.open_line

    @property
    def open_length(self) -> int:
        """Characters of the line that has not ended, roughly."""
        return self._lines.length

    def short_open_line(self, most: int) -> str:
        """The line that has not ended if it is a short one, else nothing. Call it with the transcript locked; for looks that give
        out no position."""
        return self._lines.open_line if self._lines.length <= most else ""

    def view(self, position: int, most: int | None = None) -> View:
        """Returns what stands at and after a position.

        Args:
            position: where to begin.
            most: characters of finished lines; if there are more, the view has neither the rest nor the open line.
        """
        with self.changed:
            self._look_at_open_line()
            segments, end, open_line = _from(self._segments, position, _segment_end), self._text_end, self._lines.open_line
            if most is not None and len(segments) > (few := _within(segments, most)):
                segments, end, open_line = segments[:few], segments[few].start, ""
            return View(
                segments=segments,
                open_start=end,
                open_line=open_line,
                complete=end == self._text_end,
                last_byte=self.last_byte,
                quiet=time.monotonic() - self.last_byte,
                gaps=tuple(gap.position for gap in self.gaps),
                finished_lines=self.finished_lines,
            )

    def text(self, since: int = 0) -> str:
        """Returns the text from a position on, the open line last."""
        return self.between(since, 1 << 62)

    def between(self, first: int, last: int) -> str:
        """Returns the text between two positions, as far as it is still in memory."""
        view = self.view(first)
        pieces = [(segment.start, segment.text) for segment in view.segments] + [(view.open_start, view.open_line)]
        return "".join(text[max(0, first - start) : max(0, last - start)] for start, text in pieces)

    def raw(self, since: int = 0) -> bytes:
        """Returns the bytes from a position on, as far as they are still in memory."""
        return self.raw_from(since)[1]

    def raw_from(self, since: int) -> tuple[int, bytes]:
        """Returns the bytes from a position on, and where they begin: later, if older ones have left memory."""
        with self.changed:
            chunks, end = _from(self._chunks, since, _chunk_end), self.bytes_received
        if not chunks:
            return end, b""
        skipped = max(0, since - chunks[0].start)
        return chunks[0].start + skipped, b"".join(chunk.data for chunk in chunks)[skipped:]

    @property
    def raw_start(self) -> int:
        """Position of the oldest byte still in memory."""
        with self.changed:
            return self._chunks[0].start if self._chunks else self.bytes_received

    def arrival(self, raw: int) -> float:
        """When the byte before a position arrived, monotonic; now, if that is no longer in memory."""
        with self.changed:
            chunks = _from(self._chunks, raw - 1, _chunk_end)
        return chunks[0].time if chunks else time.monotonic()

    def find_bytes(self, data: bytes, since: int) -> tuple[bool, int]:
        """Looks for bytes at or after a position, not across gaps.

        Returns:
            Whether they are there, and the position behind them; else the position at which to go on when more came.
        """
        if since >= self.bytes_received:
            return False, since
        start, said = self.raw_from(since)
        end = start + len(said)
        borders = [start, *(gap.raw for gap in list(self.gaps) if start < gap.raw < end), end]
        for first, last in itertools.pairwise(borders):
            if (found := said.find(data, first - start, last - start)) >= 0:
                return True, start + found + len(data)
        return False, max(borders[-2], end - len(data) + 1)

    def lines_with_times(self, most: int) -> list[tuple[float, str]]:
        """Returns the last lines, each with its time of arrival; the open line is the last if there is one."""
        with self.changed:
            found: list[tuple[float, str]] = []
            if open_line := self._lines.open_line:
                found.append((self.last_byte, open_line))
            for segment in reversed(self._segments):
                for line in reversed(segment.text.rsplit("\n", most + 1)[-most - 1 : -1]):
                    if len(found) >= most:
                        break
                    found.append((segment.time, line))
                if len(found) >= most:
                    break
            return found[::-1]

    def _add(self, finished: str, now: float) -> None:
        if finished:
            self._segments.append(Segment(self._text_end, finished, now))
            self._text_end += len(finished)
            self.finished_lines += finished.count("\n")
            self._text_kept += len(finished) + _OVERHEAD
            self._seen = 0

    def _look_at_open_line(self) -> int:
        length = len(self._lines.open_line)
        self._seen = max(self._seen, length)
        return length

    def _renew(self, finished: str, rewritten: int | None) -> None:
        """Moves the open line up when a part of it was rewritten that somebody may have looked at already: then this part
        stands behind every position that was given out, and is news to all."""
        ends = [rewritten, finished.index("\n") if finished else None]
        column = min((end for end in ends if end is not None), default=self._seen)
        if column < self._seen:
            self._text_end += self._seen - column
            self._seen = column

    def _forget(self) -> None:
        while self._text_kept > self._limit and len(self._segments) > 1:
            oldest = self._segments.popleft()
            self.lost_before = oldest.end
            self._text_kept -= len(oldest.text) + _OVERHEAD
        while self._raw_kept > self._limit and len(self._chunks) > 1:
            self._raw_kept -= len(self._chunks.popleft().data) + _OVERHEAD

    def _notify(self) -> None:
        self.version += 1
        self.changed.notify_all()
        for follower in self._followers:
            follower.tell()


def _within(segments: list[Segment], most: int) -> int:
    """How many segments, at least one, have no more characters."""
    sizes = itertools.accumulate(len(segment.text) for segment in segments)
    return max(1, bisect.bisect_right(list(sizes), most))


def _chunk_end(chunk: Chunk) -> int:
    return chunk.start + len(chunk.data)


def _from(items: deque[T], position: int, end: Callable[[T], int]) -> list[T]:
    """The items with anything behind a position. From the new end, as nearly everybody looks there."""
    if not items or end(items[-1]) <= position:
        return []
    found = list(itertools.takewhile(lambda item: end(item) > position, reversed(items)))
    found.reverse()
    return found
