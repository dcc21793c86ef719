"""Downloads that are compared before they count: files before they get their name, and images that are read back."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path

from ..wire.deadline import Timeout
from .driver import DriverClient
from .resources import HANDLE, Download, Progress, Transfer
from .transfer import Record
from .verification import check_same

Accept = Callable[[Transfer], object]
"""Gets what came, and raises an error if it is wrong."""


def checked_download(
    driver: DriverClient,
    method: str,
    target: Path,
    arguments: Sequence[object] = (HANDLE,),
    *,
    accept: Accept,
    idle: Timeout | None = None,
    progress: Progress | None = None,
) -> Transfer:
    """Takes a file from a driver, as `download` does; it gets its name only if `accept` does not object."""
    return _Checked(driver, method, arguments, idle, progress, accept).run(target)


def read_back(
    driver: DriverClient, method: str, arguments: Sequence[object], sent: Transfer, *, idle: Timeout | None = None
) -> None:
    """Reads back as many bytes as were sent, and compares them. What is behind them on the device is not read to its end.

    Raises:
        TransferMismatchError: they differ, or there are fewer.
        JumpstarterError: the driver cannot be read.
    """
    _ReadBack(driver, method, arguments, idle, None).compare(sent)


class _Checked(Download):
    def __init__(  # noqa: PLR0917 - made in one place
        self,
        driver: DriverClient,
        method: str,
        arguments: Sequence[object],
        idle: Timeout | None,
        progress: Progress | None,
        accept: Accept,
    ) -> None:
        super().__init__(driver, method, arguments, idle, progress)
        self._accept = accept

    def accept(self, came: Transfer) -> None:
        self._accept(came)


class _ReadBack(Download):
    def compare(self, sent: Transfer) -> None:
        beginning = _Beginning(sent.size)
        with Record(self.connection.journal, self.act, "download", f"{sent.name} (read back)") as record:
            with contextlib.suppress(_EnoughError):
                self.take_into(beginning, record)
            check_same(
                self.act,
                sent.name,
                size=beginning.size,
                sha256=beginning.sha256,
                expected_size=sent.size,
                expected_sha256=sent.sha256,
            )
            record.finished(beginning.size, beginning.sha256, None)


class _EnoughError(Exception):
    """More than what counts has come."""


class _Beginning:
    """Stands for the file of a download: hashes the first bytes, and stops at those behind them."""

    def __init__(self, wanted: int) -> None:
        self.size = 0
        self.target = "the image"
        self._wanted = wanted
        self._hash = hashlib.sha256()

    def write(self, data: bytes) -> None:
        part = memoryview(data)[: self._wanted - self.size]
        self._hash.update(part)
        self.size += len(part)
        if len(part) < len(data):
            raise _EnoughError

    @property
    def sha256(self) -> str:
        return self._hash.hexdigest()
