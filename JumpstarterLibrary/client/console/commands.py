"""Running shell commands with their exit status over a console."""

from __future__ import annotations

import re
import secrets
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ...errors import ConsoleError, ConsoleTimeoutError, UsageError
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from .framing import Frame, MarkSearch, in_quotes, without_frames
from .login import LOGIN_PROMPT, PROMPT_STANDS, RESYNC_TIMEOUT
from .patterns import Match, Pattern
from .result import CommandResult, ConsoleMatch
from .search import Found
from .searches import PromptSearch, SingleSearch
from .text import whole_lines
from .transcript import Mark, View

if TYPE_CHECKING:
    from .console import Console

KERNEL_LINE = re.compile(r"^\[ *(\d+\.\d{3,6})\](?:\[[ \w]+\])? ")
"""A line that the kernel prints in between: its time stamp in brackets."""
INTERRUPT = b"\x03"

JUST_NOW = 1.5
"""Seconds between a kernel line's time stamp and its arrival, by the kernel's own clock, in which it was said just now."""
FIRST_STAMPS = 1.0
"""Seconds after its start that a kernel's first lines tell."""
MOST_OUTPUTS = 100
RECENT_CHARACTERS = 200_000

_LOGIN = Pattern(LOGIN_PROMPT, Match.REGEX)


@dataclass(frozen=True)
class KernelClock:
    """What the kernel's own lines tell of its time."""

    ahead: float
    """Seconds by which its time stamps are ahead of this machine's clock."""
    newest: float
    """Its newest time stamp on the console."""

    def says_now(self, stamp: float, when: float) -> bool:
        """Whether a line with this time stamp, which arrived at this moment, was said just now: what `dmesg` prints is older, or
        has stood on the console before."""
        return stamp > self.newest and abs(stamp - when - self.ahead) < JUST_NOW


