"""Patterns that must not appear, looked for at all times: during waits, echo checks, between keywords, on the open line."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from typing import TypeVar

from ...errors import ConsoleWatcherError, UsageError
from .patterns import Hit, Match, Pattern
from .transcript import Transcript, View

T = TypeVar("T")

MOST_HITS = 1_000
"""Hits that are kept; a device that says it all the time would fill the memory."""
MOST_LABELS = 10
"""Labels of which a failure shows the line."""
LONGEST_TOLD = 500
"""Characters of a line that a failure shows."""
GROWTH = 1.125
"""By how much the open line has to grow before it is looked at again, so that a long one is not looked at for each byte."""


AFTERMATH = 1.0
"""Seconds after a hit was told in which further ones of the same label belong to the same trouble: a panic has many lines and
fails one keyword."""


@dataclass(frozen=True)
class Watcher:
    """A pattern that must not appear."""

    pattern: Pattern
    label: str
    scope: str = ""
    """Who set it and takes it away again; the caller's word."""
    tolerated: int = 0
    """How often it may appear after the device was switched on, before it counts."""
    in_logs: bool = False
    """Whether the device also says it when somebody reads its log, so that it means nothing in the output of a command."""


@dataclass(frozen=True)
class WatcherHit:
    """A pattern that appeared."""

    watcher: Watcher
    line: str
    position: int
    time: float
    """Monotonic."""


