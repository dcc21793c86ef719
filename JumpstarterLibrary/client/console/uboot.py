"""The U-Boot boot loader over a console: reaching its prompt, running commands, its environment."""

from __future__ import annotations

import contextlib
import re
import secrets
import time
import unicodedata
from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import (
    ConsoleError,
    ConsoleWatcherError,
    InfrastructureError,
    JumpstarterError,
    UsageError,
)
from ...wire.deadline import Deadline, Timeout
from .framing import without_frames
from .patterns import Match, Pattern
from .result import CommandResult, ConsoleMatch
from .search import Found
from .searches import PromptSearch, Search, SingleSearch
from .transcript import View

if TYPE_CHECKING:
    from .console import Console

PROMPT = r"=> ?$"
"""U-Boot's prompt unless a board changed it."""
STOP_KEY = "\x1b"
"""Stops autoboot: any key does, unless a board wants another one."""
INTERRUPT = b"\x03"
KEY_INTERVAL = 0.1
"""Seconds between the keys that stop autoboot, and at the least between two Ctrl-C."""
ANSWER_TIMEOUT = 3.0
"""Seconds that U-Boot gets to show its prompt after Ctrl-C."""
ECHO_TIMEOUT = 1.0
"""Seconds without any further echo, after which a line that was typed counts as not taken."""
LONGEST_SHOWN = 200
"""Characters of a line in a message."""
GRACE = 0.6
"""Seconds beyond the deadline for leaving U-Boot at its prompt."""

_COMMENT = re.compile(r"(?:^|[\s;&|])#")
_NAME = re.compile(r"[\w.:@%+,/][\w.:@%+,/#-]*")


