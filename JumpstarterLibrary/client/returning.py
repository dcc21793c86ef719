"""Connections that may come back by themselves, as those through a lab's tunnel do: what was never sent waits for them."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterable
from typing import Any, Protocol

import grpc
from google.protobuf.empty_pb2 import Empty
from jumpstarter_protocol import jumpstarter_pb2 as pb

from ..errors import CallTimeoutError, ExporterNotReadyError, InfrastructureError, JumpstarterError, SessionLostError
from ..wire.deadline import Deadline, in_words
from .failures import Attempt
from .tree import Node, assemble

PROBE_TIMEOUT = 1.0
"""Seconds between two looks whether the lease is lost while a call waits for the connection."""
PAUSE = 0.1
FIND_TIMEOUT = 5.0

_NEVER_SENT = re.compile(r"failed to connect to all addresses|connections to all backends failing|name resolver")
_UNKNOWN_DRIVER = re.compile(r"Unexpected <class 'KeyError'>: UUID\(|no driver with uuid")
_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


class _Connection(Protocol):
    """What is needed of a connection."""

    stub: Any
    metadata: Any
    name: str
    closed: bool
    loss: SessionLostError | None


class Way:
    """How calls get to an exporter that is reached through something that may break and come back.

    Args:
        connection: whose.
        nodes: the driver tree, whose uuids change when the exporter begins anew.
        why_lost: says what is known of a broken connection; nothing if nothing is.
    """

    def __init__(self, connection: _Connection, nodes: Iterable[Node], why_lost: Callable[[], str]) -> None:
        self.why_lost = why_lost
        self._connection = connection
        self._paths = {node.uuid: node.path for node in nodes}
        self._moved: dict[str, str] = {}

    def uuid(self, uuid: str) -> str:
        """Returns what a driver's uuid is now."""
        return self._moved.get(uuid, uuid)

    def send(self, rpc: Any, request: Any, uuid: str, timeout: float) -> Any:
        """Sends a call; one that was certainly not sent yet waits for the connection, until its time is over.

        Raises:
            grpc.RpcError: it failed, and may have happened; or there was no way for all the time.
        """
        deadline, moved = Deadline(timeout), False
        while True:
            request.uuid = self.uuid(uuid)
            try:
                return rpc.with_call(request, timeout=max(deadline.remaining, 0.001), metadata=self._connection.metadata)
            except grpc.RpcError as error:
                if not moved and _UNKNOWN_DRIVER.search(error.details() or "") and self._find_again(uuid):
                    moved = True
                elif not (was_never_sent(error) and self.wait(deadline)):
                    raise

    def wait(self, deadline: Deadline) -> bool:
        """Waits until the exporter answers. Returns whether it does."""
        connection = self._connection
        while deadline.remaining > 0 and connection.loss is None and not connection.closed:
            try:
                limit = min(PROBE_TIMEOUT, deadline.remaining)
                connection.stub.GetStatus(pb.GetStatusRequest(), timeout=limit, metadata=connection.metadata, wait_for_ready=True)
                return True
            except grpc.RpcError as error:
                if error.code() not in _BROKEN:
                    return True
                if error.code() is not grpc.StatusCode.DEADLINE_EXCEEDED:
                    time.sleep(min(PAUSE, deadline.remaining))
            except ValueError:  # the channel was closed meanwhile
                return False
        return False

    def failure(self, failure: JumpstarterError, error: Any, attempt: Attempt) -> JumpstarterError:
        """Turns a failure into one that says whether the lease is lost, or only the connection for the moment."""
        connection = self._connection
        refused = isinstance(failure, ExporterNotReadyError)
        if not refused and (not isinstance(failure, InfrastructureError) or error.code() not in _BROKEN):
            return failure
        why = self.why_lost()
        # Asking may have shown that the lease is over.
        if (loss := connection.loss) is not None:
            return type(loss)(f"{attempt.act} failed: {loss} The outcome of the call is unknown.")
        if refused or not isinstance(failure, (SessionLostError, CallTimeoutError)):
            return failure  # the connection is back already
        return self._for_the_moment(failure, error, attempt, why)

    def _for_the_moment(self, failure: JumpstarterError, error: Any, attempt: Attempt, why: str) -> JumpstarterError:
        because, after = f" ({why})" if why else "", in_words(attempt.elapsed)
        if was_never_sent(error):
            return InfrastructureError(
                f"{attempt.act} was not sent: there was no connection to the exporter of device '{self._connection.name}' for "
                f"{after}{because}. The session goes on when it is back."
            )
        if isinstance(failure, CallTimeoutError):
            if not why:
                return failure
            return CallTimeoutError(f"{attempt.act} got no answer within {after}{because}. The outcome of the call is unknown.")
        return InfrastructureError(
            f"{attempt.act} failed: the connection to the exporter of device '{self._connection.name}' broke after "
            f"{after}{because}. The outcome of the call is unknown. The session goes on when the connection is back."
        )

    def _find_again(self, uuid: str) -> bool:
        """Finds a driver by its path after the exporter began anew, which gives all drivers other uuids."""
        connection = self._connection
        if uuid not in self._paths:
            return False
        try:
            report = connection.stub.GetReport(Empty(), timeout=FIND_TIMEOUT, metadata=connection.metadata)
            found = {node.path: node.uuid for node in assemble(connection.name, report.reports).walk()}
        except (grpc.RpcError, InfrastructureError):
            return False
        self._moved = {old: found[path] for old, path in self._paths.items() if path in found}
        return uuid in self._moved


def was_never_sent(error: Any) -> bool:
    """Whether a call certainly did not reach the other side."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and bool(_NEVER_SENT.search(error.details() or ""))
