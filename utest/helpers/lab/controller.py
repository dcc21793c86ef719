"""ControllerService: what exporters call, `Dial`, and the old way to lease (§1.4, §8.6)."""

import asyncio
import contextlib
import uuid
from collections.abc import AsyncIterator
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration
from jumpstarter_protocol import jumpstarter_pb2, jumpstarter_pb2_grpc, kubernetes_pb2
from jumpstarter_protocol.jumpstarter.v1 import common_pb2

from . import identity, tokens
from .clients import conditions, new_name, timestamp
from .journal import Journal, refuse
from .label_selectors import Requirement, Selector
from .objects import OFFLINE, UNSET, Exporter, Lease
from .world import World

PREFIX = "EXPORTER_STATUS_"
FOREVER = 1e9
HEARTBEAT = 0.5
"""Seconds between signs of life while a Status stream is open; the real controller takes 10."""
DIALABLE = {"LEASE_READY", "BEFORE_LEASE_HOOK", "AFTER_LEASE_HOOK", UNSET}
UNDIALABLE = {
    "OFFLINE": "exporter is offline",
    "AVAILABLE": "exporter is not ready (status: Available)",
    "BEFORE_LEASE_HOOK_FAILED": "exporter beforeLease hook failed",
    "AFTER_LEASE_HOOK_FAILED": "exporter afterLease hook failed",
}


class Listener:
    """One Listen stream; a newer one for the same lease takes its place."""

    def __init__(self, limit: int) -> None:
        self.queue: asyncio.Queue[jumpstarter_pb2.ListenResponse] = asyncio.Queue(limit)
        self.replaced = asyncio.Event()


