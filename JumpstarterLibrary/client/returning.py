"""Connections that may come back: what was never sent waits for them, and drivers are found again by their paths.

Through a lab's tunnel a connection comes back by itself, and a break is not the session's end. An exporter at an address that is
gone is a lost session at once; it is regained when an act finds it there again.
"""

from __future__ import annotations

import contextlib
import re
import socket
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any

import grpc
from google.protobuf.empty_pb2 import Empty
from jumpstarter_protocol import jumpstarter_pb2 as pb

from ..errors import CallTimeoutError, ExporterNotReadyError, InfrastructureError, JumpstarterError, SessionLostError
from ..wire.deadline import Deadline, in_words
from ..wire.interruptible import Turn
from .failures import Attempt, was_never_sent
from .tree import Node, assemble

if TYPE_CHECKING:
    from .connection import Connection

PROBE_TIMEOUT = 1.0
"""Seconds between two looks whether the lease is lost while a call waits for the connection."""
PAUSE = 0.1
FIND_TIMEOUT = 5.0
KNOCK_TIMEOUT = 0.3
"""Seconds for the question whether somebody still listens at a socket."""

_UNKNOWN_DRIVER = re.compile(r"Unexpected <class 'KeyError'>: UUID\(|no driver with uuid")
_BROKEN = (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED, grpc.StatusCode.DEADLINE_EXCEEDED)


class Way:
    """How calls get to an exporter that may go and come back.

    Args:
        connection: whose.
        nodes: the driver tree, whose uuids change when the exporter begins anew.
    """

    def __init__(self, connection: Connection, nodes: Iterable[Node]) -> None:
        self.why_lost: Callable[[], str] | None = None
        """Says what is known of a broken connection, nothing if nothing is; set where it comes back by itself."""
        self.generation = 0
        """How often the exporter was found to have begun anew."""
        self._connection = connection
        self._paths: dict[str, str] = {}
        self._kinds: set[tuple[str, str]] = set()
        for node in nodes:
            self._paths.setdefault(node.uuid, node.path)  # a proxy repeats the uuid of what it stands for
            self._kinds.add((node.path, node.type_tag))
        self._moved: dict[str, str] = {}
        self._path_of = dict(self._paths)
        self.is_stale = False
        """Whether the connection broke since the drivers were found."""
        self._asking = Turn()
        """To ask the exporter for its drivers."""

    # ----------------------------------------------------------------- drivers

    def uuid(self, uuid: str, limit: float = FIND_TIMEOUT) -> str:
        """Returns what a driver's uuid is now; after a break the exporter is asked for it, for so many seconds at most.

        The answer to another thread's question is waited for: nobody may go to an exporter that began anew without knowing.
        """
        deadline = Deadline(limit)
        if self._asking.is_others and self._asking.take(deadline.remaining):
            self._asking.give()
        if self.is_stale:
            self.find_again(deadline.remaining)
        return self._moved.get(uuid, uuid)

    def path(self, uuid: str) -> str:
        """Returns the path of the driver that has this uuid now; empty if there is none."""
        return self._path_of.get(uuid, "")

    def broke(self) -> None:
        """Takes note that the connection broke, or was made anew: who answers next may be another exporter."""
        self.is_stale = True

    def find_again(self, limit: float = FIND_TIMEOUT) -> bool:
        """Finds the drivers by their paths, as an exporter that begins anew gives all of them other uuids.

        Returns:
            Whether the exporter answers, and has every driver that it had.
        """
        try:
            if not self._asking.take(limit):
                return False
            connection = self._connection
            self.is_stale = False  # before the question: what breaks after it makes the answer old
            report = connection.stub.GetReport(
                Empty(), timeout=max(min(limit, FIND_TIMEOUT), 0.001), metadata=connection.metadata
            )
            nodes = list(assemble(connection.name, report.reports).walk())
            # One of another kind at the same path is another device's: no call may reach it.
            found = {node.path: node.uuid for node in nodes if (node.path, node.type_tag) in self._kinds}
            moved = {old: found[path] for old, path in self._paths.items() if found.get(path, old) != old}
            if moved != self._moved:
                self._moved, self._path_of = moved, {node.uuid: node.path for node in reversed(nodes)}
                self.generation += 1
            return all(path in found for path in self._paths.values())
        except (grpc.RpcError, InfrastructureError, ValueError):
            self.is_stale = True
            return False
        finally:
            self._asking.give()

    # ------------------------------------------------------------------- calls

    def send(self, rpc: Any, request: Any, uuid: str, timeout: float) -> Any:
        """Sends a call; one that was certainly not sent yet waits for the connection, until its time is over.

        Raises:
            grpc.RpcError: it failed, and may have happened; or there was no way for all the time.
        """
        deadline = Deadline(timeout)
        while True:
            request.uuid = self.uuid(uuid, deadline.remaining)
            try:
                return rpc.with_call(request, timeout=max(deadline.remaining, 0.001), metadata=self._connection.metadata)
            except grpc.RpcError as error:
                if not self.may_send_again(error, uuid, request.uuid, deadline):
                    raise

    def may_send_again(self, error: Any, uuid: str, sent: str, deadline: Deadline) -> bool:
        """Whether a call that failed has certainly not happened, and could be sent now. Waits until it can.

        Args:
            error: how it failed.
            uuid: the driver's, as the tree has it.
            sent: the uuid that the call had.
            deadline: until when to wait.
        """
        if _UNKNOWN_DRIVER.search(error.details() or ""):
            self.find_again(deadline.remaining)
            return self._moved.get(uuid, uuid) != sent
        if not was_never_sent(error) or self._connection.is_connected():
            return False
        self.broke()
        return self.may_return() and self.wait(deadline)

    def may_return(self) -> bool:
        """Whether a connection that is broken may come back by itself: the lab's does, and so may one through the socket of a
        `jmp shell`, as long as somebody listens there."""
        return self.why_lost is not None or (self._connection.address.is_unix and self._somebody_listens())

    def _somebody_listens(self) -> bool:
        address = self._connection.address
        with contextlib.suppress(OSError):
            if address.path is None:
                socket.create_connection((address.host, address.port), KNOCK_TIMEOUT).close()
                return True
            with socket.socket(socket.AF_UNIX) as knock:
                knock.settimeout(KNOCK_TIMEOUT)
                knock.connect(address.path)
                return True
        return False

    def is_back(self) -> bool:
        """Whether an exporter with the same drivers answers now: at once if nobody listens, else it gets a moment."""
        return self._somebody_listens() and self.wait(Deadline(PROBE_TIMEOUT), lost=True) and self.find_again(PROBE_TIMEOUT)

    def wait(self, deadline: Deadline, *, lost: bool = False) -> bool:
        """Waits until the exporter answers. Returns whether it does; of a lost session nobody waits for that, unless told to."""
        connection = self._connection
        while deadline.remaining > 0 and not connection.closed and (lost or connection.loss is None):
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

    # ---------------------------------------------------------------- failures

    def failure(self, failure: JumpstarterError, error: Any, attempt: Attempt) -> JumpstarterError:
        """Turns a failure into one that says whether the session is lost, or only the connection for the moment."""
        connection = self._connection
        if error.code() in _BROKEN:
            self.broke()
        if self.why_lost is None:
            if isinstance(failure, SessionLostError):
                if error.code() in _BROKEN and self.may_return():
                    return self._for_the_moment(failure, error, attempt, "")
                connection.lose(failure)
            return failure
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
