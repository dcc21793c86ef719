"""Opening consoles, and looking at what they have said."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from robot.api import logger
from robot.utils import DotDict

from ..client.console import ConsoleOptions
from ..client.serial import SerialClient
from ..report.console_log import opened as opened_line
from .base import Tag, keyword
from .console_base import ConsoleGroup

NEWLINES = {"LF": "\n", "CR": "\r", "CRLF": "\r\n"}


class ConsoleKeywords(ConsoleGroup):
    """Keywords for consoles as such."""

    @keyword(tags=[Tag.CONSOLE])
    def open_console(
        self,
        *,
        driver: str | None = None,
        newline: str | None = None,
        prompt: str | None = None,
        settle: timedelta | None = None,
        char_delay: timedelta | None = None,
        expect_echo: bool | None = None,
        connect_later: bool = False,
    ) -> str:
        """Opens a console and makes it the current one. From now on everything that the device says is kept.

        A console has one reader, from here to the end of the session. Waits look at what it has read, each from its own place, so
        nothing is lost between keywords, and nothing is thrown away by reading. The whole output is in
        `jumpstarter/<alias>/<console>.log` beside `log.html`, and each test's part of it in a folder of the test.

        Args:
            driver: Path of the driver; see [Choosing a driver].
            newline: What ends a line that is sent: `LF`, `CR` or `CRLF`.
            prompt: Regular expression for the prompt, which the open line has to end with.
            settle: How long the console must be quiet before a line without end counts; 100 ms unless given.
            char_delay: Pause between characters that are sent, for slow boot loaders.
            expect_echo: Whether every line that is sent has to come back.
            connect_later: Opens the console also when the driver cannot open its stream yet, because the console is there only
                while the device is on. It connects when the device is switched on; failures of waits say if it did not.

        Returns:
            The console's name, the path of its driver, for `console=`.

        Raises:
            DEVICE: the driver cannot open its stream.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Line On Console    Linux version
        ```
        """
        client = self.device.driver_of(SerialClient, driver)
        console = client.open_console(connect_later=connect_later)
        changes = _changes(newline, prompt, settle, char_delay, expect_echo)
        if changes:
            console.configure(**changes)
        self.session.console = console.path
        logger.info(opened_line(console), html=True)
        return console.path

    @keyword(tags=[Tag.CONSOLE])
    def close_console(self, console: str | None = None) -> None:
        """Closes a console. It can be opened anew; what was said meanwhile is not known.

        Args:
            console: Which one; the current one unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Close Console
        ```
        """
        opened = self.console(console)
        path = next(path for path, one in self.device.consoles.items() if one is opened)
        opened.close()
        del self.device.consoles[path]
        if self.session.console == path:
            self.session.console = None

    @keyword(tags=[Tag.CONSOLE])
    def switch_console(self, console: str) -> str | None:
        """Makes another open console the current one.

        Args:
            console: Which one.

        Returns:
            The one that was current before, to switch back.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${name} =    Open Console
            Switch Console    ${name}
        ```
        """
        self.console(console)
        before, self.session.console = self.session.console, console
        return before

    @keyword(tags=[Tag.CONSOLE, Tag.SETTING])
    def set_console_configuration(
        self,
        *,
        newline: str | None = None,
        prompt: str | None = None,
        settle: timedelta | None = None,
        char_delay: timedelta | None = None,
        expect_echo: bool | None = None,
        console: str | None = None,
    ) -> DotDict:
        """Changes how a console is read and written.

        Args:
            newline: What ends a line that is sent: `LF`, `CR` or `CRLF`.
            prompt: Regular expression for the prompt.
            settle: How long the console must be quiet before a line without end counts.
            char_delay: Pause between characters that are sent.
            expect_echo: Whether every line that is sent has to come back.
            console: Which console; the current one unless given.

        Returns:
            The configuration before, with the same names, to set it back: `Set Console Configuration    &{before}`.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            ${before} =    Set Console Configuration    newline=CR    char_delay=1ms
            Set Console Configuration    &{before}
        ```
        """
        opened = self.console(console)
        return _described(opened.configure(**_changes(newline, prompt, settle, char_delay, expect_echo)))

    @keyword(tags=[Tag.CONSOLE, Tag.GETTER])
    def get_console_output(self, since: str = "test start", *, console: str | None = None) -> str:
        """Returns what the device said since a place, as text; control sequences are removed.

        Args:
            since: `last match`, `now`, `test start`, `power on`, `session start`, or a mark of [Mark Console].
            console: Which console; the current one unless given.

        Returns:
            The text, lines ended by `\\n`; secrets are masked. What has left memory is read from the console's file.

        Raises:
            TEST: the place is so far back that the text has left memory, and there is no file of it.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Line On Console    Linux version
            ${text} =    Get Console Output    since=power on
            Should Contain    ${text}    Linux version
        ```
        """
        return "".join(self.console(console).output(since))

    @keyword(tags=[Tag.CONSOLE])
    def mark_console(self, name: str = "mark", *, console: str | None = None) -> str:
        """Remembers the present end of the output under a name, for `since=`.

        Args:
            name: Its name.
            console: Which console; the current one unless given.

        Returns:
            The name.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Mark Console    before power
            Power On
            Wait For Line On Console    Linux version    since=before power
        ```
        """
        self.console(console).mark(name)
        return name

    @keyword(tags=[Tag.CONSOLE])
    def save_console_log(self, path: Path, since: str = "session start", *, console: str | None = None) -> Path:
        """Writes what the device said since a place to a file, as text.

        Args:
            path: The file; its folder is made, and an older file is replaced.
            since: As for [Get Console Output].
            console: Which console; the current one unless given.

        Returns:
            The absolute path.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Line On Console    Linux version
            Save Console Log    ${OUTPUT DIR}/boot.txt    since=power on
        ```
        """
        path, size = path.absolute(), 0
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as file:
            for text in self.console(console).output(since):
                size += file.write(text)
        logger.info(f"{size} characters in {path}")
        return path


def _changes(
    newline: str | None,
    prompt: str | None,
    settle: timedelta | None,
    char_delay: timedelta | None,
    expect_echo: bool | None,
) -> dict[str, object]:
    given = {
        "newline": None if newline is None else NEWLINES.get(newline.upper(), newline),
        "prompt": prompt,
        "settle": settle,
        "char_delay": char_delay,
        "expect_echo": expect_echo,
    }
    return {name: value for name, value in given.items() if value is not None}


def _described(options: ConsoleOptions) -> DotDict:
    return DotDict(
        newline=options.newline,
        prompt=options.prompt,
        settle=options.settle,
        char_delay=options.char_delay,
        expect_echo=options.expect_echo,
    )
