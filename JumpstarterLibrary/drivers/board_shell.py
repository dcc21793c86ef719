"""The shell of the simulated board."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

import anyio
from anyio.lowlevel import checkpoint

from .board_kernel import RELEASE
from .command_line import NOT_FOUND, CommandLine, LeaveError, Outcome
from .terminal import Key, Terminal

if TYPE_CHECKING:
    from .board_kernel import Kernel

HOSTNAME = "simboard"
PORTION = 500
"""Lines that a command prints before it looks whether anybody is behind."""
_ASSIGNMENT = re.compile(r"([A-Za-z_]\w*)=(.*)", re.DOTALL)
_ESCAPES = {"n": "\n", "t": "\t", "r": "\r", "\\": "\\", "a": "\a", "e": "\x1b", "0": "\0"}


@dataclass(frozen=True)
class Surroundings:
    """What a shell knows of the board around it."""

    kernel: Kernel
    user: str
    version: str
    """Of the system image."""
    temperature: int
    """Thousandths of a degree."""
    busy: Callable[[bool], None]
    """Is told when a command begins to run, and when it has ended."""
    room: Callable[[], Awaitable[None]]
    """Waits until whoever reads the console has kept up."""
    card_lost: Callable[[], bool]
    """Tells whether the card with the system is gone."""


class Shell(CommandLine):
    """A small shell with some commands, all of which are built in.

    Args:
        terminal: the console.
        board: what is around it.
        prompt: what it prints before each line.
    """

    def __init__(self, terminal: Terminal, board: Surroundings, prompt: str) -> None:
        super().__init__(terminal, prompt)
        self.board = board
        self.variables = {"HOME": "/root", "USER": board.user, "PATH": "/bin", "SHELL": "/bin/sh", "TERM": "vt100", "PPID": "1"}
        terminal.interrupt_text = "^C"

    def busy(self, *, working: bool) -> None:
        """Draws more current while a command runs."""
        self.board.busy(working)

    def at_end(self) -> None:
        """Logs out."""
        self.terminal.write("\n")
        raise LeaveError(Outcome.LOG_OUT)

    def value(self, name: str) -> str:
        """Returns a variable, or nothing."""
        return "1" if name == "$" else self.variables.get(name, "")

    async def run(self, words: list[str]) -> int:
        """Runs a command, or sets variables."""
        while words and (assignment := _ASSIGNMENT.fullmatch(words[0])):
            self.variables[assignment[1]] = assignment[2]
            words = words[1:]
        if not words:
            return 0
        command = COMMANDS.get(words[0])
        if command is None:
            self.print(f"sh: {words[0]}: not found")
            return NOT_FOUND
        return await command(self, words[1:])

    def print(self, text: str, end: str = "\n") -> None:
        """Prints text."""
        self.terminal.write(text + end)

    async def print_lines(self, lines: Iterable[str]) -> None:
        """Prints many lines, no faster than they are read."""
        portion: list[str] = []
        for line in lines:
            portion.append(line)
            if len(portion) == PORTION:
                self.print("\n".join(portion))
                portion.clear()
                await self.board.room()
                await checkpoint()
        if portion:
            self.print("\n".join(portion))

    def file(self, path: str) -> str | None:
        """Returns what is in a file, or None if there is none."""
        version = self.board.version
        uptime = self.board.kernel.uptime
        files = {
            "/etc/os-release": f'NAME="SimBoard Linux"\nID=simboard\nVERSION_ID={version}\nPRETTY_NAME="SimBoard {version}"\n',
            "/etc/hostname": f"{HOSTNAME}\n",
            "/proc/version": f"Linux version {RELEASE} (simulated) #1 SMP\n",
            "/proc/uptime": f"{uptime:.2f} {uptime * 3.6:.2f}\n",
            "/sys/class/thermal/thermal_zone0/temp": f"{self.board.temperature}\n",
            "/dev/null": "",
        }
        return files.get(path)


async def _echo(shell: Shell, arguments: list[str]) -> int:
    end, escapes = "\n", False
    while arguments and re.fullmatch("-[neE]+", arguments[0]):
        end = "" if "n" in arguments[0] else end
        escapes = "e" in arguments[0] or escapes
        arguments = arguments[1:]
    text = " ".join(arguments)
    shell.print(_unescape(text) if escapes else text, end)
    return 0


async def _printf(shell: Shell, arguments: list[str]) -> int:
    if not arguments:
        shell.print("printf: usage: printf FORMAT [ARGUMENT...]")
        return 2
    form, values = _unescape(arguments[0]), arguments[1:]
    while True:
        taken = 0

        def fill(match: re.Match[str]) -> str:
            nonlocal taken
            if match[0] == "%%":
                return "%"
            taken += 1
            value = values[taken - 1] if taken <= len(values) else ""  # noqa: B023 - used in this round only
            return value or ("0" if match[0] == "%d" else "")

        shell.print(re.sub("%[%sd]", fill, form), "")
        values = values[taken:]
        if not values or not taken:
            return 0


async def _cat(shell: Shell, arguments: list[str]) -> int:
    status = 0
    for path in arguments:
        content = shell.file(path)
        if content is not None and path.startswith("/etc/") and shell.board.card_lost():
            shell.print(f"cat: {path}: Input/output error")
            status = 1
        elif content is None:
            shell.print(f"cat: can't open '{path}': No such file or directory")
            status = 1
        else:
            shell.print(content, "")
    while not arguments:
        line = await shell.terminal.read_line()
        if isinstance(line, Key):
            break
        shell.print(line)
    return status


async def _uname(shell: Shell, arguments: list[str]) -> int:
    parts = {"s": "Linux", "n": HOSTNAME, "r": RELEASE, "v": "#1 SMP (simulated)", "m": "aarch64"}
    asked = "".join(arguments).replace("-", "") or "s"
    if unknown := set(asked) - {*parts, "a"}:
        shell.print(f"uname: invalid option -- '{min(unknown)}'")
        return 1
    shell.print(" ".join(text for option, text in parts.items() if option in asked or "a" in asked))
    return 0


async def _sleep(shell: Shell, arguments: list[str]) -> int:
    try:
        seconds = sum(float(argument) for argument in arguments)
    except ValueError:
        shell.print(f"sleep: invalid number '{arguments[0]}'")
        return 1
    await anyio.sleep(max(seconds, 0.0))
    return 0


async def _seq(shell: Shell, arguments: list[str]) -> int:
    try:
        numbers = [int(argument) for argument in arguments]
        first, last = (1, *numbers)[-2:]
    except ValueError:
        shell.print("seq: usage: seq [FIRST] LAST")
        return 1
    await shell.print_lines(map(str, range(first, last + 1)))
    return 0


async def _dmesg(shell: Shell, arguments: list[str]) -> int:
    await shell.print_lines(list(shell.board.kernel.lines))
    return 0


async def _uptime(shell: Shell, arguments: list[str]) -> int:
    minutes, seconds = divmod(int(shell.board.kernel.uptime), 60)
    shell.print(f" 00:{minutes % 60:02d}:{seconds:02d} up {minutes} min,  load average: 0.00, 0.00, 0.00")
    return 0


async def _export(shell: Shell, arguments: list[str]) -> int:
    for argument in arguments:
        if assignment := _ASSIGNMENT.fullmatch(argument):
            shell.variables[assignment[1]] = assignment[2]
    if not arguments:
        await shell.print_lines(f"export {name}='{value}'" for name, value in sorted(shell.variables.items()))
    return 0


async def _stty(shell: Shell, arguments: list[str]) -> int:
    if arguments and arguments[-1] in ("echo", "-echo"):
        shell.terminal.echo = arguments[-1] == "echo"
    return 0


async def _reboot(shell: Shell, arguments: list[str]) -> int:
    shell.print("The system is going down for reboot")
    raise LeaveError(Outcome.REBOOT)


async def _poweroff(shell: Shell, arguments: list[str]) -> int:
    shell.print("The system is going down for power off")
    raise LeaveError(Outcome.POWER_OFF)


async def _exit(shell: Shell, arguments: list[str]) -> int:
    raise LeaveError(Outcome.LOG_OUT)


async def _eval(shell: Shell, arguments: list[str]) -> int:
    await shell.execute(" ".join(arguments))
    return shell.status


def _says(text: Callable[[Shell], str]) -> Callable[[Shell, list[str]], Awaitable[int]]:
    async def command(shell: Shell, arguments: list[str]) -> int:
        shell.print(text(shell))
        return 0

    return command


def _returns(status: int) -> Callable[[Shell, list[str]], Awaitable[int]]:
    async def command(shell: Shell, arguments: list[str]) -> int:
        return status

    return command


COMMANDS: dict[str, Callable[[Shell, list[str]], Awaitable[int]]] = {
    ":": _returns(0),
    "cat": _cat,
    "dmesg": _dmesg,
    "echo": _echo,
    "eval": _eval,
    "exit": _exit,
    "export": _export,
    "false": _returns(1),
    "hostname": _says(lambda _: HOSTNAME),
    "logout": _exit,
    "poweroff": _poweroff,
    "printf": _printf,
    "pwd": _says(lambda _: "/root"),
    "reboot": _reboot,
    "seq": _seq,
    "sleep": _sleep,
    "stty": _stty,
    "sync": _returns(0),
    "true": _returns(0),
    "uname": _uname,
    "uptime": _uptime,
    "whoami": _says(lambda shell: shell.board.user),
}


def _unescape(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES.get(match[1], match[0]), text, flags=re.DOTALL)
