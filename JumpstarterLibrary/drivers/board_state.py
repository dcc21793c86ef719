"""What the parts of the simulated board share."""

from __future__ import annotations

import math
import random
import time
from collections.abc import Callable

from .board_storage import Card
from .power import PowerReading

SUPPLY = 5.05
"""Volts of the supply when the current is steady."""
SAG = 0.20
"""Volts that the supply sags at the moment of switching on."""
INRUSH = 2.4
"""Amperes at the moment of switching on, while capacitors are charged."""
INRUSH_TIME = 0.06
"""Seconds in which sag and inrush fall to about a third."""
BOOT_TIME = 1.2
"""Seconds that booting takes, unless told otherwise."""
VOLTAGE_NOISE = 0.01
CURRENT_NOISE = 0.008
LOADS = {"boot": 0.62, "idle": 0.31, "rescue": 0.44, "busy": 0.93, "loader": 0.47, "halted": 0.04}
"""Amperes that the board draws, by what runs on it."""


class BoardState:
    """What the parts of the board share: whether it is on, since when, and what runs.

    The same seed, clock and order of calls give the same readings.

    Args:
        seed: what the noise begins with.
        clock: a monotonic clock in seconds.
        boot_time: seconds that booting takes, where no part of the board says what runs.
    """

    def __init__(self, *, seed: int = 1, clock: Callable[[], float] = time.monotonic, boot_time: float = BOOT_TIME) -> None:
        self.card = Card()
        """What it boots from."""
        self.version = "1.0.0"
        """Version of the system image that it booted last."""
        self.system_up = False
        """Whether a system has booted and answers on the network."""
        self._random = random.Random(seed)  # noqa: S311 - noise that can be repeated, no secret
        self._clock = clock
        self._boot_time = boot_time
        self._on_since: float | None = None
        self._now_running: str | None = None
        self._booted = "idle"
        self._rescue = False
        self._followers: list[Callable[[], None]] = []

    def follow(self, follower: Callable[[], None]) -> None:
        """Has a part of the board called whenever the board was switched on or off, in the thread that did it."""
        self._followers.append(follower)

    def unfollow(self, follower: Callable[[], None]) -> None:
        """Has it no longer called."""
        self._followers.remove(follower)

    @property
    def is_on(self) -> bool:
        """Whether the board has power."""
        return self._on_since is not None

    @property
    def running(self) -> str:
        """What runs: `off`, `boot`, or the name of a load."""
        if self._on_since is None:
            return "off"
        if self._now_running is not None:
            return self._now_running
        return "boot" if self._clock() - self._on_since < self._boot_time else self._booted

    @property
    def rescue(self) -> bool:
        """Whether the board was switched on into its rescue system."""
        return self._rescue

    def switch_on(self, load: str = "idle") -> None:
        """Switches the board on; after booting it draws this load. Does nothing if it is on already."""
        if self._on_since is None:
            self.run(load)
            self._rescue = load == "rescue"
            self._now_running = None
            self._on_since = self._clock()
            self._tell()

    def switch_off(self) -> None:
        """Switches the board off."""
        if self._on_since is not None:
            self._on_since = None
            self.system_up = False
            self._tell()

    def _tell(self) -> None:
        for follower in list(self._followers):
            follower()

    def run(self, load: str) -> None:
        """Sets what runs once the board has booted.

        Raises:
            ValueError: there is no such load.
        """
        if load not in LOADS:
            raise ValueError(f"there is no load '{load}'; there are {', '.join(LOADS)}")
        self._booted = load

    def enter(self, load: str) -> None:
        """Says what runs from now on, whether it was to boot or not. A part of the board that knows it says so."""
        self.run(load)
        self._now_running = load

    def measure(self) -> PowerReading:
        """Measures voltage and current: exactly zero when off, else with noise."""
        if self._on_since is None:
            return PowerReading(voltage=0.0, current=0.0)
        inrush = math.exp(-max(0.0, self._clock() - self._on_since) / INRUSH_TIME)
        load = LOADS[self.running]
        voltage = SUPPLY - SAG * inrush + self._random.uniform(-VOLTAGE_NOISE, VOLTAGE_NOISE)
        current = load + (INRUSH - load) * inrush + self._random.uniform(-CURRENT_NOISE, CURRENT_NOISE)
        return PowerReading(voltage=round(voltage, 4), current=round(current, 4))
