"""The exporter's beforeLease hook: waited for through the controller, and what it wrote if it failed (protocol §5.3, §8.8).

An exporter joins tunnels only after its hook, and gRPC gives up a connection that is silent for 20 s. So the controller is asked
until the exporter is ready, and only then a connection is made (D40).
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from jumpstarter_protocol import jumpstarter_pb2_grpc

from ..client.channel import close_channel
from ..errors import ControllerError, ExporterNotReadyError, HookFailedError, JumpstarterError, LeaseError
from ..wire.address import parse_address
from ..wire.deadline import Deadline, in_words
from ..wire.protocol import ExporterStatus, LogSource
from .lease import Lease
from .refusals import ControllerAwayError
from .states import ExporterState
from .tunnel import Tunnel

FIRST_POLL, LONGEST_POLL = 0.05, 0.5
"""Seconds between two looks at the exporter; a failed status is there for one second only."""
LOOK_TIMEOUT = 10.0
LEASE_INTERVAL = 2.0
"""Seconds between two looks at the lease meanwhile."""
PATIENCE = 120.0
"""Seconds in which an exporter has to begin with its lease."""
LONGEST_HOOK_MS = 3_600_000
OUTPUT_TIMEOUT = 1.5
"""Seconds for the output of a hook that has failed."""
MOST_LINES = 50
_HOOK_SOURCES = (LogSource.BEFORE_LEASE_HOOK, LogSource.AFTER_LEASE_HOOK)
_FAILED = (ExporterStatus.BEFORE_LEASE_HOOK_FAILED, ExporterStatus.AFTER_LEASE_HOOK_FAILED)


def wait_until_ready(lease: Lease, tunnel: Tunnel, deadline: Deadline, progress: Callable[[str], object]) -> None:
    """Waits until the leased exporter is LEASE_READY.

    Raises:
        HookFailedError: its hook failed; the message has what the hook wrote, where that could be had.
        ExporterNotReadyError: it is not ready in time, or will not be.
        LeaseError: the lease ended meanwhile.
    """
    with contextlib.closing(_Preparation(lease, tunnel, deadline, progress)) as preparation:
        preparation.wait()


class _Preparation:
    def __init__(self, lease: Lease, tunnel: Tunnel, deadline: Deadline, progress: Callable[[str], object]) -> None:
        self._lease = lease
        self._tunnel = tunnel
        self._deadline = deadline
        self._progress = progress
        self._listener: _HookListener | None = None
        self._begin = self._looked = self._moved = time.monotonic()
        self._told = ""
        self._status = "not known"

    def wait(self) -> None:
        """Waits."""
        pause = FIRST_POLL
        while (exporter := self._ask()) is None or not self._is_ready(exporter):
            self._check_lease()
            if self._deadline.expired or self._is_stuck():
                raise ExporterNotReadyError(
                    f"Exporter '{self._lease.exporter}' is leased but not ready: its status is still {self._status} after "
                    f"{in_words(time.monotonic() - self._begin)}. Does the exporter run, and does it hear from its controller?"
                )
            self._deadline.sleep(pause)
            pause = min(pause * 1.5, LONGEST_POLL)

    def _is_stuck(self) -> bool:
        """Whether the exporter does nothing with its lease; hooks may take as long as the lease is waited for."""
        return time.monotonic() - self._moved > PATIENCE

    def close(self) -> None:
        """Ends the connection that waits for the hook's output."""
        if self._listener is not None:
            self._listener.close()

    def _ask(self) -> ExporterState | None:
        controller, name = self._lease.controller, self._lease.exporter
        try:
            exporter = controller.get_exporter(name, min(LOOK_TIMEOUT, max(self._deadline.remaining, 0.1)))
        except ControllerAwayError as error:
            self._tell(str(error))
            return None
        self._lease.take_exporter(exporter)
        return exporter

    def _is_ready(self, exporter: ExporterState) -> bool:
        status, name = exporter.status, self._lease.exporter
        self._status = exporter.status_name + (f", {exporter.message}" if exporter.message else "")
        if status in (ExporterStatus.LEASE_READY, ExporterStatus.UNSPECIFIED):  # older exporters have no status
            return True
        if status in _FAILED:
            self._check_lease(now=True, harmless=True)
            self._fail(exporter)
        if status == ExporterStatus.OFFLINE:
            if "hook failure" in exporter.message:  # it has overtaken the failed status, as the hook's onFailure is `exit`
                self._fail(exporter)
            raise ExporterNotReadyError(f"Exporter '{name}' went offline after it was leased: its status is {self._status}.")
        if status == ExporterStatus.BEFORE_LEASE_HOOK:
            self._moved = time.monotonic()
            if self._listener is None:
                self._listener = _HookListener(self._tunnel.path)
            self._tell(f"exporter '{name}' runs its beforeLease hook.")
        else:
            self._tell(f"exporter '{name}' prepares itself ({self._status}).")
        return False

    def _fail(self, exporter: ExporterState) -> None:
        which = "afterLease" if exporter.status == ExporterStatus.AFTER_LEASE_HOOK_FAILED else "beforeLease"
        told = f"The {which} hook of exporter '{exporter.name}' failed: {exporter.message or 'the exporter does not say why'}."
        lines = self._listener.output() if self._listener is not None else []
        if lines:
            told += " It wrote:\n" + "\n".join(f"  {line}" for line in lines[-MOST_LINES:])
        raise HookFailedError(self._lease.controller.redact(told))

    def _check_lease(self, *, now: bool = False, harmless: bool = False) -> None:
        if not now and time.monotonic() - self._looked < LEASE_INTERVAL:
            return
        self._looked = time.monotonic()
        with contextlib.suppress(ControllerError):
            ended = self._lease.look(min(LOOK_TIMEOUT, max(self._deadline.remaining, 0.1)))
            if ended and not harmless:
                raise LeaseError(
                    f"The {self._lease} is over before its exporter was ready: {ended}. The exporter's last status was "
                    f"{self._status}."
                )

    def _tell(self, text: str) -> None:
        if text != self._told:
            self._told = text
            waited = round(time.monotonic() - self._begin)
            so_far = f", {in_words(waited)} so far" if waited else ""
            self._progress(f"Waiting until the {self._lease} can be used{so_far}: {text}")


class _HookListener:
    """A connection that was asked for during the hook, as none can be had after one that failed.

    The log is read only then: upstream gives each line to one reader, and later the session wants them all.
    """

    def __init__(self, path: str) -> None:
        options = (
            ("grpc.use_local_subchannel_pool", 1),
            ("grpc.min_reconnect_backoff_ms", LONGEST_HOOK_MS),
            ("grpc.max_reconnect_backoff_ms", LONGEST_HOOK_MS),
            ("grpc.enable_http_proxy", 0),
        )
        self._channel: Any = grpc.insecure_channel(parse_address(path).grpc_target, options=options)
        self._channel.subscribe(lambda _: None, try_to_connect=True)

    def output(self) -> list[str]:
        """Returns what the hook wrote, as far as it can be had quickly."""
        lines: list[str] = []
        stub = jumpstarter_pb2_grpc.ExporterServiceStub(self._channel)
        rpc = None
        try:
            rpc = stub.LogStream(Empty(), timeout=OUTPUT_TIMEOUT, wait_for_ready=True)
            lines.extend(line.message for line in rpc if line.source in _HOOK_SOURCES)
        except (grpc.RpcError, ValueError, JumpstarterError):
            pass  # it ends with its deadline, or there is no connection
        finally:
            if rpc is not None:
                rpc.cancel()
        return lines

    def close(self) -> None:
        """Ends the connection."""
        close_channel(self._channel)
