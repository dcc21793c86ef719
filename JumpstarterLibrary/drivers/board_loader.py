"""The boot loader of the simulated board; its command line is like U-Boot's."""

from __future__ import annotations

import anyio

from .board_kernel import pause
from .command_line import CommandLine, LeaveError, Outcome
from .terminal import Terminal

VERSION = "JLBoot 2026.11 (simulated)"
ENVIRONMENT = {
    "arch": "arm64",
    "baudrate": "115200",
    "board": "simboard",
    "bootcmd": "run mmcboot",
    "bootdelay": "2",
    "ethaddr": "02:00:00:00:00:01",
    "serial#": "SB-0001",
    "stderr": "serial",
    "stdin": "serial",
    "stdout": "serial",
}
SIZE = 16380
"""Bytes that the environment may have."""
_HARDWARE = """\
CPU:   SimCore, 4 cores at 1.2 GHz
Board: SimBoard rev. 1
DRAM:  512 MiB
MMC:   mmc0: 8 GB
In:    serial
Out:   serial
Err:   serial
Net:   eth0
"""
_HELP = {
    "boot": "boot the system",
    "echo": "print the arguments",
    "false": "do nothing, with status 1",
    "help": "print this list",
    "printenv": "print one variable or all",
    "reset": "reset the board",
    "saveenv": "keep the variables beyond a reset",
    "setenv": "set a variable, or delete it",
    "sleep": "wait for some seconds",
    "true": "do nothing, with status 0",
    "version": "print the boot loader's version",
}


class Loader(CommandLine):
    """The boot loader, from reset until it boots the system.

    Args:
        terminal: the console.
        saved: the variables that were saved; `saveenv` changes them.
    """

    def __init__(self, terminal: Terminal, saved: dict[str, str]) -> None:
        super().__init__(terminal, "=> ")
        self._saved = saved
        self._environment = ENVIRONMENT | saved

    async def start(self, seconds: float, autoboot: float, *, rescue: bool) -> bool:
        """Prints the banner and counts down; returns whether a key stopped it.

        Args:
            seconds: how long all of that takes.
            autoboot: how long the countdown takes of these.
            rescue: boots without a countdown.
        """
        self.terminal.expect_key()
        self.terminal.write(f"\n{VERSION}\n\n")
        await pause((seconds - autoboot) / 2)
        self.terminal.write(_HARDWARE)
        await pause((seconds - autoboot) / 2)
        if rescue:
            self.terminal.write("The rescue button is pressed\n")
            return False
        stopped = await self._count_down(autoboot)
        self.terminal.interrupt_text = "<INTERRUPT>"
        self.terminal.listen(echo=stopped)
        return stopped

    async def _count_down(self, seconds: float) -> bool:
        """Counts down as many steps as `bootdelay` says, whatever their length; a negative one never boots."""
        delay = self._environment.get("bootdelay", "0")
        steps = int(delay) if delay.removeprefix("-").isdigit() else 0
        if steps < 0:
            return True
        stopped = False
        self.terminal.write(f"Hit any key to stop autoboot: {steps:2d} ")
        for step in reversed(range(steps)):
            stopped = await self.terminal.any_key(seconds / steps)
            if stopped:
                break
            self.terminal.write(f"\b\b\b{step:2d} ")
        self.terminal.write("\n")
        return stopped

    def value(self, name: str) -> str:
        """Returns a variable, or nothing."""
        return self._environment.get(name, "")

    async def run(self, words: list[str]) -> int:
        """Runs a command."""
        name, arguments = words[0], words[1:]
        match name:
            case "boot":
                raise LeaveError(Outcome.BOOT)
            case "reset":
                self.terminal.write("resetting ...\n")
                raise LeaveError(Outcome.REBOOT)
            case "echo":
                self.terminal.write(" ".join(arguments) + "\n")
            case "version":
                self.terminal.write(f"{VERSION}\n")
            case "help":
                self.terminal.write("".join(f"{command:<10}- {text}\n" for command, text in _HELP.items()))
            case "printenv":
                return self._print_variables(arguments)
            case "setenv":
                return self._set_variable(arguments)
            case "saveenv":
                self._saved.clear()
                self._saved.update(self._environment)
                self.terminal.write("Saving the environment: OK\n")
            case "sleep":
                await anyio.sleep(_seconds(arguments))
            case "true" | "false":
                return int(name == "false")
            case _:
                self.terminal.write(f"Unknown command '{name}' - try 'help'\n")
                return 1
        return 0

    def _print_variables(self, names: list[str]) -> int:
        if not names:
            lines = [f"{name}={value}\n" for name, value in sorted(self._environment.items())]
            size = sum(len(line) for line in lines)
            self.terminal.write(f"{''.join(lines)}\nEnvironment size: {size}/{SIZE} bytes\n")
            return 0
        status = 0
        for name in names:
            if name in self._environment:
                self.terminal.write(f"{name}={self._environment[name]}\n")
            else:
                self.terminal.write(f'## Error: "{name}" not defined\n')
                status = 1
        return status

    def _set_variable(self, arguments: list[str]) -> int:
        if not arguments:
            self.terminal.write("Usage: setenv name [value ...]\n")
            return 1
        name, value = arguments[0], " ".join(arguments[1:])
        if "=" in name:
            self.terminal.write(f"## Error: illegal character '=' in variable name \"{name}\"\n")
            return 1
        if value:
            self._environment[name] = value
        else:
            self._environment.pop(name, None)
        return 0


def _seconds(arguments: list[str]) -> float:
    try:
        return float(arguments[0])
    except (IndexError, ValueError):
        return 0.0
