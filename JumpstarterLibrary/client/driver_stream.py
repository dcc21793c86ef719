"""A byte stream to a driver, with reads that end: so many bytes, up to a mark, or one message."""

from __future__ import annotations

import threading
from typing import Any

from ..errors import CallTimeoutError, DriverTimeoutError, InfrastructureError, JumpstarterError, UsageError
from ..wire.deadline import Deadline, Timeout, in_words, seconds
from .driver import DriverClient
from .failures import Act
from .hand_over import HandOver
from .streams import ByteStream

BYTES_AHEAD = 16 * 1024 * 1024
"""Bytes that wait to be read; then gRPC's flow control holds the exporter."""
MESSAGE_COST = 64
"""Bytes that a message costs besides its own."""
LONGEST_CUT = 3
"""Bytes of a letter that can stand at the end of what came while its last one is still missing."""
SLICE = 0.1
"""Seconds between two looks whether the stream has ended."""
END_BUDGET = 0.5
"""Seconds that the receiving thread gets to end."""


class DriverStream:
    """One open stream; whoever opens it closes it, at the latest the device does.

    Args:
        driver: the driver.
        method: one of its stream methods.
        timeout: until it has to be open; the device's unless given.

    Raises:
        JumpstarterError: the driver could not open it; the message has the driver's reason.
    """

    def __init__(self, driver: DriverClient, method: str = "connect", timeout: Timeout | None = None) -> None:
        self._device = driver.device
        self._act = Act(self._device.name, driver.path, method)
        limit = self._device.timeout_seconds if timeout is None else seconds(timeout)
        self._messages: HandOver[bytes] = HandOver(BYTES_AHEAD, lambda message: len(message) + MESSAGE_COST)
        self._rest = bytearray()
        self._closed = False
        self._thread = threading.Thread(target=self._receive, name="jumpstarter-driver-stream", daemon=True)
        opened = None
        try:
            opened = self._stream = ByteStream(self._device.connection, self._act, driver.node.uuid, limit)
            self._thread.start()
            self._device.add_closer(self.close)
        except BaseException:  # also Robot's timeout and Ctrl-C
            if opened is not None:
                self.close()
            raise

    @property
    def closed(self) -> bool:
        """Whether it was closed on this side."""
        return self._closed

    @property
    def ended(self) -> bool:
        """Whether the driver has ended its side and everything was read."""
        return not self._rest and self._messages.exhausted

    def send(self, data: bytes, timeout: Timeout | None = None) -> None:
        """Sends bytes.

        Raises:
            CallTimeoutError: they were not taken within `timeout`, the device's unless given.
            InfrastructureError: the stream has ended.
        """
        self._check_open("send to")
        self._stream.send(data, self._limit(timeout))

    def finish_sending(self) -> None:
        """Ends our side; the driver's stays open."""
        self._stream.finish_sending()

    def receive(self, count: int | None = None, until: bytes | None = None, timeout: Timeout | None = None) -> bytes:
        """Receives bytes: exactly `count`, or up to and with the mark `until`, or else what there is, at least one.

        Returns:
            The bytes; fewer only if the driver has ended its side, and none if nothing was left then. What came after them is
            there for the next time.

        Raises:
            DriverTimeoutError: they did not come within `timeout`, the device's unless given. What came stays to be received.
            InfrastructureError: the stream broke.
        """
        if count is not None and until is not None:
            raise UsageError("Give either count or until, not both.")
        self._check_open("receive from")
        return self._collect(count, until, Deadline(self._limit(timeout)))

    def receive_whole(self, encoding: str, timeout: Timeout | None = None) -> bytes:
        """Receives what there is, at least one letter; one of which only a part came stays for the next time.

        Args:
            encoding: of the letters. Bytes that are no text in it are returned as they are.
            timeout: until the first letter has to be there; the device's unless given.

        Returns:
            The bytes; none if nothing was left when the driver ended its side, and a part of a letter if that was left.

        Raises:
            DriverTimeoutError: no whole letter came within `timeout`. What came stays to be received.
            InfrastructureError: the stream broke.
            LookupError: there is no such encoding. What came stays to be received.
        """
        self._check_open("receive from")
        deadline = Deadline(self._limit(timeout))
        data = self._collect(None, None, deadline)
        while True:
            try:
                cut = _cut(data, encoding)
            except LookupError:
                self.give_back(data)
                raise
            if not cut:
                return data
            if len(data) > cut:
                self.give_back(data[-cut:])
                return data[:-cut]
            self.give_back(data)
            message = self._next(deadline)
            self._rest += message or b""
            data = self._collect(None, None, deadline)
            if message is None:
                return data

    def _collect(self, count: int | None, until: bytes | None, deadline: Deadline) -> bytes:
        searched, late = 0, None
        while (size := self._enough(count, until, searched)) is None:
            searched = len(self._rest)
            if deadline.expired:  # what came in time is still looked at, but not what never ends to come
                late = self._messages.waiting if late is None else late - 1
                if late <= 0 and self._messages.waiting:
                    raise self._unending(deadline)
            message = self._next(deadline)
            if message is None:
                size = len(self._rest)
                break
            self._rest += message
        taken = bytes(self._rest[:size])
        del self._rest[:size]
        return taken

    def receive_message(self, timeout: Timeout | None = None) -> bytes:
        """Receives one message as the driver sent it, for datagrams.

        Raises:
            DriverTimeoutError: none came within `timeout`, the device's unless given.
            InfrastructureError: the stream broke, or has ended.
        """
        self._check_open("receive from")
        if self._rest:
            taken = bytes(self._rest)
            self._rest.clear()
            return taken
        message = self._next(Deadline(self._limit(timeout)))
        if message is None:
            raise InfrastructureError(f"No message came from {self._act}: the driver has ended the stream.")
        return message

    def give_back(self, data: bytes) -> None:
        """Puts bytes that were received in front of those that come next, for whoever can make more of them."""
        self._rest[:0] = data

    def close(self) -> None:
        """Ends the stream on both sides. Closing twice does no harm."""
        if self._closed:
            return
        self._closed = True
        self._device.remove_closer(self.close)
        try:
            self._stream.close()
        finally:
            self._messages.close()
            if self._thread.is_alive():
                self._thread.join(END_BUDGET)

    def __enter__(self) -> DriverStream:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __repr__(self) -> str:
        state = "closed" if self._closed else "ended" if self.ended else "open"
        return f"<DriverStream {self._act} {state}>"

    def _enough(self, count: int | None, until: bytes | None, searched: int) -> int | None:
        """How many of the bytes at hand to give; None if more have to come. The mark is not in the first `searched` bytes."""
        if count is not None:
            return count if len(self._rest) >= count else None
        if until is not None:
            place = self._rest.find(until, max(0, searched + 1 - len(until)))
            return None if place < 0 else place + len(until)
        return len(self._rest) or None

    def _next(self, deadline: Deadline) -> bytes | None:
        while (message := self._messages.get(min(SLICE, deadline.remaining))) is None:
            if self._messages.exhausted:
                if isinstance(self._messages.error, JumpstarterError):
                    raise self._messages.error
                return None
            if deadline.expired:
                raise self._silent(deadline)
        return message

    def _silent(self, deadline: Deadline) -> JumpstarterError:
        length, so_far = in_words(deadline.total), f" {len(self._rest)} bytes came so far." if self._rest else ""
        if self._device.connection.alive():
            return DriverTimeoutError(f"Nothing (more) came from {self._act} within {length}.{so_far}")
        return CallTimeoutError(
            f"Nothing (more) came from {self._act} within {length}, and the exporter answers nothing else either.{so_far} "
            "Is it frozen, or the network to it gone?"
        )

    def _unending(self, deadline: Deadline) -> JumpstarterError:
        return DriverTimeoutError(
            f"What was waited for did not come from {self._act} within {in_words(deadline.total)}. "
            f"{len(self._rest)} bytes came so far, and more is coming."
        )

    def _limit(self, timeout: Timeout | None) -> float:
        return self._device.timeout_seconds if timeout is None else seconds(timeout)

    def _check_open(self, what: str) -> None:
        if self._closed:
            raise UsageError(f"Cannot {what} {self._act}: the stream was closed.")

    def _receive(self) -> None:
        failure: Any = None
        try:
            for message in self._stream.receive():
                if not self._messages.put(message):
                    return
        except BaseException as error:  # noqa: BLE001 - whoever receives raises it
            failure = error
        finally:
            self._messages.finish(failure)


def _cut(data: bytes, encoding: str) -> int:
    """How many bytes at the end are the beginning of a letter; 0 also for bytes that are no text."""
    try:
        data.decode(encoding)
    except UnicodeDecodeError as error:
        size = len(data) - error.start
        missing = any(word in error.reason for word in ("unexpected end", "truncated", "incomplete"))
        return size if missing and size <= LONGEST_CUT else 0
    return 0
