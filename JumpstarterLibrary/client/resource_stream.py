"""Resource streams: a file on its way to or from a driver's method (protocol §4.4)."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Iterator
from typing import Any

import grpc

from ..errors import CallTimeoutError, InfrastructureError, JumpstarterError
from ..wire.deadline import in_words
from ..wire.interruptible import SoundEvent
from ..wire.protocol import REQUEST_KEY, RESOURCE_KEY
from .connection import Connection
from .failures import Act, Attempt

NOT_BROKEN = (grpc.StatusCode.OK, grpc.StatusCode.ABORTED)
"""How a stream ends that its driver has closed; ABORTED is upstream's exporter's own way (protocol §4.2)."""


class ResourceStream:
    """One open resource stream. It is always cancelled at its end (D4).

    Args:
        connection: the session.
        act: the call that it is for.
        uuid: the driver's.
        requests: the frames to send; asked for the first only when the stream is open.
    """

    def __init__(self, connection: Connection, act: Act, uuid: str, requests: Iterator[Any]) -> None:
        self.handle: dict[str, object] = {}
        """What the driver's method gets to find the stream."""
        self._connection = connection
        self._act = act
        self._uuid = uuid
        self._requests = requests
        self._open = SoundEvent()
        self._cancelled = False
        self._begin = time.monotonic()
        self._rpc: Any = None

    @property
    def uuid(self) -> str:
        """The stream's own id."""
        return str(self.handle.get("uuid", ""))

    def open(self, timeout: float) -> None:
        """Opens it, within `timeout` seconds.

        Raises:
            JumpstarterError: the driver could not open it, or the exporter does not answer.
        """
        connection = self._connection
        connection.check_usable(self._act)
        request = json.dumps({"kind": "resource", "uuid": self._uuid, "x_jmp_content_encoding": None})
        # Waiting for metadata takes no time limit, and the stream itself must have none: so a timer ends the wait.
        timer = threading.Timer(timeout, self.cancel)
        timer.daemon = True
        self._begin = time.monotonic()
        try:
            timer.start()
            metadata = ((REQUEST_KEY, request), *(connection.metadata or ()))
            self._rpc = connection.router.Stream(self._when_open(), metadata=metadata)
            found = dict(self._rpc.initial_metadata() or ()).get(RESOURCE_KEY)
        finally:
            timer.cancel()
        if found is None or not self._rpc.is_active():
            raise self._not_opened(timeout)
        self.handle = json.loads(found)
        self._open.set()

    def frames(self) -> Iterator[Any]:
        """Gives the frames that come."""
        return iter(self._rpc)

    def cancel(self) -> None:
        """Ends the stream at once."""
        self._cancelled = True
        if self._rpc is not None:
            self._rpc.cancel()
        self._open.set()  # wakes grpc's thread that waits for something to send

    @property
    def broken(self) -> bool:
        """Whether it has ended in a way in which no finished stream ends."""
        return not self._rpc.is_active() and self._rpc.code() not in NOT_BROKEN

    def failure(self) -> JumpstarterError:
        """Why it broke."""
        error = self._rpc
        return self._connection.failure(error, Attempt(self._act, time.monotonic() - self._begin, float("inf")))

    def _when_open(self) -> Iterator[Any]:
        self._open.wait()
        if not self._cancelled:
            yield from self._requests

    def _not_opened(self, timeout: float) -> JumpstarterError:
        if self._cancelled:
            if self._connection.closed or self._connection.loss is not None:
                return self.failure()
            return CallTimeoutError(
                f"{self._act} could not begin: the exporter did not open a stream for the file within {in_words(timeout)}. "
                "Is it frozen, or the network to it gone?"
            )
        if self._rpc.is_active() or self._rpc.code() is grpc.StatusCode.OK:
            return InfrastructureError(f"{self._act} could not begin: the exporter opened no stream for the file.")
        return self.failure()
