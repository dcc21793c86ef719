"""What the classes of console keywords share."""

from __future__ import annotations

from collections.abc import Callable

from robot.api import logger

from ..client.console import Console, ConsoleMatch
from ..client.device import Device
from ..errors import UsageError
from .base import KeywordGroup

MOST_SHOWN = 4_000
"""Characters of a command's output that stand in the log."""
LONGEST_END = 2_000
"""Characters of it that stand in a failure."""
LONGEST_IN_LINE = 100
"""Characters of it that stand in a failure's first line, if there is only one line."""


class ConsoleGroup(KeywordGroup):
    """Base of the console keyword classes: access to the console that is meant."""

    def console(self, name: str | None) -> Console:
        """The named console, else the current one, else the only one that is open.

        Raises:
            UsageError: there is none, or several; the message lists them.
        """
        return self._console(self.device, self.session.console, name)

    def console_of_any_session(self, name: str) -> Console:
        """The named console; `alias:name` is one of another session, and `alias:` the only one there.

        Raises:
            UsageError: there is none, or several; the message lists them.
        """
        alias, colon, rest = name.partition(":")
        if not colon or not any(session.alias == alias for session in self.library.sessions):
            return self.console(name)
        session = self.library.sessions.get(alias)
        return self._console(session.device, session.console, rest or None)

    def _console(self, device: Device, current: str | None, name: str | None) -> Console:
        opened = {path: console for path, console in device.consoles.items() if not console.closed}
        wanted = name if name is not None else current
        if wanted is not None and wanted in opened:
            return opened[wanted]
        for node in device.tree.walk() if name is not None else ():
            for console in opened.values():
                if node.path == name and node.uuid == console.uuid:  # a proxy: the same driver at another path
                    return console
        known = ", ".join(f"'{path or '(root)'}'" for path in opened)
        if name is not None:
            instead = f"{known} {'is' if len(opened) == 1 else 'are'}" if opened else "none is"
            raise UsageError(f"No console '{name}' of device '{device.name}' is open; {instead}. Open it with Open Console.")
        if len(opened) == 1:
            return next(iter(opened.values()))
        if not opened:
            raise UsageError(f"No console of device '{device.name}' is open. Open one with Open Console.")
        raise UsageError(
            f"It is not clear which of the consoles of device '{device.name}' is meant: {known} are open. Say which one with "
            "console=, or with Switch Console."
        )

    def found(self, match: ConsoleMatch) -> ConsoleMatch:
        """Logs where a match was found, and returns it."""
        since_power = f", {match.since_power_on:.3f} s after power on" if match.since_power_on is not None else ""
        waited = f"after {match.elapsed:.3f} s" if match.elapsed >= 0 else f"said {-match.elapsed:.3f} s before the wait"
        logger.info(f"{match.console}: '{match.line}'  [{waited}{since_power}]")
        return match

    def around(self, console: Console, act: Callable[[], None], wait: Callable[[], ConsoleMatch]) -> ConsoleMatch:
        """Does something and waits for what comes of it; nothing that is said in between is missed."""
        console.mark("last act")
        act()
        return self.found(wait())


def shown_output(text: str, redact: Callable[[str], str]) -> str:
    """Shortens the output of a command for the log; the console's block and file have more.

    Secrets are masked before it is cut, as half a secret would not be recognised.
    """
    text = redact(text)
    if len(text) <= MOST_SHOWN:
        return text
    return f"{text[: MOST_SHOWN // 2]}\n[… {len(text) - MOST_SHOWN} characters …]\n{text[-MOST_SHOWN // 2 :]}"


def shown_end(text: str, redact: Callable[[str], str]) -> str:
    """What a command that failed has printed, for a failure. One line stands in its first line, as reports show only that.

    Of a long output the end is shown, as it says most; secrets are masked before it is cut.
    """
    text = redact(text)
    if not text.strip():
        return "It printed nothing."
    return f"It printed: {text}" if len(text) <= LONGEST_IN_LINE and "\n" not in text else f"It printed:\n{text[-LONGEST_END:]}"
