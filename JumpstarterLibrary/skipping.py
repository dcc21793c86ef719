"""Skips tests whose device lacks what their tags say that they need: at the test's start, or when the test opens its device."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from robot.api import SkipExecution, logger

from .errors import UsageError
from .needs import PREFIX, Need, tags_to_needs, undecided, unmet

if TYPE_CHECKING:
    from .sessions import Sessions

SKIP = "robot:skip"
"""The tag by which Robot skips a test before its setup."""


class Skipping:
    """Follows the tests of a run; called by the listener and by the gate of all keywords."""

    def __init__(self, sessions: Sessions) -> None:
        self._sessions = sessions
        self._waiting: list[Need] = []
        self._message = ""

    def start_test(self, data: Any, result: Any) -> bool:
        """Looks at the tags of a test; returns whether the test goes on.

        Args:
            data: the test; an unknown family makes it fail before its setup.
            result: its result; what is missing makes Robot skip it.
        """
        self._waiting, self._message = [], ""
        try:
            needs = tags_to_needs(result.tags)
        except UsageError as error:
            data.error = f"{error.failure_class.value}: {error}"
            return False
        opened = list(self._sessions)
        self._message = unmet(needs, opened)
        if self._message:
            result.tags.add(SKIP)
            return False
        self._waiting = undecided(needs, opened)
        return True

    def check_opened(self) -> None:
        """Looks at the devices that the test itself has opened.

        Raises:
            SkipExecution: one of them lacks something.
        """
        if not self._waiting:
            return
        opened = list(self._sessions)
        waiting, self._waiting = self._waiting, undecided(self._waiting, opened)
        if message := unmet(waiting, opened):
            self._waiting = []
            raise SkipExecution(message)

    def end_test(self, result: Any) -> None:
        """Says under the test why it was skipped, or that something that it needs was never looked at."""
        if self._message:
            result.tags.remove(SKIP)
            result.message = self._message
        elif self._waiting and result.passed:
            tags = ", ".join(f"'{PREFIX}{need.text}'" for need in self._waiting)
            whose = " of that alias" if all(need.alias for need in self._waiting) else ""
            logger.warn(
                f"Test '{result.name}' is tagged {tags}, which nobody has checked: no device session{whose} was open in it."
            )
        self._waiting, self._message = [], ""
