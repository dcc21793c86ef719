"""Power drivers (protocol §3.5): on, off, cycle, rescue, and readings in whatever form the driver has."""

from __future__ import annotations

import math
from collections import deque
from collections.abc import Generator, Mapping
from contextlib import AbstractContextManager, closing
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import DriverError, DriverMethodNotFoundError, DriverNotSupportedError
from ..journal import PowerSwitched, Reading
from ..wire.deadline import Deadline, Timeout, seconds
from .driver import DriverClient
from .failures import Act

if TYPE_CHECKING:
    from .power_recording import PowerRecording
    from .stream_ends import Background

SETTLE = 0.1
"""Seconds after the first reading in which a later one replaces it. Mocks send an old value first and the real one at once after
it; real meters send one value per change or per second."""


@dataclass(frozen=True, slots=True)
class PowerReading:
    """One measurement."""

    voltage: float
    """Volts."""
    current: float
    """Amperes."""

    @property
    def volt(self) -> float:
        """Volts."""
        return self.voltage

    @property
    def ampere(self) -> float:
        """Amperes."""
        return self.current

    @property
    def watt(self) -> float:
        """Volts times amperes."""
        return self.voltage * self.current

    def __str__(self) -> str:
        return f"{self.voltage:.3f} V, {self.current:.3f} A, {self.watt:.3f} W"


class PowerClient(DriverClient):
    """Switches the device's supply and reads what it draws."""

    family = "power"
    tags = frozenset(
        {
            "jumpstarter_driver_power.client.PowerClient",
            "jumpstarter_driver_power.client.VirtualPowerClient",
            "jumpstarter_driver_cuttlefish.client.CvdPowerClient",
            "jumpstarter_driver_noyito_relay.client.NoyitoPowerClient",
            "jumpstarter_driver_ridesx.client.RideSXPowerClient",
            "jumpstarter_driver_snmp.client.SNMPServerClient",
        }
    )

    def on(self, *, timeout: Timeout | None = None) -> None:
        """Turns the power on."""
        self.device.switching_on()
        self.call("on", timeout=timeout)
        self._switched("on")
        self.device.is_switched_on()

    def off(self, *, timeout: Timeout | None = None) -> None:
        """Turns the power off."""
        self.call("off", timeout=timeout)
        self._switched("off")

    def cycle(self, wait: Timeout = timedelta(seconds=2), *, timeout: Timeout | None = None) -> None:
        """Turns the power off, waits, and turns it on again; the device stays off if this is interrupted between.

        Args:
            wait: how long it is off.
            timeout: for both calls together, beside the wait; the device's unless given.
        """
        total = seconds(wait) + (self.device.timeout_seconds if timeout is None else seconds(timeout))
        deadline = Deadline(total)
        self.off(timeout=deadline.remaining - seconds(wait))
        deadline.sleep(wait)
        self.on(timeout=deadline.remaining)

    def rescue(self, *, timeout: Timeout | None = None) -> None:
        """Starts the device in its rescue mode, where the driver can.

        Raises:
            DriverNotSupportedError: it cannot.
        """
        self.device.switching_on()
        try:
            self.call("rescue", timeout=timeout)
        except DriverMethodNotFoundError as error:
            raise DriverNotSupportedError(f"{error} This power driver has no rescue mode.") from None
        self._switched("rescue")
        self.device.is_switched_on()

    def read(self, *, timeout: Timeout | None = None) -> Generator[PowerReading, None, None]:
        """Gives readings as the driver sends them; some drivers end after one, some never. Closing the iterator stops it.

        Args:
            timeout: for all readings together; the device's unless given.

        Raises:
            DriverNotSupportedError: the driver does not measure. Never a made-up 0.0.
            DriverError: the driver sent something that is no reading.
        """
        yield from self._readings(Deadline(self.device.timeout_seconds if timeout is None else timeout), None)

    def record(self, interval: Timeout = timedelta(seconds=0.1)) -> AbstractContextManager[PowerRecording]:
        """Records readings in the background for as long as a `with` block takes.

        Args:
            interval: between readings.

        Raises:
            DriverNotSupportedError: the driver does not measure.
            UsageError: it is being recorded already.
        """
        from .power_recording import record  # late, as few sessions record

        return record(self, interval)

    def readings(self, background: Background, *, timeout: float, settle: float) -> Generator[PowerReading, None, None]:
        """As `read`, for a recording: another thread can end it, and nothing is written down.

        Args:
            background: ends it.
            timeout: seconds for all readings together.
            settle: seconds after the first reading in which it ends.
        """
        yield from self._readings(Deadline(timeout), settle, background)

    def write_down(self, reading: PowerReading, when: float | None = None) -> None:
        """Puts a reading into the journal.

        Args:
            reading: the reading.
            when: when it came, monotonic; now unless given.
        """
        event = Reading(driver=self.path, voltage=reading.voltage, current=reading.current)
        if when is not None:
            event.wall -= event.monotonic - when
            event.monotonic = when
        self.device.journal.append(event)

    def latest(self, *, timeout: Timeout | None = None) -> PowerReading:
        """Returns the present reading: the last one of a stream that ends, else the last within 0.1 s after the first.

        Raises:
            DriverNotSupportedError: the driver does not measure.
            DriverError: the stream ended without any reading.
        """
        limit = self.device.timeout_seconds if timeout is None else seconds(timeout)
        newest = deque(self._readings(Deadline(limit), SETTLE), maxlen=1)
        if not newest:
            raise DriverError(f"The power driver {self._named} of device '{self.device.name}' sent no reading at all.")
        return newest[0]

    def _readings(
        self, deadline: Deadline, settle: float | None, background: Background | None = None
    ) -> Generator[PowerReading, None, None]:
        """The six forms that `read` has among upstream's drivers: streams with and without end, streaming or unary methods
        that are not supported, unary ones that give nothing, and none at all."""
        act = Act(self.device.name, self.path, "read")
        connection = self.device.connection
        with closing(connection.stream(act, self.node.uuid, (), deadline.remaining, settle, background=background)) as items:
            try:
                for item in items:
                    reading = self._reading(item)
                    if background is None:
                        self.write_down(reading)
                    yield reading
                return
            except DriverMethodNotFoundError:
                pass  # several drivers have `read` as a unary method, which only says that it is not supported
            except DriverNotSupportedError as error:
                raise self._not_measured(str(error)) from None
        try:
            item = self.call("read", timeout=deadline.remaining)
        except (DriverMethodNotFoundError, DriverNotSupportedError) as error:
            raise self._not_measured(str(error)) from None
        if item is None:
            raise self._not_measured("read() gave nothing.")
        reading = self._reading(item)
        if background is None:
            self.write_down(reading)
        yield reading

    def _switched(self, state: str) -> None:
        self.device.journal.append(PowerSwitched(driver=self.path, state=state))

    @property
    def _named(self) -> str:
        return f"'{self.path or '(root)'}'"

    def _reading(self, item: object) -> PowerReading:
        if isinstance(item, Mapping):
            voltage, current = item.get("voltage"), item.get("current")
            if _is_number(voltage) and _is_number(current):
                return PowerReading(float(voltage), float(current))  # type: ignore[arg-type]  # _is_number says so
        raise DriverError(
            f"The power driver {self._named} of device '{self.device.name}' sent no reading with voltage and current, "
            f"but {item!r}."[:500]
        )

    def _not_measured(self, reason: str) -> DriverNotSupportedError:
        return DriverNotSupportedError(
            f"The power driver {self._named} of device '{self.device.name}' does not measure. {reason}"
        )


def _is_number(value: object) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
