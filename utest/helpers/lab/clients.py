"""ClientService: exporters and leases as clients see them (§1.5, §8.1 to §8.3)."""

import re
import time
import uuid
from collections.abc import Sequence
from typing import Any, TypeVar

import grpc
from google.protobuf.duration_pb2 import Duration
from google.protobuf.empty_pb2 import Empty
from google.protobuf.timestamp_pb2 import Timestamp
from jumpstarter_protocol import client_pb2, client_pb2_grpc, kubernetes_pb2
from jumpstarter_protocol.jumpstarter.v1 import common_pb2

from . import identity
from .journal import Caller, Journal, refuse
from .label_selectors import Requirement, SelectorError, parse, parse_for_lease
from .objects import Client, Exporter, Lease
from .world import World

T = TypeVar("T")
INVALID = grpc.StatusCode.INVALID_ARGUMENT
FAILED = grpc.StatusCode.FAILED_PRECONDITION
DENIED = grpc.StatusCode.PERMISSION_DENIED
TAG_PREFIX = "metadata.jumpstarter.dev/"
_OBJECT_NAME = re.compile(r"[a-z0-9]([a-z0-9.-]{0,251}[a-z0-9])?")
_TAG_KEY = re.compile(r"[A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?")
_TAG_VALUE = re.compile(r"([A-Za-z0-9]([A-Za-z0-9_.-]{0,61}[A-Za-z0-9])?)?")


