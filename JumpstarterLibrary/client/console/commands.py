"""Logging in, and running shell commands with their exit status, over a console."""

from __future__ import annotations

import math
import re
import secrets
import time
from typing import TYPE_CHECKING

from ...errors import ConsoleError, ConsoleTimeoutError, UsageError
from ...wire.deadline import Deadline, Timeout, in_words
from .patterns import Match, Pattern
from .result import CommandResult
from .search import Found, find_in_lines
from .searches import PromptSearch, SingleSearch
from .transcript import Mark, View

if TYPE_CHECKING:
    from .console import Console

KERNEL_LINE = re.compile(r"^\[ *(\d+\.\d{3,6})\](?:\[[ \w]+\])? ")
"""A line that the kernel prints in between: its time stamp in brackets."""
RECENT_LINES = 2_000
"""How far back the kernel's newest line is looked for."""
RESYNC_TIMEOUT = 3.0
"""Seconds that the shell gets to answer again after a command that timed out."""
INTERRUPT = b"\x03"

_FRAME = re.compile(r"""echo "JL""B[0-9a-f]{8}"; eval '(.*)'; echo "JL""E[0-9a-f]{8}:\$\?"$""", re.MULTILINE)
_BEGIN = re.compile(r"^JLB[0-9a-f]{8}(?:\n|$)", re.MULTILINE)
_END = re.compile(r"JLE[0-9a-f]{8}:(\d+)$", re.MULTILINE)

LOGIN_PROMPT = r"login:\s*$"
PASSWORD_PROMPT = r"[Pp]assword:\s*$"  # noqa: S105 - a prompt, no password
REFUSAL = r"[Ll]ogin incorrect|[Aa]uthentication failure|[Pp]ermission denied"


