"""Warns of sessions that pile up: a test opens the same device again that an earlier test of its suite has left open."""

from __future__ import annotations

import weakref
from collections.abc import Iterable

from robot.api import logger
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from ..sessions import DeviceSession

_opened: weakref.WeakKeyDictionary[DeviceSession, tuple[str, str, str]] = weakref.WeakKeyDictionary()
"""Suite, test and what was asked for, of sessions without an alias of their own."""
_warned: set[str] = set()
"""Suites of which it was said."""


def warn_of_piling(what: str, sessions: Iterable[DeviceSession]) -> None:
    """Says, once in a suite, that an earlier test has left the same device open; before it is opened once more.

    Args:
        what: the target or the wish; empty if it has an alias of its own, as that cannot be opened twice.
        sessions: those that are open.
    """
    suite, test = _place()
    for session in sessions:
        its_suite, its_test, its_what = _opened.get(session, ("", "", ""))
        if what and test and its_test and (its_suite, its_what) == (suite, what) and its_test != test and suite not in _warned:
            _warned.add(suite)
            logger.warn(
                f"Test '{test}' opens {what} again, while the session '{session.alias}' of test '{its_test}' is still open: "
                "sessions pile up until the suite ends. Open it in the suite setup, or import the library with auto_close=TEST."
            )


def remember(session: DeviceSession, what: str) -> None:
    """Remembers in which test a session was opened."""
    _opened[session] = (*_place(), what)


def _place() -> tuple[str, str]:
    try:
        variable = BuiltIn().get_variable_value
        return str(variable("${SUITE NAME}", "")), str(variable("${TEST NAME}", "") or "")
    except RobotNotRunningError:
        return "", ""
