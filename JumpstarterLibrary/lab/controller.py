"""The lab's controller: exporters, leases and dialling, each with a deadline (protocol §1.4, §1.5)."""

from __future__ import annotations

import random
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.timestamp_pb2 import Timestamp
from jumpstarter_protocol import client_pb2, client_pb2_grpc, jumpstarter_pb2, jumpstarter_pb2_grpc

from ..client.channel import close_channel
from ..client.failures import was_never_sent
from ..errors import JumpstarterError, TokenError
from ..wire.deadline import Deadline, Timeout, seconds
from ..wire.interruptible import SoundEvent
from ..wire.secrets import Hidden, Redactor
from . import refusals
from .channels import open_channel
from .configuration import ClientConfiguration
from .states import ExporterState, LeaseState, exporter_state, lease_state
from .tokens import Token, TokenLateError
from .wish import LeaseRequest

ATTEMPT_TIMEOUT = 10.0
"""Seconds for one attempt of a request; a silent connection is given up after that, and a new one is made."""
FIRST_PAUSE, LONGEST_PAUSE = 0.2, 2.0
"""Seconds between attempts: the first, and what they grow to."""
MOST_UNKNOWN = 4
"""How often a request is repeated whose failure the controller cannot name (D50): its own API server may have been away."""
PAGE = 100


@dataclass(frozen=True)
class Dialled:
    """Where a tunnel begins, and what opens it."""

    endpoint: str
    token: Hidden


