"""The U-Boot boot loader, over console and power."""

from __future__ import annotations

from datetime import timedelta

from robot.api import logger

from ..client.console import CommandResult
from ..client.console.uboot import PROMPT, UBoot
from ..client.power import PowerClient
from ..errors import ConsoleError
from .base import Tag, keyword
from .console_base import ConsoleGroup


class UBootKeywords(ConsoleGroup):
    """Keywords for U-Boot."""

    @keyword("Boot To U-Boot", tags=[Tag.CONSOLE, Tag.POWER, Tag.U_BOOT])
    def boot_to_u_boot(
        self,
        *,
        wait: timedelta = timedelta(seconds=2),
        prompt: str = PROMPT,
        timeout: timedelta | None = None,
        driver: str | None = None,
        console: str | None = None,
    ) -> None:
        """Turns the device off and on again, and stops it at U-Boot's prompt.

        Args:
            wait: How long the device is off.
            prompt: Regular expression for U-Boot's prompt.
            timeout: How long it may take until the prompt is there; the library's timeout unless given.
            driver: Path of the power driver; see [Choosing a driver].
            console: Which console; the current one unless given.

        Raises:
            DEVICE: the prompt did not come.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Boot To U-Boot    wait=100ms
            Leave U-Boot
        ```
        """
        power = self.driver(PowerClient, driver)
        limit = (timeout or self.library.settings.timeout) + wait
        UBoot(self.console(console), prompt).boot(lambda: power.cycle(wait), timeout=limit)

    @keyword("Execute U-Boot Command", tags=[Tag.CONSOLE, Tag.U_BOOT])
    def execute_u_boot_command(
        self,
        command: str,
        *,
        expected_rc: int | None = 0,
        prompt: str = PROMPT,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> CommandResult:
        """Runs a command at U-Boot's prompt and waits for its end.

        Args:
            command: One line.
            expected_rc: Fails if the exit status is another one; `${None}` does not check it.
            prompt: Regular expression for U-Boot's prompt.
            timeout: How long it may run; the library's timeout unless given.
            console: Which console; the current one unless given.

        Returns:
            The result, with the attributes `stdout`, `rc` and `duration`; as text it is `stdout`.

        Raises:
            DEVICE: it did not end in time, or its exit status is not the expected one.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Boot To U-Boot    wait=100ms
            ${result} =    Execute U-Boot Command    version
            Log    ${result.stdout}
        ```
        """
        opened = self.console(console)
        result = UBoot(opened, prompt).execute(command, timeout=timeout)
        logger.info(f"exit status {result.rc} after {result.duration:.3f} s\n{result.stdout}")
        if expected_rc is not None and result.rc != expected_rc:
            raise ConsoleError(
                f"U-Boot's '{command}' on console '{opened.name}' of '{opened.device.name}' ended with exit status {result.rc}, "
                f"expected {expected_rc}. It printed:\n{result.stdout[-2000:]}"
            )
        return result

    @keyword("Get U-Boot Variable", tags=[Tag.CONSOLE, Tag.U_BOOT, Tag.GETTER])
    def get_u_boot_variable(
        self, name: str, *, prompt: str = PROMPT, timeout: timedelta | None = None, console: str | None = None
    ) -> str:
        """Returns a variable of U-Boot's environment.

        Args:
            name: Its name.
            prompt: Regular expression for U-Boot's prompt.
            timeout: How long it may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        Returns:
            Its value.

        Raises:
            DEVICE: it is not defined.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Boot To U-Boot    wait=100ms
            Set U-Boot Variable    greeting    hello board
            ${value} =    Get U-Boot Variable    greeting
            Should Be Equal    ${value}    hello board
        ```
        """
        return UBoot(self.console(console), prompt).get(name, timeout=timeout)

    @keyword("Set U-Boot Variable", tags=[Tag.CONSOLE, Tag.U_BOOT])
    def set_u_boot_variable(
        self,
        name: str,
        value: str,
        *,
        prompt: str = PROMPT,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> None:
        """Sets a variable of U-Boot's environment for this boot, and checks that it took. An empty value deletes it.

        Args:
            name: Its name.
            value: Its value.
            prompt: Regular expression for U-Boot's prompt.
            timeout: How long it may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        Raises:
            DEVICE: it did not take.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Boot To U-Boot    wait=100ms
            Set U-Boot Variable    bootdelay    5
        ```
        """
        UBoot(self.console(console), prompt).set(name, value, timeout=timeout)

    @keyword("Leave U-Boot", tags=[Tag.CONSOLE, Tag.U_BOOT])
    def leave_u_boot(self, command: str = "boot", *, console: str | None = None) -> None:
        """Leaves U-Boot, and does not wait for what comes of it.

        Args:
            command: The command that leaves it.
            console: Which console; the current one unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Boot To U-Boot    wait=100ms
            Leave U-Boot
            Wait For Line On Console    Linux version
        ```
        """
        UBoot(self.console(console)).leave(command)
