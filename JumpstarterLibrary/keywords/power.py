"""Switching the device's power and reading what it draws."""

from __future__ import annotations

from datetime import timedelta
from itertools import islice
from typing import Any

from assertionengine import AssertionOperator, float_str_verify_assertion
from robot.api import logger
from robot.utils import DotDict

from ..client.power import PowerClient, PowerReading
from ..errors import UsageError
from .base import KeywordGroup, Tag, keyword


class PowerKeywords(KeywordGroup):
    """Keywords for power drivers."""

    @keyword(tags=[Tag.POWER])
    def power_on(self, *, driver: str | None = None, timeout: timedelta | None = None) -> None:
        """Turns the device on.

        Args:
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long the call may take; the library's timeout unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
        ```
        """
        self.driver(PowerClient, driver).on(timeout=timeout)

    @keyword(tags=[Tag.POWER])
    def power_off(self, *, driver: str | None = None, timeout: timedelta | None = None) -> None:
        """Turns the device off.

        Args:
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long the call may take; the library's timeout unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power Off
        ```
        """
        self.driver(PowerClient, driver).off(timeout=timeout)

    @keyword(tags=[Tag.POWER])
    def power_cycle(
        self, wait: timedelta = timedelta(seconds=2), *, driver: str | None = None, timeout: timedelta | None = None
    ) -> None:
        """Turns the device off, waits, and turns it on again. If it is interrupted between, the device stays off.

        Args:
            wait: How long the device is off.
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long both calls may take together, beside the wait; the library's timeout unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power Cycle    wait=100ms
        ```
        """
        self.driver(PowerClient, driver).cycle(wait, timeout=timeout)

    @keyword(tags=[Tag.POWER])
    def power_rescue(self, *, driver: str | None = None, timeout: timedelta | None = None) -> None:
        """Starts the device in its rescue mode.

        Args:
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long the call may take; the library's timeout unless given.

        Raises:
            DEVICE: the driver has no rescue mode.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power Rescue
        ```
        """
        self.driver(PowerClient, driver).rescue(timeout=timeout)

    @keyword(tags=[Tag.POWER, Tag.GETTER])
    def get_power_readings(self, count: int = 1, *, driver: str | None = None, timeout: timedelta | None = None) -> list[DotDict]:
        """Returns the next readings of the power driver, as it sends them.

        Args:
            count: How many at most; a driver may end after fewer.
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long all of them may take together; the library's timeout unless given.

        Returns:
            A list of dictionaries with `voltage` in volts, `current` in amperes and `power` in watts.

        Raises:
            DEVICE: the driver does not measure. It is never reported as 0.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            ${readings} =    Get Power Readings    count=3
            Should Be True    ${readings}[2][voltage] > 4.5
        ```
        """
        readings = self.driver(PowerClient, driver).read(timeout=timeout)
        taken = [
            DotDict(voltage=reading.voltage, current=reading.current, power=reading.watt) for reading in islice(readings, count)
        ]
        readings.close()
        logger.info("\n".join(f"{r.voltage:.3f} V  {r.current:.3f} A  {r.power:.3f} W" for r in taken))
        return taken

    @keyword(tags=[Tag.POWER, Tag.GETTER, Tag.ASSERTION])
    def get_voltage(
        self,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> float:
        """Returns the present voltage in volts, and checks it if an operator is given.

        Args:
            assertion_operator: See [Assertions].
            assertion_expected: What to compare with.
            message: Replaces the failure message.
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long the reading may take; the library's timeout unless given.

        Returns:
            Volts.

        Raises:
            DEVICE: the driver does not measure. It is never reported as 0.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            Get Voltage    >    4.5
        ```
        """
        client = self.driver(PowerClient, driver)
        value = self._reading(client, timeout).voltage
        told = f"Voltage in V of {_called(client)}:"
        return _checked(value, told, assertion_operator, assertion_expected, message)

    @keyword(tags=[Tag.POWER, Tag.GETTER, Tag.ASSERTION])
    def get_current(
        self,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> float:
        """Returns the present current in amperes, and checks it if an operator is given.

        Args:
            assertion_operator: See [Assertions].
            assertion_expected: What to compare with.
            message: Replaces the failure message.
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long the reading may take; the library's timeout unless given.

        Returns:
            Amperes.

        Raises:
            DEVICE: the driver does not measure. It is never reported as 0.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power Off
            Get Current    ==    0
        ```
        """
        client = self.driver(PowerClient, driver)
        value = self._reading(client, timeout).current
        told = f"Current in A of {_called(client)}:"
        return _checked(value, told, assertion_operator, assertion_expected, message)

    @keyword(tags=[Tag.POWER, Tag.GETTER, Tag.ASSERTION])
    def get_power(
        self,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> float:
        """Returns the power that the device draws now in watts, and checks it if an operator is given.

        Args:
            assertion_operator: See [Assertions].
            assertion_expected: What to compare with.
            message: Replaces the failure message.
            driver: Path of the power driver; see [Choosing a driver].
            timeout: How long the reading may take; the library's timeout unless given.

        Returns:
            Watts: volts times amperes.

        Raises:
            DEVICE: the driver does not measure. It is never reported as 0.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            Get Power    <    20
        ```
        """
        client = self.driver(PowerClient, driver)
        value = self._reading(client, timeout).watt
        told = f"Power in W of {_called(client)}:"
        return _checked(value, told, assertion_operator, assertion_expected, message)

    def _reading(self, client: PowerClient, timeout: timedelta | None) -> PowerReading:
        reading = client.latest(timeout=timeout)
        logger.info(str(reading))
        return reading


def _called(client: PowerClient) -> str:
    return f"the power driver '{client.path or '(root)'}' of device '{client.device.name}'"


def _checked(value: float, told: str, operator: AssertionOperator | None, expected: Any, message: str | None) -> float:
    try:
        result: float = float_str_verify_assertion(value, operator, expected, told, message)
    except ValueError as error:  # of an expected value that is no number
        raise UsageError(f"{told} {error}") from None
    return result
