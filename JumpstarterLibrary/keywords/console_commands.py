"""Sending to a console, logging in, and running commands."""

from __future__ import annotations

from datetime import timedelta

from robot.api import logger
from robot.api.types import Secret

from ..client.console import CommandResult, ConsoleMatch, Match
from ..client.console.login import LOGIN_PROMPT, PASSWORD_PROMPT
from ..client.console.options import control_character
from ..errors import ConsoleError, DriverMethodNotFoundError, DriverNotSupportedError
from .base import Tag, keyword
from .console_base import ConsoleGroup, shown_end, shown_output


class ConsoleCommandKeywords(ConsoleGroup):
    """Keywords that send to the device."""

    @keyword(tags=[Tag.CONSOLE])
    def write_to_console(
        self,
        text: str | Secret,
        *,
        char_delay: timedelta | None = None,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> None:
        """Sends text as it is, without a line end.

        Args:
            text: What to send; a `Secret` is masked wherever it turns up.
            char_delay: Pause between characters; the console's unless given.
            timeout: How long sending may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Write To Console    hello
        ```
        """
        self.console(console).write(self._revealed(text), char_delay=char_delay, timeout=timeout)

    @keyword(tags=[Tag.CONSOLE])
    def write_line_to_console(
        self,
        text: str | Secret = "",
        *,
        char_delay: timedelta | None = None,
        expect_echo: bool | None = None,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> None:
        """Sends a line, with the console's line end.

        Args:
            text: What to send; a `Secret` is masked wherever it turns up.
            char_delay: Pause between characters; the console's unless given.
            expect_echo: Whether the line has to come back; the console's unless given.
            timeout: How long sending and the echo may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        Raises:
            DEVICE: the echo did not come.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Prompt On Console    login:    match=CONTAINS
            Write Line To Console    root    expect_echo=True
        ```
        """
        opened = self.console(console)
        opened.write_line(self._revealed(text), char_delay=char_delay, expect_echo=expect_echo, timeout=timeout)

    @keyword(tags=[Tag.CONSOLE])
    def write_bytes_to_console(
        self, data: bytes, *, char_delay: timedelta | None = None, timeout: timedelta | None = None, console: str | None = None
    ) -> None:
        """Sends bytes.

        Args:
            data: What to send; `\\x03` and the like are escapes.
            char_delay: Pause between bytes; the console's unless given.
            timeout: How long sending may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Write Bytes To Console    \\x03
        ```
        """
        self.console(console).write(data, char_delay=char_delay, timeout=timeout)

    @keyword(tags=[Tag.CONSOLE])
    def send_control_character(self, character: str, *, console: str | None = None) -> None:
        """Sends a control character.

        Args:
            character: A letter such as `C` (for Ctrl-C), or `ESC`, `TAB`, `ENTER`, `BACKSPACE`, `DEL`.
            console: Which console; the current one unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Send Control Character    C
        ```
        """
        self.console(console).write(control_character(character))

    @keyword(tags=[Tag.CONSOLE])
    def send_break(self, *, console: str | None = None) -> None:
        """Sends a break, where the driver can: it has to export a method `send_break`.

        Linux takes the character that follows as a request to the kernel (magic SysRq); boot monitors often stop at a break.

        Args:
            console: Which console; the current one unless given.

        Raises:
            DEVICE: the driver cannot.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Login To Console    root    sesame
            Send Break
            Write To Console    b
            Wait For Line On Console    sysrq: Resetting
        ```
        """
        opened = self.console(console)
        try:
            self.device.driver(opened.path).call("send_break")
        except (DriverMethodNotFoundError, DriverNotSupportedError):
            raise DriverNotSupportedError(f"The driver of console '{opened.name}' cannot send a break.") from None

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def write_line_to_console_and_wait(
        self,
        text: str | Secret,
        pattern: str,
        *,
        match: Match = Match.CONTAINS,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> ConsoleMatch:
        """Sends a line, and waits for a line that the device says after that. Nothing that it says in between is missed.

        The echo of what was sent is a line too; choose a pattern that it does not have.

        Args:
            text: What to send.
            pattern: What to wait for.
            match: As for [Wait For Line On Console].
            timeout: How long to wait; the library's timeout unless given.
            console: Which console; the current one unless given.

        Returns:
            The match, as [Wait For Line On Console] returns it.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Prompt On Console    login:    match=CONTAINS
            Write Line To Console And Wait    root    Password:
        ```
        """
        opened = self.console(console)
        deadline = opened.deadline(timeout)
        return self.around(
            opened,
            lambda: opened.write_line(self._revealed(text), expect_echo=False, timeout=deadline),
            lambda: opened.wait_for_line(pattern, match=match, timeout=deadline, since="last act"),
        )

    @keyword(tags=[Tag.CONSOLE])
    def login_to_console(
        self,
        username: str,
        password: str | Secret | None = None,
        *,
        login_prompt: str = LOGIN_PROMPT,
        password_prompt: str = PASSWORD_PROMPT,
        prompt: str | None = None,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> None:
        """Waits for the login prompt and logs in. Does nothing if a shell is there already; it is asked whether it is one.

        Args:
            username: Who.
            password: Masked everywhere, also where the device echoes it in pieces. Plain text that is the user's name, or is
                shorter than four characters, is not: give a `Secret` to have it masked in any case.
            login_prompt: Regular expression for the prompt that asks who.
            password_prompt: Regular expression for the prompt that asks for the password.
            prompt: Regular expression for the shell's prompt; the console's unless given.
            timeout: How long all of it may take; the library's timeout unless given.
            console: Which console; the current one unless given.

        Raises:
            DEVICE: the device refused, or no prompt came.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Login To Console    root    sesame
        ```
        """
        opened = self.console(console)
        opened.login(
            username,
            self.reveal(password) if isinstance(password, Secret) else password,
            timeout=timeout,
            login_prompt=login_prompt,
            password_prompt=password_prompt,
            prompt=prompt,
        )
        logger.info(f"a shell of '{username}' is on console '{opened.name}'")

    @keyword(tags=[Tag.CONSOLE])
    def execute_console_command(
        self,
        command: str | Secret,
        *,
        expected_rc: int | None = None,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> CommandResult:
        """Runs a shell command on the console and waits for its end.

        The command is framed by random marks: neither its echo nor the kernel's lines get into its output. After a time-out the
        next command interrupts it first.

        Args:
            command: One line for a POSIX shell; a `Secret` is masked wherever it turns up.
            expected_rc: Fails if the exit status is another one; not checked unless given.
            timeout: How long it may run; the library's timeout unless given.
            console: Which console; the current one unless given.

        Returns:
            The result, with the attributes `stdout`, `rc`, `duration` in seconds, and `noise` (lines of the kernel that came in
            between); as text it is `stdout`.

        Raises:
            DEVICE: it did not end in time, or its exit status is not the expected one.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Login To Console    root    sesame
            ${result} =    Execute Console Command    uname    expected_rc=0
            Should Be Equal    ${result.stdout}    Linux
        ```
        """
        opened = self.console(console)
        line = self._revealed(command)
        result, redact = opened.execute(line, timeout=timeout), self.library.sessions.redact
        logger.info(f"exit status {result.rc} after {result.duration:.3f} s\n{shown_output(result.stdout, redact)}")
        if expected_rc is not None and result.rc != expected_rc:
            raise ConsoleError(
                f"'{line}' on console '{opened.name}' of '{opened.device.name}' ended with exit status {result.rc}, expected "
                f"{expected_rc}. {shown_end(result.stdout, redact)}"
            )
        return result

    def _revealed(self, text: str | Secret) -> str:
        return (self.reveal(text) or "") if isinstance(text, Secret) else text