class UBoot:
    """Talks to U-Boot.

    Every line is typed, and sent off only when U-Boot has echoed it as a whole: a serial line that loses characters, or a line
    that is too long for U-Boot, runs nothing. All acts begin and end with the prompt.

    Args:
        console: where it is.
        prompt: regular expression for its prompt.
    """

    def __init__(self, console: Console, prompt: str = PROMPT) -> None:
        self._console = console
        self._prompt = Pattern(prompt, Match.REGEX)

    def boot(self, start: Callable[[], None], *, key: str = STOP_KEY, timeout: Timeout | Deadline | None = None) -> float:
        """Starts the device and stops it at U-Boot's prompt.

        Args:
            start: switches the device on, or resets it.
            key: what is sent again and again until the prompt is there.
            timeout: for all of it; the device's unless given.

        Returns:
            Seconds from the end of `start` to the prompt.

        Raises:
            ConsoleTimeoutError: the prompt did not come; the message has what the device said instead.
        """
        console, deadline = self._console, self._console.deadline(timeout)
        search = _PromptAtOnce(self._prompt, console.mark().text, key)
        start()
        began = time.monotonic()
        while not (self._look(search, min(KEY_INTERVAL, deadline.remaining)) and self._synchronise(deadline)):
            if deadline.expired:
                raise console.in_vain(f"no U-Boot prompt {self._prompt}", deadline)
            with contextlib.suppress(InfrastructureError):  # the console may come up only after the device
                console.write(key, char_delay=0.0, timeout=KEY_INTERVAL)
        return time.monotonic() - began

    def execute(self, command: str, *, timeout: Timeout | Deadline | None = None) -> CommandResult:
        """Runs a command and returns what it printed, and its exit status.

        Raises:
            UsageError: it is empty, or more than one line.
            ConsoleError: U-Boot did not take it as it is.
            ConsoleTimeoutError: U-Boot is not at its prompt, or the command did not end in time; then it was interrupted.
        """
        return self._run(_checked_line(command), self._console.deadline(timeout))

    def _run(self, command: str, deadline: Deadline) -> CommandResult:
        self._find_prompt(deadline)
        mark, began = f"JLE{secrets.token_hex(4)}", time.monotonic()
        with self._interrupted_on_failure(), self._console.watchers.repeated():
            if _COMMENT.search(command):  # the mark would be a part of the comment
                begin = self._type(command, deadline)
                prompt = self._wait(PromptSearch(self._prompt, begin), f"U-Boot's '{command}' did not end", deadline)
                last = prompt.start
                end = self._status(self._type(f"echo {mark}:$?", deadline), mark, command, deadline)
            else:
                begin = self._type(f"{command}; echo {mark}:$?", deadline)
                end = self._status(begin, mark, command, deadline)
                last = end.start
            duration = time.monotonic() - began
            self._wait(PromptSearch(self._prompt, end.end), f"no U-Boot prompt {self._prompt} after '{command}'", deadline)
        output = self._console.transcript.between(begin, last).removeprefix("\n").removesuffix("\n")
        return CommandResult(command, output, int(end.groups[0] or 0), duration)

    def get(self, name: str, *, timeout: Timeout | Deadline | None = None) -> str | None:
        """Returns a variable of U-Boot's environment; None if it is not defined."""
        return self._get(_checked_name(name), self._console.deadline(timeout))

    def _get(self, name: str, deadline: Deadline) -> str | None:
        result = self._run(f"printenv {name}", deadline)
        if result.rc == 0 and result.stdout.startswith(f"{name}="):
            return result.stdout.removeprefix(f"{name}=")
        if "not defined" in result.stdout:
            return None
        raise self._failed(result)

    def set(self, name: str, value: str | None, *, timeout: Timeout | Deadline | None = None) -> str | None:
        """Sets a variable of U-Boot's environment for this boot, and checks that it took.

        Args:
            name: its name.
            value: its value; None, or nothing, deletes it.
            timeout: for all of it; the device's unless given.

        Returns:
            The value before; None if it was not defined.

        Raises:
            ConsoleError: it did not take.
        """
        _checked_name(name)
        deadline = self._console.deadline(timeout)
        before = self._get(name, deadline)
        if not value:
            if before is not None:
                self._set(name, "", deadline)
            return before
        _check_characters(value)
        for quoted in quotings(value):
            now = self._set(name, quoted, deadline)
            if now == value:
                return before
        raise self._error(f"it was told {name}='{value}' and has '{now}'.")

    def leave(self, command: str = "boot", *, timeout: Timeout | Deadline | None = None) -> None:
        """Runs the command that leaves U-Boot, and does not wait for what comes of it."""
        deadline = self._console.deadline(timeout)
        self._find_prompt(deadline)
        with self._interrupted_on_failure():
            self._type(_checked_line(command), deadline)

    # ---------------------------------------------------------------- the dialogue

    def _set(self, name: str, quoted: str, deadline: Deadline) -> str | None:
        """Sets a variable; returns what it is then."""
        result = self._run(f"setenv {name} {quoted}".rstrip(), deadline)
        if result.rc != 0:
            raise self._failed(result)
        now = self._get(name, deadline)
        if not quoted and now is not None:
            raise self._error(f"it was told to delete '{name}' and still has '{now}'.")
        return now

    def _type(self, line: str, deadline: Deadline) -> int:
        """Types a line, and sends it off once it was echoed as a whole; returns the position behind the echo."""
        console, began = self._console, time.monotonic()
        # Twice, as what was typed before may have left half an escape sequence, which takes the first character away.
        if not self._echoed(line, deadline):
            shown = console.transcript.open_line
            if not deadline.expired and not (self._interrupt(deadline) and self._echoed(line, deadline)):
                raise self._error(
                    f"it did not take the line {self._shown(line)} as it is, so nothing was run. It showed {self._shown(shown)}. "
                    "Is the line too long for it? If characters were lost on the way, type slower: char_delay= of Open Console."
                )
            if deadline.expired:
                raise console.in_vain(f"no echo of {self._shown(line)} from U-Boot", deadline, began=began)
        behind = console.mark().text
        console.write(console.options.newline, timeout=max(deadline.remaining, KEY_INTERVAL))
        return behind

    def _echoed(self, line: str, deadline: Deadline) -> bool:
        """Types a line without sending it off; returns whether U-Boot echoed it as it is."""
        console = self._console
        console.write(line, timeout=deadline.remaining)
        search = _EchoSearch(line, console.transcript.open_start)
        return self._look(search, deadline.remaining, idle=ECHO_TIMEOUT) is not None

    def _status(self, position: int, mark: str, command: str, deadline: Deadline) -> ConsoleMatch:
        """Waits for the mark with the exit status."""
        search = SingleSearch(Pattern(rf"{mark}:(\d+|\$\?)", Match.REGEX), position)
        end = self._wait(search, f"U-Boot's '{command}' did not end", deadline)
        if end.groups[0] == "$?":
            raise self._error("its command line does not know exit statuses. Use Write Line To Console And Wait.")
        return end

    def _find_prompt(self, deadline: Deadline) -> None:
        """Sees to it that the prompt stands on the open line."""
        began = time.monotonic()
        search = PromptSearch(self._prompt, self._console.transcript.open_start)
        if not self._look(search, min(2 * KEY_INTERVAL, deadline.remaining)) and not self._interrupt(deadline):
            limit = Deadline(time.monotonic() - began)
            raise self._console.in_vain(f"no U-Boot prompt {self._prompt}, and none came for Ctrl-C,", limit, began=began)

    def _synchronise(self, deadline: Deadline) -> bool:
        """Throws away the keys that were sent too much; returns whether a fresh prompt came."""
        time.sleep(min(2 * KEY_INTERVAL, deadline.remaining))  # until U-Boot has taken all of them
        return self._interrupt(deadline)

    def _interrupt(self, deadline: Deadline) -> bool:
        """Sends Ctrl-C until a fresh prompt comes; returns whether it came."""
        console = self._console
        limit = Deadline(min(ANSWER_TIMEOUT, max(deadline.remaining, GRACE)))
        pause = 2 * KEY_INTERVAL
        while not limit.expired:
            # More than once, as U-Boot takes the first one for a part of an escape sequence if an ESC was sent before.
            before = console.mark()
            console.write(INTERRUPT, timeout=KEY_INTERVAL)
            if self._look(PromptSearch(self._prompt, before.text), min(pause, limit.remaining)):
                return True
            pause *= 2
        return False

    @contextlib.contextmanager
    def _interrupted_on_failure(self) -> Iterator[None]:
        """Whatever ends a command too early, U-Boot shall not go on with it, nor keep half a line."""
        try:
            yield
        except BaseException as error:
            with contextlib.suppress(JumpstarterError):
                if isinstance(error, ConsoleError) and not isinstance(error, ConsoleWatcherError):
                    self._interrupt(Deadline(GRACE))
                else:  # Robot's timeout, Ctrl-C: there is no time to look whether it helped
                    self._console.write(INTERRUPT, timeout=KEY_INTERVAL)
            raise

    # ------------------------------------------------------------------ the waiting

    def _look(self, search: Search, during: float, idle: float | None = None) -> ConsoleMatch | None:
        """Searches for a while, or until nothing was said for `idle` seconds."""
        found = self._console.look_for(search, during, idle=idle)
        return found[0] if found else None

    def _wait(self, search: Search, missing: str, deadline: Deadline) -> ConsoleMatch:
        began = time.monotonic()
        # A little longer than the deadline: what is there already counts once it has been quiet.
        if found := self._look(search, max(deadline.remaining, 2 * KEY_INTERVAL)):
            return found
        raise self._console.in_vain(missing, deadline, began=began)

    def _failed(self, result: CommandResult) -> ConsoleError:
        printed = self._console.device.connection.redact(result.stdout)[:500]
        return self._error(f"'{result.command}' ended with exit status {result.rc} and printed '{printed}'.")

    def _shown(self, line: str) -> str:
        """A line for a message. Secrets are masked before it is cut, as half a secret would not be recognised."""
        line = self._console.device.connection.redact(without_frames(line))
        return f"'{line}'" if len(line) <= LONGEST_SHOWN else f"'{line[:LONGEST_SHOWN]}…' ({len(line)} characters)"

    def _error(self, text: str) -> ConsoleError:
        redact = self._console.device.connection.redact
        return ConsoleError(redact(f"U-Boot on console '{self._console.name}' of '{self._console.device.name}': {text}"))


