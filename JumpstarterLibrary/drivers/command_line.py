"""A small command line, for the simulated board's boot loader and its shell: reading, quoting, sequences, exit statuses."""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from enum import Enum

from .terminal import Key, Terminal

NOT_FOUND = 127
INTERRUPTED = 130
_UNSUPPORTED = "|<>()`"
_VARIABLE = re.compile(r"\$(?:\{(\w+)\}|(\w+)|([?$]))")


class Outcome(Enum):
    """Why a command line ended."""

    BOOT = "boot"
    REBOOT = "reboot"
    POWER_OFF = "power off"
    LOG_OUT = "log out"


class LeaveError(Exception):
    """Raised by a command that ends its command line."""

    def __init__(self, outcome: Outcome) -> None:
        super().__init__(outcome.value)
        self.outcome = outcome


class CommandSyntaxError(Exception):
    """A line that cannot be read; the text says why."""


@dataclass
class Word:
    """One word as it was typed: texts, and names of variables that are looked up when the command runs."""

    pieces: list[tuple[str, bool]] = field(default_factory=list)
    quoted: bool = False

    def text(self, value: Callable[[str], str]) -> str:
        """Returns the word with the values of its variables."""
        return "".join(value(piece) if is_variable else piece for piece, is_variable in self.pieces)


@dataclass
class Command:
    """One command of a line."""

    joined: str
    """What stands before it: `;`, `&`, `&&` or `||`."""
    words: list[Word] = field(default_factory=list)
    background: bool = False
    problem: str = ""
    """Why it cannot be run, if it cannot; the others of its line can."""


class _Reader:
    """Reads one line."""

    def __init__(self, line: str) -> None:
        self._line = line
        self._at = 0
        self._word: Word | None = None
        self.commands = [Command(";")]

    def read(self) -> list[Command]:
        while self._at < len(self._line):
            character = self._line[self._at]
            if character in " \t":
                self._end_word()
                self._at += 1
            elif character in ";&|":
                self._separate()
            elif character == "#" and self._word is None:
                break
            elif character in _UNSUPPORTED:
                self._refuse(character)
                self._at += 1
            else:
                self._read_piece(character)
        self._end_word()
        return [command for command in self.commands if command.words or command.problem]

    def _refuse(self, character: str) -> None:
        self._end_word()
        self.commands[-1].problem = f'syntax error: "{character}" is not supported here'

    def _end_word(self) -> None:
        if self._word is not None:
            self.commands[-1].words.append(self._word)
            self._word = None

    def _separate(self) -> None:
        self._end_word()
        separator = self._line[self._at]
        if self._line[self._at : self._at + 2] in ("&&", "||"):
            separator *= 2
        if separator == "|":
            self._refuse(separator)
            self._at += 1
            return
        if not self.commands[-1].words:
            raise CommandSyntaxError(f'syntax error: unexpected "{separator}"')
        self.commands[-1].background = separator == "&"
        self.commands.append(Command(separator))
        self._at += len(separator)

    def _read_piece(self, character: str) -> None:
        self._word = self._word or Word()
        if character == "'":
            self._word.quoted = True
            self._word.pieces.append((self._upto("'"), False))
        elif character == '"':
            self._word.quoted = True
            self._expand(self._upto('"', escapes=True))
        elif character == "\\":
            self._word.quoted = True
            self._word.pieces.append((self._line[self._at + 1 : self._at + 2], False))
            self._at += 2
        elif variable := _VARIABLE.match(self._line, self._at):
            self._word.pieces.append((variable[1] or variable[2] or variable[3], True))
            self._at = variable.end()
        else:
            self._word.pieces.append((character, False))
            self._at += 1

    def _upto(self, quote: str, *, escapes: bool = False) -> str:
        begin = end = self._at + 1
        while end < len(self._line) and self._line[end] != quote:
            end += 2 if escapes and self._line[end] == "\\" else 1
        if end >= len(self._line):
            raise CommandSyntaxError("syntax error: unterminated quoted string")
        self._at = end + 1
        return self._line[begin:end]

    def _expand(self, text: str) -> None:
        assert self._word is not None
        at = 0
        while at < len(text):
            if text[at] == "\\" and text[at + 1 : at + 2] in ("\\", '"', "$", "`"):
                self._word.pieces.append((text[at + 1], False))
                at += 2
            elif variable := _VARIABLE.match(text, at):
                self._word.pieces.append((variable[1] or variable[2] or variable[3], True))
                at = variable.end()
            else:
                self._word.pieces.append((text[at], False))
                at += 1


