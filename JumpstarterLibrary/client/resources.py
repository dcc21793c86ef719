"""Hands files to drivers' methods and takes files from them (protocol §4.4).

A transfer counts as complete only if every party says so that can: all bytes were read, all were sent, the driver's method
returned, and it took all of them, where the exporter says how many it took. It has no limit for its whole length, but one for the
time in which nothing moves.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Protocol

from ..errors import CallTimeoutError, DriverError, DriverTimeoutError, InfrastructureError, JumpstarterError, UsageError
from ..wire.deadline import Deadline, Timeout, in_words, seconds
from .driver import DriverClient
from .failures import Act
from .false_success import check_success
from .images import Source
from .pending import PendingCall
from .receiving import PartialFile, Receiver
from .resource_stream import ResourceStream
from .sending import Sender
from .transfer import HANDLE, Progress, Record, Transfer, replace_handle
from .verification import add_note

__all__ = ["HANDLE", "Download", "Progress", "Transfer", "download", "upload"]

SLICE = 0.1
"""Seconds between two looks at what moves."""
MOMENT = 0.01
ARRIVAL = 0.05
"""Seconds in which the news that a call is cancelled reaches its driver."""
GRACE = 1.0
"""Seconds that a call gets to say why, after its stream broke, or a stream to end after its call returned."""


def upload(
    driver: DriverClient,
    method: str,
    source: Source,
    arguments: Sequence[object] = (HANDLE,),
    *,
    idle: Timeout | None = None,
    progress: Progress | None = None,
    prepare: Callable[[], object] | None = None,
) -> Transfer:
    """Hands an image to a method of a driver, and waits until the method returns.

    Args:
        driver: the driver.
        method: one of its methods that takes a resource handle.
        source: the image; see `images.open_source`.
        arguments: the method's; `HANDLE` stands where it wants the handle.
        idle: how long nothing may move; the device's timeout unless given.
        progress: is told how far it is.
        prepare: is called before the driver's method, once the beginning of the image was read; what it returns becomes the
            first argument.

    Raises:
        ConfigurationError: the image cannot be read, is corrupt, or has another checksum.
        DriverError: the method failed, or returned without having taken everything.
        CallTimeoutError, DriverTimeoutError: nothing moved for too long.
        JumpstarterError: see `JumpstarterLibrary.errors`.
    """
    return _Upload(driver, method, arguments, idle, progress).run(source, prepare)


def download(
    driver: DriverClient,
    method: str,
    target: Path,
    arguments: Sequence[object] = (HANDLE,),
    *,
    idle: Timeout | None = None,
    progress: Progress | None = None,
) -> Transfer:
    """Takes a file from a method of a driver. It has its name only when it is complete; an older file is then replaced.

    Args:
        driver: the driver.
        method: one of its methods that takes a resource handle.
        target: the file to write.
        arguments: the method's; `HANDLE` stands where it wants the handle.
        idle: how long nothing may move; the device's timeout unless given.
        progress: is told how far it is.

    Raises:
        ConfigurationError: the file cannot be written there.
        DriverError: the method failed.
        CallTimeoutError, DriverTimeoutError: nothing moved for too long.
        JumpstarterError: see `JumpstarterLibrary.errors`.
    """
    return Download(driver, method, arguments, idle, progress).run(target)


class _Moving:
    """What uploads and downloads share."""

    def __init__(
        self, driver: DriverClient, method: str, arguments: Sequence[object], idle: Timeout | None, progress: Progress | None
    ) -> None:
        device = driver.device
        self.act = Act(device.name, driver.path, method)
        if not any(argument is HANDLE for argument in arguments):
            raise UsageError(f"{self.act} was not called: none of its arguments is the handle of the file.")
        self.uuid = device.connection.uuid(driver.node.uuid)
        self._tag = driver.node.type_tag
        self.connection = device.connection
        self.arguments = tuple(arguments)
        self.idle = device.timeout_seconds if idle is None else seconds(idle)
        self._progress = progress
        self._moved = time.monotonic()
        self._count = 0

    def told(self, count: int, total: int | None) -> bool:
        """Takes down how far it is, and returns whether nothing moved for too long."""
        now = time.monotonic()
        if count != self._count:
            self._count, self._moved = count, now
            if self._progress is not None:
                self._progress(count, total)
        return now - self._moved >= self.idle

    def moved(self) -> None:
        """Something happened that counts, beside bytes."""
        self._moved = time.monotonic()

    def succeeded(self, returned: object) -> object:
        """Returns what the driver answered, unless that tells of a failure (`false_success`)."""
        check_success(self._tag, self.act, returned, self.connection.redact)
        return returned

    def stalled(self, where: str) -> JumpstarterError:
        """The error for a transfer in which nothing moves."""
        length = in_words(self.idle)
        if self.connection.alive():
            return DriverTimeoutError(
                f"{self.act} stalled: nothing moved for {length}, {where}. The exporter answers, so the driver or the device "
                "hangs, or needs a longer timeout."
            )
        return CallTimeoutError(
            f"{self.act} stalled: nothing moved for {length}, {where}, and the exporter answers nothing else either. "
            "Is it frozen, or the network to it gone? The outcome of the call is unknown."
        )


class _Upload(_Moving):
    def run(self, source: Source, prepare: Callable[[], object] | None = None) -> Transfer:
        sender = Sender(source)
        stream = ResourceStream(self.connection, self.act, self.uuid, sender.frames())
        call: PendingCall | None = None
        with Record(self.connection.journal, self.act, "upload", source.name) as record:
            try:
                sender.start()
                self._wait_for_beginning(sender, source)
                if prepare is not None:
                    self.arguments = (prepare(), *self.arguments)
                stream.open(self.idle)
                call = PendingCall(self.connection, self.act, self.uuid, replace_handle(self.arguments, stream.handle))
                call.start()
                self.moved()
                self._wait(sender, stream, call, source)
                returned = self.succeeded(self._result(sender, call, source))
                self._check(sender, stream, call, source)
                self.told(sender.sent, sender.sent)
                return record.finished(sender.sent, sender.sha256, returned)
            finally:
                record.size = sender.sent
                # The call first, as upstream's exporter makes an end of file of a cancelled stream (D5): its driver must not
                # see that before it is cancelled.
                if call is not None and call.cancel():
                    time.sleep(ARRIVAL)
                stream.cancel()
                sender.close()

    def _wait_for_beginning(self, sender: Sender, source: Source) -> None:
        """What cannot be read at all never reaches the driver."""
        self.moved()
        looked_at = 0
        while not sender.ready(SLICE):
            if source.looked_at != looked_at:  # its checksum is being compared
                looked_at = source.looked_at
                self.moved()
            if self.told(0, source.size):
                raise InfrastructureError(f"{self.act} was not called: '{source.name}' gave nothing for {in_words(self.idle)}.")
        _raise(sender.error)  # nothing was given away

    def _wait(self, sender: Sender, stream: ResourceStream, call: PendingCall, source: Source) -> None:
        while not call.wait(SLICE):
            _raise_broken(sender)
            if self.told(sender.sent, source.size):
                if sender.starving:
                    raise InfrastructureError(
                        f"{self.act} stalled: '{source.name}' gave nothing more for {in_words(self.idle)}, "
                        f"{_after(sender, source)}."
                    )
                raise call.fail(self.stalled(_after(sender, source)))
            if stream.broken and not sender.ended and not call.wait(GRACE):
                raise call.fail(stream.failure())

    def _result(self, sender: Sender, call: PendingCall, source: Source) -> object:
        try:
            return call.result()
        except DriverError as error:
            _raise_broken(sender)
            if not sender.ended:
                error.args = (f"{error} This was {_after(sender, source)}.", *error.args[1:])
            raise

    def _check(self, sender: Sender, stream: ResourceStream, call: PendingCall, source: Source) -> None:
        """Whether the driver, which says that all is well, can have taken everything."""
        _raise_broken(sender)
        told = call.transferred(stream.uuid)
        taken = sender.sent if told is None else told.taken
        deadline = Deadline(GRACE)
        while not sender.whole and not deadline.expired:  # a driver that counts bytes may be quicker than our threads
            deadline.sleep(MOMENT)
        _raise_broken(sender)
        if stream.broken:
            raise InfrastructureError(
                f"{self.act} returned, but the stream of the file broke {_after(sender, source)}: {stream.failure()}"
            )
        if not sender.whole or taken != sender.sent:
            most = "" if told is not None else "at most "
            whole = sender.read if sender.whole else source.size
            of = f" of {whole}" if whole is not None else ""
            raise DriverError(
                f"{self.act} returned as if all was well, but it took {most}{taken}{of} bytes of '{source.name}'. "
                "The image on the device is not complete."
            )


class Taker(Protocol):
    """What takes the bytes of a download; `PartialFile` is one."""

    @property
    def size(self) -> int: ...

    @property
    def sha256(self) -> str: ...

    @property
    def target(self) -> object: ...

    def write(self, data: bytes, /) -> None: ...


class Download(_Moving):
    """One download. Others that compare or keep less are made of it: they override `accept`, or give `take_into` a taker."""

    def run(self, target: Path) -> Transfer:
        """Takes the file; it has its name once `accept` has let it pass."""
        with Record(self.connection.journal, self.act, "download", str(target)) as record, PartialFile(target) as file:
            returned = self.take_into(file, record)
            file.keep()
            self.told(file.size, file.size)
            return record.finished(file.size, file.sha256, returned)

    def take_into(self, file: Taker, record: Record) -> object:
        """Calls the driver's method, gives what comes to a taker, and returns what the method returned. An error of the taker
        ends the call."""
        receiver = Receiver()
        stream = ResourceStream(self.connection, self.act, self.uuid, receiver.requests())
        call: PendingCall | None = None
        try:
            self.moved()
            stream.open(self.idle)
            call = PendingCall(self.connection, self.act, self.uuid, replace_handle(self.arguments, stream.handle))
            receiver.start(stream)
            call.start()
            self.moved()
            self._receive(receiver, stream, call, file)
            returned = self.succeeded(self._returned(call, file))
            self._check(stream, call, file)
            self.accept(Transfer(str(file.target), file.size, 0.0, file.sha256, returned))
            return returned
        finally:
            record.size = file.size
            if call is not None:
                call.cancel()
            stream.cancel()
            receiver.close()

    def accept(self, came: Transfer) -> None:
        """Raises an error if what came is wrong; this one lets everything pass."""

    def _receive(self, receiver: Receiver, stream: ResourceStream, call: PendingCall, file: Taker) -> None:
        while not receiver.exhausted:
            blocks = receiver.get(SLICE)
            for block in blocks:
                file.write(block)
            if not blocks and call.wait(0):
                call.result()  # what failed sends no more; what the driver says is what counts
                self._check_end(receiver, stream, call, file)
            if self.told(file.size, None):
                raise call.fail(self.stalled(f"after {file.size} bytes"))
        if not receiver.complete:
            if call.wait(GRACE):
                call.result()
            raise call.fail(self._broken(stream, file))

    def _check_end(self, receiver: Receiver, stream: ResourceStream, call: PendingCall, file: Taker) -> None:
        """The driver has returned: once everything is here that it gave, the end has to be here, too."""
        told = call.transferred(stream.uuid)
        if told is not None and told.given == file.size and not receiver.wait(GRACE):
            raise DriverError(
                f"{self.act} returned as if all was well, but without giving a file. '{file.target}' was not written."
            )

    def _returned(self, call: PendingCall, file: Taker) -> object:
        while not call.wait(SLICE):
            if self.told(file.size, None):
                raise call.fail(self.stalled(f"after all {file.size} bytes had come"))
        return call.result()

    def _broken(self, stream: ResourceStream, file: Taker) -> JumpstarterError:
        if stream.broken:
            failure = stream.failure()
            failure.args = (f"{failure} This was after {file.size} bytes.", *failure.args[1:])
            return failure
        return InfrastructureError(
            f"{self.act} failed: the stream of the file ended without its end mark after {file.size} bytes."
        )

    def _check(self, stream: ResourceStream, call: PendingCall, file: Taker) -> None:
        told = call.transferred(stream.uuid)
        if told is not None and told.given != file.size:
            raise InfrastructureError(
                f"{self.act} failed: the driver gave {told.given} bytes, but {file.size} came. '{file.target}' was not written."
            )


def _after(sender: Sender, source: Source) -> str:
    return f"after {sender.sent} of {source.size} bytes" if source.size is not None else f"after {sender.sent} bytes"


def _raise_broken(sender: Sender) -> None:
    """Raises why the image could not be read to its end, and says that a part of it is out already."""
    error = sender.error
    if error is not None and sender.sent:
        add_note(error, f"{sender.sent} bytes of it had gone to the driver by then: what it wrote is no whole image.")
    _raise(error)


def _raise(error: BaseException | None) -> None:
    if error is not None:
        raise error
