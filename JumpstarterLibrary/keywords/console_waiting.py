"""Waiting for what a device says."""

from __future__ import annotations

from datetime import timedelta

from ..client.console import ConsoleMatch, Match, Mode, wait_on_any
from ..client.console.masking import StreamMask
from ..client.power import PowerClient
from .base import Tag, keyword
from .console_base import ConsoleGroup


class ConsoleWaitingKeywords(ConsoleGroup):
    """Keywords that wait for console output, and that check it."""

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def wait_for_line_on_console(
        self,
        pattern: str,
        *,
        match: Match = Match.CONTAINS,
        timeout: timedelta | None = None,
        idle: timedelta | None = None,
        since: str = "last match",
        console: str | None = None,
    ) -> ConsoleMatch:
        """Waits for a line on the console. What was said since the last match counts too, so nothing is missed between keywords.

        A line that has not ended counts only when the console was quiet for a moment (`settle`): a number is never cut off.

        Args:
            pattern: What to look for.
            match: How it is compared with a line: `CONTAINS`, `EXACT`, `GLOB` or `REGEX`; `BYTES` looks for bytes, whatever lines
                are, and `\\x1b` and the like are escapes.
            timeout: How long to wait; the library's timeout unless given.
            idle: Fails earlier, when the device has said nothing for so long.
            since: Where to begin: `last match`, `now`, `test start`, `power on`, `session start`, or a mark of [Mark Console].
            console: Which console; the current one unless given.

        Returns:
            The match, with the attributes `line`, `match`, `groups`, `named` (and each named group), `before`, `after`, `text`,
            `time`, `elapsed`, `since_power_on` and `console`; as text it is the line.

        Raises:
            DEVICE: the line did not come. The failure shows the nearest line and the last ones with their times.
            INFRASTRUCTURE: the exporter does not answer, or the console's stream is broken.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            ${found} =    Wait For Line On Console    Linux version (?<version>\\\\S+)    match=REGEX
            Log    The kernel is ${found.version}
        ```
        """
        return self.found(
            self.console(console).wait_for_line(pattern, match=match, timeout=timeout, idle=idle, since=since),
        )

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def wait_for_lines_on_console(
        self,
        *patterns: str,
        mode: Mode = Mode.BLOCK,
        match: Match = Match.CONTAINS,
        timeout: timedelta | None = None,
        idle: timedelta | None = None,
        since: str = "last match",
        console: str | None = None,
    ) -> list[ConsoleMatch]:
        """Waits for several lines on the console.

        Args:
            patterns: What to look for.
            mode: `BLOCK`, each on the line right after the one before; `ORDERED`, with other lines between; `ALL`, in any order;
                `ANY`, the first that comes.
            match: As for [Wait For Line On Console].
            timeout: How long to wait for all of them; the library's timeout unless given.
            idle: Fails earlier, when the device has said nothing for so long.
            since: As for [Wait For Line On Console].
            console: Which console; the current one unless given.

        Returns:
            The matches in the order of the patterns; one match with `ANY`, whose `label` is its pattern.

        Raises:
            DEVICE: they did not come; the failure says which are missing.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Lines On Console    Linux version    login:    mode=ORDERED
        ```
        """
        opened = self.console(console)
        found = opened.wait_for_lines(patterns, mode=mode, match=match, timeout=timeout, idle=idle, since=since)
        return [self.found(one) for one in found]

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def wait_for_next_line_on_console(
        self,
        *,
        timeout: timedelta | None = None,
        idle: timedelta | None = None,
        since: str = "last match",
        console: str | None = None,
    ) -> ConsoleMatch:
        """Waits for the next whole line on the console, whatever it says.

        Args:
            timeout: How long to wait; the library's timeout unless given.
            idle: Fails earlier, when the device has said nothing for so long.
            since: As for [Wait For Line On Console].
            console: Which console; the current one unless given.

        Returns:
            The line, as [Wait For Line On Console] returns it.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            ${line} =    Wait For Next Line On Console
        ```
        """
        return self.found(self.console(console).wait_for_next_line(timeout=timeout, idle=idle, since=since))

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def wait_for_prompt_on_console(
        self,
        prompt: str | None = None,
        *,
        match: Match = Match.REGEX,
        timeout: timedelta | None = None,
        idle: timedelta | None = None,
        since: str = "last match",
        console: str | None = None,
    ) -> ConsoleMatch:
        """Waits until the line that has not ended ends with the prompt, and the console is quiet.

        Args:
            prompt: What the prompt looks like; the one of [Open Console] unless given.
            match: How it is compared.
            timeout: How long to wait; the library's timeout unless given.
            idle: Fails earlier, when the device has said nothing for so long.
            since: As for [Wait For Line On Console].
            console: Which console; the current one unless given.

        Returns:
            The match; `before` is what was said before the prompt.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Prompt On Console    login:    match=CONTAINS
        ```
        """
        opened = self.console(console)
        return self.found(opened.wait_for_prompt(prompt, match=match, timeout=timeout, idle=idle, since=since))

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def wait_for_bytes_on_console(
        self,
        data: bytes,
        *,
        timeout: timedelta | None = None,
        idle: timedelta | None = None,
        since: str = "last match",
        console: str | None = None,
    ) -> bytes:
        """Waits for bytes on the console, whatever lines are.

        Args:
            data: What to look for; `\\x1b` and the like are escapes.
            timeout: How long to wait; the library's timeout unless given.
            idle: Fails earlier, when the device has said nothing for so long.
            since: As for [Wait For Line On Console]; text and bytes have a last match of their own.
            console: Which console; the current one unless given.

        Returns:
            All bytes from the place on to the end of those that were found, as far as they are still in memory (8 MiB). Secrets
            are masked.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power On
            Wait For Bytes On Console    login:
        ```
        """
        said = self.console(console).wait_for_bytes(data, timeout=timeout, idle=idle, since=since)
        return StreamMask(self.library.sessions.redact.known)(said, last=True)  # Robot logs it, colours between letters and all

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def wait_for_line_on_any_console(
        self,
        pattern: str,
        *consoles: str,
        match: Match = Match.CONTAINS,
        timeout: timedelta | None = None,
        idle: timedelta | None = None,
        since: str = "last match",
    ) -> ConsoleMatch:
        """Waits for a line on whichever console says it first, of one device or of several.

        Args:
            pattern: What to look for.
            consoles: Which consoles: their names, or `alias:name` for those of another session; `alias:` is the only console that
                is open there. All that are open in the current session unless given.
            match: As for [Wait For Line On Console].
            timeout: How long to wait; the library's timeout unless given.
            idle: Fails earlier, when none of the devices has said anything for so long.
            since: As for [Wait For Line On Console], on each of the consoles.

        Returns:
            The match; `console` and `device` say where it was found.

        Raises:
            DEVICE: none of them said it.
            INFRASTRUCTURE: none did, and the exporter of one does not answer, or its stream is broken.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock    alias=peer
            Open Console
            Open Jumpstarter Session    mock    alias=dut
            Open Console
            Power On
            ${found} =    Wait For Line On Any Console    Linux version    dut:console    peer:console
            Should Be Equal    ${found.device}    dut
        ```
        """
        opened = [self.console_of_any_session(name) for name in consoles]
        opened = opened or [console for console in self.device.consoles.values() if not console.closed] or [self.console(None)]
        limit = timeout or self.library.settings.timeout
        return self.found(wait_on_any(opened, pattern, match, limit, idle=idle, since=since))

    @keyword(tags=[Tag.CONSOLE, Tag.ASSERTION])
    def should_not_be_on_console(
        self,
        pattern: str,
        *,
        during: timedelta = timedelta(seconds=5),
        match: Match = Match.CONTAINS,
        since: str = "now",
        console: str | None = None,
    ) -> None:
        """Watches the console for a while and fails as soon as the pattern appears.

        Args:
            pattern: What must not appear.
            during: How long to watch.
            match: As for [Wait For Line On Console].
            since: Where to begin; `test start` also looks back.
            console: Which console; the current one unless given.

        Raises:
            DEVICE: it appeared; the failure shows the line.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Should Not Be On Console    panic    during=200ms    since=test start
        ```
        """
        self.console(console).should_not_appear(pattern, during, match=match, since=since)

    @keyword(tags=[Tag.CONSOLE, Tag.ASSERTION])
    def console_should_be_idle(self, during: timedelta = timedelta(seconds=2), *, console: str | None = None) -> None:
        """Fails if the device says anything within a while.

        Args:
            during: How long it has to be quiet.
            console: Which console; the current one unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power Off
            Console Should Be Idle    during=200ms
        ```
        """
        self.console(console).should_be_idle(during)

    @keyword(tags=[Tag.CONSOLE, Tag.WAITING])
    def wait_until_console_is_idle(
        self,
        quiet: timedelta = timedelta(seconds=1),
        *,
        timeout: timedelta | None = None,
        console: str | None = None,
    ) -> None:
        """Waits until the device has said nothing for a while.

        Args:
            quiet: How long it has to be quiet.
            timeout: How long to wait for that; the library's timeout unless given.
            console: Which console; the current one unless given.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Wait Until Console Is Idle    quiet=200ms
        ```
        """
        self.console(console).wait_until_idle(quiet, timeout=timeout)

    @keyword(tags=[Tag.CONSOLE, Tag.POWER, Tag.WAITING])
    def power_cycle_and_wait_for_line_on_console(
        self,
        pattern: str,
        *,
        wait: timedelta = timedelta(seconds=2),
        match: Match = Match.CONTAINS,
        timeout: timedelta | None = None,
        driver: str | None = None,
        console: str | None = None,
    ) -> ConsoleMatch:
        """Turns the device off and on again, and waits for a line that it says after that.

        Args:
            pattern: What to look for.
            wait: How long the device is off.
            match: As for [Wait For Line On Console].
            timeout: How long all of it may take beside the wait; the library's timeout unless given.
            driver: Path of the power driver; see [Choosing a driver].
            console: Which console; the current one unless given.

        Returns:
            The match, as [Wait For Line On Console] returns it.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Power Cycle And Wait For Line On Console    Linux version    wait=100ms
        ```
        """
        opened = self.console(console)
        power = self.driver(PowerClient, driver)
        deadline = opened.deadline((timeout or self.library.settings.timeout) + wait)
        return self.around(
            opened,
            lambda: power.cycle(wait, timeout=deadline.remaining - wait.total_seconds()),
            lambda: opened.wait_for_line(pattern, match=match, timeout=deadline, since="power on"),
        )
