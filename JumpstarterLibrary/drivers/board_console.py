"""The serial console of the simulated board, and the life that is seen on it: boot loader, kernel, login, shell."""

from __future__ import annotations

import asyncio
import contextlib
import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import anyio

from ..exporter.driver import export
from .board_kernel import CARD_BACK, CARD_LOST, NOISE, PANIC, Kernel, pause
from .board_loader import Loader
from .board_shell import HOSTNAME, Shell, Surroundings
from .board_state import BOOT_TIME, BoardState
from .board_storage import Image
from .command_line import Outcome
from .console import SerialDriver
from .terminal import Key, Terminal
from .uart import Tasks, Uart


@dataclass(frozen=True)
class BoardOptions:
    """How the board behaves; `MockBoard` describes them."""

    boot_time: float = BOOT_TIME
    autoboot: float | None = None
    user: str = "root"
    password: str = "sesame"  # noqa: S105 - the simulated board's, no secret
    kernel_noise_every: float = 0.0
    seed: int = 1


class Life:
    """What the board does from power on to power off.

    Args:
        uart: where it speaks.
        state: the board.
        options: how it behaves.
        saved: the boot loader's saved variables.
        tasks: what runs in it.
    """

    def __init__(self, uart: Uart, state: BoardState, options: BoardOptions, saved: dict[str, str], tasks: Tasks) -> None:
        self._uart, self._state, self._options, self._saved, self._tasks = uart, state, options, saved, tasks
        self._rescue = state.rescue
        self._random = random.Random(options.seed)  # noqa: S311 - repeatable, no secret
        self._silent = False
        self.terminal = Terminal(self._speak)
        self.kernel: Kernel | None = None
        """The kernel, while one runs."""
        self.card_lost = False
        """Whether the system lost the card that it runs from."""

    def _speak(self, data: bytes) -> None:
        if not self._silent:
            self._uart.emit(data)

    def end(self) -> None:
        """Falls silent for good, in the middle of whatever it says."""
        self._silent = True
        self.terminal.listening = False
        self._tasks.cancel()

    def panic(self) -> None:
        """Prints the end of the kernel and hangs."""
        if self.kernel is not None:
            for line in PANIC:
                self.kernel.say(line)
        self.hang()

    def hang(self) -> None:
        """Says and hears nothing more, and spins."""
        self._draw("busy")
        self._answer(up=False)
        self.end()

    def card_changed(self, *, present: bool) -> None:
        """Has the kernel say that the card came or went. A system that ran from it needs a new boot then."""
        if self.kernel is None:
            return
        if present:
            self.kernel.say(CARD_BACK)
            return
        self.card_lost = not self._rescue
        for line in CARD_LOST if self.card_lost else CARD_LOST[:1]:
            self.kernel.say(line)

    def _answer(self, *, up: bool) -> None:
        if not self._silent:
            self._state.system_up = up

    def _draw(self, load: str) -> None:
        if not self._silent:  # the next life may have begun already
            self._state.enter(load)

    async def run(self) -> None:
        """Boots, again and again if it is told to, until it is told to power off."""
        outcome = Outcome.REBOOT
        while outcome is not Outcome.POWER_OFF:
            outcome = await self._boot_loader()
            if outcome is Outcome.BOOT:
                outcome = await self._system()
        self._draw("halted")

    async def _boot_loader(self) -> Outcome:
        options = self._options
        seconds = options.boot_time * 0.4
        autoboot = options.boot_time / 3 if options.autoboot is None else options.autoboot
        loader = Loader(self.terminal, self._saved)
        if not self._rescue:
            self._draw("loader")
        outcome = Outcome.BOOT
        if await loader.start(max(seconds, autoboot), autoboot, rescue=self._rescue):
            outcome = await loader.converse()
        while outcome is Outcome.BOOT and not self._load():
            self.terminal.listen()
            outcome = await loader.converse()
        return outcome

    def _load(self) -> bool:
        """Loads the image of the card; the rescue system is not on the card."""
        image = Image(version=self._state.version) if self._rescue else self._state.card.image()
        if image.problem:
            self.terminal.write(f"Loading the kernel: {image.problem}\n## Error: nothing to boot\n")
            return False
        self._state.version = image.version
        self.terminal.write("Loading the kernel: OK\n\nStarting kernel ...\n\n")
        return True

    async def _system(self) -> Outcome:
        """Runs the kernel and what it starts, up to a reboot or power off."""
        self.terminal.listening = False
        self._draw("boot")
        kernel = self.kernel = Kernel(self.terminal)
        self.card_lost = False
        noise = self._tasks.start(self._chatter(kernel)) if self._options.kernel_noise_every else None
        try:
            await kernel.boot(self._options.boot_time * 0.45)
            await kernel.start_services(self._options.boot_time * 0.15)
            self._rest()
            self._answer(up=True)
            outcome = await (self._rescue_shell(kernel) if self._rescue else self._log_in(kernel))
            self.terminal.listening = False
            kernel.say("reboot: Power down" if outcome is Outcome.POWER_OFF else "reboot: Restarting system")
            return outcome
        finally:
            self._answer(up=False)
            self.kernel = None
            if noise is not None:
                noise.cancel()

    async def _chatter(self, kernel: Kernel) -> None:
        while True:
            await pause(max(0.001, self._options.kernel_noise_every * self._random.uniform(0.5, 1.5)))
            kernel.say(self._random.choice(NOISE))

    def _rest(self) -> None:
        self._draw("rescue" if self._rescue else "idle")

    async def _rescue_shell(self, kernel: Kernel) -> Outcome:
        self.terminal.listen()
        self.terminal.write("\nRescue system\n\n")
        while (outcome := await self._shell(kernel, "rescue# ").converse()) is Outcome.LOG_OUT:
            self.terminal.write("There is nowhere to log out to\n")
        return outcome

    async def _log_in(self, kernel: Kernel) -> Outcome:
        """Asks for user and password, and runs a shell for each login."""
        terminal = self.terminal
        terminal.interrupt_text = "^C"
        terminal.listen()
        terminal.write(f"\nWelcome to SimBoard {self._state.version}\n\n")
        while True:
            terminal.write(f"{HOSTNAME} login: ")
            user = await terminal.read_line()
            if isinstance(user, Key) or not user.strip():
                continue
            terminal.echo = False
            terminal.write("Password: ")
            password = await terminal.read_line()
            terminal.echo = True
            if isinstance(password, Key):
                continue
            terminal.write("\n")
            if (user.strip(), password) != (self._options.user, self._options.password):
                terminal.write("Login incorrect\n")
                continue
            terminal.write("Last login: Thu Jan  1 00:00:07 1970 on ttyS0\n")
            prompt = f"{self._options.user}@{HOSTNAME}:~# "
            if (outcome := await self._shell(kernel, prompt).converse()) is not Outcome.LOG_OUT:
                return outcome
            terminal.listen()
            terminal.write(f"\nWelcome to SimBoard {self._state.version}\n\n")

    def _shell(self, kernel: Kernel, prompt: str) -> Shell:
        board = Surroundings(
            kernel=kernel,
            user=self._options.user,
            version=self._state.version,
            temperature=47_000 + self._random.randrange(1000),
            busy=lambda working: self._draw("busy") if working else self._rest(),
            room=self._uart.room,
            card_lost=lambda: self.card_lost,
        )
        return Shell(self.terminal, board, prompt)


