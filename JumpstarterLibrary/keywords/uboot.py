"""The U-Boot boot loader, over console and power."""

from __future__ import annotations

from datetime import timedelta

from robot.api import logger
from robot.api.types import Secret

from ..client.console import CommandResult
from ..client.console.uboot import PROMPT, STOP_KEY, UBoot, quotings
from ..client.power import PowerClient
from ..client.uboot import u_boot_of
from ..errors import ConsoleError
from ..wire.deadline import Deadline
from .base import Tag, keyword
from .console_base import ConsoleGroup, shown_end, shown_output


class UBootKeywords(ConsoleGroup):
    """Keywords for U-Boot."""

    @keyword("Boot To U-Boot", tags=[Tag.CONSOLE, Tag.POWER, Tag.U_BOOT])
    def boot_to_u_boot(
        self,
        *,
        wait: timedelta = timedelta(seconds=2),
        key: str = STOP_KEY,
        prompt: str | None = None,
        timeout: timedelta | None = None,
        driver: str | None = None,
        console: str | None = None,
    ) -> None:
        """Turns the device off and on again, and stops it at U-Boot's prompt.

        The key that stops autoboot is sent from power on until the prompt is there. At the end U-Boot stands at a fresh prompt.

        If the driver has its console only while the device is on, as virtual machines and consoles on the board have it, open the
        console with `connect_later=True`. What the device says before the driver has its console is lost: upstream's QEMU driver
        loses the begin of U-Boot's banner.

        Args:
            wait: How long the device is off.
            key: What is sent ten times a second to stop autoboot, ESC unless given. Some boards want `${SPACE}`, `\\x03` or a
                word.
            prompt: Regular expression for U-Boot's prompt. Unless given, the U-Boot driver of this console is asked, if there
                is one; else it is `=> `.
            timeout: How long it may take beside the wait; the library's timeout unless given.
            driver: Path of the power driver; unless given that of the U-Boot driver, or see [Choosing a driver].
            console: Which console; the current one unless given.

        Raises:
            DEVICE: the prompt did not come. The failure shows what the device said last.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Boot To U-Boot    wait=100ms
            Leave U-Boot
        ```
        """
        opened = self.console(console)
        u_boot = u_boot_of(self.device, opened.path)
        power = (u_boot.power if u_boot and driver is None else None) or self.driver(PowerClient, driver)
        limit = timeout or self.library.settings.timeout
        deadline = opened.deadline(limit + wait)
        loader = self._u_boot(console, prompt, deadline)
        took = loader.boot(
            lambda: power.cycle(wait, timeout=deadline.remaining - wait.total_seconds()), key=key, timeout=deadline
        )
        logger.info(f"U-Boot's prompt on console '{opened.name}' {took:.1f} s after power on")

    @keyword("Execute U-Boot Command", tags=[Tag.CONSOLE, Tag.U_BOOT])
    def execute_u_boot_command(
        self,
        command: str,
        *,
        expected_rc: int | None = 0,
        prompt: str | None = None,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> CommandResult:
        """Runs a command at U-Boot's prompt and waits for its end.

        It is sent off only when U-Boot has echoed all of it. If it does not end in time, it is interrupted. For commands after
        which there is no prompt, such as `reset`, use [Write Line To Console And Wait] or [Leave U-Boot].

        Args:
            command: One line.
            expected_rc: Fails if the exit status is another one; `${None}` does not check it.
            prompt: As for [Boot To U-Boot].
            timeout: How long it may run; the library's timeout unless given.
            console: Which console; the current one unless given.

        Returns:
            The result, with the attributes `stdout`, `rc` and `duration` in seconds; as text it is `stdout`.

        Raises:
            DEVICE: U-Boot is not at its prompt, the command did not end in time, or its exit status is not the expected one.

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
        deadline, redact = opened.deadline(timeout), self.library.sessions.redact
        result = self._u_boot(console, prompt, deadline).execute(command, timeout=deadline)
        logger.info(f"exit status {result.rc} after {result.duration:.3f} s\n{shown_output(result.stdout, redact)}")
        if expected_rc is not None and result.rc != expected_rc:
            raise ConsoleError(
                f"U-Boot's '{command}' on console '{opened.name}' of '{opened.device.name}' ended with exit status {result.rc}, "
                f"expected {expected_rc}. {shown_end(result.stdout, redact)}"
            )
        return result

    @keyword("Get U-Boot Variable", tags=[Tag.CONSOLE, Tag.U_BOOT, Tag.GETTER])
    def get_u_boot_variable(
        self, name: str, *, prompt: str | None = None, timeout: timedelta | None = None, console: str | None = None
    ) -> str:
        """Returns a variable of U-Boot's environment.

        Args:
            name: Its name.
            prompt: As for [Boot To U-Boot].
            timeout: How long it may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        Returns:
            Its value.

        Raises:
            DEVICE: it is not defined, or U-Boot is not at its prompt.

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
        opened = self.console(console)
        deadline = opened.deadline(timeout)
        value = self._u_boot(console, prompt, deadline).get(name, timeout=deadline)
        if value is None:
            raise ConsoleError(f"U-Boot on console '{opened.name}' of '{opened.device.name}' has no variable '{name}'.")
        logger.info(f"{name}={value}")
        return value

    @keyword("Set U-Boot Variable", tags=[Tag.CONSOLE, Tag.U_BOOT])
    def set_u_boot_variable(
        self,
        name: str,
        value: str | Secret | None,
        *,
        prompt: str | None = None,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> str | None:
        """Sets a variable of U-Boot's environment for this boot, and checks that it took.

        Args:
            name: Its name.
            value: Its value, taken as it is: blanks, quotes, `$`, `;` and backslashes mean nothing. `${None}` or nothing deletes
                it.
            prompt: As for [Boot To U-Boot].
            timeout: How long it may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        Returns:
            The value before, to set it back; `${None}` if it was not defined.

        Raises:
            DEVICE: it did not take, or U-Boot is not at its prompt.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Boot To U-Boot    wait=100ms
            ${before} =    Set U-Boot Variable    bootdelay    5
            Set U-Boot Variable    bootdelay    ${before}
        ```
        """
        text = self.reveal(value) if isinstance(value, Secret) else value
        if isinstance(value, Secret):
            for quoted in quotings(value.value):  # as the console shows it
                self.library.sessions.redact.add(quoted[1:-1])
        deadline = self.console(console).deadline(timeout)
        before = self._u_boot(console, prompt, deadline).set(name, text, timeout=deadline)
        logger.info(f"{name}={text or ''}, before {'not defined' if before is None else before}")
        return before

    @keyword("Leave U-Boot", tags=[Tag.CONSOLE, Tag.U_BOOT])
    def leave_u_boot(
        self,
        command: str = "boot",
        *,
        prompt: str | None = None,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> None:
        """Leaves U-Boot, and does not wait for what comes of it.

        Args:
            command: The command that leaves it.
            prompt: As for [Boot To U-Boot].
            timeout: How long U-Boot may take to accept the command; the library's timeout unless given.
            console: Which console; the current one unless given.

        Raises:
            DEVICE: U-Boot is not at its prompt.

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
        deadline = self.console(console).deadline(timeout)
        self._u_boot(console, prompt, deadline).leave(command, timeout=deadline)

    def _u_boot(self, console: str | None, prompt: str | None, deadline: Deadline) -> UBoot:
        opened = self.console(console)
        if prompt is None and (driver := u_boot_of(self.device, opened.path)):
            prompt = driver.prompt(timeout=deadline.remaining)
        return UBoot(opened, prompt or PROMPT)
