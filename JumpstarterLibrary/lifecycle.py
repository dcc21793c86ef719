"""The library as its own listener: scopes, automatic closing, late log lines, secrets in arguments.

Listener methods have no timeout, ignore Ctrl-C, and their errors only print a line. So each step is short and contained.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from robot.api import logger
from robot.api.interfaces import ListenerV3
from robot.utils import timestr_to_secs

from .errors import ConsoleWatcherError, FailureClass, JumpstarterError
from .journal import Event, TestEnded, TestStarted
from .keywords.base import Scope
from .report import measurements
from .report.console_log import write_new_output
from .report.masking import debug_file, mask_arguments, mask_debug_file, mask_message, mask_result
from .report.robot_log import write_new_events
from .report.timelines import write_timeline
from .sessions import DeviceSession
from .settings import AutoClose
from .skipping import Skipping
from .wire import event_loop

EXTENSION_TIMEOUT = 5.0
"""Seconds that the lab's controller gets before a test whose timeout is longer than its lease."""

if TYPE_CHECKING:
    from .library import JumpstarterLibrary


class Lifecycle(ListenerV3):  # type: ignore[misc]  # Robot has types in parts only
    """Follows suites, tests and keywords."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self, library: JumpstarterLibrary) -> None:
        self._library = library
        self.skipping = Skipping(library.sessions)
        self._suites: list[str] = []
        self._test: str | None = None
        self._test_name = ""
        self._began: TestStarted | None = None
        self._debug_file: Path | None = None

    # ------------------------------------------------------------------ scopes

    @property
    def owner(self) -> str:
        """Who owns a session that is opened now: the running test if sessions close with tests, else the suite."""
        if self._test is not None and self._library.auto_close is AutoClose.TEST:
            return f"test {self._test}"
        return f"suite {self._suites[-1]}" if self._suites else ""

    @property
    def test(self) -> tuple[str, str] | None:
        """Name and full name of the running test; None between tests."""
        return None if self._test is None else (self._test_name, self._test)

    def under_way(self) -> list[Event]:
        """What a journal that begins now should begin with."""
        return [] if self._began is None else [self._began]

    def start_suite(self, data: Any, result: Any) -> None:
        """Opens a scope."""
        self._debug_file = self._debug_file or debug_file()
        self._suites.append(result.full_name)
        self._library.failing.start_suite(result)
        measurements.start_suite(self._library.measurements, result)
        self._library.settings.enter(Scope.Suite)

    def end_suite(self, data: Any, result: Any) -> None:
        """Closes what the suite opened, if sessions close with suites or tests."""
        try:
            if self._library.auto_close in (AutoClose.SUITE, AutoClose.TEST):
                self._close(f"suite {result.full_name}")
            for session in self._library.sessions:
                for console in session.device.consoles.values():
                    console.watchers.remove_scope(Scope.Suite.value)
            with self._contained("Writing the measurements"):
                measurements.end_suite(self._library.measurements, result, self._library.sessions.redact)
            with self._contained("Counting the failures"):
                self._library.failing.end_suite(result)
        finally:
            self._library.settings.leave(Scope.Suite)
            if result.full_name in self._suites:
                self._suites.remove(result.full_name)

    def start_test(self, data: Any, result: Any) -> None:
        """Opens a scope, and marks the journals."""
        self._test = result.full_name
        self._test_name = result.name
        self._library.settings.enter(Scope.Test)
        with self._contained("Beginning the measurements of the test"):
            measurements.start_test(self._library.measurements, result)
        self._began = began = TestStarted(name=result.full_name)
        self._mark(lambda: began)
        for session in self._library.sessions:
            session.start_test(result.name, result.full_name)
        with self._contained("Following the test"):
            self._library.failing.start_test(result)
        data.error = self._library.retrying.start_test(data, result) or data.error
        if self.skipping.start_test(data, result) and (problem := self._short_lease(result)):
            data.error = problem

    def end_test(self, data: Any, result: Any) -> None:
        """Writes what is still to be said under the test, and closes what the test opened, if sessions close with tests."""
        try:
            redact = self._library.sessions.redact
            for session in self._library.sessions:
                with self._contained("Writing the exporter's log"):
                    session.gather_logs(patient=True)
                    write_new_events(session, redact)
                with self._contained("Writing the output of consoles"):
                    write_new_output(session, session.device.consoles.values(), redact)
                self._fail_on_watchers(session, result)
                with self._contained("Ending the test on its device"):
                    session.end_test()
            with self._contained("Writing the measurements"):
                measurements.end_test(self._library.measurements, result, redact)
            with self._contained("Noting that the test was skipped"):
                self.skipping.end_test(result)
            self._end_failed(data, result)
            with self._contained("Marking the test's end"):
                self._mark(lambda: TestEnded(name=result.full_name, status=result.status))
        finally:
            if self._library.auto_close is AutoClose.TEST:  # whatever broke above: the lease goes back
                self._close(f"test {result.full_name}")
            mask_result(result, self._library.sessions.redact)
            self._library.settings.leave(Scope.Test)
            self._test, self._test_name, self._began = None, "", None

    def _end_failed(self, data: Any, result: Any) -> None:
        """Says whose failure it is, if it is one; the test may be repeated for that."""
        library, status, failure = self._library, result.status, None
        sessions, began = library.failing.used
        with self._contained("Drawing the timeline"):
            for session in sessions:
                session.write_down()
            write_timeline(result, sessions, began, library.sessions.redact)
        with self._contained("Telling whose failure it is"):
            failure = library.failing.end_test(result)
        if library.health is not None:
            with self._contained("Adding to the health file"):
                suite = result.parent.full_name
                if problem := library.health.add(sessions, suite, result.name, status=status, failure=failure):
                    logger.warn(problem)
        with self._contained("Preparing a further attempt"):
            library.retrying.end_test(data, result, failure, library.failing)

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
            except Exception as error:  # noqa: BLE001 - nobody else would hear of it, and the test would pass
                known = isinstance(error, ConsoleWatcherError)
                whose = error.failure_class if isinstance(error, JumpstarterError) else FailureClass.LIBRARY
                text = f"{error}" if known else f"The watchers could not be checked: {type(error).__name__}: {error}"
                message = self._library.sessions.redact(f"{whose.value}: {text}")
                result.message = f"{result.message}\n\n{message}" if result.message else message
                result.status = "FAIL"
            console.watchers.remove_scope(Scope.Test.value)

    @contextlib.contextmanager
    def _contained(self, doing: str) -> Iterator[None]:
        """One report that breaks takes no other one with it: Robot would only print a line, and skip all that comes after."""
        try:
            yield
        except Exception as error:  # noqa: BLE001 - nobody is there to catch it
            logger.warn(f"{doing} failed: {self._library.sessions.redact(f'{type(error).__name__}: {error}')}")

    def _short_lease(self, result: Any) -> str:
        """Sees to it that leases last as long as the test may take; says what is wrong if one cannot."""
        try:
            seconds = timestr_to_secs(str(result.timeout))
        except ValueError:  # the test has none
            return ""
        for session in self._library.sessions:
            lease = session.leased.lease if session.leased is not None else None
            # Of one that has ended the keywords tell, if the test has any for this device.
            if lease is not None and not lease.ended:
                try:
                    lease.ensure(timedelta(seconds=seconds), EXTENSION_TIMEOUT, f"the timeout of test '{result.name}'")
                except JumpstarterError as error:
                    return self._library.sessions.redact(f"{error.failure_class.value}: {error}")
        return ""

    def _mark(self, make: Callable[[], Event]) -> None:
        for session in self._library.sessions:
            session.write_down()  # what came before belongs there
            session.journal.append(make())

    # ----------------------------------------------------------------- secrets

    def start_keyword(self, data: Any, result: Any) -> None:
        """Masks secrets that were written as plain text, before they reach any file."""
        mask_arguments(result, self._library.sessions.redact)
        self._library.failing.start_keyword(result)

    def end_keyword(self, data: Any, result: Any) -> None:
        """Masks secrets that the keyword told in its failure, and those that became known while it ran."""
        mask_result(result, self._library.sessions.redact)
        self._library.failing.end_keyword(result)

    def message(self, message: Any) -> None:
        """Hears what Robot itself says."""
        self._library.retrying.message(message)

    def log_message(self, message: Any) -> None:
        """Masks secrets in the messages of TRACE level, and in whatever else shows them."""
        mask_message(message, self._library.sessions.redact)