class Controller:
    """The controller of one client configuration; usable from any thread.

    What is transient is tried again, with growing pauses, inside the deadline of each request. Nothing is asked before the first.

    Args:
        configuration: where it is and who we are.
        redact: learns the tokens, and masks them wherever they would show.
        warn: told, from another thread, when the token is about to expire.
        token: one to share; one of its own, renewed in the background, unless given.
    """

    def __init__(
        self,
        configuration: ClientConfiguration,
        redact: Redactor | None = None,
        warn: Callable[[str], object] = lambda _: None,
        *,
        token: Token | None = None,
    ) -> None:
        self.configuration = configuration
        self.redact = Redactor() if redact is None else redact
        self.token = token or Token(configuration, self.redact, warn)
        if token is None:
            self.token.watch()
        self._lock = threading.Lock()
        self._channel: Any = None
        self._closed = SoundEvent()

    @property
    def where(self) -> str:
        """The controller and the client, for messages."""
        c = self.configuration
        return f"the controller {c.endpoint} (client '{c.name}' of {c.source})"

    def close(self) -> None:
        """Ends what is under way."""
        self.token.close()
        self.close_channel()

    def close_channel(self) -> None:
        """The same, but leaves the token alone, which others may share."""
        self._closed.set()
        self._reconnect()

    def again(self) -> Controller:
        """Makes another one with connections of its own and the same token, for when this one is stuck or closed."""
        return Controller(self.configuration, self.redact, token=self.token)

    # --------------------------------------------------------------- exporters

    def get_exporter(self, name: str, timeout: Timeout) -> ExporterState:
        """Returns what is known of an exporter.

        Raises:
            JumpstarterError: see `refusals`; also for the methods below.
        """
        request = client_pb2.GetExporterRequest(name=self._name("exporters", name))
        return exporter_state(self._client("GetExporter", request, f"Asking for exporter '{name}'", timeout))

    def list_exporters(self, selector: str, timeout: Timeout) -> list[ExporterState]:
        """Returns the exporters that have these labels, or all."""
        deadline = Deadline(timeout)

        def page(token: str) -> Any:
            request = client_pb2.ListExportersRequest(parent=self._parent, page_size=PAGE, page_token=token, filter=selector)
            return self._client("ListExporters", request, "Listing exporters", deadline)

        return [exporter_state(one) for answer in _pages(page) for one in answer.exporters]

    # ------------------------------------------------------------------ leases

    def create_lease(self, name: str, wanted: LeaseRequest, timeout: Timeout) -> LeaseState:
        """Creates a lease under a name that nobody has used; so a repeated request never makes a second one."""
        lease = client_pb2.Lease(selector=wanted.selector, duration=_duration(wanted.duration), tags=dict(wanted.tags))
        if wanted.exporter_name:
            lease.exporter_name = wanted.exporter_name
        if wanted.begin_time is not None:
            lease.begin_time.CopyFrom(_timestamp(wanted.begin_time))
        request = client_pb2.CreateLeaseRequest(parent=self._parent, lease_id=name, lease=lease)
        deadline = Deadline(timeout)
        attempts, reached = 0, False

        def answered(error: Any) -> Any:
            nonlocal reached
            reached = reached or not was_never_sent(error)
            # The answer to an attempt before this one was lost on its way.
            if attempts > 1 and refusals.code_of(error) is grpc.StatusCode.ALREADY_EXISTS:
                return self._client(
                    "GetLease", client_pb2.GetLeaseRequest(name=self._name("leases", name)), "Asking for the lease", deadline
                )
            return None

        def count() -> None:
            nonlocal attempts
            attempts += 1

        try:
            made = self._client("CreateLease", request, f"Leasing {wanted}", deadline, before=count, otherwise=answered)
        except refusals.ControllerAwayError as error:
            error.never_asked = not reached
            raise
        except JumpstarterError:
            raise
        except BaseException:  # an interrupt: gRPC would leave the request under way
            self._reconnect()
            raise
        return lease_state(made)

    def get_lease(self, name: str, timeout: Timeout) -> LeaseState:
        """Returns what is known of a lease, also of one that has ended."""
        request = client_pb2.GetLeaseRequest(name=self._name("leases", name))
        return lease_state(self._client("GetLease", request, f"Asking for lease '{name}'", timeout))

    def list_leases(self, timeout: Timeout, *, selector: str = "", only_active: bool = True) -> list[LeaseState]:
        """Returns the leases of all clients."""
        deadline = Deadline(timeout)

        def page(token: str) -> Any:
            request = client_pb2.ListLeasesRequest(
                parent=self._parent, page_size=PAGE, page_token=token, filter=selector, only_active=only_active
            )
            return self._client("ListLeases", request, "Listing leases", deadline)

        return [lease_state(one) for answer in _pages(page) for one in answer.leases]

    def extend_lease(
        self, name: str, duration: timedelta, timeout: Timeout, *, end: tuple[datetime, datetime] | None = None
    ) -> LeaseState:
        """Sets how long a lease is in total, counted from its actual begin (protocol §8.3).

        Args:
            name: of the lease.
            duration: how long.
            timeout: for the request.
            end: begin and new end of one that was made with a fixed end; the duration has to be what is between them.
        """
        lease = client_pb2.Lease(name=self._name("leases", name), duration=_duration(duration))
        request = client_pb2.UpdateLeaseRequest(lease=lease, update_mask=FieldMask(paths=["duration"]))
        if end is not None:
            request.lease.begin_time.CopyFrom(_timestamp(end[0]))
            request.lease.end_time.CopyFrom(_timestamp(end[1]))
            request.update_mask.paths.extend(("begin_time", "end_time"))
        return lease_state(self._client("UpdateLease", request, f"Extending lease '{name}'", timeout))

    def delete_lease(self, name: str, timeout: Timeout, *, patience: float = 0.0) -> None:
        """Releases a lease. One that is released already, or not there any more, is as good.

        Args:
            name: of the lease.
            timeout: for all of it.
            patience: seconds in which a lease that is not there may still come to be, as the answer to its making was not heard.
        """
        request = client_pb2.DeleteLeaseRequest(name=self._name("leases", name))
        deadline, patient = Deadline(timeout), Deadline(patience)

        def answered(error: Any) -> Any:
            if refusals.is_released(error):
                return "released"
            return "missing" if refusals.code_of(error) is grpc.StatusCode.NOT_FOUND else None

        while self._client("DeleteLease", request, f"Releasing lease '{name}'", deadline, otherwise=answered) == "missing":
            if patient.expired or deadline.remaining <= FIRST_PAUSE:
                return
            deadline.sleep(FIRST_PAUSE)

    # ----------------------------------------------------------------- tunnels

    def dial(self, lease: str, timeout: Timeout) -> Dialled:
        """Asks once for a way to the exporter of a lease; who waits for it knows when to ask again.

        Raises:
            grpc.RpcError: the controller's refusal as it is.
            ControllerAwayError: the token has expired, and nobody knows in time whether there is another.
        """
        request = jumpstarter_pb2.DialRequest(lease_name=lease)
        deadline = Deadline(timeout)
        for last in (False, True):
            try:
                answer = self._once("Dial", request, deadline.remaining, jumpstarter_pb2_grpc.ControllerServiceStub)
                break
            except grpc.RpcError as error:
                if last or not self._mends(error, deadline):
                    raise
        self.redact.add(answer.router_token)
        return Dialled(answer.router_endpoint, Hidden(answer.router_token))

    def explain(self, error: Any, act: str) -> JumpstarterError:
        """Turns a refusal into the error to raise."""
        failure = refusals.as_error(error, act, self.where, self.token.describe())
        failure.args = (self.redact(str(failure)),)
        return failure

    # ---------------------------------------------------------------- requests

    def _client(
        self,
        method: str,
        request: Any,
        act: str,
        timeout: Timeout | Deadline,
        *,
        before: Callable[[], None] = lambda: None,
        otherwise: Callable[[Any], Any] = lambda _: None,
    ) -> Any:
        deadline = timeout if isinstance(timeout, Deadline) else Deadline(seconds(timeout))
        pause, unknown = FIRST_PAUSE, 0
        mended: set[Any] = set()
        while True:
            wait = pause * random.uniform(0.8, 1.2)  # noqa: S311 - so that many clients do not come back at once
            try:
                before()
                return self._once(method, request, min(ATTEMPT_TIMEOUT, deadline.remaining), client_pb2_grpc.ClientServiceStub)
            except refusals.ControllerAwayError as away:  # there is not even a channel
                if deadline.remaining <= wait or self._closed.is_set():
                    raise self._away(away, act) from None
            except grpc.RpcError as error:
                if (found := otherwise(error)) is not None:
                    return found
                if (code := refusals.code_of(error)) not in mended and self._mends(error, deadline):
                    mended.add(code)
                    continue
                unknown += code is grpc.StatusCode.UNKNOWN
                worth = refusals.is_transient(error, unknown <= MOST_UNKNOWN)
                if not worth or deadline.remaining <= wait or self._closed.is_set():
                    raise self.explain(error, act) from None
                if error.code() is grpc.StatusCode.DEADLINE_EXCEEDED:
                    self._reconnect()
            deadline.sleep(wait)
            pause = min(pause * 2, LONGEST_PAUSE)

    def _once(self, method: str, request: Any, timeout: float, stub: Any) -> Any:
        deadline = Deadline(timeout)
        for last in (False, True):
            rpc = getattr(stub(self._connected(deadline)), method)
            try:
                return rpc(request, timeout=max(deadline.remaining, 0.001), metadata=self._metadata())
            except ValueError:  # another thread has closed the channel just now
                if last:
                    raise
        raise AssertionError  # pragma: no cover - the loop ends by itself

    def _connected(self, deadline: Deadline) -> Any:
        if (channel := self._channel) is not None:
            return channel
        # Not under the lock: a certificate may have to be fetched, and other threads have deadlines of their own.
        made = open_channel(self.configuration.endpoint, self.configuration, deadline.remaining)
        with self._lock:
            if self._channel is None:
                self._channel = made
                return made
            channel = self._channel
        close_channel(made)
        return channel

    def _away(self, away: refusals.ControllerAwayError, act: str) -> refusals.ControllerAwayError:
        away.args = (self.redact(f"{act} at {self.where} failed: {away}"),)
        return away

    def _reconnect(self) -> None:
        """Gives up a connection that is silent: gRPC itself would believe in it for half a minute."""
        with self._lock:
            channel, self._channel = self._channel, None
        if channel is not None:
            close_channel(channel)

    def _mends(self, error: Any, deadline: Deadline) -> bool:
        """Whether something was done about a refusal, so that it is worth asking again at once."""
        if self.configuration.tls.insecure and refusals.is_untrusted(error):
            self._reconnect()  # the lab has another certificate than the one that was fetched
            return True
        return self._renewed(error, deadline)

    def _renewed(self, error: Any, deadline: Deadline) -> bool:
        """Whether an RPC failed for its token, and there is another one now.

        Raises:
            ControllerAwayError: nobody knows, as the issuer has not answered within the deadline; it may later.
        """
        if refusals.code_of(error) is not grpc.StatusCode.UNAUTHENTICATED:
            return False
        try:
            return self.token.renew(deadline.remaining)
        except TokenLateError as late:
            raise refusals.ControllerAwayError(f"{self.where[0].upper()}{self.where[1:]} refuses the token. {late}") from None
        except TokenError:
            return False

    def _metadata(self) -> tuple[tuple[str, str], ...]:
        c = self.configuration
        return (
            ("authorization", f"Bearer {self.token.reveal()}"),
            ("jumpstarter-kind", "Client"),
            ("jumpstarter-namespace", c.namespace),
            ("jumpstarter-name", c.name),
        )

    @property
    def _parent(self) -> str:
        return f"namespaces/{self.configuration.namespace}"

    def _name(self, kind: str, name: str) -> str:
        return f"{self._parent}/{kind}/{name}"


def _pages(page: Callable[[str], Any]) -> Iterator[Any]:
    token = ""
    while True:
        answer = page(token)
        yield answer
        token = answer.next_page_token
        if not token:
            return


def _duration(length: timedelta) -> Duration:
    found = Duration()
    found.FromTimedelta(length)
    return found


def _timestamp(moment: datetime) -> Timestamp:
    found = Timestamp()
    found.FromDatetime(moment)
    return found
