"""Repeats tests that the lab broke, and only those: each attempt stays in the log, and the last one decides.

The attempt that failed becomes a skipped test with its message and the tag `retry:attempt-1`; the next one follows it under the
same name. Sessions that the test found open and that are dead are opened anew, as they were opened before.
"""

from __future__ import annotations

import re
from enum import Enum
from typing import TYPE_CHECKING, Any

from robot.api import SuiteVisitor, logger
from robot.running.context import EXECUTION_CONTEXTS

from .client.console import Console
from .client.serial import SerialClient
from .errors import FailureClass, JumpstarterError
from .report.failing import EXITED, Failing
from .report.failure_class import Failure, was_stopped
from .sessions import DeviceSession

if TYPE_CHECKING:
    from .library import JumpstarterLibrary

TAG = "retry:attempt-"
_IN_SUITE = ("Parent suite setup failed:", "Parent suite teardown failed:")
_OF_DEVICE = re.compile(rf"^(?:\d+\) )?{FailureClass.DEVICE.value}: ", re.MULTILINE)
"""A failure of several, or of the teardown."""
_TWICE = ("Multiple tests with name '", "Multiple tasks with name '")


class Retry(Enum):
    """Which failed tests are repeated."""

    NONE = "none"
    INFRASTRUCTURE = "infrastructure"


class Retrying:
    """Follows the tests of a run; called by the listener."""

    def __init__(self, library: JumpstarterLibrary, what: Retry, times: int) -> None:
        self._library = library
        self._times = times if what is Retry.INFRASTRUCTURE else 0
        self._attempts: dict[int, tuple[Any, int]] = {}
        """By identity of the test's data, which is held here so that no other one gets the same."""
        self._found: list[DeviceSession] = []
        self._names: set[str] = set()
        self._consoles: dict[DeviceSession, list[tuple[str, Console]]] = {}
        """Those of dead sessions."""

    def start_test(self, data: Any, result: Any) -> str:
        """A test begins. If it is a further attempt, dead sessions are opened anew.

        Returns:
            Why this attempt cannot be made; empty if it can.
        """
        if not self._times:
            return ""
        _, attempt = self._attempts.get(id(data), (data, 1))
        if attempt > 1:
            result.tags.add(f"{TAG}{attempt}")
            try:
                for session in self._found:
                    self._revive(session)
            except JumpstarterError as error:
                text = self._library.sessions.redact(str(error))
                # The next attempt looks for the same sessions.
                return f"{error.failure_class.value}: The session could not be opened anew for this attempt. {text}"
        self._found = list(self._library.sessions)
        return ""

    def end_test(self, data: Any, result: Any, failure: Failure | None, failing: Failing) -> None:
        """A test has ended. If the lab broke it, it is put aside, and follows itself."""
        _, attempt = self._attempts.pop(id(data), (data, 1))
        if failure is None or failure.failure_class is not FailureClass.INFRASTRUCTURE or attempt > self._times:
            return
        if EXITED in result.tags or was_stopped(result.message) or result.message.startswith(_IN_SUITE):
            return
        if _stops_at_failures():
            return  # Robot has noted this one already, and would not run another attempt
        if _OF_DEVICE.search(result.message):
            return  # the device has failed, too, and a further attempt that passes would hide it
        tests = data.parent.tests
        index = next(number for number, test in enumerate(tests) if test is data)
        again = data.copy()
        again.error = None
        tests.insert(index + 1, again)
        self._attempts[id(again)] = (again, attempt + 1)
        self._names.add(result.name)
        failing.take_back(failure)
        result.tags.remove(failure.tag)
        result.tags.add(f"{TAG}{attempt}")
        result.status = "SKIP"
        told = f"The lab broke attempt {attempt} of at most {self._times + 1}; the test is repeated."
        result.message = f"{told}\n\n{result.message}"

    def message(self, message: Any) -> None:
        """A message of Robot's own: that a test of the same name runs again is no news then."""
        text = message.message
        if message.level == "WARN" and text.startswith(_TWICE) and any(f"'{name}'" in text for name in self._names):
            message.level = "INFO"

    def _revive(self, session: DeviceSession) -> None:
        """Opens a dead session anew, with its consoles.

        Raises:
            JumpstarterError: it cannot be opened.
        """
        library, connection = self._library, session.device.connection
        if session.device.state == "closed" and session.alias in {one.alias for one in library.sessions}:
            return  # another one has taken its place
        if session.device.state == "open" and connection.alive():
            return
        if session.device.state == "lost" and connection.regained():
            return
        before = library.sessions.current.alias if len(library.sessions) else session.alias
        # Once: opening may fail, and then the next attempt finds them closed.
        found = [(path, console) for path, console in session.device.consoles.items() if not console.closed]
        consoles = self._consoles.setdefault(session, found)
        new = library.sessions.reopen(session)
        self._found = [new if one is session else one for one in self._found]
        library.take_over(new)
        new.owner = session.owner
        for path, console in consoles:
            client = new.device.driver_of(SerialClient, path or None)
            opened = client.open_console(console.options, connect_later=console.comes_and_goes)
            for watcher in console.watchers.active:
                opened.watchers.add(watcher)
        new.console = session.console
        if before in {one.alias for one in library.sessions}:
            library.sessions.switch(before)
        logger.warn(f"Session '{new.alias}' was opened anew for a further attempt.")


class LastAttempts(SuiteVisitor):  # type: ignore[misc]
    """Leaves of each repeated test the last attempt only; for `rebot --prerebotmodifier JumpstarterLibrary.retry.LastAttempts`.

    `rebot --merge` finds tests by their names, of which attempts have the same one, and would replace the first one only.
    """

    def start_suite(self, suite: Any) -> None:
        """Takes the attempts out that were repeated."""
        last = {test.name: test for test in suite.tests}
        suite.tests = [test for test in suite.tests if last[test.name] is test or not _is_attempt(test)]


def _is_attempt(test: Any) -> bool:
    return test.status == "SKIP" and any(str(tag).startswith(TAG) for tag in test.tags)


def _stops_at_failures() -> bool:
    """Whether the run has `--exitonfailure`; Robot tells it in no official place."""
    output = getattr(EXECUTION_CONTEXTS.current, "output", None)
    return bool(getattr(getattr(output, "_settings", None), "exit_on_failure", False))
