"""Where a file is written in a store, and how long tidying up after it may take."""

from __future__ import annotations

import secrets

from ..errors import InfrastructureError, JumpstarterError
from ..wire.deadline import Deadline

TIDY_UP = 0.8
"""Seconds in all for closing and removing what a failed transfer left behind; less where the lab broke, or the user waits."""
TIDY_UP_QUICKLY = 0.3


class Place:
    """Where a file is written, which may be beside the file that it replaces."""

    def __init__(self, path: str, *, at_once: bool = False) -> None:
        self.path = path
        self.at_once = at_once
        """Whether it is written in its own place, whatever is there."""
        self.existed = False
        """Whether there was a file of this name."""
        self.method = ""
        """The store's method that puts the new file in the place of the old one; empty if it has none."""
        self.complete = False
        """Whether it was written and compared, and only has to take its place."""
        self._beside = f"{path}.{secrets.token_hex(4)}.part"

    @property
    def written(self) -> str:
        """The path that is written."""
        return self._beside if self.method else self.path


class Tidying:
    """The time that all tidying after one error may take together."""

    def __init__(self) -> None:
        self._deadline: Deadline | None = None

    def left(self, error: BaseException) -> float:
        """Seconds that are left of it; it begins with the first question."""
        if self._deadline is None:
            self._deadline = Deadline(_patience(error))
        return max(self._deadline.remaining, 0.01)


def _patience(error: BaseException) -> float:
    """Seconds for tidying up after an error: an interrupted user waits, and a broken lab answers nothing."""
    return TIDY_UP if isinstance(error, JumpstarterError) and not isinstance(error, InfrastructureError) else TIDY_UP_QUICKLY