class _PromptAtOnce(PromptSearch):
    """A prompt on the open line, without waiting for quiet, as keys are still being echoed; what is found is checked later."""

    def __init__(self, pattern: Pattern, position: int, key: str) -> None:
        super().__init__(pattern, position)
        self._key = key

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks at the open line without the keys that were echoed behind the prompt."""
        super().in_lines(view)
        line = view.open_line
        while self._key and line.endswith(self._key):
            line = line.removesuffix(self._key)
        for rest in ("", *(self._key[index:] for index in range(1, len(self._key)))):  # autoboot may have taken a word's begin
            if line.endswith(rest) and (found := super().in_open_line(replace(view, open_line=line.removesuffix(rest)))):
                return found
        return None

    def in_open_line(self, view: View) -> list[Found] | None:
        """Has been looked at."""
        return None


class _EchoSearch:
    """The open line ends with what was typed. Certain without waiting for quiet, as nothing else can come now."""

    def __init__(self, line: str, position: int) -> None:
        self.position = position
        self._line = line

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks at the open line."""
        if not view.open_line.endswith(self._line):
            return None
        pattern = Pattern(self._line)
        hit = pattern.find(view.open_line, len(view.open_line) - len(self._line))
        return [Found(pattern, hit, view.open_line, view.open_start, view.last_byte)] if hit else None

    def in_open_line(self, view: View) -> list[Found] | None:
        """Has been looked at."""
        return None

    def __str__(self) -> str:
        return f"no echo of '{self._line}'"


def _checked_line(command: str) -> str:
    command = command.strip()
    if not command:
        raise UsageError("A U-Boot command is one line that is not empty.")
    _check_characters(command)
    return command


def _check_characters(text: str) -> None:
    """Line ends end the line, tabs complete words, and other control characters edit it."""
    if any(unicodedata.category(character) == "Cc" for character in text):
        raise UsageError("U-Boot's command line takes no control characters, such as tabs and line ends.")


def _checked_name(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise UsageError(f"'{name}' is no name of a U-Boot variable.")
    return name


def quotings(value: str) -> list[str]:
    """The ways to write a value on U-Boot's command line, best first."""
    # U-Boot's shell takes backslashes away even between single quotes; its newer parser, and other shells, do not.
    escaped = [value.replace("\\", "\\\\"), value]
    return list(dict.fromkeys("'" + text.replace("'", "'\\''") + "'" for text in escaped))
