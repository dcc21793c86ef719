"""Patterns that must not appear, looked for at all times: during waits, echo checks, between keywords, on the open line."""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass

from ...errors import ConsoleWatcherError, UsageError
from .patterns import Pattern
from .transcript import Transcript


@dataclass(frozen=True)
class Watcher:
    """A pattern that must not appear."""

    pattern: Pattern
    label: str
    scope: str = ""
    """Who set it and takes it away again; the caller's word."""
    tolerated: int = 0
    """How often it may appear after the device was switched on, before it counts."""


@dataclass(frozen=True)
class WatcherHit:
    """A pattern that appeared."""

    watcher: Watcher
    line: str
    position: int
    time: float
    """Monotonic."""


class Watchers:
    """The watchers of one console. The reader's thread looks; whoever runs next is told."""

    def __init__(self) -> None:
        self.hits: list[WatcherHit] = []
        """All hits so far."""
        self._watchers: dict[str, Watcher] = {}
        self._allowed: set[str] = set()
        self._lock = threading.Lock()
        self._told = 0
        self._open_hits: set[tuple[str, int]] = set()
        self._seen: dict[str, int] = {}

    def add(self, watcher: Watcher) -> None:
        """Adds a watcher; one of the same label is replaced."""
        with self._lock:
            self._watchers[watcher.label] = watcher
            self._allowed.discard(watcher.label)

    def remove(self, label: str) -> Watcher:
        """Takes a watcher away.

        Raises:
            UsageError: there is none of this label; the message lists the known ones.
        """
        with self._lock:
            self._check(label)
            self._allowed.discard(label)
            return self._watchers.pop(label)

    def allow(self, label: str, *, allowed: bool = True) -> None:
        """Suspends a watcher, or sets it to work again.

        Raises:
            UsageError: there is none of this label; the message lists the known ones.
        """
        with self._lock:
            self._check(label)
            (self._allowed.add if allowed else self._allowed.discard)(label)

    def new_boot(self) -> None:
        """The device is switched on: what is tolerated is counted anew."""
        with self._lock:
            self._seen.clear()

    def remove_scope(self, scope: str) -> None:
        """Takes away all watchers of a scope."""
        with self._lock:
            for label in [label for label, watcher in self._watchers.items() if watcher.scope == scope]:
                del self._watchers[label]
                self._allowed.discard(label)

    @property
    def active(self) -> list[Watcher]:
        """The watchers that are not suspended."""
        with self._lock:
            return [watcher for label, watcher in self._watchers.items() if label not in self._allowed]

    def look(self, finished: str, transcript: Transcript) -> bool:
        """Looks at the lines that a chunk finished, and at the open line. Returns whether anything was hit.

        A pattern that is too slow for what the device says is taken away and counts as hit, as it cannot be trusted.
        """
        watchers = self.active
        if not watchers:
            return False
        view = transcript.view(1 << 62)
        start = view.open_start - len(finished)
        before = len(self.hits)
        for watcher in watchers:
            try:
                self._look_at_lines(watcher, finished, start)
                self._look_at_open_line(watcher, view.open_line, view.open_start)
            except UsageError as error:
                self.remove(watcher.label)
                self._hit(watcher, f"(watcher taken away: {error})", start)
        return len(self.hits) > before

    def raise_hit(self, console: str, device: str) -> None:
        """Raises the first hit that nobody has been told of.

        Raises:
            ConsoleWatcherError: there is one.
        """
        with self._lock:
            if self._told >= len(self.hits):
                return
            hit, more = self.hits[self._told], len(self.hits) - self._told - 1
            self._told = len(self.hits)
        ago = time.monotonic() - hit.time
        others = f" {more} more hits followed." if more else ""
        raise ConsoleWatcherError(
            f"Console '{console}' of '{device}' said what it must not ({hit.watcher.label}), {ago:.1f} s ago: "
            f"'{hit.line[:500]}'. The pattern is {hit.watcher.pattern}.{others}"
        )

    def _look_at_lines(self, watcher: Watcher, text: str, start: int) -> None:
        here = 0
        while here < len(text):
            candidate = watcher.pattern.first_candidate(text, here)
            if candidate < 0:
                return
            line_start = text.rfind("\n", 0, candidate) + 1
            line_end = text.find("\n", candidate)
            line = text[line_start:line_end]
            if watcher.pattern.find(line):
                key = (watcher.label, start + line_start)
                if key not in self._open_hits:  # it was hit already when the line was still open
                    self._hit(watcher, line, start + line_start)
                self._open_hits.discard(key)
            here = line_end + 1

    def _look_at_open_line(self, watcher: Watcher, line: str, position: int) -> None:
        key = (watcher.label, position)
        if line and key not in self._open_hits and watcher.pattern.find(line):
            self._open_hits.add(key)
            self._hit(watcher, line, position)

    def _hit(self, watcher: Watcher, line: str, position: int) -> None:
        with self._lock:
            self._seen[watcher.label] = self._seen.get(watcher.label, 0) + 1
            if self._seen[watcher.label] <= watcher.tolerated:
                return
            self.hits.append(WatcherHit(watcher, line, position, time.monotonic()))

    def _check(self, label: str) -> None:
        if label not in self._watchers:
            known = ", ".join(f"'{name}'" for name in self._watchers) or "none"
            raise UsageError(f"No watcher has the label '{label}'; there are {known}.")
