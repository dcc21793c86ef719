"""Everything that one console said, with the times of arrival. It only grows at its end; each reader has its own position."""

from __future__ import annotations

import bisect
import threading
import time
from collections import deque
from dataclasses import dataclass

from .text import LineReader

LIMIT = 8 * 1024 * 1024
"""Bytes of raw data, and characters of text, that stay in memory; the file has everything."""
_OVERHEAD = 120
"""Bytes that a chunk costs beside its data."""


@dataclass(frozen=True, slots=True)
class Mark:
    """A place in a console's output."""

    text: int
    """Characters before it, line ends counted as one."""
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
    time: float
    reason: str


@dataclass(frozen=True, slots=True)
class View:
    """What a reader sees at one moment: the finished lines from a position on, and the open line."""

    segments: list[Segment]
    open_start: int
    open_line: str
    version: int
    last_byte: float


class Transcript:
    """The output of one console. The reader thread appends; everybody else looks, each from its own position."""

    def __init__(self, limit: int = LIMIT) -> None:
        self.changed = threading.Condition()
        """Notified at every change."""
        self.gaps: list[Gap] = []
        self.bytes_received = 0
        self.version = 0
        self.last_byte = time.monotonic()
        self._limit = limit
        self._lines = LineReader()
        self._segments: deque[Segment] = deque()
        self._chunks: deque[Chunk] = deque()
        self._text_end = 0
        self._text_kept = 0
        self._raw_kept = 0

    def append(self, data: bytes) -> str:
        """Takes a chunk; returns the lines that it finished."""
        now, wall = time.monotonic(), time.time()
        with self.changed:
            self._chunks.append(Chunk(self.bytes_received, data, now, wall))
            self.bytes_received += len(data)
            self._raw_kept += len(data) + _OVERHEAD
            finished = self._lines.feed(data)
            self._add(finished, now)
            self.last_byte = now
            self._forget()
            self._notify()
            return finished

    def add_gap(self, reason: str) -> None:
        """Marks that the stream was broken here. The open line is cut, so that no match spans the gap."""
        with self.changed:
            now = time.monotonic()
            if cut := self._lines.take():
                self._add(cut + "\n", now)
            self.gaps.append(Gap(self._text_end, now, reason))
            self._notify()

    def wake(self) -> None:
        """Wakes everybody who waits, because something else than data has changed."""
        with self.changed:
            self._notify()

    def mark(self) -> Mark:
        """Returns the present end."""
        with self.changed:
            return Mark(self._text_end + len(self._lines.open_line), self.bytes_received, time.monotonic())

    @property
    def start(self) -> int:
        """Position of the oldest text still in memory."""
        return self._segments[0].start if self._segments else self._text_end

    def view(self, position: int) -> View:
        """Returns what stands at and after a position."""
        with self.changed:
            index = bisect.bisect_right(self._segments, position, key=lambda segment: segment.end)
            segments = [self._segments[i] for i in range(index, len(self._segments))]
            return View(segments, self._text_end, self._lines.open_line, self.version, self.last_byte)

    def text(self, since: int = 0) -> str:
        """Returns the text from a position on, the open line last."""
        view = self.view(since)
        whole = "".join(segment.text for segment in view.segments) + view.open_line
        start = view.segments[0].start if view.segments else view.open_start
        return whole[max(0, since - start) :]

    def raw(self, since: int = 0) -> bytes:
        """Returns the bytes from a position on, as far as they are still in memory."""
        with self.changed:
            index = bisect.bisect_right(self._chunks, since, key=lambda chunk: chunk.start + len(chunk.data))
            chunks = [self._chunks[i] for i in range(index, len(self._chunks))]
        data = b"".join(chunk.data for chunk in chunks)
        return data[max(0, since - chunks[0].start) :] if chunks else b""

    def lines_with_times(self, most: int) -> list[tuple[float, str]]:
        """Returns the last lines, each with its time of arrival; the open line is the last if there is one."""
        with self.changed:
            found: list[tuple[float, str]] = []
            if open_line := self._lines.open_line:
                found.append((self.last_byte, open_line))
            for segment in reversed(self._segments):
                for line in reversed(segment.text.split("\n")[:-1]):
                    if len(found) >= most:
                        break
                    found.append((segment.time, line))
                if len(found) >= most:
                    break
            return found[::-1]

    def gap_between(self, first: int, last: int) -> Gap | None:
        """Returns a gap between two positions, if there is one."""
        return next((gap for gap in self.gaps if first < gap.position <= last), None)

    def _add(self, finished: str, now: float) -> None:
        if finished:
            self._segments.append(Segment(self._text_end, finished, now))
            self._text_end += len(finished)
            self._text_kept += len(finished) + _OVERHEAD

    def _forget(self) -> None:
        while self._text_kept > self._limit and len(self._segments) > 1:
            self._text_kept -= len(self._segments.popleft().text) + _OVERHEAD
        while self._raw_kept > self._limit and len(self._chunks) > 1:
            self._raw_kept -= len(self._chunks.popleft().data) + _OVERHEAD

    def _notify(self) -> None:
        self.version += 1
        self.changed.notify_all()
