"""The published stubs with an identity: what a test calls the lab with when no client would."""

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.timestamp_pb2 import Timestamp
from jumpstarter_protocol import client_pb2, client_pb2_grpc, jumpstarter_pb2, jumpstarter_pb2_grpc, router_pb2_grpc

from .tunnel import open_tunnel

DEADLINE = 20.0
OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 200),
    # Channels with equal credentials would share one connection.
    ("grpc.use_local_subchannel_pool", 1),
)


class Raw:
    """`controller`, `client` and `router` are the stubs; identity goes with each call, so that tests can send another."""

    def __init__(self, endpoint: str, ca_file: Path, namespace: str, name: str, kind: str, token: str) -> None:
        self.metadata = (
            ("authorization", f"Bearer {token}"),
            ("jumpstarter-kind", kind),
            ("jumpstarter-namespace", namespace),
            ("jumpstarter-name", name),
        )
        self.parent = f"namespaces/{namespace}"
        self._credentials = grpc.ssl_channel_credentials(ca_file.read_bytes())
        self._stack = contextlib.ExitStack()
        channel = self.channel(endpoint)
        self.controller = jumpstarter_pb2_grpc.ControllerServiceStub(channel)
        self.client = client_pb2_grpc.ClientServiceStub(channel)

    def channel(self, endpoint: str) -> Any:
        """A channel that trusts the lab's authority."""
        return self._stack.enter_context(grpc.secure_channel(endpoint, self._credentials, options=OPTIONS))

    def close(self) -> None:
        """Closes all channels."""
        self._stack.close()

    def call(self, method: Any, request: Any, metadata: Any = None, timeout: float = DEADLINE) -> Any:
        """Calls with the identity."""
        return method(request, metadata=self.metadata if metadata is None else metadata, timeout=timeout)

    # ---------------------------------------------------------------- what most tests call

    def create(self, selector: str = "", lease_id: str = "", duration: float | None = 600, **fields: Any) -> Any:
        """CreateLease; times are seconds since the epoch."""
        return self.call(self.client.CreateLease, self.creation(selector, lease_id, duration, **fields))

    def creation(self, selector: str = "", lease_id: str = "", duration: float | None = 600, **fields: Any) -> Any:
        """The request of CreateLease."""
        for key in {"begin_time", "end_time"} & set(fields):
            fields[key] = Timestamp(seconds=int(fields[key]), nanos=int(fields[key] % 1 * 1e9))
        if duration is not None:
            fields["duration"] = seconds(duration)
        lease = client_pb2.Lease(selector=selector, **fields)
        return client_pb2.CreateLeaseRequest(parent=self.parent, lease_id=lease_id, lease=lease)

    def get(self, name: str) -> Any:
        """GetLease, by short or full name."""
        return self.call(self.client.GetLease, client_pb2.GetLeaseRequest(name=self.path("leases", name)))

    def update(self, name: str, **fields: Any) -> Any:
        """UpdateLease with these fields."""
        lease = client_pb2.Lease(name=self.path("leases", name), **fields)
        return self.call(self.client.UpdateLease, client_pb2.UpdateLeaseRequest(lease=lease))

    def delete(self, name: str) -> Any:
        """DeleteLease."""
        return self.call(self.client.DeleteLease, client_pb2.DeleteLeaseRequest(name=self.path("leases", name)))

    def list(self, **fields: Any) -> Any:
        """ListLeases."""
        return self.call(self.client.ListLeases, client_pb2.ListLeasesRequest(parent=self.parent, **fields))

    def exporter(self, name: str) -> Any:
        """GetExporter."""
        return self.call(self.client.GetExporter, client_pb2.GetExporterRequest(name=self.path("exporters", name)))

    def list_exporters(self, **fields: Any) -> Any:
        """ListExporters."""
        return self.call(self.client.ListExporters, client_pb2.ListExportersRequest(parent=self.parent, **fields))

    def dial(self, lease: str, timeout: float = DEADLINE) -> Any:
        """Dial."""
        request = jumpstarter_pb2.DialRequest(lease_name=lease.rsplit("/", 1)[-1])
        return self.call(self.controller.Dial, request, timeout=timeout)

    def _dial_patiently(self, lease: str) -> Any:
        """Dials until the exporter listens, which may be a little later than it reports LEASE_READY (§8.6)."""
        end = time.monotonic() + DEADLINE
        while True:
            try:
                return self.dial(lease)
            except grpc.RpcError as error:
                if error.code() is not grpc.StatusCode.UNAVAILABLE or time.monotonic() > end:
                    raise
            time.sleep(0.05)

    def stream(self, dialled: Any, frames: Any) -> Any:
        """Opens a router stream."""
        router = router_pb2_grpc.RouterServiceStub(self.channel(dialled.router_endpoint))
        token = (("authorization", f"Bearer {dialled.router_token}"),)
        return router.Stream(frames, metadata=token, timeout=DEADLINE)

    def session(self, lease: str) -> Any:
        """ExporterService of the session behind a lease, through a tunnel."""
        path = self._stack.enter_context(open_tunnel(lambda: self._dial_patiently(lease), self.stream))
        channel = self._stack.enter_context(grpc.insecure_channel(f"unix:{path}", options=OPTIONS))
        return jumpstarter_pb2_grpc.ExporterServiceStub(channel)

    def path(self, kind: str, name: str) -> str:
        """The resource name."""
        return name if "/" in name else f"{self.parent}/{kind}/{name}"


def seconds(duration: float) -> Duration:
    """A duration as the wire has it."""
    message = Duration()
    message.FromTimedelta(timedelta(seconds=duration))
    return message


@contextlib.contextmanager
def refused(code: grpc.StatusCode, text: str) -> Iterator[None]:
    """The block's call has to be refused with this status, and this in its details."""
    with pytest.raises(grpc.RpcError) as raised:
        yield
    assert (raised.value.code(), text in raised.value.details()) == (code, True), raised.value.details()


def state(lease: Any) -> dict[str, tuple[str, str]]:
    """The conditions of a lease: status and reason by type."""
    return {each.type: (each.status, each.reason) for each in lease.conditions}
