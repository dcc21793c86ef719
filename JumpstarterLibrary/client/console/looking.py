"""Looking at what a console says: every wait looks at what is new, and ends with its deadline."""

from __future__ import annotations

import time
from typing import TYPE_CHECKING

from ...errors import (
    CallTimeoutError,
    ConsoleError,
    ConsoleLostError,
    ConsoleTimeoutError,
    InfrastructureError,
    SessionLostError,
)
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from ..failures import Act
from .engine import TICK, TextLookout, keep_looking, wait_for_news
from .framing import without_frames
from .options import ConsoleOptions
from .result import ConsoleMatch
from .search import Found
from .searches import Search
from .transcript import Mark, Transcript
from .watchers import Watchers

if TYPE_CHECKING:
    from ..device import Device

MOST_AT_ONCE = 2 * 1024 * 1024
"""Characters that are searched before somebody looks at the clock again."""
ALIVE = 0.2
"""Seconds since the last byte within which nobody asks whether the exporter is alive."""
LONGEST_LAST_LINE = 200


class ConsoleLooks:
    """What all waits of a console are made of; what they look at is `Console`'s."""

    device: Device
    name: str
    options: ConsoleOptions
    transcript: Transcript
    watchers: Watchers
    marks: dict[str, Mark]
    last_match: ConsoleMatch | None = None
    comes_and_goes = False
    """Whether the stream is there only while the device is on: then it is no trouble of the lab that it is not open."""
    behind = False
    """Whether there is more than the last look took in."""
    overtaken = False
    """Whether something has left memory before a search came to it; whoever wants to know sets it back first."""
    _text_cursor = 0
    _raw_cursor = 0

    @property
    def title(self) -> str:
        """What messages call it."""
        return f"Console '{self.name}' of '{self.device.name}'"

    @property
    def problem(self) -> str:
        """Why the stream is not open now; empty if it is."""
        return ""

    def place(self, since: str | Mark) -> Mark:
        """Returns the place that a name stands for."""
        raise NotImplementedError

    def _matched(self, pattern: str, line: str, when: float, start: int | None = None) -> None:
        """Notes that a wait found what it waited for."""

    def _check_open(self) -> None:
        raise NotImplementedError

    def _explain(self, missing: str, length: str, waited: float, start: int | None) -> str:
        raise NotImplementedError

    def wait_for(
        self, search: Search, *, timeout: Timeout | Deadline | None = None, idle: Timeout | None = None
    ) -> list[ConsoleMatch]:
        """Waits until a search is complete; the other waits for text are made of this.

        Raises:
            ConsoleTimeoutError: it was not in time.
            ConsoleWatcherError: a watcher was hit meanwhile.
        """
        return self._wait(search, timeout, idle)

    def look_for(self, search: Search, during: Timeout | Deadline, *, idle: Timeout | None = None) -> list[ConsoleMatch] | None:
        """Searches for a while, or until the device has said nothing for so long; None if nothing was found, which is no failure.

        Nobody asks why it was not found: whoever gives up in the end calls `in_vain`.
        """
        lookout = TextLookout(self, search)
        deadline = during if isinstance(during, Deadline) else Deadline(during)
        found = keep_looking([lookout], deadline, None if idle is None else seconds(idle))
        return self.take(found[0][1], lookout.start, lookout.began) if found else None

    def in_vain(
        self,
        missing: str,
        deadline: Deadline,
        idle: Timeout | None = None,
        began: float | None = None,
        start: int | None = None,
    ) -> InfrastructureError | ConsoleTimeoutError:
        """Returns the error that says why a wait was in vain.

        Args:
            missing: what did not come.
            deadline: until when was waited.
            idle: after how much silence the wait ended, if it ended before the deadline.
            began: when the wait began, monotonic.
            start: position in the text from which was searched.

        Returns:
            `ConsoleTimeoutError` if the device did not say it; `ConsoleLostError` if the stream is or was broken, so that nobody
            knows.

        Raises:
            CallTimeoutError: the exporter answers nothing at all.
        """
        words = in_words(deadline.total)
        if not deadline.expired and idle is not None:
            words = f"{in_words(idle)} of silence"
        self._check_answers(f"{self.title}: {missing} within {words}")
        waited = deadline.total - deadline.remaining if began is None else time.monotonic() - began
        problem = self.device.connection.redact(self.problem)
        if problem:
            missing = f"{missing}, and the stream is not open ({problem}),"
        elif broken := self._broken_since(time.monotonic() - waited):
            problem = self.device.connection.redact(broken)
            missing = f"{missing}, and the stream was broken meanwhile ({problem}),"
        text = self._explain(missing, words, waited, start)
        return ConsoleLostError(text) if problem and not self.comes_and_goes else ConsoleTimeoutError(text)

    def _broken_since(self, moment: float) -> str:
        """Why the stream was broken since a moment; empty if it was not, or if it comes and goes with the device's power."""
        gaps = [] if self.comes_and_goes else list(self.transcript.gaps)
        return next((gap.reason for gap in gaps if gap.time >= moment), "")

    def poll(self, search: Search) -> list[Found] | None:
        """Looks once at what is there now, or at the first part of it if it is much.

        The open line counts only when the stream has been quiet.
        """
        view = self.transcript.view(search.position, MOST_AT_ONCE)
        self.behind = not view.complete
        # Two positions may also be apart because a line was written over.
        apart = view.open_start if not view.segments else view.segments[0].start
        self.overtaken |= search.position < min(apart, self.transcript.lost_before)
        found = search.in_lines(view)
        # As quiet as it was when we looked: searching takes time, and more may have come meanwhile.
        if not found and view.open_line and view.quiet >= seconds(self.options.settle):
            found = search.in_open_line(view)
        return found or None

    def pending(self, search: Search) -> list[Found] | None:
        """Looks at the open line as if it were certain that it does not go on."""
        view = self.transcript.view(search.position)
        return search.in_open_line(view) if view.open_line else None

    def _wait(self, search: Search, timeout: Timeout | Deadline | None, idle: Timeout | None) -> list[ConsoleMatch]:
        deadline, began, start = self.deadline(timeout), time.monotonic(), search.position
        found = self.look_for(search, deadline, idle=idle)
        if found is None:
            raise self.in_vain(str(search), deadline, idle, began, start)
        return found

    def look_again_from(self, position: int) -> None:
        """Has the next wait begin at a position of the text that was passed already."""
        self._text_cursor = position

    def take(self, found: list[Found], start: int, began: float) -> list[ConsoleMatch]:
        """Makes results of what was found, and moves the place of the last match behind it."""
        results = [self._result(one, start, began) for one in found]
        self._text_cursor = max(one.end for one in found)
        for one in found:
            self._matched(one.pattern.text, one.line, one.time, one.line_start)
        self.last_match = results[-1]
        return results

    def _result(self, found: Found, start: int, began: float) -> ConsoleMatch:
        now_wall, now = time.time(), time.monotonic()
        power_on = self.marks.get("power on")
        return ConsoleMatch(
            console=self.name,
            device=self.device.name,
            line=found.line,
            match=found.line[found.hit.start : found.hit.end],
            groups=found.hit.groups,
            named=found.hit.named or {},
            before=self.transcript.between(start, found.start),
            after=found.line[found.hit.end :],
            label=found.pattern.text,
            time=now_wall - (now - found.time),
            elapsed=round(found.time - began, 3),
            since_power_on=round(found.time - power_on.time, 3) if power_on else None,
            start=found.start,
            end=found.end,
        )

    def _sleep(self, length: float) -> None:
        self.check()
        wait_for_news(self.transcript, min(length, TICK))

    def check(self) -> None:
        """Raises if there is a reason to stop waiting: a watcher's hit, a closed console, a lost session."""
        self.check_hits()
        self._check_open()
        connection = self.device.connection
        if connection.closed or connection.loss is not None:
            if (loss := connection.loss) is not None and not connection.closed and not connection.regained():
                raise SessionLostError(f"Waiting on console '{self.name}' is in vain: {loss}")
            connection.check_usable(Act(self.device.name, self.name, "wait"))

    def check_watchers(self) -> None:
        """Raises if a watcher was hit that nobody has been told of. If a match stands at the very end of the open line, it first
        waits a moment until that is certain.

        Raises:
            ConsoleWatcherError: the first hit.
        """
        settle = seconds(self.options.settle)
        deadline = Deadline(settle)
        while (rest := self.watchers.look_again(self.transcript, settle)) and not deadline.expired:
            wait_for_news(self.transcript, min(rest, deadline.remaining))
        self.raise_hit()

    def check_hits(self) -> None:
        """Looks at the open line if it has been quiet, and raises if a watcher was hit that nobody has been told of."""
        self.watchers.look_when_quiet(self.transcript, seconds(self.options.settle))
        self.raise_hit()

    def raise_hit(self) -> None:
        """Raises if a watcher was hit that nobody has been told of."""
        self.watchers.raise_hit(self.name, self.device.name, self.device.connection.redact)

    def _check_answers(self, silence: str) -> None:
        """A console that is silent because its exporter is says nothing about the device.

        Raises:
            CallTimeoutError: the exporter answers nothing at all.
        """
        if time.monotonic() - self.transcript.last_byte > ALIVE and not self.device.connection.alive():
            raise CallTimeoutError(
                f"{silence}, but the exporter answers nothing at all: is it frozen, or the network to it gone? "
                f"The device said last: '{self.device.connection.redact(self.last_line)[:LONGEST_LAST_LINE]}'."
            )

    def _error(self, text: str) -> ConsoleError:
        return ConsoleError(self.device.connection.redact(f"{self.title} {text}"))

    @property
    def open_line(self) -> str:
        """What stands on the line that has not ended."""
        return self.transcript.view(1 << 62).open_line

    @property
    def last_line(self) -> str:
        """The line that was said last and is not empty, finished or not."""
        lines = (without_frames(line) for _, line in reversed(self.transcript.lines_with_times(20)))
        return next((line for line in lines if line.strip()), "")

    def deadline(self, timeout: Timeout | Deadline | None) -> Deadline:
        """Returns the deadline itself, or one for a timeout; the device's timeout if none is given."""
        if isinstance(timeout, Deadline):
            return timeout
        return Deadline(self.device.timeout_seconds if timeout is None else timeout)