def parse(line: str) -> list[Command]:
    """Reads a line.

    Raises:
        CommandSyntaxError: it cannot be read.
    """
    return _Reader(line).read()


class CommandLine:
    """Reads lines and runs them; the commands are the subclass's.

    Args:
        terminal: where it reads and prints.
        prompt: what it prints before each line.
    """

    name = "sh"

    def __init__(self, terminal: Terminal, prompt: str) -> None:
        self.terminal = terminal
        self.prompt = prompt
        self.status = 0
        """Exit status of the last command."""
        self._background: set[asyncio.Task[int]] = set()

    async def run(self, words: list[str]) -> int:
        """Runs one command and returns its exit status.

        Raises:
            LeaveError: the command ends this command line.
        """
        raise NotImplementedError

    def value(self, name: str) -> str:
        """Returns the value of a variable."""
        raise NotImplementedError

    def busy(self, *, working: bool) -> None:
        """Is told when a line begins to run, and when it has ended."""

    async def converse(self) -> Outcome:
        """Reads and runs lines until one of them ends this command line."""
        try:
            while True:
                self.terminal.write(self.prompt)
                line = await self.terminal.read_line()
                if line is Key.INTERRUPT:
                    self.status = INTERRUPTED
                elif line is Key.END:
                    self.at_end()
                elif isinstance(line, str) and line.strip():
                    await self._in_foreground(line)
        except LeaveError as leave:
            return leave.outcome
        finally:
            for task in self._background:
                task.cancel()

    def at_end(self) -> None:
        """Is told of Ctrl-D."""

    async def execute(self, line: str) -> None:
        """Runs one line."""
        try:
            commands = parse(line)
        except CommandSyntaxError as error:
            self.terminal.write(f"{self.name}: {error}\n")
            self.status = 2
            return
        for command in commands:
            if (command.joined == "&&" and self.status) or (command.joined == "||" and not self.status):
                continue
            if command.problem:
                self.terminal.write(f"{self.name}: {command.problem}\n")
                self.status = 2
                continue
            words = [text for word in command.words if (text := word.text(self._value)) or word.quoted]
            if not words:
                continue
            if command.background:
                self._start(self.run(words))
                self.status = 0
            else:
                self.status = await self.run(words)

    def _value(self, name: str) -> str:
        return str(self.status) if name == "?" else self.value(name)

    async def _in_foreground(self, line: str) -> None:
        """Runs a line as a task of its own, which Ctrl-C cancels."""
        self.busy(working=True)
        task = asyncio.ensure_future(self.execute(line))
        self.terminal.on_interrupt = task.cancel  # type: ignore[assignment]  # what it returns does not matter
        try:
            await asyncio.wait({task})
        finally:
            self.terminal.on_interrupt = None
            if not task.done():
                task.cancel()
                await asyncio.wait({task})
            self.busy(working=False)
        if task.cancelled():
            self.status = INTERRUPTED
        else:
            task.result()

    def _start(self, work: Coroutine[None, None, int]) -> None:
        task = asyncio.ensure_future(work)
        self._background.add(task)
        task.add_done_callback(self._ended)

    def _ended(self, task: asyncio.Task[int]) -> None:
        self._background.discard(task)
        if not task.cancelled():
            task.exception()  # a command line cannot be left from the background
