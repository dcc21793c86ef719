"""A driver call that runs while something else goes on: its resource is sent or received meanwhile."""

from __future__ import annotations

import json
import time
from typing import Any

import grpc
from jumpstarter_protocol import jumpstarter_pb2 as pb

from ..errors import JumpstarterError
from ..wire import values
from ..wire.protocol import TRANSFERRED_KEY
from .connection import Connection, encode_arguments
from .failures import Act, Attempt, shorten


class PendingCall:
    """A unary call under way, without a time limit of its own: whoever waits for it decides when it took too long.

    Raises:
        ValueNotSendableError: an argument would arrive altered.
    """

    def __init__(self, connection: Connection, act: Act, uuid: str, arguments: tuple[object, ...]) -> None:
        connection.check_usable(act)
        self._connection = connection
        self._act = act
        self._arguments = arguments
        self._begin = time.monotonic()
        self._written = False
        self._request = pb.DriverCallRequest(uuid=uuid, method=act.method, args=encode_arguments(act, arguments))
        self._rpc: Any = None

    def start(self) -> None:
        """Sends the call."""
        self._begin = time.monotonic()
        self._connection.under_way.add(self._begin)
        self._rpc = self._connection.stub.DriverCall.future(self._request, metadata=self._connection.metadata)

    def wait(self, timeout: float) -> bool:
        """Waits at most `timeout` seconds; returns whether it has ended, well or not."""
        try:
            self._rpc.exception(timeout)
        except grpc.FutureTimeoutError:
            return False
        except grpc.FutureCancelledError:
            pass
        return True

    def result(self) -> object:
        """Returns what the driver returned; the call has ended.

        Raises:
            JumpstarterError: see `JumpstarterLibrary.errors`.
        """
        try:
            result = values.decode(self._rpc.result().result)
        except (grpc.RpcError, grpc.FutureCancelledError):
            elapsed = time.monotonic() - self._begin
            raise self.fail(self._connection.failure(self._rpc, Attempt(self._act, elapsed, float("inf")))) from None
        self._connection.note_log_position(self._rpc)
        self._write_down("ok", self._connection.shown(result))
        return result

    def fail(self, failure: JumpstarterError) -> JumpstarterError:
        """Writes down a failure, and returns it to be raised."""
        self._write_down(type(failure).__name__, shorten(str(failure)))
        return failure

    def transferred(self, uuid: str) -> Transferred | None:
        """What the driver took from a resource stream and gave to it, where the exporter says so (ours does)."""
        for key, value in self._rpc.trailing_metadata() or ():
            if key == TRANSFERRED_KEY:
                found = json.loads(value).get(uuid)
                return None if found is None else Transferred(*found)
        return None

    def cancel(self) -> bool:
        """Gives the call up; returns whether it was still under way."""
        running = self._rpc is not None and not self._rpc.done()
        if running:
            self._rpc.cancel()
        self._write_down("interrupted", "")
        return running

    def _write_down(self, outcome: str, detail: str) -> None:
        if not self._written and self._rpc is not None:
            self._written = True
            self._connection.write_down(self._act, self._arguments, self._begin, outcome, detail, streaming=False)


class Transferred:
    """What a driver did with a resource stream.

    Args:
        taken: bytes that it read.
        given: bytes that it wrote.
    """

    def __init__(self, taken: int, given: int) -> None:
        self.taken = int(taken)
        self.given = int(given)
