"""The library as its own listener: scopes, automatic closing, late log lines, secrets in arguments.

Listener methods have no timeout, ignore Ctrl-C, and their errors only print a line. So each step is short and contained.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot.api import logger
from robot.api.interfaces import ListenerV3

from .errors import ConsoleWatcherError
from .journal import Event, TestEnded, TestStarted
from .keywords.base import Scope
from .report.console_log import write_new_output
from .report.masking import debug_file, mask_arguments, mask_debug_file, mask_message, mask_result
from .report.robot_log import write_new_events
from .sessions import DeviceSession
from .settings import AutoClose
from .wire import event_loop

if TYPE_CHECKING:
    from .library import JumpstarterLibrary


class Lifecycle(ListenerV3):  # type: ignore[misc]  # Robot has types in parts only
    """Follows suites, tests and keywords."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, library: JumpstarterLibrary) -> None:
        self._library = library
        self._suites: list[str] = []
        self._test: str | None = None
        self._test_name = ""
        self._debug_file: Path | None = None

    # ------------------------------------------------------------------ scopes

    @property
    def owner(self) -> str:
        """Who owns a session that is opened now: the running test if sessions close with tests, else the suite."""
        if self._test is not None and self._library.auto_close is AutoClose.TEST:
            return f"test {self._test}"
        return f"suite {self._suites[-1]}" if self._suites else ""

    @property
    def test(self) -> str:
        """Name of the running test; empty between tests."""
        return self._test_name

    def start_suite(self, data: Any, result: Any) -> None:
        """Opens a scope."""
        self._debug_file = self._debug_file or debug_file()
        self._suites.append(result.full_name)
        self._library.settings.enter(Scope.Suite)

    def end_suite(self, data: Any, result: Any) -> None:
        """Closes what the suite opened, if sessions close with suites or tests."""
        try:
            if self._library.auto_close in (AutoClose.SUITE, AutoClose.TEST):
                self._close(f"suite {result.full_name}")
            for session in self._library.sessions:
                for console in session.device.consoles.values():
                    console.watchers.remove_scope(Scope.Suite.value)
        finally:
            self._library.settings.leave(Scope.Suite)
            if result.full_name in self._suites:
                self._suites.remove(result.full_name)

    def start_test(self, data: Any, result: Any) -> None:
        """Opens a scope, and marks the journals."""
        self._test = result.full_name
        self._test_name = result.name
        self._library.settings.enter(Scope.Test)
        self._mark(lambda: TestStarted(name=result.full_name))
        for session in self._library.sessions:
            session.start_test(result.name)

    def end_test(self, data: Any, result: Any) -> None:
        """Writes what is still to be said under the test, and closes what the test opened, if sessions close with tests."""
        try:
            for session in self._library.sessions:
                session.gather_logs(patient=True)
                write_new_events(session, self._library.sessions.redact)
                write_new_output(session, session.device.consoles.values(), self._library.sessions.redact)
                self._fail_on_watchers(session, result)
                session.end_test()
            self._mark(lambda: TestEnded(name=result.full_name, status=result.status))
            if self._library.auto_close is AutoClose.TEST:
                self._close(f"test {result.full_name}")
        finally:
            mask_result(result, self._library.sessions.redact)
            self._library.settings.leave(Scope.Test)
            self._test, self._test_name = None, ""

    def close(self) -> None:
        """The run is over: closes what is left, and the event loop, which would keep Robot from ending."""
        if self._library.auto_close is not AutoClose.KEEP:
            self._close(None)
            event_loop.close()
        if self._debug_file is not None:
            mask_debug_file(self._debug_file, self._library.sessions.redact)

    def _close(self, owner: str | None) -> None:
        try:
            self._library.sessions.close_all(owner)
        except Exception as error:  # noqa: BLE001 - nobody is there to catch it, and what could be closed was closed
            logger.warn(f"Closing a device session failed: {self._library.sessions.redact(str(error))}")

    def _fail_on_watchers(self, session: DeviceSession, result: Any) -> None:
        """Fails a test in whose last moments a watcher was hit, which no keyword could tell any more."""
        for console in session.device.consoles.values():
            try:
                console.check_watchers()
            except ConsoleWatcherError as error:
                message = self._library.sessions.redact(f"{error.failure_class.value}: {error}")
                result.message = f"{result.message}\n\n{message}" if result.message else message
                result.status = "FAIL"
            console.watchers.remove_scope(Scope.Test.value)

    def _mark(self, make: Callable[[], Event]) -> None:
        for session in self._library.sessions:
            session.journal.append(make())

    # ----------------------------------------------------------------- secrets

    def start_keyword(self, data: Any, result: Any) -> None:
        """Masks secrets that were written as plain text, before they reach any file."""
        mask_arguments(result, self._library.sessions.redact)

    def end_keyword(self, data: Any, result: Any) -> None:
        """Masks secrets that the keyword told in its failure, and those that became known while it ran."""
        mask_result(result, self._library.sessions.redact)

    def log_message(self, message: Any) -> None:
        """Masks secrets in the messages of TRACE level, and in whatever else shows them."""
        mask_message(message, self._library.sessions.redact)
