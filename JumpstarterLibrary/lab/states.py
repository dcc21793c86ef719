"""What the controller tells of exporters and leases, as plain values (protocol §1.5, §8.4)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from ..wire.protocol import ExporterStatus, status_name


def short(name: str) -> str:
    """The last part of a resource name: `namespaces/lab/leases/x` is `x`."""
    return name.rpartition("/")[2]


@dataclass(frozen=True)
class ExporterState:
    """One exporter as the controller knows it."""

    name: str
    labels: Mapping[str, str]
    status: int
    message: str
    online: bool
    enabled: bool

    @property
    def status_name(self) -> str:
        """The status as text; exporters older than 0.8 have none."""
        if self.status == ExporterStatus.UNSPECIFIED:
            return "ONLINE" if self.online else "OFFLINE"
        return status_name(self.status)

    @property
    def is_available(self) -> bool:
        """Whether a lease could have it now."""
        if not self.enabled:
            return False
        return self.status == ExporterStatus.AVAILABLE or (self.status == ExporterStatus.UNSPECIFIED and self.online)


@dataclass(frozen=True)
class Condition:
    """One condition of a lease."""

    kind: str
    holds: bool
    reason: str
    message: str
    false: bool = False
    """Whether it is said not to hold, which is more than not known."""


@dataclass(frozen=True)
class LeaseState:
    """One lease as the controller knows it. Times are with zone, lengths of the controller's clock."""

    name: str
    client: str
    exporter: str
    selector: str
    exporter_name: str
    duration: timedelta | None
    age: timedelta
    """How long it has been in force."""
    begin: datetime | None
    """When an exporter was assigned."""
    end: datetime | None
    """When it ended, once it has."""
    scheduled_begin: datetime | None
    scheduled_end: datetime | None
    tags: Mapping[str, str] = field(default_factory=dict)
    conditions: tuple[Condition, ...] = ()

    def condition(self, kind: str) -> Condition | None:
        """Returns a condition that holds, by its type; they are never cleared, so look in the order of §8.4."""
        return next((one for one in self.conditions if one.kind == kind and one.holds), None)

    @property
    def ended(self) -> str:
        """Why it has ended, in words; empty while it has not."""
        over = next((one for one in self.conditions if one.kind == "Ready" and one.false), None)
        if over is None and self.end is None:
            return ""
        moment = f" at {self.end.astimezone():%H:%M:%S}" if self.end else ""
        if over is None:
            return f"it ended{moment}"
        words = {"Expired": "it expired", "Released": "it was released"}
        return words.get(over.reason, f"it ended ({over.reason})") + moment

    @property
    def acquired(self) -> bool:
        """Whether an exporter was assigned and the lease has not ended."""
        return not self.ended and self.condition("Ready") is not None

    @property
    def expires(self) -> datetime | None:
        """When it will end if nobody extends it (protocol §8.10)."""
        if self.scheduled_end is not None:
            return self.scheduled_end
        begin = self.scheduled_begin or self.begin
        return begin + self.duration if begin is not None and self.duration is not None else None

    @property
    def remaining(self) -> timedelta | None:
        """How much is left, by the controller's clock alone, so that a wrong clock of ours does no harm; None if unknown."""
        if self.expires is None or self.begin is None:
            return None
        return self.expires - (self.begin + self.age)


def exporter_state(message: Any) -> ExporterState:
    """Reads an `Exporter`."""
    return ExporterState(
        name=short(message.name),
        labels=dict(message.labels),
        status=message.status,
        message=message.status_message,
        online=message.online,
        enabled=message.enabled if message.HasField("enabled") else True,
    )


def lease_state(message: Any) -> LeaseState:
    """Reads a `Lease`."""
    return LeaseState(
        name=short(message.name),
        client=short(message.client),
        exporter=short(message.exporter),
        selector=message.selector,
        exporter_name=message.exporter_name,
        duration=message.duration.ToTimedelta() if message.HasField("duration") else None,
        age=message.effective_duration.ToTimedelta(),
        begin=_moment(message, "effective_begin_time"),
        end=_moment(message, "effective_end_time"),
        scheduled_begin=_moment(message, "begin_time"),
        scheduled_end=_moment(message, "end_time"),
        tags=dict(message.tags),
        conditions=tuple(
            Condition(one.type, one.status == "True", one.reason, one.message, one.status == "False")
            for one in message.conditions
        ),
    )


def _moment(message: Any, name: str) -> datetime | None:
    if not message.HasField(name):
        return None
    found: datetime = getattr(message, name).ToDatetime(tzinfo=UTC)
    return found