def timestamp(seconds: float) -> Timestamp:
    """Seconds since the epoch as the wire has them; Kubernetes keeps whole seconds."""
    return Timestamp(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def conditions(lease: Lease) -> list[Any]:
    """The conditions of a lease, in the order in which they first appeared."""
    return [
        kubernetes_pb2.Condition(
            type=each.type,
            status=each.status,
            observedGeneration=1,
            lastTransitionTime=kubernetes_pb2.Time(seconds=int(each.changed), nanos=0),
            reason=each.reason,
            message=each.message,
        )
        for each in lease.conditions
    ]


class ClientService(client_pb2_grpc.ClientServiceServicer):
    """Speaks with clients."""

    def __init__(self, world: World, journal: Journal) -> None:
        self._world = world
        self._journal = journal

    # ---------------------------------------------------------------- exporters

    async def GetExporter(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            namespace, name = parse_name(request.name, "exporters")
            identity.client(self._world, context, namespace)
            return self._exporter(self._get(self._world.exporters, "exporters", name))

        return await self._journal.unary("GetExporter", request, context, answer)

    async def ListExporters(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            identity.client(self._world, context, parse_parent(request.parent))
            requirements = _filter(request.filter)
            found = [
                exporter
                for _, exporter in sorted(self._world.exporters.items())
                if all(each.matches(exporter.labels) for each in requirements)
            ]
            page, token = _page(found, request)
            return client_pb2.ListExportersResponse(exporters=map(self._exporter, page), next_page_token=token)

        return await self._journal.unary("ListExporters", request, context, answer)

    def _exporter(self, exporter: Exporter) -> Any:
        return client_pb2.Exporter(
            name=f"namespaces/{exporter.namespace}/exporters/{exporter.name}",
            labels=exporter.labels,
            online=self._world.online(exporter),
            status=common_pb2.ExporterStatus.Value(f"EXPORTER_STATUS_{exporter.status}"),
            status_message=exporter.message,
            enabled=exporter.enabled,
        )

    # ---------------------------------------------------------------- leases

    async def GetLease(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            namespace, name = parse_name(request.name, "leases")
            identity.client(self._world, context, namespace)
            return self._lease(self._get(self._world.leases, "leases", name))

        return await self._journal.unary("GetLease", request, context, answer)

    async def ListLeases(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            identity.client(self._world, context, parse_parent(request.parent))
            requirements = _filter(request.filter)
            if request.tag_filter:
                requirements += _tag_filter(request.tag_filter)
            if not request.HasField("only_active") or request.only_active:
                requirements.append(Requirement("jumpstarter.dev/lease-ended", "DoesNotExist"))
            found = [
                lease
                for _, lease in sorted(self._world.leases.items())
                if all(each.matches(lease.labels) for each in requirements)
            ]
            page, token = _page(found, request)
            return client_pb2.ListLeasesResponse(leases=map(self._lease, page), next_page_token=token)

        return await self._journal.unary("ListLeases", request, context, answer)

    async def CreateLease(self, request: Any, context: Any) -> Any:
        context = Caller(context)

        async def answer() -> Any:
            if not request.HasField("lease"):
                refuse("lease is required", INVALID)
            if not request.lease.selector and not request.lease.exporter_name:
                refuse("one of selector or exporter_name is required", INVALID)
            self._check_tags(dict(request.lease.tags))
            client = identity.client(self._world, context, parse_parent(request.parent))
            lease = self._new_lease(request, client)
            # As with a real controller, the answer tells what was asked; what becomes of it shows later.
            result = self._lease(lease)
            self._world.changed()
            return result

        return await self._journal.unary("CreateLease", request, context, answer)

    def _new_lease(self, request: Any, client: Client) -> Lease:
        asked = request.lease
        try:
            selector = parse_for_lease(asked.selector)
        except SelectorError as error:
            refuse(str(error))
        begin, end, duration = reconcile_times(*_times(asked))
        name = request.lease_id or new_name()
        if not _OBJECT_NAME.fullmatch(name):
            refuse(f'Lease.jumpstarter.dev "{name}" is invalid: metadata.name: Invalid value: "{name}"')
        if name in self._world.leases:
            refuse(f'leases.jumpstarter.dev "{name}" already exists')
        lease = Lease(
            namespace=client.namespace,
            name=name,
            client=client.name,
            selector=selector,
            duration=duration,
            begin_time=begin,
            end_time=end,
            exporter_name=asked.exporter_name or None,
            tags=dict(asked.tags),
            allow_disabled=asked.allow_disabled,
        )
        self._world.leases[name] = lease
        return lease

    def _check_tags(self, tags: dict[str, str]) -> None:
        limit = self._world.settings.max_tags
        if len(tags) > limit:
            refuse(f"invalid lease tags: too many tags: {len(tags)} (maximum {limit:g})", INVALID)
        for key, value in tags.items():
            if key.startswith((TAG_PREFIX, "jumpstarter.dev/")):
                refuse(f'invalid lease tags: tag key "{key}" must not use reserved prefix', INVALID)
            if "/" in key:
                text = f"tag key \"{key}\" must not contain '/' (use simple names without prefix)"
                refuse(f"invalid lease tags: {text}", INVALID)
            if not _TAG_KEY.fullmatch(key):
                refuse(f'invalid lease tags: tag key "{key}" is not a valid label key', INVALID)
            if not _TAG_VALUE.fullmatch(value):
                refuse(f'invalid lease tags: tag value for key "{key}" is not a valid label value', INVALID)

    async def UpdateLease(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            namespace, name = parse_name(request.lease.name, "leases")
            client = identity.client(self._world, context, namespace)
            lease = self._get(self._world.leases, "leases", name)
            if lease.client != client.name:
                refuse("UpdateLease permission denied", DENIED)
            # The mask is ignored: what is set counts (§8.3).
            self._update_times(lease, request.lease)
            self._transfer(lease, request.lease, namespace)
            self._world.changed()
            return self._lease(lease)

        return await self._journal.unary("UpdateLease", request, context, answer)

    def _update_times(self, lease: Lease, asked: Any) -> None:
        begin, end, duration = _times(asked)
        if begin is None and end is None and duration is None:
            return
        if lease.ended:
            refuse("cannot modify time fields: lease has already ended", FAILED)
        # First a lease is made from the request alone, so a lone begin_time or end_time fails (D57).
        new_begin, new_end, new_duration = reconcile_times(begin, end, duration)
        if begin is not None:
            if lease.exporter is not None and lease.begin_time != new_begin:
                refuse("cannot update BeginTime: lease has already started", FAILED)
            lease.begin_time = new_begin
        if duration is not None:
            lease.duration = new_duration
        if end is not None:
            lease.end_time = new_end
        lease.begin_time, lease.end_time, lease.duration = reconcile_times(lease.begin_time, lease.end_time, lease.duration)

    def _transfer(self, lease: Lease, asked: Any, namespace: str) -> None:
        if not asked.client:
            return
        if lease.exporter is None:
            refuse("cannot transfer lease: lease has not started yet", FAILED)
        if lease.ended:
            refuse("cannot transfer lease: lease has already ended", FAILED)
        other, name = parse_name(asked.client, "clients")
        if other != namespace:
            refuse("cannot transfer lease to client in different namespace", INVALID)
        if name not in self._world.clients:
            refuse(f'target client "{name}" not found', INVALID)
        lease.client = name

    async def DeleteLease(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            namespace, name = parse_name(request.name, "leases")
            client = identity.client(self._world, context, namespace)
            lease = self._get(self._world.leases, "leases", name)
            if lease.client != client.name:
                refuse("DeleteLease permission denied")
            if lease.released:
                refuse(f'lease "{request.name}" has already been released', FAILED)
            lease.released = True
            self._world.changed()
            return Empty()

        return await self._journal.unary("DeleteLease", request, context, answer)

    async def RotateToken(self, request: Any, context: Any) -> Any:
        async def answer() -> Any:
            client = identity.client(self._world, context, parse_parent(request.parent))
            life = self._world.settings.token_life
            return client_pb2.RotateTokenResponse(
                token=self._world.token("Client", client.name, life), expiry=timestamp(self._world.now() + life)
            )

        return await self._journal.unary("RotateToken", request, context, answer)

    def _lease(self, lease: Lease) -> Any:
        place = f"namespaces/{lease.namespace}"
        message = client_pb2.Lease(
            name=f"{place}/leases/{lease.name}",
            selector=str(lease.selector),
            client=f"{place}/clients/{lease.client}",
            conditions=conditions(lease),
            tags=lease.tags,
            exporter_name=lease.exporter_name,
            allow_disabled=lease.allow_disabled,
        )
        if lease.exporter is not None:
            message.exporter = f"{place}/exporters/{lease.exporter}"
        if lease.duration is not None:
            message.duration.CopyFrom(_duration(lease.duration))
        if lease.begin_time is not None:
            message.begin_time.CopyFrom(timestamp(lease.begin_time))
        if lease.end_time is not None:
            message.end_time.CopyFrom(timestamp(lease.end_time))
        if lease.effective_begin is not None:
            message.effective_begin_time.CopyFrom(timestamp(lease.effective_begin))
            until = lease.effective_end if lease.effective_end is not None else self._world.now()
            message.effective_duration.CopyFrom(_duration(max(until - lease.effective_begin, 0.0)))
            # Only with a begin: a lease that was never acquired shows no end either.
            if lease.effective_end is not None:
                message.effective_end_time.CopyFrom(timestamp(lease.effective_end))
        return message

    def _get(self, objects: dict[str, T], kind: str, name: str) -> T:
        if name not in objects:
            refuse(f'{kind}.jumpstarter.dev "{name}" not found')
        return objects[name]


def parse_parent(text: str) -> str:
    """The namespace in `namespaces/{ns}`."""
    parts = text.split("/")
    if len(parts) != 2:
        refuse(f'invalid number of segments in identifier "{text}", expecting 2, got {len(parts)}', INVALID)
    if parts[0] != "namespaces":
        refuse(f'invalid first segment in identifier "{text}", expecting "namespaces", got "{parts[0]}"', INVALID)
    return parts[1]


def parse_name(text: str, kind: str) -> tuple[str, str]:
    """Namespace and name in `namespaces/{ns}/{kind}/{name}`."""
    parts = text.split("/")
    if len(parts) != 4:
        refuse(f'invalid number of segments in identifier "{text}", expecting 4, got {len(parts)}', INVALID)
    if parts[0] != "namespaces":
        refuse(f'invalid first segment in identifier "{text}", expecting "namespaces", got "{parts[0]}"', INVALID)
    if parts[2] != kind:
        refuse(f'invalid third segment in identifier "{text}", expecting "{kind}", got "{parts[2]}"', INVALID)
    return parts[1], parts[3]


def reconcile_times(
    begin: float | None, end: float | None, duration: float | None
) -> tuple[float | None, float | None, float | None]:
    """Completes the three times of a lease, or refuses what does not fit together (§8.1)."""
    if begin is not None and end is not None:
        if duration is not None and duration > 0 and abs(end - begin - duration) > 1e-6:
            refuse("duration conflicts with begin_time and end_time")
        duration = end - begin
    elif end is not None and duration is not None and duration > 0:
        begin = end - duration
    if duration is None:
        refuse("duration is required (must specify Duration, or both BeginTime and EndTime)")
    if duration <= 0:
        refuse(f"duration must be positive, got {duration:g}s")
    return begin, end, duration


def _times(lease: Any) -> tuple[float | None, float | None, float | None]:
    def seconds(field: str) -> float | None:
        if not lease.HasField(field):
            return None
        value = getattr(lease, field)
        return float(value.seconds + value.nanos / 1e9)

    return seconds("begin_time"), seconds("end_time"), seconds("duration")


def _duration(seconds: float) -> Duration:
    return Duration(seconds=int(seconds), nanos=int(seconds % 1 * 1e9))


def _filter(text: str) -> list[Requirement]:
    try:
        return parse(text)
    except SelectorError as error:
        refuse(str(error))


def _tag_filter(text: str) -> list[Requirement]:
    try:
        return [Requirement(TAG_PREFIX + each.key, each.operator, each.values) for each in parse(text)]
    except SelectorError as error:
        refuse(f"invalid tag_filter: {error}", INVALID)


def _page(found: Sequence[T], request: Any) -> tuple[Sequence[T], str]:
    """A page of a list, and the token of the next; the tokens mean nothing to a client."""
    start = int(request.page_token or 0)
    stop = start + request.page_size if request.page_size else len(found)
    return found[start:stop], str(stop) if stop < len(found) else ""


def new_name() -> str:
    """A UUIDv7, so that names sort by age."""
    number = int(time.time() * 1000) << 80 | uuid.uuid4().int & ((1 << 80) - 1)
    number = number & ~(0xF << 76) | 0x7 << 76
    return str(uuid.UUID(int=number & ~(0x3 << 62) | 0x2 << 62))
