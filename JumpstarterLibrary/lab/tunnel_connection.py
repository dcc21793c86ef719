"""One connection through the tunnel: a local socket and a stream of the router, tied together."""

from __future__ import annotations

import contextlib
import math
import select
import socket
import threading
import time
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any

import grpc
from jumpstarter_protocol import router_pb2, router_pb2_grpc

from ..errors import JumpstarterError
from ..wire import frames
from ..wire.deadline import Deadline
from .channels import open_channel, router_address

if TYPE_CHECKING:
    from .tunnel import Tunnel

SMALL, LARGE = 64 * 1024, 512 * 1024
"""Bytes that are read at once: few until there are many, as room for many costs time."""
SLICE_MS = 50
"""Longest time in the local socket between two looks, until the exporter has answered."""
LINGER = 2.0
"""Seconds that a stream stays open after the local side has ended."""
PAUSE = 0.3
PATIENCE = 2.0
"""Seconds that the exporter has to answer on a new stream, twice as many each time that it did not. The router lets a client wait
for an exporter that could not reach it, and that does not try again unless it is dialled anew."""
MOST_REPLAYED = 1024 * 1024
"""Bytes that are kept until the exporter answers, to be sent again; with more a connection is not made anew."""


class TunnelConnection:
    """Carries bytes both ways, no faster than either side takes them.

    Until the exporter has answered, the connection is made anew when it breaks, and what was sent is sent again: the local side
    has only greeted until then, as HTTP/2 says nothing more before the answer.

    Args:
        tunnel: whose connection it is.
        local: the accepted socket.
    """

    def __init__(self, tunnel: Tunnel, local: socket.socket) -> None:
        self._tunnel = tunnel
        self._local = local
        self._lock = threading.Lock()
        self._rpc: Any = None
        self._attempt = 0
        self._answered = False
        self._aborted = False
        self._patience = PATIENCE
        self._give_up_at = 0.0
        """When this attempt has taken too long, on the monotonic clock."""
        self._local_ended = 0.0
        """When the local side ended, on the monotonic clock."""
        self._unanswered = 0.0
        """When the first byte was sent after which none has come, on the monotonic clock."""
        self._given_up = ""
        self._greeting = bytearray()
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-tunnelled-{tunnel.device}", daemon=True)

    def start(self) -> None:
        """Begins to carry."""
        self._thread.start()

    def join(self, timeout: float) -> None:
        """Waits for its end."""
        self._thread.join(timeout)

    def look_after(self) -> None:
        """Ends the stream if nobody on this side has wanted it for a while, or if the exporter does not answer."""
        with self._lock:
            rpc = self._rpc if not self._answered and time.monotonic() > self._give_up_at else None
        if rpc is not None:
            self._patience *= 2  # it may only be slow
            self._give_up_at = math.inf
            rpc.cancel()
        if self._local_ended and time.monotonic() - self._local_ended > LINGER:
            self.abort()

    @property
    def silence(self) -> float:
        """For how many seconds nothing has come although something was sent."""
        since = self._unanswered
        return time.monotonic() - since if since and self._answered else 0.0

    def give_up(self, reason: str) -> None:
        """Breaks a connection over which nothing comes any more; the local side may make another one."""
        with self._lock:
            self._given_up = reason
            rpc = self._rpc
        if rpc is not None:
            rpc.cancel()

    def abort(self) -> None:
        """Ends both sides at once."""
        with self._lock:
            self._aborted = True
            rpc = self._rpc
        if rpc is not None:
            rpc.cancel()
        with contextlib.suppress(OSError):
            self._local.shutdown(socket.SHUT_RDWR)

    # --------------------------------------------------- from router to local

    def _run(self) -> None:
        deadline = self._tunnel.new_deadline()
        try:
            while self._is_wanted() and (dialled := self._tunnel.dial(deadline, self._is_wanted)) is not None:
                reason = self._carry(dialled.endpoint, dialled.token.reveal())
                if self._answered or not reason or not self._may_try_again(deadline, reason):
                    return
        finally:
            with contextlib.suppress(OSError):
                self._local.shutdown(socket.SHUT_RDWR)
            self._local.close()
            self._tunnel.ended(self)

    def _may_try_again(self, deadline: Deadline, reason: str) -> bool:
        if self._aborted or self._tunnel.stopping:
            return False
        self._tunnel.note_failure(reason)
        if deadline.remaining <= PAUSE or len(self._greeting) >= MOST_REPLAYED:
            return False
        time.sleep(PAUSE)
        return True

    def _is_wanted(self) -> bool:
        """Whether the local side still waits: a client that has hung up needs no tunnel."""
        if self._aborted or self._local_ended:
            return False
        poll = select.poll()
        poll.register(self._local, select.POLLRDHUP)
        return not poll.poll(0)

    def _carry(self, endpoint: str, token: str) -> str:
        """Carries until one side ends. Returns why it broke; nothing if it ended well."""
        channel = None
        try:
            channel = open_channel(router_address(endpoint), self._tunnel.controller.configuration)
            with self._lock:
                if self._aborted:
                    return ""
                self._attempt += 1
                self._give_up_at = time.monotonic() + self._patience
                stub = router_pb2_grpc.RouterServiceStub(channel)
                self._rpc = stub.Stream(self._requests(self._attempt), metadata=(("authorization", f"Bearer {token}"),))
            self._receive()
            if not self._answered:
                return "the router ended the stream before the exporter answered"
            if not self._aborted and not self._local_ended:
                self._tunnel.broke("the exporter ended the connection")
            return ""
        except grpc.RpcError as error:
            reason = self._explain(error)
            if self._answered and not self._aborted and not self._local_ended:
                self._tunnel.broke(reason)
            return reason
        except JumpstarterError as error:
            return str(error)
        except OSError:  # the local side has gone
            return ""
        finally:
            with self._lock:
                self._attempt += 1
                rpc, self._rpc = self._rpc, None
            if rpc is not None:
                rpc.cancel()
            if channel is not None:
                channel.close()

    def _receive(self) -> None:
        for frame in self._rpc:
            if frame.frame_type == frames.GOAWAY:
                return
            if frame.frame_type == frames.DATA and frame.payload:
                self._unanswered = 0.0
                if not self._answered:
                    self._answered = True
                    self._greeting.clear()
                    self._tunnel.connected()
                self._local.sendall(frame.payload)

    def _explain(self, error: Any) -> str:
        if self._given_up:
            return self._given_up
        if not self._answered and self._give_up_at == math.inf:
            return "the exporter did not answer through the router"
        text = self._tunnel.controller.redact(error.details() or "")
        return f"the router broke the stream ({error.code().name}{': ' + text if text else ''})"

    # --------------------------------------------------- from local to router

    def _requests(self, attempt: int) -> Iterator[Any]:
        """What is sent to the exporter; runs in a thread of gRPC's, which takes the next only when the last is under way."""
        make, receive, size = router_pb2.StreamRequest, self._local.recv, SMALL
        if self._greeting:
            yield make(payload=bytes(self._greeting))
        poll = select.poll()
        poll.register(self._local, select.POLLIN)
        try:
            while self._attempt == attempt:
                # Another attempt may follow, and what this one had read would be lost to it.
                if not self._answered and not poll.poll(SLICE_MS):
                    continue
                if self._attempt != attempt:
                    return
                data = receive(size)
                if not data:
                    break
                if not self._answered and len(self._greeting) < MOST_REPLAYED:
                    self._greeting += data
                self._unanswered = self._unanswered or time.monotonic()
                yield make(payload=data)
                size = LARGE if len(data) == size else size
        except OSError:  # a broken local side ends the stream too
            self.abort()
            return
        if self._attempt == attempt:
            yield make(frame_type=frames.GOAWAY)
            self._local_ended = self._local_ended or time.monotonic()
