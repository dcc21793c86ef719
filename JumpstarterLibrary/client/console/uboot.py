"""The U-Boot boot loader over a console: reaching its prompt, running commands, its environment."""

from __future__ import annotations

import re
import secrets
import time
from collections.abc import Callable
from typing import TYPE_CHECKING

from ...errors import ConsoleError, ConsoleTimeoutError, UsageError
from ...wire.deadline import Deadline, Timeout
from .patterns import Match, Pattern
from .result import CommandResult
from .searches import PromptSearch

if TYPE_CHECKING:
    from .console import Console

PROMPT = r"=> ?$"
"""U-Boot's prompt unless a board changed it."""
KEY_INTERVAL = 0.1
"""Seconds between the keys that stop autoboot."""


class UBoot:
    """Talks to U-Boot.

    Args:
        console: where it is.
        prompt: regular expression for its prompt.
    """

    def __init__(self, console: Console, prompt: str = PROMPT) -> None:
        self._console = console
        self._prompt = Pattern(prompt, Match.REGEX)

    def boot(self, start: Callable[[], None], *, key: bytes = b"\x1b", timeout: Timeout | None = None) -> None:
        """Starts the device and stops it at U-Boot's prompt.

        Args:
            start: switches the device on, or resets it.
            key: what is sent again and again until the prompt is there.
            timeout: the device's unless given.

        Raises:
            ConsoleTimeoutError: the prompt did not come.
        """
        console = self._console
        deadline = Deadline(console.device.timeout_seconds if timeout is None else timeout)
        before = console.mark()
        start()
        search = PromptSearch(self._prompt, before.text)
        while not console.look_for(search, min(KEY_INTERVAL, deadline.remaining)):
            if deadline.expired:
                console.wait_for(search, timeout=0.0)  # says what the device said instead
            # While keys arrive the line is never quiet for long: so look between two of them.
            console.write(key)
        self._synchronise(deadline)

    def _synchronise(self, deadline: Deadline) -> None:
        """Throws away the keys that were sent too much, and waits for a fresh prompt."""
        console = self._console
        time.sleep(min(2 * KEY_INTERVAL, deadline.remaining))
        before = console.mark()
        console.write(b"\x03")
        console.wait_for(PromptSearch(self._prompt, before.text), timeout=max(deadline.remaining, 1.0))

    def execute(self, command: str, *, timeout: Timeout | None = None) -> CommandResult:
        """Runs a command and returns what it printed, and its exit status.

        Raises:
            UsageError: it is empty or has several lines.
            ConsoleTimeoutError: it did not end in time.
        """
        command = command.strip()
        if not command or "\n" in command:
            raise UsageError("A U-Boot command is one line that is not empty; run several one after the other.")
        console, mark = self._console, f"JLE{secrets.token_hex(4)}"
        deadline = Deadline(console.device.timeout_seconds if timeout is None else timeout)
        began, before = time.monotonic(), console.mark()
        console.write_line(f"{command}; echo {mark}:$?", expect_echo=False)
        try:
            echo = console.wait_for_line(f"{mark}:$?", since=before, timeout=deadline.remaining)
            end = console.wait_for_line(rf"{mark}:(\d+)", match=Match.REGEX, timeout=deadline.remaining)
        except ConsoleTimeoutError:
            console.write(b"\x03")
            raise
        output = console.transcript.text(echo.end)[: end.start - echo.end].removeprefix("\n").removesuffix("\n")
        console.wait_for(PromptSearch(self._prompt, end.end), timeout=max(deadline.remaining, 1.0))
        return CommandResult(command, output, int(end.groups[0] or 0), time.monotonic() - began)

    def get(self, name: str, *, timeout: Timeout | None = None) -> str:
        """Returns a variable of U-Boot's environment.

        Raises:
            ConsoleError: it is not defined.
        """
        result = self.execute(f"printenv {_checked(name)}", timeout=timeout)
        if match := re.search(rf"^{re.escape(name)}=(.*)", result.stdout, re.MULTILINE | re.DOTALL):
            return match[1]
        raise ConsoleError(f"U-Boot on console '{self._console.name}' has no variable '{name}': {result.stdout}")

    def set(self, name: str, value: str, *, timeout: Timeout | None = None) -> None:
        """Sets a variable of U-Boot's environment, for this boot; an empty value deletes it. Checks that it took.

        Raises:
            ConsoleError: it did not.
        """
        quoted = "'" + value.replace("'", "'\\''") + "'" if value else ""
        deadline = Deadline(self._console.device.timeout_seconds if timeout is None else timeout)
        result = self.execute(f"setenv {_checked(name)} {quoted}".rstrip(), timeout=deadline.remaining)
        if result.rc != 0:
            raise ConsoleError(f"U-Boot on console '{self._console.name}' did not set '{name}': {result.stdout}")
        if value and (now := self.get(name, timeout=deadline.remaining)) != value:
            raise ConsoleError(f"U-Boot on console '{self._console.name}' was told {name}={value!r} and has {now!r}.")

    def leave(self, command: str = "boot") -> None:
        """Sends the command that leaves U-Boot, and does not wait for what comes of it."""
        self._console.write_line(command, expect_echo=False)


def _checked(name: str) -> str:
    if not re.fullmatch(r"[\w.:#-]+", name):
        raise UsageError(f"'{name}' is no name of a U-Boot variable.")
    return name
