"""Downloads that are compared before they count: files before they get their name, and images that are read back."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import cast

from ..wire.deadline import Timeout
from .driver import DriverClient
from .pending import PendingCall
from .receiving import PartialFile, Receiver
from .resource_stream import ResourceStream
from .resources import HANDLE, Progress, Transfer, _Download
from .transfer import Record, replace_handle
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


class _Checked(_Download):
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
        self._answer: object = None

    def _returned(self, call: PendingCall, file: PartialFile) -> object:
        self._answer = super()._returned(call, file)
        return self._answer

    def _check(self, stream: ResourceStream, call: PendingCall, file: PartialFile) -> None:
        super()._check(stream, call, file)
        self._accept(Transfer(str(file.target), file.size, 0.0, file.sha256, self._answer))


class _ReadBack(_Download):
    def compare(self, sent: Transfer) -> None:
        receiver, beginning = Receiver(), _Beginning(sent.size)
        stream = ResourceStream(self.connection, self.act, self.uuid, receiver.requests())
        call: PendingCall | None = None
        file = cast("PartialFile", beginning)
        with Record(self.connection.journal, self.act, "download", f"{sent.name} (read back)") as record:
            try:
                self.moved()
                stream.open(self.idle)
                call = PendingCall(self.connection, self.act, self.uuid, replace_handle(self.arguments, stream.handle))
                receiver.start(stream)
                call.start()
                self.moved()
                try:
                    self._receive(receiver, stream, call, file)
                    self._returned(call, file)
                    self._check(stream, call, file)
                except _EnoughError:
                    pass
                check_same(
                    self.act,
                    sent.name,
                    size=beginning.size,
                    sha256=beginning.sha256,
                    expected_size=sent.size,
                    expected_sha256=sent.sha256,
                )
                record.finished(beginning.size, beginning.sha256, None)
            finally:
                record.size = beginning.size
                if call is not None:
                    call.cancel()
                stream.cancel()
                receiver.close()


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
