"""Power drivers without hardware."""

from __future__ import annotations

from collections.abc import AsyncGenerator, Generator
from dataclasses import dataclass

from ..exporter.driver import Driver, export


@dataclass(frozen=True)
class PowerReading:
    """What a power driver measures: volts and amperes."""

    voltage: float
    current: float


class Power(Driver):
    """Base class of power drivers; subclasses export `on`, `off` and, if they measure, `read` (protocol §3.5)."""

    @classmethod
    def client(cls) -> str:
        """The type tag of power drivers."""
        return "jumpstarter_driver_power.client.PowerClient"


_READINGS = (PowerReading(voltage=0.0, current=0.0), PowerReading(voltage=5.0, current=2.0))


class MockPower(Power):
    """Switches nothing and always measures 0 V, 0 A and then 5 V, 2 A, as upstream's driver of this name does."""

    @export
    async def on(self) -> None:
        """Logs that power is on."""
        self.logger.info("power on")

    @export
    async def off(self) -> None:
        """Logs that power is off."""
        self.logger.info("power off")

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        """Yields the two readings."""
        for reading in _READINGS:
            yield reading


class SyncMockPower(Power):
    """The same with plain functions instead of coroutines."""

    @export
    def on(self) -> None:
        """Logs that power is on."""
        self.logger.info("power on")

    @export
    def off(self) -> None:
        """Logs that power is off."""
        self.logger.info("power off")

    @export
    def read(self) -> Generator[PowerReading, None, None]:
        """Yields the two readings."""
        yield from _READINGS