class Shell:
    """Runs commands on one console. Each is framed by random marks, so neither its echo nor the kernel's lines get into its
    output, and the exit status is the command's own."""

    def __init__(self, console: Console) -> None:
        self._console = console
        self._lost = False
        self._outputs: list[tuple[int, int]] = []  # where the outputs of the last commands are

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
        self._check_login(command)
        if self._lost:
            self._resynchronise(deadline)
        frame, began, before = Frame(), time.monotonic(), self._console.mark()
        clock = self._kernel_clock()
        self._hide_in_echo(command)
        try:
            self._console.write_line(frame.around(command), expect_echo=False, timeout=deadline)
            with self._console.watchers.repeated():
                return self._collect(command, frame, before, deadline, began, clock)
        except _ShellEndedError:
            raise
        except BaseException:  # also Robot's timeout and Ctrl-C: the command may still be running
            self._lost = True
            raise

    def _hide_in_echo(self, command: str) -> None:
        """Has secrets of a command masked also as the frame has them, with each quote written in another way."""
        redact = self._console.device.connection.redact
        for secret in redact.known():
            if "'" in secret and secret in command:
                redact.add(in_quotes(secret))

    def _collect(  # noqa: PLR0917 - called in one place
        self, command: str, frame: Frame, before: Mark, deadline: Deadline, began: float, clock: KernelClock | None
    ) -> CommandResult:
        console = self._console
        redact = console.device.connection.redact
        who = f"'{redact(command)}' on console '{console.name}' of '{console.device.name}'"
        try:
            begin = self._wait(frame.begin_search(before.text), deadline, who)
        except ConsoleTimeoutError as error:
            shown = without_frames(redact(console.open_line))
            reason = f"no shell answered within {in_words(deadline.total)}; the open line is '{shown}'"
            raise ConsoleTimeoutError(f"{who} did not start: {reason}. Is somebody logged in? {error}") from None
        try:
            end = self._wait(frame.end_search(begin.end), deadline, who)
        except ConsoleTimeoutError as error:
            raise ConsoleTimeoutError(f"{who} did not end within {in_words(deadline.total)}. {error}") from None
        first = begin.end + len(begin.after) + 1
        self._outputs = [*self._outputs[-MOST_OUTPUTS:], (first, end.start)]
        output, between = self._output(frame, before, (first, end.start), clock)
        output, torn_begin = frame.without_begin(output, begin.after)
        output, torn_end = frame.without_end(output, end.groups[0] or "0", end.after)
        noise = "\n".join([*torn_begin, *between, *torn_end])
        return CommandResult(command, output.removesuffix("\n"), int(end.groups[0] or 0), time.monotonic() - began, noise)

    def _wait(self, search: SingleSearch, deadline: Deadline, who: str) -> ConsoleMatch:
        """Waits for a mark; not any longer if the shell has ended, and the device asks for a login."""
        console, began, start = self._console, time.monotonic(), search.position
        wanted: SingleSearch | _OrLogin = _OrLogin(search)
        while found := console.look_for(wanted, deadline):
            if found[0].label == _LOGIN.text:
                console.look_again_from(start)
                found = self._provoke_login_prompt(search, deadline)
                wanted = search  # unless it is one, it is a part of the output
            if found and found[0].label == _LOGIN.text:
                raise _ShellEndedError(f"{who}: the shell has ended, and the device asks for a login: '{console.last_line}'.")
            if found:
                return found[0]
        raise console.in_vain(str(search), deadline, began=began, start=start)

    def _provoke_login_prompt(self, search: SingleSearch, deadline: Deadline) -> list[ConsoleMatch] | None:
        """Whether what looks like a login prompt is one: it stands for a while, and an empty line brings it again.

        Returns:
            The prompt that came again, or the mark; nothing if neither came.
        """
        console = self._console
        while (quiet := time.monotonic() - console.transcript.last_byte) < PROMPT_STANDS:
            if not console.pending(PromptSearch(_LOGIN, 0)) or deadline.expired:
                return None
            time.sleep(min(0.1, PROMPT_STANDS - quiet, deadline.remaining))
            console.check()
        before = console.mark().text
        console.write_line("", expect_echo=False, timeout=deadline)
        return console.look_for(_OrLogin(search, before), min(RESYNC_TIMEOUT, deadline.remaining))

    def _output(self, frame: Frame, before: Mark, place: tuple[int, int], clock: KernelClock | None) -> tuple[str, list[str]]:
        """Returns what a command printed, and the lines that the kernel printed meanwhile."""
        console, (first, last) = self._console, place
        if console.transcript.lost_before > first:  # so much that its begin has left memory
            return frame.output_in("".join(console.output(before))), []
        view = console.transcript.view(first)
        kept: list[str] = []
        noise: list[str] = []
        for start, line, when in view.lines_from(first):
            if start >= last:
                break
            stamp = kernel_stamp(line)
            # What `dmesg` prints is older than what the kernel says now, by the clock that its own lines tell.
            if stamp is not None and clock is not None and clock.says_now(stamp, when):
                noise.append(line)
            else:
                kept.append(f"{line}\n"[: max(0, last - start)])
        if first <= view.open_start < last:
            kept.append(view.open_line[: last - view.open_start])
        return whole_lines("".join(kept)), noise

    def _kernel_clock(self) -> KernelClock | None:
        """Reads the kernel's clock from what it has said by itself, not through commands; None if that is nothing."""
        transcript, power_on = self._console.transcript, self._console.place("power on").text
        clock: KernelClock | None = None
        for start, line, when in transcript.view(max(power_on, transcript.open_start - RECENT_CHARACTERS)).lines_from(power_on):
            stamp = kernel_stamp(line)
            if stamp is None or any(first <= start < last for first, last in self._outputs):
                continue
            if clock is None or (stamp < FIRST_STAMPS and stamp - when < clock.ahead - JUST_NOW):
                clock = KernelClock(stamp - when, stamp)  # also when the kernel began anew
            else:
                # Lines come late, never early, so the one that is ahead most tells the time best.
                clock = KernelClock(max(clock.ahead, stamp - when), max(clock.newest, stamp))
        return clock

    def _check_login(self, command: str) -> None:
        """Types nothing at a login prompt, where it would be taken for a name."""
        console = self._console
        view, redact = console.transcript.view(1 << 62), console.device.connection.redact
        if view.quiet >= seconds(console.options.settle) and PromptSearch(_LOGIN, 0).in_open_line(view):
            raise ConsoleError(
                f"'{redact(command)}' on console '{console.name}' of '{console.device.name}' was not run: nobody is logged in, "
                f"the device asks for a login: '{redact(view.open_line)}'. Use Login To Console."
            )

    def _resynchronise(self, deadline: Deadline) -> None:
        """Interrupts what may still run, and waits until the shell answers again."""
        console, mark = self._console, secrets.token_hex(4)
        before = console.mark()
        console.write(INTERRUPT, timeout=deadline)
        deadline.sleep(0.1)
        console.write_line(f'echo "JL""R{mark}"', expect_echo=False, timeout=deadline)
        answer = MarkSearch(Pattern(f"JLR{mark}$", Match.REGEX), before.text, "no answer")
        try:
            console.wait_for(answer, timeout=min(RESYNC_TIMEOUT, deadline.remaining))
        except ConsoleTimeoutError as error:
            raise ConsoleTimeoutError(f"The shell does not answer since an earlier command timed out. {error}") from None
        self._lost = False


def kernel_stamp(line: str) -> float | None:
    """Returns the time stamp of a line that the kernel printed."""
    match = KERNEL_LINE.match(line)
    return float(match[1]) if match else None


class _ShellEndedError(ConsoleError):
    """Nothing runs any more that would have to be interrupted."""


class _OrLogin:
    """A mark, or a login prompt on the open line: whichever comes first.

    Args:
        search: for the mark; it goes on where it stands.
        position: where the prompt has to come; behind the begin of the search unless given.
    """

    def __init__(self, search: SingleSearch, position: int | None = None) -> None:
        self._search = search
        self._login = PromptSearch(_LOGIN, search.position if position is None else position)

    @property
    def position(self) -> int:
        """Everything before it has been looked at."""
        return self._search.position

    @position.setter
    def position(self, position: int) -> None:
        self._search.position = position

    def in_lines(self, view: View) -> list[Found] | None:
        """Looks for the mark."""
        return self._search.in_lines(view)

    def in_open_line(self, view: View) -> list[Found] | None:
        """Looks for both."""
        return self._search.in_open_line(view) or self._login.in_open_line(view)

    def __str__(self) -> str:
        return str(self._search)
