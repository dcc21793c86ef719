"""Waiting for what a console says: every wait looks at what is new, and ends with its deadline."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import TYPE_CHECKING

from ...errors import (
    CallTimeoutError,
    ConfigurationError,
    ConsoleError,
    ConsoleLostError,
    ConsoleTimeoutError,
    InfrastructureError,
    SessionLostError,
    UsageError,
)
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from ..failures import Act
from .engine import TICK, BytesLookout, TextLookout, keep_looking, wait_for_news
from .options import ConsoleOptions
from .patterns import Match, Pattern
from .result import ConsoleMatch
from .search import Found
from .searches import ManySearch, Mode, NextLineSearch, PromptSearch, Search, SingleSearch
from .transcript import Mark, Transcript
from .watchers import Watchers

if TYPE_CHECKING:
    from ..device import Device

MOST_AT_ONCE = 2 * 1024 * 1024
"""Characters that are searched before somebody looks at the clock again."""
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
    comes_and_goes = False
    """Whether the stream is there only while the device is on: then it is no trouble of the lab that it is not open."""
    behind = False
    """Whether there is more than the last look took in."""
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

    def _check_open(self) -> None:
        raise NotImplementedError

    def _explain(self, missing: str, length: str, waited: float, start: int | None) -> str:
        raise NotImplementedError

    def wait_for_line(
        self,
        pattern: str | Pattern,
        *,
        match: Match = Match.CONTAINS,
        timeout: Timeout | Deadline | None = None,
        idle: Timeout | None = None,
        since: str | Mark = "last match",
    ) -> ConsoleMatch:
        """Waits for a line; what was said before the wait and after the last match counts too.

        Args:
            pattern: what to look for.
            match: how it is compared with a line; `BYTES` looks for bytes, one for each character, whatever lines are.
            timeout: the device's unless given.
            idle: fails earlier, when the device has said nothing for so long.
            since: where to begin; see `place`.

        Raises:
            ConsoleTimeoutError: it did not come; the message has the nearest line and the last ones.
            ConsoleWatcherError: a watcher was hit meanwhile.
        """
        if match is Match.BYTES and isinstance(pattern, str):
            return self._wait_for_raw(pattern, timeout, idle, since)
        search = SingleSearch(_pattern(pattern, match), self.place(since).text)
        return self._wait(search, timeout, idle)[0]

    def wait_for_lines(
        self,
        patterns: Sequence[str | Pattern],
        *,
        mode: Mode = Mode.BLOCK,
        match: Match = Match.CONTAINS,
        timeout: Timeout | Deadline | None = None,
        idle: Timeout | None = None,
        since: str | Mark = "last match",
    ) -> list[ConsoleMatch]:
        """Waits for several lines; see `Mode` for how they go together. With `ANY` the result has one match."""
        if not patterns:
            raise UsageError("There are no patterns to wait for.")
        search = ManySearch([_pattern(p, match) for p in patterns], self.place(since).text, mode)
        return self._wait(search, timeout, idle)

    def wait_for_next_line(
        self, *, timeout: Timeout | Deadline | None = None, idle: Timeout | None = None, since: str | Mark = "last match"
    ) -> ConsoleMatch:
        """Waits for the next whole line, whatever it says."""
        return self._wait(NextLineSearch(self.place(since).text), timeout, idle)[0]

    def wait_for_prompt(
        self,
        prompt: str | Pattern | None = None,
        *,
        match: Match = Match.REGEX,
        timeout: Timeout | Deadline | None = None,
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
        timeout: Timeout | Deadline | None = None,
        idle: Timeout | None = None,
        since: str | Mark = "last match",
    ) -> bytes:
        """Waits for bytes, whatever lines are.

        Returns:
            Everything from the place on to their end, as far as it is still in memory.

        Raises:
            ConsoleTimeoutError: they did not come.
        """
        if not data:
            raise UsageError("There are no bytes to wait for.")
        place, deadline, began = self.place(since).raw, self.deadline(timeout), time.monotonic()
        found = keep_looking([BytesLookout(self, data, place)], deadline, None if idle is None else seconds(idle))
        if not found:
            raise self.in_vain(f"no bytes {data!r}", deadline, idle, began)
        self._raw_cursor = found[0][1]
        start, said = self.transcript.raw_from(place)
        return said[: self._raw_cursor - start]

    def _wait_for_raw(
        self, pattern: str, timeout: Timeout | Deadline | None, idle: Timeout | None, since: str | Mark
    ) -> ConsoleMatch:
        """Waits for bytes that are written as characters, and makes a match of them; its texts have a character for each byte."""
        try:
            wanted = pattern.encode("latin-1")
        except UnicodeEncodeError:
            raise UsageError(f"'{pattern}' stands for no bytes: each of its characters has to be below 256.") from None
        began = time.monotonic()
        said = self.wait_for_bytes(wanted, timeout=timeout, idle=idle, since=since).decode("latin-1")
        when, power_on = self.transcript.arrival(self._raw_cursor), self.marks.get("power on")
        self.last_match = ConsoleMatch(
            console=self.name,
            device=self.device.name,
            line=said.rpartition("\n")[2] or pattern,
            match=pattern,
            before=said[: -len(pattern)],
            label=pattern,
            time=time.time() - (time.monotonic() - when),
            elapsed=round(when - began, 3),
            since_power_on=round(when - power_on.time, 3) if power_on else None,
        )
        return self.last_match

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
        place = self.place(since)
        if place.text < self.transcript.lost_before:
            raise UsageError(
                f"{self.title} has said so much since '{since}' that the begin of it is no longer in "
                "memory, so nobody can say whether it was said there. Use Fail On Console Output, which looks at all times."
            )
        search = SingleSearch(_pattern(pattern, match), place.text)
        if found := self.look_for(search, during):
            raise self._error(f"said what it should not: {search.pattern} in the line '{found[0].line}'.")
        if pending := self.pending(search):  # on the open line, which goes on: it was said all the same
            raise self._error(f"said what it should not: {search.pattern} in the line '{pending[0].line}'.")
        self._check_heard(place, f"did not say {search.pattern} within {in_words(during)}")

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
                said = self.device.connection.redact(self.transcript.text(begin.text)).strip("\n")
                raise self._error(f"is not idle: it said '{said[:LONGEST_LAST_LINE]}'.")
            if expired:
                return self._check_heard(begin, "was silent")
            self._sleep(deadline.remaining)

    def wait_until_idle(self, quiet: Timeout, *, timeout: Timeout | Deadline | None = None) -> None:
        """Waits until the device has said nothing for a while.

        Raises:
            ConsoleTimeoutError: it never stopped.
        """
        deadline, length = self.deadline(timeout), seconds(quiet)
        begin = self.transcript.mark()
        while True:
            rest = max(self.transcript.last_byte, begin.time) + length - time.monotonic()
            if rest <= 0:
                return self._check_heard(begin, f"was silent for {in_words(quiet)}")
            if deadline.expired:
                raise ConsoleTimeoutError(
                    f"{self.title} was never quiet for {in_words(quiet)} within {in_words(deadline.total)}."
                )
            self._sleep(min(rest, deadline.remaining))

    def _check_heard(self, begin: Mark, silence: str) -> None:
        """What was not said is known only of a stream that was open all the time, from an exporter that lives.

        Raises:
            CallTimeoutError: the exporter answers nothing at all.
            ConsoleLostError: the stream is not open, or was broken meanwhile.
        """
        self._check_answers(f"{self.title} {silence}")
        gap = next((gap.reason for gap in self.transcript.gaps if gap.time >= begin.time), "")
        if (reason := self.problem or gap) and not self.comes_and_goes:
            state = "is not open" if self.problem else "was broken meanwhile"
            text = (
                f"{self.title} {silence}, but nobody can be sure: its stream {state} ({reason}). "
                "If it is there only while the device is on, open the console with connect_later=True."
            )
            raise ConsoleLostError(self.device.connection.redact(text))

    # --------------------------------------------------------------- the waiting

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
            `ConsoleTimeoutError` if the device did not say it; `ConsoleLostError` if the stream is broken, so that nobody knows.

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
        text = self._explain(missing, words, waited, start)
        return ConsoleLostError(text) if problem and not self.comes_and_goes else ConsoleTimeoutError(text)

    def poll(self, search: Search) -> list[Found] | None:
        """Looks once at what is there now, or at the first part of it if it is much.

        The open line counts only when the stream has been quiet.
        """
        view = self.transcript.view(search.position, MOST_AT_ONCE)
        self.behind = not view.complete
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
        return next((line for _, line in reversed(self.transcript.lines_with_times(20)) if line.strip()), "")

    def deadline(self, timeout: Timeout | Deadline | None) -> Deadline:
        """Returns the deadline itself, or one for a timeout; the device's timeout if none is given."""
        if isinstance(timeout, Deadline):
            return timeout
        return Deadline(self.device.timeout_seconds if timeout is None else timeout)


def _pattern(pattern: str | Pattern, match: Match) -> Pattern:
    if isinstance(pattern, Pattern):
        return pattern
    if match is Match.BYTES:
        raise ConfigurationError("Bytes can be waited for with Wait For Line On Console and Wait For Bytes On Console only.")
    return Pattern(pattern, match)
