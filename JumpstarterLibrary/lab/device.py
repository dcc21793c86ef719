"""A device through a tunnel: opened when the way is there, told why it is lost, ended so that the exporter's hook runs."""

from __future__ import annotations

import contextlib
import time
from typing import TYPE_CHECKING

import grpc
from jumpstarter_protocol import jumpstarter_pb2 as pb

from ..client.device import Device, open_device
from ..errors import ConnectionFailedError, LeaseError, LeaseLostError, TokenError
from ..journal import Journal, LogLine, SessionRegained
from ..wire.deadline import Deadline, Timeout, seconds
from ..wire.protocol import ExporterStatus
from ..wire.secrets import Redactor

if TYPE_CHECKING:
    from .leasing import Leased

PAUSE = 0.3
END_TIMEOUT = 5.0
"""Seconds for the request that ends a session, as upstream's, or the device's timeout if that is shorter."""
HOOK_PATIENCE = 30.0
"""Seconds that an afterLease hook may take before we stop listening to it; it goes on without us."""
STATUS_INTERVAL = 0.1


def open_leased(
    leased: Leased,
    *,
    name: str,
    timeout: Timeout,
    journal: Journal,
    redact: Redactor | None = None,
    closed_with: contextlib.ExitStack,
) -> Device:
    """Opens the device of a lease. A tunnel that is not there yet is tried again until the timeout.

    Args:
        leased: the lease and its tunnel.
        name: what messages call the device.
        timeout: for opening, and for each call that does not say otherwise.
        journal: where to write down what happens.
        redact: masks secrets.
        closed_with: ends the session at the exporter and closes the device at its end.

    Raises:
        ConnectionFailedError: there is no way to the exporter; the message has the controller's words.
        LeaseError: the lease has ended.
        ExporterNotReadyError: its status does not become LEASE_READY.
    """
    deadline = Deadline(timeout)
    while True:
        try:
            device = open_device(
                leased.tunnel.path,
                timeout=max(deadline.remaining, 0.001),
                name=name,
                journal=journal,
                logs=True,
                origin=str(leased.lease),
                redact=redact,
                old_logs=True,  # what the exporter's hook wrote before we could be there
                closed_with=closed_with,
            )
            break
        except ConnectionFailedError as error:
            if leased.lease.look_quickly():
                raise LeaseError(f"Cannot open device '{name}': {leased.why_lost()}.") from None
            if isinstance(leased.tunnel.error, TokenError):
                raise leased.tunnel.error from None
            reason = leased.tunnel.failure
            if leased.tunnel.is_final or deadline.remaining <= PAUSE:
                raise ConnectionFailedError(f"Cannot open device '{name}': {reason}." if reason else str(error)) from None
        deadline.sleep(PAUSE)
    device.timeout_seconds = seconds(timeout)
    closed_with.callback(end_session, leased, device)
    _attend(leased, device)
    return device


def _attend(leased: Leased, device: Device) -> None:
    """Has the device know of its lease: when it ends, and what the lab knows of a broken connection."""
    connection = device.connection
    assert connection.way is not None
    connection.way.why_lost = leased.why_lost
    leased.tunnel.on_connected = connection.way.broke
    leased.tunnel.busy = lambda: bool(connection.under_way)
    leased.tunnel.ask = lambda limit: connection.stub.GetStatus.future(
        pb.GetStatusRequest(), timeout=limit, metadata=connection.metadata
    )

    def lose(why: str) -> None:
        connection.lose(LeaseLostError(f"the {leased.lease} is over: {why}. Open a new session for a new lease."))
        leased.tunnel.end(f"the lease is over: {why}")

    def tell(text: str) -> None:
        device.journal.append(LogLine(severity="WARNING", source="lab", message=connection.redact(text)))

    def regained(reason: str, gap: float) -> None:
        device.journal.append(SessionRegained(alias=device.name, reason=connection.redact(reason), seconds=gap))

    leased.notes.connect(tell)
    leased.tunnel.on_return = regained
    leased.lease.on_end = lose
    if leased.lease.ended:  # just now, before anybody listened
        lose(leased.lease.ended)


def end_session(leased: Leased, device: Device, patience: float = HOOK_PATIENCE) -> None:
    """Ends the exporter's session of a lease that is ours, and listens to its afterLease hook, for a while at most (§5.4).

    What goes wrong here is told and not raised: the lease is released next.
    """
    leased.lease.stop()
    leased.tunnel.ending = True
    if not leased.lease.created or leased.lease.ended or device.state != "open":
        return
    connection = device.connection
    end, limit = time.monotonic() + patience, min(END_TIMEOUT, device.timeout_seconds)
    try:
        answer = connection.stub.EndSession(pb.EndSessionRequest(), timeout=limit, metadata=connection.metadata)
        while answer.success and time.monotonic() < end:
            status = connection.stub.GetStatus(pb.GetStatusRequest(), timeout=limit, metadata=connection.metadata)
            if status.status == ExporterStatus.AFTER_LEASE_HOOK_FAILED:
                leased.notes(f"The afterLease hook of exporter '{leased.lease.exporter}' failed: {status.message}")
            if status.status not in (ExporterStatus.LEASE_READY, ExporterStatus.AFTER_LEASE_HOOK):
                return
            time.sleep(STATUS_INTERVAL)
    except (grpc.RpcError, ValueError):
        return  # an old exporter without such a thing, or one that has gone already