class ControllerService(jumpstarter_pb2_grpc.ControllerServiceServicer):
    """Speaks with exporters, and dials for clients."""

    def __init__(self, world: World, journal: Journal, router_endpoint: str) -> None:
        self.listeners: dict[str, Listener] = {}
        self.streams: dict[str, str] = {}
        """Leases by the subject of the router token that was dialled for them."""
        self._world = world
        self._journal = journal
        self._router_endpoint = router_endpoint

    # ---------------------------------------------------------------- exporters

    async def Register(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            exporter = identity.exporter(self._world, context)
            kept = {key: value for key, value in exporter.labels.items() if not key.startswith("jumpstarter.dev/")}
            taken = {key: value for key, value in request.labels.items() if key.startswith("jumpstarter.dev/")}
            exporter.labels = kept | taken
            exporter.devices = len(request.reports)
            self._world.changed()
            return jumpstarter_pb2.RegisterResponse(uuid=exporter.uid)

        return await self._journal.unary("Register", request, context, answer)

    async def Unregister(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            identity.exporter(self._world, context).devices = 0
            self._world.changed()
            return jumpstarter_pb2.UnregisterResponse()

        return await self._journal.unary("Unregister", request, context, answer)

    async def ReportStatus(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            exporter = identity.exporter(self._world, context)
            with contextlib.suppress(ValueError):
                exporter.status = common_pb2.ExporterStatus.Name(request.status).removeprefix(PREFIX)
            exporter.message = request.message
            self._world.seen(exporter)
            lease = self._world.active_lease(exporter)
            if request.release_lease and lease is not None:
                lease.released = True
            self._world.changed()
            return jumpstarter_pb2.ReportStatusResponse()

        return await self._journal.unary("ReportStatus", request, context, answer)

    async def Status(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async def answers() -> AsyncIterator[Any]:
            exporter = identity.exporter(self._world, context)
            if exporter.status == OFFLINE:
                # Old exporters never report a status, so nobody else would clear it.
                exporter.status, exporter.message = UNSET, ""
            exporter.watchers += 1
            try:
                async for answer in self._statuses(exporter):
                    yield answer
            finally:
                exporter.watchers -= 1
                self._world.changed()

        async for answer in self._journal.stream("Status", request, context, answers):
            yield answer

    async def _statuses(self, exporter: Exporter) -> AsyncIterator[Any]:
        last = None
        with self._world.watch() as event:
            self._world.changed()
            while True:
                event.clear()
                self._world.seen(exporter)
                lease = self._world.active_lease(exporter)
                names = {"lease_name": lease.name, "client_name": lease.client} if lease else {}
                response = jumpstarter_pb2.StatusResponse(leased=lease is not None, **names)
                if response != last:
                    last = response
                    yield response
                    exporter.told = lease.name if lease else None
                    self._world.changed()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), HEARTBEAT)

    async def Listen(self, request: Any, context: Any) -> AsyncIterator[Any]:
        async def answers() -> AsyncIterator[Any]:
            exporter = identity.exporter(self._world, context)
            if not request.lease_name:
                refuse("empty lease name")
            lease = self._lease(request.lease_name)
            if lease.exporter != exporter.name:
                refuse("permission denied")
            listener = Listener(self._world.settings.listen_buffer)
            if (before := self.listeners.get(lease.name)) is not None:
                before.replaced.set()
            self.listeners[lease.name] = listener
            try:
                async for answer in _dials(listener):
                    await self._world.wait_until(lambda: not self._world.settings.listen_frozen, FOREVER)
                    yield answer
            finally:
                if self.listeners.get(lease.name) is listener:
                    del self.listeners[lease.name]

        async for answer in self._journal.stream("Listen", request, context, answers):
            yield answer

    # ---------------------------------------------------------------- clients

    async def Dial(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            client = identity.client(self._world, context)
            if not request.lease_name:
                refuse("empty lease name")
            lease = self._lease(request.lease_name)
            if lease.client != client.name:
                refuse("permission denied")
            if lease.exporter is None:
                refuse("lease not active")
            await self._wait_until_dialable(self._world.exporters[lease.exporter])
            if self._world.settings.routers == 0:
                refuse("no router available")
            return self._connect(lease)

        return await self._journal.unary("Dial", request, context, answer)

    async def _wait_until_dialable(self, exporter: Exporter) -> None:
        if exporter.status == "AVAILABLE":
            await self._world.wait_until(lambda: exporter.status != "AVAILABLE", self._world.settings.dial_wait)
        if exporter.status not in DIALABLE:
            text = UNDIALABLE.get(exporter.status, f"exporter not ready (status: {exporter.status})")
            refuse(text, grpc.StatusCode.FAILED_PRECONDITION)

    def _connect(self, lease: Lease) -> Any:
        """Gives the same address and token to the exporter and to the client."""
        now, stream = int(self._world.now()), str(uuid.uuid4())
        claims = {
            "iss": "https://jumpstarter.dev/stream",
            "sub": stream,
            "aud": ["https://jumpstarter.dev/router"],
            "exp": int(now + self._world.settings.router_token_life),
            "nbf": now,
            "iat": now,
            "jti": str(uuid.uuid4()),
        }
        endpoint = self._world.settings.router_endpoint or self._router_endpoint
        pair = {"router_endpoint": endpoint, "router_token": tokens.make(claims, self._world.router_key)}
        listener = self.listeners.get(lease.name)
        if listener is None:
            refuse(f"exporter is not listening on lease {lease.name}", grpc.StatusCode.UNAVAILABLE)
        try:
            listener.queue.put_nowait(jumpstarter_pb2.ListenResponse(**pair))
        except asyncio.QueueFull:
            refuse(f"listener buffer full on lease {lease.name}", grpc.StatusCode.RESOURCE_EXHAUSTED)
        self.streams[stream] = lease.name
        return jumpstarter_pb2.DialResponse(**pair)

    async def ReleaseLease(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            if identity.kind_of(context) == "Exporter":
                lease = self._lease_of(identity.exporter(self._world, context), request.name)
            else:
                client = identity.client(self._world, context)
                lease = self._lease(request.name)
                if lease.client != client.name:
                    refuse("ReleaseLease permission denied")
            lease.released = True
            self._world.changed()
            return jumpstarter_pb2.ReleaseLeaseResponse()

        return await self._journal.unary("ReleaseLease", request, context, answer)

    def _lease_of(self, exporter: Exporter, name: str) -> Lease:
        lease = self._world.leases.get(name)
        if lease is None:
            refuse(f"lease {name} not found", grpc.StatusCode.NOT_FOUND)
        if lease.exporter != exporter.name:
            text = f"lease {name} is not held by exporter {exporter.name}"
            refuse(text, grpc.StatusCode.FAILED_PRECONDITION)
        return lease

    async def RequestLease(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            client = identity.client(self._world, context)
            expressions = tuple(
                Requirement(each.key, each.operator, tuple(each.values)) for each in request.selector.match_expressions
            )
            lease = Lease(
                namespace=client.namespace,
                name=new_name(),
                client=client.name,
                selector=Selector(dict(request.selector.match_labels), expressions),
                duration=request.duration.ToTimedelta().total_seconds() if request.HasField("duration") else None,
            )
            self._world.leases[lease.name] = lease
            self._world.changed()
            return jumpstarter_pb2.RequestLeaseResponse(name=lease.name)

        return await self._journal.unary("RequestLease", request, context, answer)

    async def GetLease(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            client = identity.client(self._world, context)
            lease = self._lease(request.name)
            if lease.client != client.name:
                refuse("GetLease permission denied")
            return self._old_lease(lease)

        return await self._journal.unary("ControllerService.GetLease", request, context, answer)

    def _old_lease(self, lease: Lease) -> Any:
        response = jumpstarter_pb2.GetLeaseResponse(conditions=conditions(lease))
        response.selector.match_labels.update(lease.selector.match_labels)
        for each in lease.selector.expressions:
            response.selector.match_expressions.append(
                kubernetes_pb2.LabelSelectorRequirement(key=each.key, operator=each.operator, values=each.values)
            )
        if lease.duration is not None:
            response.duration.CopyFrom(Duration(seconds=int(lease.duration)))
        if lease.effective_begin is not None:
            response.begin_time.CopyFrom(timestamp(lease.effective_begin))
        if lease.effective_end is not None:
            response.end_time.CopyFrom(timestamp(lease.effective_end))
        if lease.exporter is not None:
            response.exporter_uuid = self._world.exporters[lease.exporter].uid
        return response

    async def ListLeases(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            client = identity.client(self._world, context)
            mine = [lease.name for lease in self._world.leases.values() if not lease.ended and lease.client == client.name]
            return jumpstarter_pb2.ListLeasesResponse(names=mine)

        return await self._journal.unary("ControllerService.ListLeases", request, context, answer)

    def _lease(self, name: str) -> Lease:
        lease = self._world.leases.get(name)
        if lease is None:
            refuse(f'leases.jumpstarter.dev "{name}" not found')
        return lease


async def _dials(listener: Listener) -> AsyncIterator[Any]:
    """What was dialled, until a newer listener takes over; what is in the buffer then still goes out."""
    replaced = asyncio.ensure_future(listener.replaced.wait())
    try:
        while True:
            get = asyncio.ensure_future(listener.queue.get())
            try:
                await asyncio.wait({get, replaced}, return_when=asyncio.FIRST_COMPLETED)
                if not get.done():
                    return
                yield get.result()
            finally:
                get.cancel()
    finally:
        replaced.cancel()