class Shell:
    """Runs commands on one console. Each is framed by random marks, so neither its echo nor the kernel's lines get into its
    output, and the exit status is the command's own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lost = False

    def execute(self, command: str, *, timeout: Timeout | Deadline | None = None) -> CommandResult:
        """Runs a command and waits for its end.

        Args:
            command: one line for a POSIX shell.
            timeout: the device's unless given.

        Raises:
            UsageError: it is empty or has several lines.
            ConsoleTimeoutError: it did not end in time; the next command interrupts it first.
        """
        command = command.strip()
        if not command or "\n" in command:
            raise UsageError("A console command is one line that is not empty; run several one after the other.")
        deadline = self._console.deadline(timeout)
        if self._lost:
            self._resynchronise(deadline)
        mark = secrets.token_hex(4)
        # The marks are quoted in pieces, so that the echo of this line does not hold them in one.
        framed = f'echo "JL""B{mark}"; {_closed(command)}; echo "JL""E{mark}:$?"'
        began, before = time.monotonic(), self._console.mark()
        try:
            self._console.write_line(framed, expect_echo=False, timeout=deadline)
            with self._console.watchers.repeated():
                return self._collect(command, mark, before, deadline, began)
        except BaseException:  # also Robot's timeout and Ctrl-C: the command may still be running
            self._lost = True
            raise

    def _collect(self, command: str, mark: str, before: Mark, deadline: Deadline, began: float) -> CommandResult:
        console = self._console
        redact = console.device.connection.redact
        who = f"'{redact(command)}' on console '{console.name}' of '{console.device.name}'"
        try:
            begin = console.wait_for_line(f"JLB{mark}", since=before, timeout=deadline)
        except ConsoleTimeoutError as error:
            reason = f"no shell answered within {in_words(deadline.total)}; the open line is '{redact(console.open_line)}'"
            raise ConsoleTimeoutError(f"{who} did not start: {reason}. Is somebody logged in? {error}") from None
        try:
            end = console.wait_for_line(rf"JLE{mark}:(\d+)", match=Match.REGEX, timeout=deadline)
        except ConsoleTimeoutError as error:
            raise ConsoleTimeoutError(f"{who} did not end within {in_words(deadline.total)}. {error}") from None
        lines = console.transcript.between(begin.end, end.start).removeprefix("\n").split("\n")
        newest = newest_stamp(console.transcript.lines_with_times(RECENT_LINES), began)
        late = [(stamp := kernel_stamp(line)) is not None and stamp > newest for line in lines]
        noise = [line for line, is_late in zip(lines, late, strict=True) if is_late]
        kept = "\n".join(line for line, is_late in zip(lines, late, strict=True) if not is_late).removesuffix("\n")
        return CommandResult(command, kept, int(end.groups[0] or 0), time.monotonic() - began, "\n".join(noise))

    def _resynchronise(self, deadline: Deadline) -> None:
        """Interrupts what may still run, and waits until the shell answers again."""
        console, mark = self._console, secrets.token_hex(4)
        before = console.mark()
        console.write(INTERRUPT, timeout=deadline)
        deadline.sleep(0.1)
        console.write_line(f'echo "JL""R{mark}"', expect_echo=False, timeout=deadline)
        try:
            console.wait_for_line(f"JLR{mark}$", match=Match.REGEX, since=before, timeout=min(RESYNC_TIMEOUT, deadline.remaining))
        except ConsoleTimeoutError as error:
            raise ConsoleTimeoutError(f"The shell does not answer since an earlier command timed out. {error}") from None
        self._lost = False


def without_frames(text: str) -> str:
    """Shows commands as they were given, for people: their marks say nothing beside the exit status."""
    text = _FRAME.sub(lambda match: match[1].replace("'\\''", "'"), text)
    return _END.sub(r"[exit status \1]", _BEGIN.sub("", text))


def _closed(command: str) -> str:
    """Sees to it that what stands behind a command is not swallowed or spoiled by its end, such as a comment, an `&` or a `;`."""
    return "eval '" + command.replace("'", "'\\''") + "'"


def kernel_stamp(line: str) -> float | None:
    """Returns the time stamp of a line that the kernel printed."""
    match = KERNEL_LINE.match(line)
    return float(match[1]) if match else None


def newest_stamp(lines: list[tuple[float, str]], before: float) -> float:
    """Returns the kernel's newest time stamp before a moment. What `dmesg` prints is no newer, and so is no noise. Where the
    kernel has said nothing yet, nothing can be told apart, and nothing is noise."""
    stamps = [stamp for when, line in lines if when < before and (stamp := kernel_stamp(line)) is not None]
    return max(stamps, default=math.inf)


class _FirstOf:
    """The first of several prompts on the open line, or of a refusal on a finished line."""

    def __init__(self, prompts: dict[str, Pattern], refusal: Pattern | None, position: int) -> None:
        self.position = position
        self._prompts = prompts
        self._refusal = refusal

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks for the refusal."""
        found = find_in_lines(view, self.position, self._refusal) if self._refusal else None
        self.position = max(self.position, view.open_start)
        return [found] if found else None

    def in_open_line(self, view: View) -> list[Found] | None:
        """Looks for each prompt."""
        for pattern in self._prompts.values():
            if found := PromptSearch(pattern, self.position).in_open_line(view):
                return found
        return None

    def __str__(self) -> str:
        return f"neither {' nor '.join(f'{name} {pattern}' for name, pattern in self._prompts.items())}"


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
        self._refusal = Pattern(REFUSAL, Match.REGEX)

    def log_in(self, username: str, password: str | None, timeout: Timeout | Deadline | None) -> None:
        """Logs in; see `Console.login`."""
        console = self._console
        deadline, redact = console.deadline(timeout), console.device.connection.redact
        where = f"console '{console.name}' of '{console.device.name}'"
        try:
            asked = self._first_prompt(deadline)
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
            raise ConsoleError(f"Login on {where} as '{username}' was refused: the device says '{redact(console.last_line)}'.")

    def _first_prompt(self, deadline: Deadline) -> str:
        """Waits for the first prompt. A kernel line may have pushed the login prompt up: then a line end brings it again."""
        console = self._console
        # The prompt may stand there already, matched by an earlier wait; but not one of before the device was switched on.
        position = min(console.place("last match").text, console.transcript.view(1 << 62).open_start)
        position = max(position, console.place("power on").text)
        login_prompt = self._ask["login prompt"].text.removesuffix("$").removesuffix(r"\s*")
        loose, start = Pattern(login_prompt, Match.REGEX), console.mark()
        while True:
            found = console.look_for(_FirstOf(self._ask, None, position), min(2.0, deadline.remaining))
            if found or deadline.expired:
                break
            if console.poll(SingleSearch(loose, position)) and time.monotonic() - console.transcript.last_byte > 1.0:
                position = max(position, start.text)
                console.write_line("", expect_echo=False, timeout=max(deadline.remaining, 0.1))
        if not found:
            raise console.in_vain(str(_FirstOf(self._ask, None, position)), deadline)
        return self._name_of(found[-1].label)

    def _next_prompt(self, deadline: Deadline) -> str:
        position = self._console.place("last match").text
        found = self._console.wait_for(_FirstOf(self._ask, self._refusal, position), timeout=deadline)
        return self._name_of(found[-1].label)

    def _name_of(self, text: str) -> str:
        return next((name for name, pattern in self._ask.items() if pattern.text == text), "refusal")
