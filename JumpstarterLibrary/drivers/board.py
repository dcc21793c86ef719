"""The simulated board: what `mock` serves."""

from __future__ import annotations

import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio

from ..exporter.composite import Composite
from ..exporter.driver import Driver, export
from .board_console import BoardConsole, BoardOptions
from .board_network import BoardNetwork
from .board_state import BOOT_TIME, LOADS, BoardState
from .board_storage import BoardStorage
from .board_video import BoardVideo
from .files import FileStore
from .power import Power, PowerReading

__all__ = ["BOOT_TIME", "LOADS", "BoardPower", "BoardState", "MockBoard"]

READING_INTERVAL = 0.05
"""Seconds between two readings."""


class BoardPower(Power):
    """The board's power supply.

    Args:
        state: the board that it supplies.
        interval: seconds between two readings.
        **driver: what every driver takes.
    """

    def __init__(self, *, state: BoardState, interval: float = READING_INTERVAL, **driver: Any) -> None:
        super().__init__(**driver)
        self._state = state
        self._interval = interval

    @export
    async def on(self) -> None:
        """Switches the board on."""
        self.logger.info("already on" if self._state.is_on else "power on")
        self._state.switch_on()

    @export
    async def off(self) -> None:
        """Switches the board off."""
        self.logger.info("power off" if self._state.is_on else "already off")
        self._state.switch_off()

    @export
    async def rescue(self) -> None:
        """Switches the board off, if it is on, and on again into its rescue system."""
        self.logger.info("power on into rescue")
        self._state.switch_off()
        self._state.switch_on("rescue")

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        """Yields a reading at once and then one at each interval, without end."""
        while True:
            yield self._state.measure()
            await anyio.sleep(self._interval)

    async def reset(self) -> None:
        """Switches the board off: a session begins with a board at rest."""
        self._state.switch_off()

    async def close(self) -> None:
        """Switches the board off."""
        self._state.switch_off()


class MockBoard(Composite):
    """A board without hardware, whose parts behave as one.

    Args:
        seed: what the noise of its readings begins with.
        clock: a monotonic clock in seconds, for its readings.
        boot_time: seconds from power on to the login prompt; 0 boots at once.
        autoboot: seconds of these in which a key stops the boot loader; a third unless given.
        user: who can log in.
        password: with which password.
        kernel_noise_every: seconds between two lines that the kernel prints by itself, on average; 0 prints none.
        **driver: what every driver takes; `children` join those of the board.
    """

    def __init__(
        self,
        *,
        seed: int = 1,
        clock: Callable[[], float] = time.monotonic,
        boot_time: float = BOOT_TIME,
        autoboot: float | None = None,
        user: str = "root",
        password: str = "sesame",
        kernel_noise_every: float = 0.0,
        **driver: Any,
    ) -> None:
        super().__init__(**{"description": "A simulated board", **driver})
        self.state = BoardState(seed=seed, clock=clock, boot_time=boot_time)
        options = BoardOptions(boot_time, autoboot, user, password, kernel_noise_every, seed)
        self.children = self._parts(options) | self.children

    def _parts(self, options: BoardOptions) -> dict[str, Driver]:
        return {
            "power": BoardPower(state=self.state, description="The board's power supply"),
            "console": BoardConsole(state=self.state, options=options, description="The board's serial console"),
            "storage": BoardStorage(card=self.state.card, description="The card that the board boots from"),
            "files": FileStore(description="Files beside the board"),
            "network": BoardNetwork(state=self.state, description="The board's network"),
            "video": BoardVideo(state=self.state, description="A camera at the board's screen"),
        }