class BoardConsole(SerialDriver):
    """The board's serial console. It goes on whether anybody is connected or not, as long as the board has power.

    Args:
        state: the board.
        options: how the board behaves.
        **driver: what every driver takes; also `backlog`.
    """

    def __init__(self, *, state: BoardState, options: BoardOptions | None = None, **driver: Any) -> None:
        super().__init__(**driver)
        self._state = state
        self._options = options or BoardOptions()
        self._saved: dict[str, str] = {}
        self._loop: asyncio.AbstractEventLoop | None = None
        self._life: Life | None = None
        self._after_break = False
        state.follow(self._power_changed)
        state.card.follow(self._card_changed)

    async def reset(self) -> None:
        """Begins to follow the board's power."""
        await super().reset()
        self._loop = asyncio.get_running_loop()
        if self._state.is_on and self._life is None:
            self._follow(is_on=True)

    async def close(self) -> None:
        """Ends streams, tasks, and the board's life."""
        self._end_life()
        self._loop = None
        await super().close()

    async def take(self, data: bytes) -> None:
        """Takes what clients type. The first character after a break is a request to the kernel (magic SysRq)."""
        if self._after_break and data:
            self._after_break = False
            self._request(data[:1])
            data = data[1:]
        if self._life is not None:
            self._life.terminal.feed(data)

    async def take_break(self) -> None:
        """A running kernel takes the next character as a request; nothing else that runs knows breaks."""
        self._after_break = self._life is not None and self._life.kernel is not None

    def _request(self, key: bytes) -> None:
        life = self._life
        if life is None or life.kernel is None:
            return
        if key == b"c":
            life.kernel.say("sysrq: Trigger a crash")
            life.panic()
        elif key == b"b":
            life.kernel.say("sysrq: Resetting")
            self._follow(is_on=True)
        else:
            life.kernel.say("sysrq: HELP : crash(c) reboot(b)")

    @export
    async def kernel(self, text: str, after: float = 0.0) -> None:
        """Has the kernel print a line, with its time stamp, whatever else is printed just then.

        Args:
            text: what it says.
            after: seconds to wait before, in the background.
        """
        kernel = self._running_kernel()
        self._soon(lambda: kernel.say(text), after)

    @export
    async def panic(self, after: float = 0.0) -> None:
        """Has the kernel panic. Nothing helps then but a power cycle."""
        self._running_kernel()
        self._soon(self._running().panic, after)

    @export
    async def hang(self, after: float = 0.0) -> None:
        """Has the board hang without a word. Nothing helps then but a power cycle."""
        self._soon(self._running().hang, after)

    def _running(self) -> Life:
        if self._life is None:
            raise ValueError("the board is off")
        return self._life

    def _running_kernel(self) -> Kernel:
        kernel = self._running().kernel
        if kernel is None:
            raise ValueError("no kernel runs: the board is in its boot loader, halted, or hangs")
        return kernel

    def _soon(self, act: Callable[[], None], after: float) -> None:
        """Does something of the board's life, now or later, unless that life ends before."""
        if after <= 0:
            act()
            return

        async def later() -> None:
            await anyio.sleep(after)
            act()

        self.tasks.start(later())

    def _power_changed(self) -> None:
        """Follows at once in the loop; from other threads, as soon as the loop can."""
        is_on, loop = self._state.is_on, self._loop
        if loop is None:
            return
        if _running_loop() is loop:
            self._follow(is_on=is_on)
        else:
            with contextlib.suppress(RuntimeError):  # the loop has ended, and all that ran in it
                loop.call_soon_threadsafe(lambda: self._follow(is_on=is_on))

    def _card_changed(self) -> None:
        """The card is moved by calls, so this is the loop."""
        if self._life is not None:
            self._life.card_changed(present=self._state.card.present)

    def _follow(self, *, is_on: bool) -> None:
        self._end_life()
        if is_on:
            self._life = Life(self.uart, self._state, self._options, self._saved, self.tasks)
            self.tasks.start(self._life.run())

    def _end_life(self) -> None:
        life, self._life = self._life, None
        if life is not None:
            life.end()


def _running_loop() -> asyncio.AbstractEventLoop | None:
    try:
        return asyncio.get_running_loop()
    except RuntimeError:
        return None
