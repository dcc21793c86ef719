"""The simulated board: what `mock` serves."""

from __future__ import annotations

import math
import random
import time
from collections.abc import AsyncGenerator, Callable
from typing import Any

import anyio

from ..exporter.composite import Composite
from ..exporter.driver import Driver, export
from .power import Power, PowerReading

SUPPLY = 5.05
"""Volts of the supply when the current is steady."""
SAG = 0.20
"""Volts that the supply sags at the moment of switching on."""
INRUSH = 2.4
"""Amperes at the moment of switching on, while capacitors are charged."""
INRUSH_TIME = 0.06
"""Seconds in which sag and inrush fall to about a third."""
BOOT_TIME = 2.0
"""Seconds that booting takes."""
VOLTAGE_NOISE = 0.01
CURRENT_NOISE = 0.008
LOADS = {"boot": 0.62, "idle": 0.31, "rescue": 0.44, "busy": 0.93}
"""Amperes that the board draws, by what runs on it."""
READING_INTERVAL = 0.05
"""Seconds between two readings."""


class BoardState:
    """What the parts of the board share: whether it is on, since when, and what runs.

    The same seed, clock and order of calls give the same readings.

    Args:
        seed: what the noise begins with.
        clock: a monotonic clock in seconds.
    """

    def __init__(self, *, seed: int = 1, clock: Callable[[], float] = time.monotonic) -> None:
        self._random = random.Random(seed)  # noqa: S311 - noise that can be repeated, no secret
        self._clock = clock
        self._on_since: float | None = None
        self._booted = "idle"

    @property
    def is_on(self) -> bool:
        """Whether the board has power."""
        return self._on_since is not None

    @property
    def running(self) -> str:
        """What runs: `off`, `boot`, or the name of a load."""
        if self._on_since is None:
            return "off"
        return "boot" if self._clock() - self._on_since < BOOT_TIME else self._booted

    def switch_on(self, load: str = "idle") -> None:
        """Switches the board on; after booting it draws this load. Does nothing if it is on already."""
        if self._on_since is None:
            self._on_since = self._clock()
            self.run(load)

    def switch_off(self) -> None:
        """Switches the board off."""
        self._on_since = None

    def run(self, load: str) -> None:
        """Sets what runs once the board has booted.

        Raises:
            ValueError: there is no such load.
        """
        if load not in LOADS:
            raise ValueError(f"there is no load '{load}'; there are {', '.join(LOADS)}")
        self._booted = load

    def measure(self) -> PowerReading:
        """Measures voltage and current: exactly zero when off, else with noise."""
        if self._on_since is None:
            return PowerReading(voltage=0.0, current=0.0)
        inrush = math.exp(-max(0.0, self._clock() - self._on_since) / INRUSH_TIME)
        load = LOADS[self.running]
        voltage = SUPPLY - SAG * inrush + self._random.uniform(-VOLTAGE_NOISE, VOLTAGE_NOISE)
        current = load + (INRUSH - load) * inrush + self._random.uniform(-CURRENT_NOISE, CURRENT_NOISE)
        return PowerReading(voltage=round(voltage, 4), current=round(current, 4))


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

    def reset(self) -> None:
        """Switches the board off: a session begins with a board at rest."""
        self._state.switch_off()

    def close(self) -> None:
        """Switches the board off."""
        self._state.switch_off()


class MockBoard(Composite):
    """A board without hardware, whose parts behave as one.

    Args:
        seed: what the noise of its readings begins with.
        clock: a monotonic clock in seconds.
        **driver: what every driver takes; `children` join those of the board.
    """

    def __init__(self, *, seed: int = 1, clock: Callable[[], float] = time.monotonic, **driver: Any) -> None:
        super().__init__(**{"description": "A simulated board", **driver})
        self.state = BoardState(seed=seed, clock=clock)
        self.children = self._parts() | self.children

    def _parts(self) -> dict[str, Driver]:
        # Console, storage, network and video have their place here, each with the same state.
        return {
            "power": BoardPower(state=self.state, description="The board's power supply"),
        }
