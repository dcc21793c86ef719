"""What a transfer was, and how it is told of while it goes on and at its end."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

from ..errors import JumpstarterError
from ..journal import Journal, TransferEnded
from .failures import Act

Progress = Callable[[int, int | None], object]
"""Is told how many bytes have moved so far, and how many there are, if that is known; about ten times per second."""


class _Handle:
    def __repr__(self) -> str:
        return "HANDLE"


HANDLE: Final = _Handle()
"""Stands in a list of arguments where the driver wants the handle of the file."""


@dataclass(frozen=True)
class Transfer:
    """A file that went to or came from a driver."""

    name: str
    """The file or web address that it came from or went to."""
    size: int
    """Bytes that the driver took or gave: of the image, unpacked."""
    seconds: float
    """How long it took, the driver's own work included."""
    sha256: str
    """Hex digits, of those bytes."""
    returned: object
    """What the driver's method returned."""

    @property
    def rate(self) -> float:
        """Bytes per second."""
        return self.size / self.seconds if self.seconds > 0 else 0.0


class Record:
    """One transfer while it goes on; at its end it is in the journal, however it ended."""

    def __init__(self, journal: Journal, act: Act, direction: str, name: str) -> None:
        self._journal = journal
        self._act = act
        self._direction = direction
        self._name = name
        self._begin = time.monotonic()
        self._status = "interrupted"
        self.size = 0
        self.sha256 = ""

    def __enter__(self) -> Record:
        return self

    def finished(self, size: int, sha256: str, returned: object) -> Transfer:
        """The transfer went well."""
        self.size, self.sha256, self._status = size, sha256, "ok"
        return Transfer(self._name, size, time.monotonic() - self._begin, sha256, returned)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if isinstance(error, JumpstarterError):
            self._status = type(error).__name__
        self._journal.append(
            TransferEnded(
                driver=self._act.driver,
                method=self._act.method,
                direction=self._direction,
                name=self._name,
                size=self.size,
                seconds=time.monotonic() - self._begin,
                sha256=self.sha256,
                status=self._status,
            )
        )


def replace_handle(arguments: tuple[object, ...], handle: object) -> tuple[object, ...]:
    """Puts a handle where it belongs."""
    return tuple(handle if argument is HANDLE else argument for argument in arguments)
