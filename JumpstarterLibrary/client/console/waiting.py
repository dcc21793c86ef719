"""Waiting for what a console says: every wait looks at what is new, and ends with its deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import (
    CallTimeoutError,
    ConfigurationError,
    ConsoleError,
    ConsoleTimeoutError,
    ConsoleWatcherError,
    SessionLostError,
    UsageError,
)
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from ..failures import Act
from .options import ConsoleOptions
from .patterns import Match, Pattern
from .result import ConsoleMatch
from .search import Found
from .searches import ManySearch, Mode, NextLineSearch, PromptSearch, Search, SingleSearch
from .transcript import Mark, Transcript
from .watchers import Watchers

if TYPE_CHECKING:
    from ..device import Device

TICK = 0.5
"""Seconds after which a wait looks around even if nothing came."""
MOST_AT_ONCE = 2 * 1024 * 1024
"""Characters that are searched before somebody looks at the clock again."""
GRACE = 0.5
"""Seconds beyond the deadline in which a match on the open line may become certain."""
ALIVE = 0.2
"""Seconds since the last byte within which nobody asks whether the exporter is alive."""
LONGEST_LAST_LINE = 200


class ConsoleWaits:
    """The waits of a console; what they wait on is `Console`'s."""

    device: Device
    name: str
    options: ConsoleOptions
    transcript: Transcript
    watchers: Watchers
    marks: dict[str, Mark]
    last_match: ConsoleMatch | None = None
    _text_cursor = 0
    _raw_cursor = 0
    _behind = False  # whether there is more than the last look took in

    def place(self, since: str | Mark) -> Mark:
        """Returns the place that a name stands for."""
        raise NotImplementedError

    def _check_open(self) -> None:
        raise NotImplementedError

    def _explain(self, missing: str, length: str, waited: float) -> str:
        raise NotImplementedError

    def wait_for_line(
        self,
        pattern: str | Pattern,
        *,
        match: Match = Match.CONTAINS,
        timeout: Timeout | None = None,
        idle: Timeout | None = None,
        since: str | Mark = "last match",
    ) -> ConsoleMatch:
        """Waits for a line; what was said before the wait and after the last match counts too.

        Args:
            pattern: what to look for.
            match: how it is compared with a line.
            timeout: the device's unless given.
            idle: fails earlier, when the device has said nothing for so long.
            since: where to begin; see `place`.

        Raises:
            ConsoleTimeoutError: it did not come; the message has the nearest line and the last ones.
            ConsoleWatcherError: a watcher was hit meanwhile.
        """
        search = SingleSearch(_pattern(pattern, match), self.place(since).text)
        return self._wait(search, timeout, idle)[0]

    def wait_for_lines(
        self,
        patterns: Sequence[str | Pattern],
        *,
        mode: Mode = Mode.BLOCK,
        match: Match = Match.CONTAINS,
        timeout: Timeout | None = None,
        idle: Timeout | None = None,
        since: str | Mark = "last match",
    ) -> list[ConsoleMatch]:
        """Waits for several lines; see `Mode` for how they go together. With `ANY` the result has one match."""
        if not patterns:
            raise UsageError("There are no patterns to wait for.")
        search = ManySearch([_pattern(p, match) for p in patterns], self.place(since).text, mode)
        return self._wait(search, timeout, idle)

    def wait_for_next_line(
        self, *, timeout: Timeout | None = None, idle: Timeout | None = None, since: str | Mark = "last match"
    ) -> ConsoleMatch:
        """Waits for the next whole line, whatever it says."""
        return self._wait(NextLineSearch(self.place(since).text), timeout, idle)[0]

    def wait_for_prompt(
        self,
        prompt: str | Pattern | None = None,
        *,
        match: Match = Match.REGEX,
        timeout: Timeout | None = None,
        idle: Timeout | None = None,
        since: str | Mark = "last match",
    ) -> ConsoleMatch:
        """Waits until the open line ends with the prompt and the stream is quiet; `before` is what was said before it."""
        pattern = _pattern(self.options.prompt if prompt is None else prompt, Match.REGEX if prompt is None else match)
        return self._wait(PromptSearch(pattern, self.place(since).text), timeout, idle)[0]

    def wait_for_bytes(
        self,
        data: bytes,
        *,
        timeout: Timeout | None = None,
        idle: Timeout | None = None,
        since: str | Mark = "last match",
    ) -> bytes:
        """Waits for bytes, whatever lines are; returns everything from the place on to their end.

        Raises:
            ConsoleTimeoutError: they did not come.
        """
        if not data:
            raise UsageError("There are no bytes to wait for.")
        place = self.place(since).raw
        deadline, began, looked = self._deadline(timeout), time.monotonic(), place
        while True:
            version = self.transcript.version
            found, looked = self.transcript.find_bytes(data, looked)
            if found:
                self._raw_cursor = looked
                start, said = self.transcript.raw_from(place)
                return said[: looked - start]
            self._pause(f"no bytes {data!r}", version, deadline, idle, began)

    def should_not_appear(
        self,
        pattern: str | Pattern,
        during: Timeout,
        *,
        match: Match = Match.CONTAINS,
        since: str | Mark = "now",
    ) -> None:
        """Watches for a while and fails as soon as the pattern appears.

        Raises:
            ConsoleError: it appeared.
        """
        search = SingleSearch(_pattern(pattern, match), self.place(since).text)
        if found := self.look_for(search, during):
            raise self._error(f"said what it should not: {search.pattern} in the line '{found[0].line}'.")
        if pending := self._pending(search):  # on the open line, which goes on: it was said all the same
            raise self._error(f"said what it should not: {search.pattern} in the line '{pending[0].line}'.")

    def should_be_idle(self, during: Timeout) -> None:
        """Fails if the device says anything within a while.

        Raises:
            ConsoleError: it did.
        """
        begin = self.transcript.mark()
        deadline = Deadline(during)
        while True:
            expired = deadline.expired
            if self.transcript.bytes_received > begin.raw:
                raise self._error(f"is not idle: it said {self.transcript.raw(begin.raw)[:200]!r}.")
            if expired:
                self._check_answers(f"Console '{self.name}' of '{self.device.name}' was silent")
                return
            self._sleep(deadline.remaining)

    def wait_until_idle(self, quiet: Timeout, *, timeout: Timeout | None = None) -> None:
        """Waits until the device has said nothing for a while.

        Raises:
            ConsoleTimeoutError: it never stopped.
        """
        deadline, length = self._deadline(timeout), seconds(quiet)
        begin = time.monotonic()
        while True:
            rest = max(self.transcript.last_byte, begin) + length - time.monotonic()
            if rest <= 0:
                self._check_answers(f"Console '{self.name}' of '{self.device.name}' was silent for {in_words(quiet)}")
                return
            if deadline.expired:
                raise ConsoleTimeoutError(
                    f"Console '{self.name}' of '{self.device.name}' was never quiet for {in_words(quiet)} within "
                    f"{in_words(deadline.total)}."
                )
            self._sleep(min(rest, deadline.remaining))

    # --------------------------------------------------------------- the waiting

    def wait_for(self, search: Search, *, timeout: Timeout | None = None, idle: Timeout | None = None) -> list[ConsoleMatch]:
        """Waits until a search is complete; all other waits are made of this.

        Raises:
            ConsoleTimeoutError: it was not in time.
            ConsoleWatcherError: a watcher was hit meanwhile.
        """
        return self._wait(search, timeout, idle)

    def look_for(self, search: Search, during: Timeout) -> list[ConsoleMatch] | None:
        """Searches for a while; None if nothing was found, which is no failure."""
        try:
            return self._wait(search, during, None)
        except ConsoleTimeoutError:
            return None

    def poll(self, search: Search) -> list[Found] | None:
        """Looks once at what is there now, or at the first part of it if it is much.

        The open line counts only when the stream has been quiet.
        """
        view = self.transcript.view(search.position, MOST_AT_ONCE)
        self._behind = not view.complete
        found = search.in_lines(view)
        # As quiet as it was when we looked: searching takes time, and more may have come meanwhile.
        if not found and view.open_line and view.quiet >= seconds(self.options.settle):
            found = search.in_open_line(view)
        return found or None

    def _wait(self, search: Search, timeout: Timeout | None, idle: Timeout | None) -> list[ConsoleMatch]:
        deadline, began, start = self._deadline(timeout), time.monotonic(), search.position
        total, last = deadline.total, began + deadline.total + GRACE
        while True:
            self._check_hits()
            version = self.transcript.version
            if found := self.poll(search):
                self._raise_hit()  # what came with it counts, as it would if it had come before
                return self.take(found, start, began)
            if deadline.expired and time.monotonic() < last and (self._behind or self._pending(search)):
                # It is on the open line, and a moment more shows whether that goes on; or not everything was looked at yet.
                deadline = Deadline(min(seconds(self.options.settle), last - time.monotonic()))
            if not self._behind or deadline.expired:
                self._pause(str(search), version, deadline, idle, began, total)

    def _pending(self, search: Search) -> list[Found] | None:
        view = self.transcript.view(search.position)
        return search.in_open_line(view) if view.open_line else None

    def take(self, found: list[Found], start: int, began: float) -> list[ConsoleMatch]:
        """Makes results of what was found, and moves the place of the last match behind it."""
        results = [self._result(one, start, began) for one in found]
        self._text_cursor = max(one.end for one in found)
        self.last_match = results[-1]
        return results

    def _result(self, found: Found, start: int, began: float) -> ConsoleMatch:
        now_wall, now = time.time(), time.monotonic()
        power_on = self.marks.get("power on")
        return ConsoleMatch(
            console=self.name,
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

    def _pause(  # noqa: PLR0917 - made in two places
        self, missing: str, version: int, deadline: Deadline, idle: Timeout | None, began: float, total: float | None = None
    ) -> None:
        """Waits for news, or raises if there is a reason to stop waiting."""
        self.check()
        now = time.monotonic()
        quiet = now - max(self.transcript.last_byte, began)
        if deadline.expired or (idle is not None and quiet >= seconds(idle)):
            length = deadline.total if total is None else total
            words = in_words(length) if deadline.expired else f"{in_words(seconds(idle or 0))} of silence"
            self._check_answers(f"Console '{self.name}' of '{self.device.name}': {missing} within {words}")
            raise ConsoleTimeoutError(self._explain(missing, words, now - began))
        settle = self.transcript.last_byte + seconds(self.options.settle) - now
        rests = [deadline.remaining, TICK, settle if settle > 0 else TICK]
        if idle is not None:
            rests.append(seconds(idle) - quiet)
        with self.transcript.changed:
            if self.transcript.version == version:
                self.transcript.changed.wait(min(rests) + 0.001)

    def _sleep(self, length: float) -> None:
        self.check()
        with self.transcript.changed:
            self.transcript.changed.wait(min(length, TICK) + 0.001)

    def check(self) -> None:
        """Raises if there is a reason to stop waiting: a watcher's hit, a closed console, a lost session."""
        self._check_hits()
        self._check_open()
        connection = self.device.connection
        if connection.closed or connection.loss is not None:
            if connection.loss is not None and not connection.closed:
                raise SessionLostError(f"Waiting on console '{self.name}' is in vain: {connection.loss}")
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
            with self.transcript.changed:
                self.transcript.changed.wait(min(rest, deadline.remaining) + 0.001)
        self._raise_hit()

    def _check_hits(self) -> None:
        self.watchers.look_when_quiet(self.transcript, seconds(self.options.settle))
        self._raise_hit()

    def _raise_hit(self) -> None:
        try:
            self.watchers.raise_hit(self.name, self.device.name)
        except ConsoleWatcherError as error:
            raise ConsoleWatcherError(self.device.connection.redact(str(error))) from None

    def _check_answers(self, silence: str) -> None:
        """A console that is silent because its exporter is says nothing about the device.

        Raises:
            CallTimeoutError: the exporter answers nothing at all.
        """
        if time.monotonic() - self.transcript.last_byte > ALIVE and not self.device.connection.alive():
            raise CallTimeoutError(
                f"{silence}, but the exporter answers nothing at all: is it frozen, or the network to it gone? "
                f"The device said last: '{self.device.connection.redact(self.last_line[:LONGEST_LAST_LINE])}'."
            )

    def _error(self, text: str) -> ConsoleError:
        return ConsoleError(self.device.connection.redact(f"Console '{self.name}' of '{self.device.name}' {text}"))

    @property
    def open_line(self) -> str:
        """What stands on the line that has not ended."""
        return self.transcript.view(1 << 62).open_line

    @property
    def last_line(self) -> str:
        """The line that was said last and is not empty, finished or not."""
        return next((line for _, line in reversed(self.transcript.lines_with_times(20)) if line.strip()), "")

    def _deadline(self, timeout: Timeout | None) -> Deadline:
        return Deadline(self.device.timeout_seconds if timeout is None else timeout)


def _pattern(pattern: str | Pattern, match: Match) -> Pattern:
    if isinstance(pattern, Pattern):
        return pattern
    if match is Match.BYTES:
        raise ConfigurationError("Bytes are waited for with Wait For Bytes On Console.")
    return Pattern(pattern, match)
