"""Watching consoles, at all times, for what must not appear."""

from __future__ import annotations

from robot.api import logger

from ..client.console import Match
from ..client.console.known_failures import FailureSet, watchers_for
from ..client.console.patterns import Pattern
from ..client.console.watchers import Watcher
from .base import Scope, Tag, keyword
from .console_base import ConsoleGroup


class ConsoleWatchingKeywords(ConsoleGroup):
    """Keywords for watchers."""

    @keyword(tags=[Tag.CONSOLE])
    def fail_on_console_output(
        self,
        pattern: str,
        label: str | None = None,
        *,
        match: Match = Match.CONTAINS,
        scope: Scope = Scope.Suite,
        console: str | None = None,
    ) -> str:
        """Fails as soon as the device says something, whenever it is.

        It is looked for at all times: during waits and echo checks, between keywords, and on a line that has not ended. A hit
        stops the waiting keyword at once. If none waits, the next keyword of the library fails, or the end of the test.

        Args:
            pattern: What must not appear.
            label: What failures call it, and the name for [Allow Console Output]; the pattern unless given.
            match: As for [Wait For Line On Console].
            scope: How long to watch: `Test`, `Suite`, or `Global`, which is to the end of the session.
            console: Which console; the current one unless given.

        Returns:
            The label.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Fail On Console Output    Kernel panic    label=panic
            Power On
            Wait For Prompt On Console    login:    match=CONTAINS
        ```
        """
        watcher = Watcher(Pattern(pattern, match), label or pattern, scope.value)
        opened = self.console(console)
        opened.watchers.add(watcher)
        logger.info(f"'{opened.name}' must not say {watcher.pattern} from now on")
        return watcher.label

    @keyword(tags=[Tag.CONSOLE])
    def fail_on_known_console_failures(
        self, *failures: FailureSet, scope: Scope = Scope.Suite, console: str | None = None
    ) -> list[str]:
        """Watches for what devices say when something is badly wrong.

        Args:
            failures: `LINUX` (panics, oopses, lock-ups, out of memory), `WATCHDOG` (resets), `U_BOOT` (failures and reset loops),
                `ZEPHYR` (fatal errors), `SECOND_BOOT` (any second boot since power on). All but the last unless given.
            scope: As for [Fail On Console Output].
            console: Which console; the current one unless given.

        Returns:
            The labels, for [Allow Console Output].

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Fail On Known Console Failures    LINUX    SECOND_BOOT
            Power On
            Wait For Prompt On Console    login:    match=CONTAINS
        ```
        """
        chosen = failures or tuple(one for one in FailureSet if one is not FailureSet.SECOND_BOOT)
        watchers = [watcher for one in chosen for watcher in watchers_for(one, scope.value)]
        opened = self.console(console)
        for watcher in watchers:
            # A first boot may be over already: then the next one is not the first.
            lines = opened.text("power on").split("\n") if watcher.tolerated else []
            opened.watchers.add(watcher, seen=sum(1 for line in lines if watcher.pattern.find(line)))
        patterns = "\n".join(f"  {watcher.label}: {watcher.pattern}" for watcher in watchers)
        logger.info(f"'{opened.name}' must not say from now on:\n{patterns}")
        return [watcher.label for watcher in watchers]

    @keyword(tags=[Tag.CONSOLE])
    def allow_console_output(self, label: str, allowed: bool = True, *, console: str | None = None) -> None:
        """Suspends a watcher, for a deliberate crash, or sets it to work again.

        Args:
            label: Its label.
            allowed: False sets it to work again.
            console: Which console; the current one unless given.

        Raises:
            TEST: there is no such watcher; the message lists the known ones.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Console
            Fail On Console Output    Kernel panic    label=panic
            Allow Console Output    panic
        ```
        """
        self.console(console).watchers.allow(label, allowed=allowed)
