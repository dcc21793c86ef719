"""Byte streams to drivers: `RouterService.Stream` with a real open, half-close and end (protocol §4.1, §4.2)."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc
from jumpstarter_protocol import router_pb2

from ..errors import CallTimeoutError, InfrastructureError
from ..wire import frames
from ..wire.deadline import Deadline, in_words
from ..wire.interruptible import SoundEvent
from ..wire.protocol import REQUEST_KEY
from .connection import Connection
from .failures import Act, Attempt

QUEUED_FRAMES = 16
"""Frames that wait to be sent; then sending blocks until the exporter takes more."""

TICK = 0.1
"""Seconds after which sending looks whether the stream has ended meanwhile."""

RECENT = 1.0
"""Seconds after sending in which closing waits until the exporter has what was sent."""
DRAIN_BUDGET = 0.3
ARRIVAL = 0.1

_END = object()


class ByteStream:
    """One open stream to a driver. It counts as open only when the exporter said so (D25), and it is always cancelled at its end,
    because upstream's exporter keeps finished streams and their devices open (D4).

    Args:
        connection: the session.
        act: what it is for.
        uuid: the driver's.
        timeout: seconds until the exporter has to have opened it.

    Raises:
        JumpstarterError: the driver could not open it; the message has the driver's reason.
    """

    def __init__(self, connection: Connection, act: Act, uuid: str, timeout: float) -> None:
        connection.check_usable(act)
        self._connection = connection
        self._act = act
        # The limit is a count beside the queue, so that ending the stream needs no room in it.
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        # One token for each frame that may wait. A queue of C's, as an interrupt in a semaphore would leave it locked for good.
        self._room: queue.SimpleQueue[None] = queue.SimpleQueue()
        for _ in range(QUEUED_FRAMES):
            self._room.put(None)
        self._finished = False
        request = json.dumps({"kind": "driver", "uuid": connection.uuid(uuid, timeout), "method": act.method})
        metadata = ((REQUEST_KEY, request), *(connection.metadata or ()))
        self._drained = SoundEvent()
        self._last_send = 0.0
        self._rpc: Any = None
        begin, timer = time.monotonic(), threading.Timer(timeout, self.abandon)
        try:
            self._rpc = connection.router.Stream(self._requests(), metadata=metadata)
            # Waiting for metadata takes no time limit, and the stream itself must have none: so a timer ends the wait.
            timer.daemon = True
            timer.start()
            self._rpc.initial_metadata()
            if not self._rpc.is_active():
                self._raise_failure(begin, timeout)
            timer.cancel()
        except BaseException:  # also Robot's timeout and Ctrl-C
            timer.cancel()
            self.abandon()
            raise

    def receive(self) -> Iterator[bytes]:
        """Gives what the driver sends, until it ends its side.

        Raises:
            JumpstarterError: the stream broke.
        """
        begin = time.monotonic()
        try:
            for frame in self._rpc:
                if frame.frame_type == frames.GOAWAY:
                    return
                if frame.frame_type == frames.DATA and frame.payload:
                    yield frame.payload
        except grpc.RpcError as error:
            if self._finished or (error.code() is grpc.StatusCode.ABORTED):
                return  # we ended it, or upstream's exporter did in its own way
            raise self._connection.failure(error, Attempt(self._act, time.monotonic() - begin, float("inf"))) from None

    def send(self, data: bytes, timeout: float) -> None:
        """Sends bytes; blocks while the exporter does not take them.

        Raises:
            CallTimeoutError: it did not take all within `timeout` seconds.
            InfrastructureError: the stream has ended.
        """
        deadline = Deadline(timeout)
        for part in frames.split(data):
            self._check_open()
            while not self._take_room(min(deadline.remaining, TICK)):
                self._check_open()
                if deadline.expired:
                    raise CallTimeoutError(
                        f"Sending to {self._act} stalled: the exporter did not take it within {in_words(timeout)}."
                    )
            self._outgoing.put(router_pb2.StreamRequest(payload=part))
            self._last_send = time.monotonic()

    def finish_sending(self) -> None:
        """Ends our side; the driver's stays open."""
        self._outgoing.put(router_pb2.StreamRequest(frame_type=frames.GOAWAY))
        self._outgoing.put(_END)

    def close(self) -> None:
        """Ends the stream on both sides. What was just sent gets a moment to arrive, as cancelling would overtake it."""
        try:
            recent = time.monotonic() - self._last_send < RECENT
            if not self._finished and recent and self._rpc.is_active():
                self.finish_sending()
                if self._drained.wait(DRAIN_BUDGET):
                    time.sleep(ARRIVAL)
        finally:  # also on Robot's timeout and Ctrl-C
            self.abandon()

    def abandon(self) -> None:
        """Ends the stream on both sides at once."""
        try:
            self._finished = True
            if self._rpc is not None:
                self._rpc.cancel()
        finally:
            self._outgoing.put(_END)  # wakes grpc's thread that waits for something to send

    def _requests(self) -> Iterator[Any]:
        try:
            while (item := self._outgoing.get()) is not _END:
                yield item
                self._room.put(None)
        finally:
            self._drained.set()

    def _take_room(self, timeout: float) -> bool:
        try:
            self._room.get(timeout=timeout)
        except queue.Empty:
            return False
        return True

    def _check_open(self) -> None:
        if self._finished or not self._rpc.is_active():
            raise InfrastructureError(f"Cannot send to {self._act}: the stream is not open now (it has ended).")

    def _raise_failure(self, begin: float, timeout: float) -> None:
        error, elapsed = self._rpc, time.monotonic() - begin
        if error.code() is grpc.StatusCode.CANCELLED and elapsed >= timeout * 0.95:
            raise CallTimeoutError(f"{self._act} was not opened within {in_words(timeout)}.")
        if error.code() is grpc.StatusCode.OK:
            raise InfrastructureError(f"{self._act} ended before it was open.")
        raise self._connection.failure(error, Attempt(self._act, elapsed, timeout))
