"""One connection through a forwarding: a local socket and a driver's byte stream, tied together."""

from __future__ import annotations

import contextlib
import json
import select
import socket
import struct
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc
from jumpstarter_protocol import router_pb2

from ..errors import JumpstarterError
from ..wire import frames
from ..wire.deadline import in_words
from ..wire.interruptible import SoundEvent
from ..wire.protocol import REQUEST_KEY
from .failures import Attempt

if TYPE_CHECKING:
    from .forward import Forwarding

SMALL, LARGE = 64 * 1024, frames.FRAME_SIZE
"""Bytes that are read at once: few until there are many, as room for many costs time."""
LINGER = 0.5
LONG_LINGER = 5.0
"""Seconds that a stream stays open after both sides have ended, because ending it overtakes what was sent (D4): long where the
driver ended first and bytes were sent to it after that."""
SLICE_MS = 100
"""Longest time in the local socket between two looks whether the connection is broken."""
_RESET = struct.pack("ii", 1, 0)


class ForwardedConnection:
    """One local connection and its stream. What breaks on one side is broken on the other, never merely ended.

    Args:
        forwarding: whose connection it is.
        local: the accepted socket.
    """

    def __init__(self, forwarding: Forwarding, local: socket.socket) -> None:
        self.sent = self.received = 0
        """Bytes to and from the driver."""
        self.heard = self._begin = time.monotonic()
        """When the exporter was last heard of, on the monotonic clock."""
        self._forwarding = forwarding
        self._local = local
        self._rpc: Any = None
        self._lock = threading.Lock()
        self._open = SoundEvent()
        """Set when the driver has opened its stream, and when there is no more hope of that."""
        self._is_open = self._broken = False
        self._failure: str | None = None
        """Why we ended it; empty if that is no failure."""
        self._local_ended = self._remote_ended = 0.0
        """When each side ended, on the monotonic clock."""
        self._sent_late = False
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-forwarded-{forwarding.address}", daemon=True)

    def start(self) -> None:
        """Begins to carry."""
        self._thread.start()

    @property
    def finished(self) -> bool:
        """Whether both sides have ended."""
        return bool(self._local_ended and self._remote_ended)

    def look_after(self, timeout: float) -> None:
        """Ends the connection if it is over, or did not open within so many seconds."""
        now = time.monotonic()
        if not self._is_open and now - self._begin > timeout:
            self.abort(f"{self._forwarding.act} was not opened within {in_words(timeout)}.")
        elif self.finished:
            linger = LONG_LINGER if self._sent_late else LINGER
            if now - max(self._local_ended, self._remote_ended) > linger:
                self.abort("")

    def finish(self, end: float) -> None:
        """Waits until it has ended; at a moment on the monotonic clock it is ended in any case."""
        if self.finished and self._failure is None:
            self._thread.join(min(LINGER, max(0.0, end - time.monotonic())))
        self.abort("")
        self._thread.join(max(0.0, end - time.monotonic()))

    def abort(self, failure: str) -> None:
        """Breaks the connection on both sides.

        Args:
            failure: why; empty if it is meant to end.
        """
        with self._lock:
            if self._failure is None:
                self._failure = failure
            rpc = self._rpc
        # The stream first: when the local side breaks, what is sent ends, and that would be an end for the driver too.
        if rpc is not None:
            rpc.cancel()
        if not self.finished:
            self._break_local()
        self._open.set()

    # ---------------------------------------------------- from driver to local

    def _run(self) -> None:
        failure = ""
        try:
            if self._local.family != socket.AF_UNIX:
                self._local.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            self._open_stream()
            self._carry_to_local()
        except grpc.RpcError as error:
            failure = self._explain(error)
        except JumpstarterError as error:  # the session is lost or closed
            failure = str(error)
        except (OSError, ValueError):
            pass  # the local side has gone, or the channel was closed
        finally:
            self._end(failure)

    def _open_stream(self) -> None:
        forwarding = self._forwarding
        connection = forwarding.driver.device.connection
        connection.check_usable(forwarding.act)
        uuid = connection.uuid(forwarding.driver.node.uuid)
        request = json.dumps({"kind": "driver", "uuid": uuid, "method": forwarding.act.method})
        metadata = ((REQUEST_KEY, request), *(connection.metadata or ()))
        rpc = connection.router.Stream(self._requests(), metadata=metadata)
        with self._lock:
            self._rpc = rpc
            if self._failure is not None:
                rpc.cancel()
        rpc.initial_metadata()
        if not rpc.is_active() and rpc.code() is not grpc.StatusCode.OK:
            raise rpc
        self.heard = time.monotonic()
        self._is_open = True
        self._open.set()

    def _carry_to_local(self) -> None:
        for frame in self._rpc:
            self.heard = time.monotonic()
            if frame.frame_type == frames.DATA:
                payload = frame.payload
                if payload and not self._remote_ended:
                    self._send_to_local(payload)
                    self.received += len(payload)
            elif frame.frame_type == frames.GOAWAY and not self._remote_ended:
                self._end_remote()
        # An end without GOAWAY means the same (protocol §4.2).
        self._end_remote()

    def _send_to_local(self, payload: bytes) -> None:
        # Never blocked in the socket: nothing that leaves the other side a reset could wake it there.
        rest = memoryview(payload)
        while rest:
            try:
                rest = rest[self._local.send(rest, socket.MSG_DONTWAIT) :]
            except BlockingIOError:
                poll = select.poll()
                poll.register(self._local, select.POLLOUT)
                poll.poll(SLICE_MS)
                if self._broken:
                    return

    def _end_remote(self) -> None:
        self._remote_ended = self._remote_ended or time.monotonic()
        with contextlib.suppress(OSError):
            if not self._broken:
                self._local.shutdown(socket.SHUT_WR)

    def _explain(self, error: Any) -> str:
        if self._failure is not None:
            return self._failure
        if error.code() is grpc.StatusCode.ABORTED and self._is_open:
            self._end_remote()  # how upstream's exporter ends a stream
            return ""
        # At once: finding out whether the exporter still lives takes a moment.
        self._break_local()
        connection = self._forwarding.driver.device.connection
        attempt = Attempt(self._forwarding.act, time.monotonic() - self._begin, float("inf"))
        return str(connection.failure(error, attempt))

    def _end(self, failure: str) -> None:
        if self._rpc is not None:
            self._rpc.cancel()
        if not self._remote_ended:
            self._break_local()
        # The thread of the other direction may be waiting in the socket, which closing alone would not end.
        with contextlib.suppress(OSError):
            self._local.shutdown(socket.SHUT_RD if self._broken else socket.SHUT_RDWR)
        self._open.set()
        self._local.close()
        self._forwarding.ended(self, failure or self._failure or "")

    def _break_local(self) -> None:
        """Sees to it that the local side gets a reset and no end, which would look as if all had come."""
        self._broken = True
        with contextlib.suppress(OSError):
            self._local.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
            self._local.shutdown(socket.SHUT_RD)

    # ---------------------------------------------------- from local to driver

    def _requests(self) -> Iterator[Any]:
        """What is sent to the driver; runs in a thread of gRPC's, which takes the next only when the last is under way."""
        self._open.wait()
        make, receive, size = router_pb2.StreamRequest, self._local.recv, SMALL
        try:
            while self._is_open and (data := receive(size)):
                if self._remote_ended:
                    self._sent_late = True
                yield make(payload=data)
                self.sent += len(data)
                if len(data) == size:
                    size = LARGE
        except OSError:  # a reset of the local side is one for the driver too
            self.abort("")
            return
        if self._is_open and not self._broken:
            yield make(frame_type=frames.GOAWAY)
            self._local_ended = time.monotonic()
