"""Waiting for what a console says: lines, prompts, bytes, and silence."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...errors import ConsoleLostError, ConsoleTimeoutError, UsageError
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from .engine import BytesLookout, keep_looking
from .looking import LONGEST_LAST_LINE, ConsoleLooks
from .patterns import Match, Pattern
from .result import ConsoleMatch
from .searches import ManySearch, Mode, NextLineSearch, PromptSearch, SingleSearch
from .transcript import Mark


class ConsoleWaits(ConsoleLooks):
    """The waits of a console, by what they wait for."""

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
        line = said[: self._raw_cursor - start].rpartition(b"\n")[2]
        self._matched(repr(data)[2:-1], repr(line[-LONGEST_LAST_LINE:])[2:-1], self.transcript.arrival(self._raw_cursor))
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
            UsageError: the device says more than can be searched.
        """
        place = self.place(since)
        if place.text < self.transcript.lost_before:
            raise UsageError(
                f"{self.title} has said so much since '{since}' that the begin of it is no longer in "
                "memory, so nobody can say whether it was said there. Use Fail On Console Output, which looks at all times."
            )
        search = SingleSearch(_pattern(pattern, match), place.text)
        self.overtaken = False
        if found := self.look_for(search, during):
            raise self._error(f"said what it should not: {search.pattern} in the line '{found[0].line}'.")
        if pending := self.pending(search):  # on the open line, which goes on: it was said all the same
            raise self._error(f"said what it should not: {search.pattern} in the line '{pending[0].line}'.")
        self._check_searched(search, during)
        self._check_heard(place, f"did not say {search.pattern} within {in_words(during)}")

    def _check_searched(self, search: SingleSearch, during: Timeout) -> None:
        """What was not said is known only of what was looked at.

        Raises:
            UsageError: some has left memory before that, or there was no time for all of it.
        """
        instead = "Use Fail On Console Output, which looks at all times."
        if self.overtaken:
            raise UsageError(
                f"{self.title} says so much that a part of it has left memory before it was searched, so nobody can say whether "
                f"{search.pattern} was said there. {instead}"
            )
        if self.behind:
            raise UsageError(
                f"Searching what {self.title} said for {search.pattern} took longer than {in_words(during)}, so nobody can say "
                f"whether the rest has it. Give a longer during=, or a simpler pattern. {instead}"
            )

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


def _pattern(pattern: str | Pattern, match: Match) -> Pattern:
    if isinstance(pattern, Pattern):
        return pattern
    return Pattern(pattern, match)
