"""The library as its own listener: scopes, automatic closing, late log lines, secrets in arguments.

Listener methods have no timeout, ignore Ctrl-C, and their errors only print a line. So each step is short and contained.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from robot.api import logger
from robot.api.interfaces import ListenerV3

from .journal import Event, TestEnded, TestStarted
from .keywords.base import Scope
from .report.robot_log import write_new_events
from .settings import AutoClose
from .wire import event_loop
from .wire.secrets import MASK

if TYPE_CHECKING:
    from .library import JumpstarterLibrary

SECRET_ARGUMENTS = ("passphrase",)
"""Named arguments of our keywords whose value nobody may see, also when it was written into the suite as plain text."""

_IN_TRACE = re.compile(rf"\b({'|'.join(SECRET_ARGUMENTS)})=('(?:[^'\\]|\\.)*'|\"(?:[^\"\\]|\\.)*\")")


class Lifecycle(ListenerV3):  # type: ignore[misc]  # Robot has types in parts only
    """Follows suites, tests and keywords."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, library: JumpstarterLibrary) -> None:
        self._library = library
        self._suites: list[str] = []
        self._test: str | None = None

    # ------------------------------------------------------------------ scopes

    @property
    def owner(self) -> str:
        """Who owns a session that is opened now: the running test if sessions close with tests, else the suite."""
        if self._test is not None and self._library.auto_close is AutoClose.TEST:
            return f"test {self._test}"
        return f"suite {self._suites[-1]}" if self._suites else ""

    def start_suite(self, data: Any, result: Any) -> None:
        """Opens a scope."""
        self._suites.append(result.full_name)
        self._library.settings.enter(Scope.Suite)

    def end_suite(self, data: Any, result: Any) -> None:
        """Closes what the suite opened, if sessions close with suites or tests."""
        try:
            if self._library.auto_close in (AutoClose.SUITE, AutoClose.TEST):
                self._close(f"suite {result.full_name}")
        finally:
            self._library.settings.leave(Scope.Suite)
            if result.full_name in self._suites:
                self._suites.remove(result.full_name)

    def start_test(self, data: Any, result: Any) -> None:
        """Opens a scope, and marks the journals."""
        self._test = result.full_name
        self._library.settings.enter(Scope.Test)
        self._mark(lambda: TestStarted(name=result.full_name))

    def end_test(self, data: Any, result: Any) -> None:
        """Writes what is still to be said under the test, and closes what the test opened, if sessions close with tests."""
        try:
            for session in self._library.sessions:
                session.gather_logs(patient=True)
                write_new_events(session, self._library.sessions.redact)
            self._mark(lambda: TestEnded(name=result.full_name, status=result.status))
            if self._library.auto_close is AutoClose.TEST:
                self._close(f"test {result.full_name}")
        finally:
            self._library.settings.leave(Scope.Test)
            self._test = None

    def close(self) -> None:
        """The run is over: closes what is left, and the event loop, which would keep Robot from ending."""
        if self._library.auto_close is not AutoClose.KEEP:
            self._close(None)
            event_loop.close()

    def _close(self, owner: str | None) -> None:
        try:
            self._library.sessions.close_all(owner)
        except Exception as error:  # noqa: BLE001 - nobody is there to catch it, and what could be closed was closed
            logger.warn(f"Closing a device session failed: {self._library.sessions.redact(str(error))}")

    def _mark(self, make: Callable[[], Event]) -> None:
        for session in self._library.sessions:
            session.journal.append(make())

    # ----------------------------------------------------------------- secrets

    def start_library_keyword(self, data: Any, implementation: Any, result: Any) -> None:
        """Masks secrets that were written as plain text, before they reach any file."""
        if implementation.owner.instance is self._library and any(map(_secret_value, result.args)):
            for argument in filter(_secret_value, result.args):
                self._library.sessions.redact.add(_secret_value(argument))
            result.args = tuple(_masked(argument) for argument in result.args)

    def log_message(self, message: Any) -> None:
        """Masks secrets in the messages of TRACE level, and in whatever else shows them."""
        text = message.message
        if text.startswith("Arguments: ["):
            for match in _IN_TRACE.finditer(text):
                self._library.sessions.redact.add(match[2][1:-1])
            text = _IN_TRACE.sub(rf"\1='{MASK}'", text)
        text = self._library.sessions.redact(text)
        if text != message.message:
            message.message = text


def _secret_value(argument: Any) -> str:
    name, equals, value = argument.partition("=") if isinstance(argument, str) else ("", "", "")
    return value if equals and name in SECRET_ARGUMENTS and not re.fullmatch(r"[$%]\{.+\}", value) else ""


def _masked(argument: Any) -> Any:
    return f"{argument.partition('=')[0]}={MASK}" if _secret_value(argument) else argument
