"""Logging in over a console."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import replace
from typing import TYPE_CHECKING

from ...errors import ConsoleError, ConsoleTimeoutError
from ...journal import PowerSwitched
from ...wire.deadline import Deadline, Timeout, in_words
from .patterns import Match, Pattern
from .search import Found, find_in_lines
from .searches import PromptSearch, SingleSearch
from .transcript import View

if TYPE_CHECKING:
    from .console import Console

PROMPT_STANDS = 1.0
"""Seconds that a shell's prompt has to stand there, if nobody was logged in by us."""
RESYNC_TIMEOUT = 3.0
"""Seconds that the shell gets to answer what it is asked."""

LOGIN_PROMPT = r"(?<![Ll]ast )login:\s*$"
PASSWORD_PROMPT = r"[Pp]assword:\s*$"  # noqa: S105 - a prompt, no password
REFUSAL = r"[Ll]ogin incorrect|[Aa]uthentication failure|[Pp]ermission denied"


class _FirstOf:
    """The first of several prompts: on the open line, or on one that the kernel ended by printing behind the prompt."""

    def __init__(self, prompts: dict[str, Pattern], position: int) -> None:
        self.position = position
        self._prompts = prompts
        self._torn = {name: _with_kernel_line(pattern) for name, pattern in prompts.items()}

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks for prompts with a kernel line behind them."""
        found = {name: find_in_lines(view, self.position, pattern) for name, pattern in self._torn.items()}
        self.position = max(self.position, view.open_start)
        last = max(((one.start, name, one) for name, one in found.items() if one), default=None)
        return [replace(last[2], pattern=self._prompts[last[1]])] if last else None

    def in_open_line(self, view: View) -> list[Found] | None:
        """Looks for each prompt."""
        for pattern in self._prompts.values():
            if found := PromptSearch(pattern, self.position).in_open_line(view):
                return found
        return None

    def __str__(self) -> str:
        return f"neither {' nor '.join(f'{name} {pattern}' for name, pattern in self._prompts.items())}"


def _with_kernel_line(prompt: Pattern) -> Pattern:
    text = prompt.text.removesuffix("$").removesuffix(r"\s*").removesuffix(" ?")
    return Pattern(rf"(?:{text})\s*\[ *\d+\.\d{{3,6}}\]", Match.REGEX)


class Login:
    """One login: the prompts that may come, and what is answered.

    Args:
        console: where.
        login_prompt: regular expression for the prompt that asks who.
        password_prompt: regular expression for the prompt that asks for the password.
        prompt: regular expression for the shell's prompt.
    """

    def __init__(self, console: Console, login_prompt: str, password_prompt: str, prompt: str) -> None:
        self._console = console
        self._ask = {
            "login prompt": Pattern(login_prompt, Match.REGEX),
            "password prompt": Pattern(password_prompt, Match.REGEX),
            "shell prompt": Pattern(prompt, Match.REGEX),
        }
        self._prompt_at = 0

    def log_in(self, username: str, password: str | None, timeout: Timeout | Deadline | None) -> None:
        """Logs in; see `Console.login`."""
        console = self._console
        deadline, redact = console.deadline(timeout), console.device.connection.redact
        where = f"console '{console.name}' of '{console.device.name}'"
        try:
            asked, begin = self._first_prompt(deadline), console.mark().text
            if asked == "login prompt":
                console.write_line(username, expect_echo=False, timeout=deadline)
                asked = self._next_prompt(deadline)
            if asked == "password prompt":
                if password is None:
                    raise ConsoleError(f"Login on {where} as '{username}': the device asks for a password, and none was given.")
                console.write_line(password, expect_echo=False, timeout=deadline)
                asked = self._next_prompt(deadline)
        except ConsoleTimeoutError as error:
            reason = f"no prompt within {in_words(deadline.total)}; the open line is '{redact(console.open_line)}'"
            raise ConsoleTimeoutError(f"Login on {where} as '{username}' failed: {reason}. {error}") from None
        if asked != "shell prompt":
            console.look_again_from(self._prompt_at)  # the prompt that came then is for whoever tries anew
            raise ConsoleError(f"Login on {where} as '{username}' was refused: the device says '{redact(self._reason(begin))}'.")

    def _first_prompt(self, deadline: Deadline) -> str:
        """Waits for the first prompt. A kernel line may have pushed the login prompt up: then a line end brings it again."""
        console = self._console
        # The prompt may stand there already, matched by an earlier wait; but not one of before the device was switched on.
        position = min(console.place("last match").text, console.transcript.view(1 << 62).open_start)
        position = max(position, console.place("power on").text)
        login_prompt = self._ask["login prompt"].text.removesuffix("$").removesuffix(r"\s*")
        loose, start = Pattern(login_prompt, Match.REGEX), console.mark()
        on_before = self._stood_before_power_on()
        while True:
            found = console.look_for(_FirstOf(self._ask, position), min(PROMPT_STANDS if on_before else 2.0, deadline.remaining))
            if found and self._name_of(found[-1].label) == "shell prompt" and not self._is_shell(found[-1].end, deadline):
                position, found = max(position, found[-1].end), None
            if found or deadline.expired:
                break
            if on_before and console.transcript.bytes_received == console.place("power on").raw:
                console.write_line("", expect_echo=False, timeout=max(deadline.remaining, 0.1))
                on_before = False
                continue
            if console.poll(SingleSearch(loose, position)) and time.monotonic() - console.transcript.last_byte > 1.0:
                position = max(position, start.text)
                console.write_line("", expect_echo=False, timeout=max(deadline.remaining, 0.1))
        if not found:
            raise console.in_vain(str(_FirstOf(self._ask, position)), deadline)
        return self._name_of(found[-1].label)

    def _stood_before_power_on(self) -> bool:
        """Whether a prompt stands there from before the device was switched on, and it was not off in between, as far as is
        known: then it may have been on already, and a line end brings the prompt again."""
        console = self._console
        view, power_on = console.transcript.view(1 << 62), console.marks.get("power on")
        if power_on is None or view.last_byte > power_on.time or not _FirstOf(self._ask, 0).in_open_line(view):
            return False
        switched = console.device.journal.events(PowerSwitched)
        return not any(event.state == "off" and event.monotonic > view.last_byte for event in switched)

    def _is_shell(self, end: int, deadline: Deadline) -> bool:
        """Asks what looks like a shell's prompt, once it has stood there for a while: progress bars and boot loaders end in the
        same characters."""
        console, mark = self._console, secrets.token_hex(4)
        while (quiet := time.monotonic() - console.transcript.last_byte) < PROMPT_STANDS:
            if console.mark().text > end + 1 or deadline.expired:
                return False  # it went on
            time.sleep(min(0.1, PROMPT_STANDS - quiet, deadline.remaining))
            console.check()
        console.write_line(f'echo "JL""R${{PPID}}x{mark}"', expect_echo=False, timeout=deadline)
        # A variable that every POSIX shell has, and no boot loader.
        answer = SingleSearch(Pattern(rf"JLR\d+x{mark}", Match.REGEX), end)
        if console.look_for(answer, min(RESYNC_TIMEOUT, deadline.remaining)) is None:
            return False
        return console.look_for(PromptSearch(self._ask["shell prompt"], end), min(RESYNC_TIMEOUT, deadline.remaining)) is not None

    def _reason(self, begin: int) -> str:
        """What the device said about a login that failed."""
        lines = [line for line in self._console.transcript.text(begin).split("\n") if line.strip()]
        return next((line for line in reversed(lines) if re.search(REFUSAL, line)), self._console.last_line)

    def _next_prompt(self, deadline: Deadline) -> str:
        position = self._console.place("last match").text
        found = self._console.wait_for(_FirstOf(self._ask, position), timeout=deadline)
        self._prompt_at = found[-1].start
        return self._name_of(found[-1].label)

    def _name_of(self, text: str) -> str:
        return next(name for name, pattern in self._ask.items() if pattern.text == text)
