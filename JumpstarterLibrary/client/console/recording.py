"""What a console's journal tells of it: when bytes came, what was matched and hit, how the device started."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from ...journal import BootStage, ConsoleHit, ConsoleMatched, ConsoleReceived, Journal
from .boot import LONGEST_PROMPT, BootStages
from .framing import is_mark, without_frames
from .transcript import Transcript

if TYPE_CHECKING:
    from .watchers import WatcherHit

INTERVAL = 0.05
"""Seconds in which all that arrives is one event."""
LONGEST_SHOWN = 200
"""Characters of a line that the journal keeps."""


class Recorder:
    """Writes into the journal what happens on one console. What arrives costs a microsecond a chunk.

    Args:
        console: its name.
        journal: where to.
        transcript: what it said.
        redact: masks secrets.
    """

    def __init__(self, console: str, journal: Journal, transcript: Transcript, redact: Callable[[str], str]) -> None:
        self._console, self._journal, self._transcript, self._redact = console, journal, transcript, redact
        self._lock = threading.Lock()
        self._first = float("-inf")  # when the first byte came that is not written down yet
        self._position = self._size = 0
        self._boot = BootStages()

    def received(self, position: int, size: int, when: float) -> None:
        """Bytes arrived; called by the reader's thread. They are written down when later ones come, or somebody asks."""
        with self._lock:
            if when - self._first < INTERVAL:
                self._size += size
                return
            self._write_received()
            self._first, self._position, self._size = when, position, size

    def looked_at(self, finished: str) -> list[BootStage]:
        """Looks for stages of the device's start in what just came; called by the reader's thread, with the transcript locked.

        Returns:
            What to give to `tell` when it is not locked any more.
        """
        boot, transcript = self._boot, self._transcript
        if not boot.looking:
            return []
        return self._stages(boot.look(finished, transcript.short_open_line(LONGEST_PROMPT), transcript.last_byte))

    def broken(self) -> list[BootStage]:
        """The stream broke; called like `looked_at`."""
        self._boot.cut()
        return []

    def tell(self, stages: Iterable[BootStage]) -> None:
        """Writes stages down."""
        for stage in stages:
            self._journal.append(stage)

    def power_on(self, now: float) -> None:
        """The device is about to be switched on."""
        with self._transcript.changed:
            stages = self._stages(self._boot.settle(now))
            self._boot.power_on(now, self._transcript.short_open_line(LONGEST_PROMPT))
        self.tell(stages)

    def boot_stages(self) -> dict[str, float]:
        """When the device reached the stages of its start, in seconds since it was switched on."""
        with self._transcript.changed:
            stages = self._stages(self._boot.settle(time.monotonic()))
            reached = {stage: round(when - self._boot.begin, 3) for stage, when in self._boot.reached.items()}
        self.tell(stages)
        return reached

    def matched(self, pattern: str, line: str, when: float) -> None:
        """A wait found what it waited for."""
        if not is_mark(pattern):
            self._journal.append(
                ConsoleMatched(
                    console=self._console,
                    pattern=self._redact(pattern)[:LONGEST_SHOWN],
                    line=without_frames(self._redact(line))[:LONGEST_SHOWN],
                    monotonic=when,
                    wall=_wall(when),
                )
            )

    def hit(self, hit: WatcherHit) -> None:
        """A watcher saw what must not appear."""
        self._journal.append(
            ConsoleHit(
                console=self._console,
                label=hit.watcher.label,
                line=self._redact(hit.line[: 10 * LONGEST_SHOWN])[:LONGEST_SHOWN],
                monotonic=hit.time,
                wall=_wall(hit.time),
            )
        )

    def flush(self) -> None:
        """Writes down what is not written yet: somebody wants to look at the journal."""
        with self._lock:
            self._write_received()
        self.boot_stages()

    def _write_received(self) -> None:
        if self._size:
            size, self._size = self._size, 0
            when = self._first
            self._journal.append(
                ConsoleReceived(console=self._console, position=self._position, size=size, monotonic=when, wall=_wall(when))
            )
            self._first = float("-inf")

    def _stages(self, names: Iterable[str]) -> list[BootStage]:
        boot = self._boot
        return [
            BootStage(
                console=self._console,
                stage=name,
                since_power_on=round(boot.reached[name] - boot.begin, 3),
                monotonic=boot.reached[name],
                wall=_wall(boot.reached[name]),
            )
            for name in names
        ]


def _wall(monotonic: float) -> float:
    """The wall-clock time of a moment that was just now."""
    return time.time() - (time.monotonic() - monotonic)
