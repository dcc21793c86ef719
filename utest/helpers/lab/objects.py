"""The objects that a controller keeps, and its settings."""

import uuid
from dataclasses import dataclass, field
from typing import Any

from .label_selectors import Selector, parse_for_lease

OFFLINE, UNSET = "OFFLINE", "UNSPECIFIED"


@dataclass
class Settings:
    """Times in seconds, and limits. The values are the real controller's."""

    offline_after: float = 60.0
    """An exporter counts as offline this long after its last sign of life."""
    dial_wait: float = 30.0
    """How long `Dial` waits for an exporter that is still AVAILABLE."""
    listen_buffer: int = 8
    """Dials that may wait in a Listen stream."""
    listen_frozen: int = 0
    """1: Listen streams stay open, but hand nothing out."""
    router_token_life: float = 1800.0
    max_tags: int = 10
    token_life: float = 365 * 86400.0
    routers: int = 1
    """0: `Dial` finds no router."""
    router_endpoint: str = ""
    """A router of the test's own, which `Dial` names instead of the double's."""


@dataclass
class Condition:
    """Of a lease; they are changed and added, never removed."""

    type: str
    status: str
    reason: str
    message: str
    changed: float


@dataclass
class Client:
    """Somebody who leases."""

    namespace: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))

    kind = "Client"


@dataclass
class Exporter:
    """Somebody who is leased."""

    namespace: str
    name: str
    labels: dict[str, str] = field(default_factory=dict)
    enabled: bool = True
    uid: str = field(default_factory=lambda: str(uuid.uuid4()))
    devices: int = 0
    status: str = UNSET
    message: str = ""
    last_seen: float | None = None
    watchers: int = 0
    """Open Status streams; while there is one, the exporter is alive."""
    told: str | None = None
    """The lease that the Status stream told it of last. Its next one waits until it was told that this one is over."""

    kind = "Exporter"

    @property
    def registered(self) -> bool:
        """Whether it has told its drivers."""
        return self.devices > 0


@dataclass
class Lease:
    """A reservation: what was asked, and what became of it."""

    namespace: str
    name: str
    client: str
    selector: Selector
    duration: float | None = None
    begin_time: float | None = None
    end_time: float | None = None
    exporter_name: str | None = None
    tags: dict[str, str] = field(default_factory=dict)
    allow_disabled: bool = False
    exporter: str | None = None
    effective_begin: float | None = None
    effective_end: float | None = None
    released: bool = False
    ended: bool = False
    conditions: list[Condition] = field(default_factory=list)

    @property
    def labels(self) -> dict[str, str]:
        """Of the lease object: the selector's plain equalities, the tags, and the mark of an ended one (§1.5, §8.3)."""
        tags = {f"metadata.jumpstarter.dev/{key}": value for key, value in self.tags.items()}
        return {**self.selector.match_labels, **tags, **({"jumpstarter.dev/lease-ended": "true"} if self.ended else {})}

    @property
    def expires_at(self) -> float | None:
        """When it ends by itself (§8.10)."""
        if self.end_time is not None:
            return self.end_time
        start = self.begin_time if self.begin_time is not None else self.effective_begin
        return None if start is None or self.duration is None else start + self.duration

    def condition(self, type_: str) -> Condition | None:
        """The condition of that type, if there is one."""
        return next((each for each in self.conditions if each.type == type_), None)


@dataclass
class Policy:
    """Who may lease what."""

    exporters: Selector
    clients: Selector
    max_duration: float | None
    priority: int
    spot: bool
    description: str

    @classmethod
    def made_of(cls, policy: dict[str, Any]) -> "Policy":
        """A policy as a test writes it, see `Lab.policies`."""
        return cls(
            exporters=parse_for_lease(policy.get("exporters", "")),
            clients=parse_for_lease(policy.get("clients", "")),
            max_duration=policy.get("max_duration"),
            priority=policy.get("priority", 0),
            spot=policy.get("spot", False),
            description=policy.get("description", ""),
        )