class Watchers:
    """The watchers of one console. The reader's thread looks; whoever runs next is told.

    Args:
        noted: is called for the first hit of each label since the test began or the device was switched on; it must be quick.
    """

    def __init__(self, noted: Callable[[WatcherHit], object] | None = None) -> None:
        self.hits: list[WatcherHit] = []
        """The first hits, and the last one; `count` has all."""
        self.count = 0
        self._watchers: dict[str, Watcher] = {}
        self._allowed: set[str] = set()
        self._lock = threading.RLock()
        self._noted = noted
        self._noted_labels: set[str] = set()
        self._untold: dict[str, WatcherHit] = {}  # the first hit of each label that nobody has been told of
        self._told = 0  # of `count`
        self._quiet_until: dict[str, float] = {}  # labels that were told just now
        self._open_hits: set[tuple[str, int]] = set()  # labels that were hit on an open line, with its number
        self._quiet_version = -1
        self._looked_until = 0  # how much of the open line was looked at
        self._seen: dict[str, int] = {}
        self._commands = 0
        self._in_commands: list[WatcherHit] = []  # hits that mean nothing if the command ends well

    def add(self, watcher: Watcher, seen: int = 0) -> None:
        """Adds a watcher; one of the same label is replaced.

        Args:
            watcher: what to look for.
            seen: how often it has appeared already since the device was switched on; for what is tolerated.
        """
        with self._lock:
            self._watchers[watcher.label] = watcher
            self._seen[watcher.label] = seen
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
        """The device is switched on: what is tolerated is counted anew, and whatever is hit now is new trouble."""
        with self._lock:
            self._seen.clear()
            self._quiet_until.clear()
            self._noted_labels.clear()

    def new_test(self) -> None:
        """A test begins: whatever is hit now is new trouble."""
        with self._lock:
            self._quiet_until.clear()
            self._noted_labels.clear()

    @contextlib.contextmanager
    def repeated(self) -> Iterator[None]:
        """While a command runs, what is also in the device's log is not trouble yet: `dmesg` prints it. It is only if the command
        does not end as it should, for then the device may have started anew."""
        with self._lock:
            self._commands += 1
        try:
            yield
        except BaseException:
            self._end_command(counts=True)
            raise
        self._end_command(counts=False)

    def _end_command(self, *, counts: bool) -> None:
        with self._lock:
            self._commands -= 1
            hits, self._in_commands = self._in_commands, []
            for hit in hits if counts else ():
                self._count(hit)

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
        if not self._watchers:
            return False
        with self._lock:
            before = self.count
            watchers = self.active
            number = transcript.finished_lines - finished.count("\n")
            for index, line in transcript.wiped:
                self._look_at_wiped_line(watchers, line, number + index, transcript.open_start)
            if finished:
                start = transcript.open_start - len(finished)
                for watcher in watchers:
                    known = (watcher.label, number) in self._open_hits
                    self._guarded(watcher, start, partial(self._look_at_lines, text=finished, start=start, known=known))
                self._open_hits = {hit for hit in self._open_hits if hit[1] >= transcript.finished_lines}
                self._looked_until = 0
            length, grown = transcript.open_length, self._looked_until * GROWTH
            if watchers and length and not self._looked_until < length < grown:
                self._look_at_open_line(watchers, transcript.view(1 << 62), settled=False)
            return self.count > before

    def look_when_quiet(self, transcript: Transcript, settle: float) -> None:
        """Looks at the open line once more, if it has been quiet since the last look; costs nothing otherwise."""
        if transcript.version != self._quiet_version and time.monotonic() - transcript.last_byte >= settle:
            self._quiet_version = transcript.version
            self.look_again(transcript, settle)

    def look_again(self, transcript: Transcript, settle: float) -> float:
        """Looks at the open line once more: what stands at its very end counts when it has been quiet.

        Returns:
            In how many seconds something more may count; 0 if nothing waits for that.
        """
        with transcript.changed, self._lock:  # in this order, as the reader's thread takes them
            view = transcript.view(1 << 62)
            undecided = self._look_at_open_line(self.active, view, settled=view.quiet >= settle)
            return settle - view.quiet if undecided else 0.0

    def raise_hit(self, console: str, device: str, redact: Callable[[str], str] = str) -> None:
        """Raises if there are hits that nobody has been told of; the message has the first one of each label. What is the
        aftermath of one that was told is not told again.

        Args:
            console: its name, for the message.
            device: its name, for the message.
            redact: masks secrets.

        Raises:
            ConsoleWatcherError: there is one.
        """
        if not self._untold:
            return
        with self._lock:
            told, self._untold = sorted(self._untold.values(), key=lambda hit: hit.position), {}
            more = self.count - self._told - len(told)
            self._told = self.count
            for hit in told:
                self._quiet_until[hit.watcher.label] = hit.time + AFTERMATH
        first, others = told[0], told[1:MOST_LABELS]
        text = (
            f"Console '{console}' of '{device}' said what it must not ({'; '.join(hit.watcher.label for hit in told)}), "
            f"{time.monotonic() - first.time:.1f} s ago: '{redact(first.line)[:LONGEST_TOLD]}'. "
            f"The pattern is {first.watcher.pattern}.{f' {more} more hits followed.' if more > 0 else ''}"
        )
        also = [f"\n  also ({hit.watcher.label}): '{redact(hit.line)[:LONGEST_TOLD]}'" for hit in others]
        raise ConsoleWatcherError(text + "".join(also))

    def _look_at_lines(self, watcher: Watcher, text: str, start: int, known: bool) -> None:
        here = 0
        while here < len(text):
            candidate = watcher.pattern.first_candidate(text, here)
            if candidate < 0:
                return
            line_start = text.rfind("\n", 0, candidate) + 1
            line_end = text.find("\n", candidate)
            line = text[line_start:line_end]
            # The first line may have been hit already when it was still open.
            if not (known and line_start == 0) and watcher.pattern.find(line):
                self._hit(watcher, line, start + line_start)
            here = line_end + 1

    def _look_at_wiped_line(self, watchers: list[Watcher], line: str, number: int, position: int) -> None:
        """Looks at what stood on a line before it was overwritten or erased: it was said all the same."""
        find = _finder(line)
        for watcher in watchers:
            key = (watcher.label, number)
            if key not in self._open_hits and self._guarded(watcher, position, find) is not None:
                self._open_hits.add(key)
                self._hit(watcher, line, position)

    def _look_at_open_line(self, watchers: list[Watcher], view: View, *, settled: bool) -> bool:
        """Looks at the open line. A match that touches its end may be none when the line goes on, unless it is plain text.

        Returns whether there is such a match.
        """
        undecided = False
        self._looked_until = len(view.open_line)
        for watcher in watchers if view.open_line else ():
            key = (watcher.label, view.finished_lines)
            hit = None if key in self._open_hits else self._guarded(watcher, view.open_start, _finder(view.open_line))
            if hit and not settled and watcher.pattern.match is not Match.CONTAINS and hit.end == len(view.open_line):
                undecided = True
            elif hit:
                self._open_hits.add(key)
                self._hit(watcher, view.open_line, view.open_start)
        return undecided

    def _guarded(self, watcher: Watcher, position: int, look: Callable[[Watcher], T]) -> T | None:
        try:
            return look(watcher)
        except UsageError as error:
            self._watchers.pop(watcher.label, None)
            self._hit(watcher, f"(watcher taken away: {error})", position)
            return None

    def _hit(self, watcher: Watcher, line: str, position: int) -> None:
        hit = WatcherHit(watcher, line, position, time.monotonic())
        if self._commands and watcher.in_logs:
            self._in_commands = [*self._in_commands[-MOST_HITS:], hit]
        else:
            self._count(hit)

    def _count(self, hit: WatcherHit) -> None:
        label = hit.watcher.label
        self._seen[label] = self._seen.get(label, 0) + 1
        if self._seen[label] > hit.watcher.tolerated:
            self.count += 1
            del self.hits[MOST_HITS - 1 :]
            self.hits.append(hit)
            if hit.time >= self._quiet_until.get(label, 0.0):
                self._untold.setdefault(label, hit)
            if self._noted is not None and label not in self._noted_labels:
                self._noted_labels.add(label)
                self._noted(hit)

    def _check(self, label: str) -> None:
        if label not in self._watchers:
            known = ", ".join(f"'{name}'" for name in self._watchers) or "none"
            raise UsageError(f"No watcher has the label '{label}'; there are {known}.")


def _finder(line: str) -> Callable[[Watcher], Hit | None]:
    return lambda watcher: watcher.pattern.find(line)
