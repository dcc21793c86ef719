"""A console: everything that the device says is kept, and waits look at it from their own place."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import ConfigurationError, ConsoleError, ConsoleTimeoutError, SessionClosedError, UsageError
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from ..failures import Act
from .commands import Shell, login
from .explain import explain_timeout
from .files import ConsoleFiles
from .options import ConsoleOptions
from .patterns import Match, Pattern
from .reader import ConsoleReader
from .result import CommandResult, ConsoleMatch
from .search import Found
from .searches import ManySearch, Mode, NextLineSearch, PromptSearch, Search, SingleSearch, cross_gap
from .transcript import Mark, Transcript
from .watchers import Watchers

if TYPE_CHECKING:
    from ..driver import DriverClient

TICK = 0.5
"""Seconds after which a wait looks around even if nothing came."""


class Console:
    """A device's console.

    Args:
        client: the driver with the byte stream.
        options: how to read and write.
        files: where the output is written to; nowhere unless given.
        method: the stream's method on the driver.

    Raises:
        JumpstarterError: the driver cannot open the stream.
    """

    def __init__(
        self,
        client: DriverClient,
        options: ConsoleOptions | None = None,
        files: ConsoleFiles | None = None,
        method: str = "connect",
    ) -> None:
        self.device = client.device
        self.path = client.path
        self.name = client.path or client.device.name
        self.options = options or ConsoleOptions()
        self.transcript = Transcript()
        self.watchers = Watchers()
        self.marks: dict[str, Mark] = {"session start": self.transcript.mark()}
        self.last_match: ConsoleMatch | None = None
        self._files = files
        self._closed = False
        self._text_cursor = 0
        self._raw_cursor = 0
        self.shell = Shell(self)
        act = Act(self.device.name, client.path, method)
        timeout = self.device.timeout_seconds
        self._reader = ConsoleReader(self.device.connection, act, client.node.uuid, timeout, self.transcript, self._arrived)

    def close(self) -> None:
        """Ends the reader and the stream. What was said can still be looked at."""
        if not self._closed:
            self._closed = True
            self._reader.close()
            if self._files is not None:
                self._files.close()
            self.transcript.wake()

    @property
    def closed(self) -> bool:
        """Whether it was closed."""
        return self._closed

    @property
    def connected(self) -> bool:
        """Whether the stream is open now."""
        return self._reader.connected

    def configure(self, **changes: object) -> ConsoleOptions:
        """Changes options; returns those before."""
        before = self.options
        self.options = replace(before, **changes)  # type: ignore[arg-type]  # the callers name the fields
        return before

    def _arrived(self, data: bytes, finished: str) -> None:
        """Runs in the reader's thread for every chunk."""
        if self._files is not None:
            self._files.write(data)
        if self.watchers.look(finished, self.transcript):
            self.transcript.wake()

    # ------------------------------------------------------------------- places

    def mark(self, name: str = "") -> Mark:
        """Remembers the present end of the output, under a name if one is given; `since` takes both."""
        mark = self.transcript.mark()
        if name:
            self.marks[name] = mark
        return mark

    def switched_on(self) -> None:
        """The device is about to be switched on: remembers the place, and tries at once to open a broken stream."""
        self.mark("power on")
        self.watchers.new_boot()
        self._reader.retry_now()

    def start_test(self, name: str) -> None:
        """A test begins: remembers the place, and writes a file of the test's own."""
        self.mark("test start")
        if self._files is not None and not self._closed:
            self._files.start_test(name)

    def end_test(self) -> None:
        """A test ends, and with it its file."""
        if self._files is not None and not self._closed:
            self._files.end_test()

    def place(self, since: str | Mark) -> Mark:
        """Returns the place that a name stands for: `last match`, `now`, `test start`, `power on`, `session start`, or a mark.

        Raises:
            UsageError: there is no such mark; the message lists the known ones.
        """
        if isinstance(since, Mark):
            return since
        if since == "last match":
            return Mark(self._text_cursor, self._raw_cursor, time.monotonic())
        if since == "now":
            return self.transcript.mark()
        if since in self.marks:
            return self.marks[since]
        if since in ("test start", "power on"):
            return self.marks["session start"]
        known = ", ".join(f"'{name}'" for name in ("last match", "now", *self.marks))
        raise UsageError(f"Console '{self.name}' has no mark '{since}'; there are {known}.")

    def text(self, since: str | Mark = "session start") -> str:
        """Returns what the device said since a place, as text."""
        return self.transcript.text(self.place(since).text)

    def raw(self, since: str | Mark = "session start") -> bytes:
        """Returns what the device said since a place, as bytes, as far as it is still in memory."""
        return self.transcript.raw(self.place(since).raw)

    # ------------------------------------------------------------------ writing

    def write(self, data: str | bytes, *, char_delay: Timeout | None = None, timeout: Timeout | None = None) -> None:
        """Sends text or bytes as they are.

        Args:
            data: what to send.
            char_delay: pause between characters; the console's unless given.
            timeout: how long sending may stall; the device's timeout unless given.

        Raises:
            InfrastructureError: the stream is not open, or takes nothing.
        """
        self._check_open()
        deadline = self._deadline(timeout)
        pause = seconds(self.options.char_delay if char_delay is None else char_delay)
        raw = data.encode(self.options.encoding) if isinstance(data, str) else bytes(data)
        if not pause:
            self._reader.send(raw, deadline.remaining)
            return
        for index in range(len(raw)):
            self._reader.send(raw[index : index + 1], max(deadline.remaining, 1.0))
            time.sleep(pause)

    def write_line(
        self,
        text: str = "",
        *,
        char_delay: Timeout | None = None,
        expect_echo: bool | None = None,
        timeout: Timeout | None = None,
    ) -> None:
        """Sends a line, with the console's line end, and waits for its echo if that is expected.

        Raises:
            ConsoleTimeoutError: the echo did not come.
        """
        before = self.transcript.mark()
        self.write(text + self.options.newline, char_delay=char_delay, timeout=timeout)
        if (self.options.expect_echo if expect_echo is None else expect_echo) and text:
            self.wait_for_line(text, since=before, timeout=timeout)

    # ------------------------------------------------------------------ waiting

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
        """Waits for bytes, whatever lines are; returns everything from the place on to their end."""
        if not data:
            raise UsageError("There are no bytes to wait for.")
        place = self.place(since).raw
        deadline, began, looked = self._deadline(timeout), time.monotonic(), place
        while True:
            version, end = self.transcript.version, self.transcript.bytes_received
            tail = self.transcript.raw(looked)
            if (found := tail.find(data)) >= 0:
                self._raw_cursor = looked + found + len(data)
                return self.transcript.raw(place)[: self._raw_cursor - place]
            looked = max(looked, end - len(data) + 1)
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
            raise ConsoleError(
                f"Console '{self.name}' of '{self.device.name}' said what it should not: {search.pattern} in the line "
                f"'{found[0].line}'."
            )

    def should_be_idle(self, during: Timeout) -> None:
        """Fails if the device says anything within a while.

        Raises:
            ConsoleError: it did.
        """
        begin = self.transcript.mark()
        deadline = Deadline(during)
        while not deadline.expired:
            if self.transcript.bytes_received > begin.raw:
                said = self.transcript.raw(begin.raw)[:200]
                raise ConsoleError(f"Console '{self.name}' of '{self.device.name}' is not idle: it said {said!r}.")
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
                return
            if deadline.expired:
                raise ConsoleTimeoutError(
                    f"Console '{self.name}' of '{self.device.name}' was never quiet for {in_words(quiet)} within "
                    f"{in_words(deadline.total)}."
                )
            self._sleep(min(rest, deadline.remaining))

    # ----------------------------------------------------------------- dialogues

    def execute(self, command: str, *, timeout: Timeout | None = None) -> CommandResult:
        """Runs a shell command and returns what it printed, and its exit status; see `Shell.execute`."""
        return self.shell.execute(command, timeout=timeout)

    def login(self, username: str, password: str | None = None, *, timeout: Timeout | None = None, **prompts: str) -> None:
        """Logs in; see `commands.login`. The password is masked wherever it turns up."""
        self.device.connection.redact.add(password)
        login(self, username, password, timeout=timeout, **prompts)

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
        """Looks once at what is there now; the open line counts only when the stream has been quiet."""
        view = self.transcript.view(search.position)
        found = search.in_lines(view)
        if not found and view.open_line and time.monotonic() - view.last_byte >= seconds(self.options.settle):
            found = search.in_open_line(view)
        return None if not found or cross_gap(self.transcript, found) else found

    def _wait(self, search: Search, timeout: Timeout | None, idle: Timeout | None) -> list[ConsoleMatch]:
        deadline, began, start = self._deadline(timeout), time.monotonic(), search.position
        while True:
            version = self.transcript.version
            if found := self.poll(search):
                return self.take(found, start, began)
            self._pause(str(search), version, deadline, idle, began)

    def take(self, found: list[Found], start: int, began: float) -> list[ConsoleMatch]:
        """Makes results of what was found, and moves the place of the last match behind it."""
        results = [self._result(one, start, began) for one in found]
        self._text_cursor = found[-1].end
        self.last_match = results[-1]
        return results

    def _result(self, found: Found, start: int, began: float) -> ConsoleMatch:
        now_wall, now = time.time(), time.monotonic()
        power_on = self.marks.get("power on")
        text = self.transcript.text(start)
        return ConsoleMatch(
            console=self.name,
            line=found.line,
            match=found.line[found.hit.start : found.hit.end],
            groups=found.hit.groups,
            named=found.hit.named or {},
            before=text[: max(0, found.start - max(start, self.transcript.start))],
            after=found.line[found.hit.end :],
            label=found.pattern.text,
            time=now_wall - (now - found.time),
            elapsed=found.time - began,
            since_power_on=found.time - power_on.time if power_on else None,
            start=found.start,
            end=found.end,
        )

    def _pause(self, missing: str, version: int, deadline: Deadline, idle: Timeout | None, began: float) -> None:
        """Waits for news, or raises if there is a reason to stop waiting."""
        self.check()
        now = time.monotonic()
        quiet = now - max(self.transcript.last_byte, began)
        if deadline.expired or (idle is not None and quiet >= seconds(idle)):
            length = in_words(deadline.total) if deadline.expired else f"{in_words(seconds(idle or 0))} of silence"
            raise ConsoleTimeoutError(explain_timeout(self, missing, length, now - began))
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
        self.check_watchers()
        self._check_open()
        self.device.connection.check_usable(Act(self.device.name, self.name, "wait"))

    def check_watchers(self) -> None:
        """Raises if a watcher was hit that nobody has been told of.

        Raises:
            ConsoleWatcherError: the first hit.
        """
        self.watchers.raise_hit(self.name, self.device.name)

    @property
    def last_line(self) -> str:
        """The line that was said last and is not empty, finished or not."""
        return next((line for _, line in reversed(self.transcript.lines_with_times(20)) if line.strip()), "")

    @property
    def log_file(self) -> str:
        """Path of the file with the complete output; empty if there is none."""
        return str(self._files.path) if self._files is not None else ""

    @property
    def problem(self) -> str:
        """Why the stream is not open now; empty if it is."""
        return "" if self._reader.connected else str(self._reader.problem or "the stream is being opened")

    def _check_open(self) -> None:
        if self._closed:
            raise SessionClosedError(f"Console '{self.name}' of '{self.device.name}' was closed.")

    def _deadline(self, timeout: Timeout | None) -> Deadline:
        return Deadline(self.device.timeout_seconds if timeout is None else timeout)

    def __repr__(self) -> str:
        state = "closed" if self._closed else "connected" if self.connected else "broken"
        return f"<Console {self.device.name}:{self.name} {state}>"


def _pattern(pattern: str | Pattern, match: Match) -> Pattern:
    if isinstance(pattern, Pattern):
        return pattern
    if match is Match.BYTES:
        raise ConfigurationError("Bytes are waited for with Wait For Bytes On Console.")
    return Pattern(pattern, match)
