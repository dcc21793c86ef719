"""One deadline for everything that one act does."""

from __future__ import annotations

import time
from datetime import timedelta

Timeout = timedelta | float
"""A length of time: a `timedelta`, or seconds."""


def seconds(timeout: Timeout) -> float:
    """Returns a length of time in seconds."""
    return timeout.total_seconds() if isinstance(timeout, timedelta) else float(timeout)


class Deadline:
    """A moment that several steps share, so that together they do not outlive it."""

    __slots__ = ("_end", "total")

    def __init__(self, timeout: Timeout) -> None:
        self.total = seconds(timeout)
        self._end = time.monotonic() + self.total

    @property
    def remaining(self) -> float:
        """Seconds left, never below zero."""
        return max(0.0, self._end - time.monotonic())

    @property
    def expired(self) -> bool:
        """Whether the moment has come."""
        return self.remaining <= 0

    def sleep(self, duration: Timeout) -> None:
        """Sleeps for a while, but not beyond the deadline."""
        time.sleep(min(seconds(duration), self.remaining))


def in_words(duration: Timeout) -> str:
    """Writes a length of time for people: `30 s`, `1.5 s`, `250 ms`, `2 min 5 s`."""
    length = seconds(duration)
    if length < 1:
        return f"{length * 1000:.0f} ms"
    if length < 120:
        return f"{length:.1f}".removesuffix(".0") + " s"
    minutes, rest = divmod(round(length), 60)
    return f"{minutes} min" + (f" {rest} s" if rest else "")
