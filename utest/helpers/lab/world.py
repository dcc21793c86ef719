"""What the controller knows: clients, exporters, leases, policies; and the loop that begins and ends leases (§8.4, §8.10)."""

import asyncio
import contextlib
import time
import uuid
from collections.abc import Callable, Iterator
from dataclasses import asdict
from typing import Any

from . import tokens
from .objects import OFFLINE, Client, Condition, Exporter, Lease, Policy, Settings
from .scheduler import Scheduler

ISSUER = "https://localhost:8085"
ENDING = {("Unsatisfiable", "True"), ("Invalid", "True"), ("Ready", "False")}


class World:
    """All objects of one lab, in one namespace, on one event loop."""

    def __init__(self, namespace: str, settings: Settings) -> None:
        self.namespace = namespace
        self.settings = settings
        self.clients: dict[str, Client] = {}
        self.exporters: dict[str, Exporter] = {}
        self.leases: dict[str, Lease] = {}
        self.skew = 0.0
        self.identity_key = tokens.EllipticKey()
        self.router_key = tokens.SharedKey(uuid.uuid4().bytes)
        self.expired_subjects: dict[str, float] = {}
        self.held_until: float | None = None
        self.hold_reason: tuple[str, str] | None = None
        self.scripted: list[dict[str, Any]] = []
        self.policies: list[Policy] = []
        self._scheduler = Scheduler(self)
        self._waiters: set[asyncio.Event] = set()

    # ---------------------------------------------------------------- time and change

    def now(self) -> float:
        """The lab's time, seconds since the epoch."""
        return time.time() + self.skew

    def changed(self) -> None:
        """Wakes everybody who waits for a change."""
        for waiter in self._waiters:
            waiter.set()

    @contextlib.contextmanager
    def watch(self) -> Iterator[asyncio.Event]:
        """Gives an event that is set at each change; the user clears it."""
        event = asyncio.Event()
        self._waiters.add(event)
        try:
            yield event
        finally:
            self._waiters.discard(event)

    async def wait_until(self, met: Callable[[], bool], timeout: float) -> bool:
        """Waits for a change that makes it true."""
        end = time.monotonic() + timeout
        with self.watch() as event:
            while not met():
                event.clear()
                left = end - time.monotonic()
                if left <= 0:
                    return False
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), left)
        return True

    # ---------------------------------------------------------------- identities

    def token(self, kind: str, name: str, expires_in: float, issuer: str | None = None) -> str:
        """A token for an identity (§8.11)."""
        holder = (self.clients if kind == "Client" else self.exporters)[name]
        now = self.now()
        claims = {
            "iss": issuer or ISSUER,
            "sub": self.subject(holder),
            "aud": [ISSUER],
            "iat": now,
            "nbf": int(now) - 60,
            "exp": int(now + expires_in),
            "jti": str(uuid.uuid4()),
        }
        return tokens.make(claims, self.identity_key)

    def subject(self, holder: Client | Exporter) -> str:
        """Who a token speaks for."""
        return f"{holder.kind.lower()}:{holder.namespace}:{holder.name}:{holder.uid}"

    # ---------------------------------------------------------------- exporters

    def online(self, exporter: Exporter) -> bool:
        """Whether there was a sign of life lately and it has not signed off."""
        if exporter.last_seen is None or exporter.status == OFFLINE:
            return False
        return exporter.watchers > 0 or self.now() - exporter.last_seen <= self.settings.offline_after

    def seen(self, exporter: Exporter) -> None:
        """Notes a sign of life."""
        exporter.last_seen = self.now()

    def active_lease(self, exporter: Exporter) -> Lease | None:
        """The lease that an exporter serves now."""
        found = (lease for lease in self.leases.values() if not lease.ended and lease.exporter == exporter.name)
        return next(found, None)

    # ---------------------------------------------------------------- leases

    def set_condition(self, lease: Lease, type_: str, reason: str, message: str, status: str = "True") -> None:
        """Adds or changes a condition; the time moves only when the status does, as Kubernetes does it."""
        condition = lease.condition(type_)
        if condition is None:
            lease.conditions.append(Condition(type_, status, reason, message, self.now()))
            return
        if condition.status != status:
            condition.changed = self.now()
        condition.status, condition.reason, condition.message = status, reason, message

    def end(self, lease: Lease) -> None:
        """Marks a lease as ended; it stays readable."""
        lease.ended = True
        lease.effective_end = self.now()
        self.changed()

    def expire(self, lease: Lease) -> None:
        """Ends a lease whose time is over."""
        self.set_condition(lease, "Ready", "Expired", "The lease has expired", "False")
        self.end(lease)

    async def reconcile_forever(self) -> None:
        """Brings leases to exporters, and ends them, whenever something changes and every now and then."""
        with self.watch() as event:
            while True:
                # Cleared first: what changes while we look is looked at again.
                event.clear()
                self._mark_offline()
                for lease in list(self.leases.values()):
                    before = asdict(lease)
                    self._reconcile(lease)
                    if asdict(lease) != before:
                        self.changed()
                with contextlib.suppress(TimeoutError):
                    await asyncio.wait_for(event.wait(), 0.1)

    def _mark_offline(self) -> None:
        for exporter in self.exporters.values():
            silent = exporter.last_seen is not None and exporter.watchers == 0
            if silent and exporter.status != OFFLINE and not self.online(exporter):
                exporter.status = OFFLINE
                exporter.message = "Connection lost - last seen more than 1 minute ago"

    def _reconcile(self, lease: Lease) -> None:
        if lease.ended:
            return
        if lease.exporter is None:
            self._apply_script(lease)
        if lease.exporter is None and not self._is_final(lease):
            self._assign(lease)
        if lease.exporter is not None and lease.effective_begin is None:
            lease.effective_begin = self.now()
            self.set_condition(lease, "Ready", "Ready", "An exporter has been acquired for the client")
        self._finish(lease)

    def _is_final(self, lease: Lease) -> bool:
        return any((each.type, each.status) in ENDING for each in lease.conditions)

    def _apply_script(self, lease: Lease) -> None:
        for script in self.scripted:
            if script["times"] > 0 and lease.name not in script["applied"]:
                script["times"] -= 1
                script["applied"].append(lease.name)
                self.set_condition(lease, script["type"], script["reason"], script["message"], script["status"])

    def _finish(self, lease: Lease) -> None:
        if self._is_final(lease):
            self.end(lease)
        elif lease.released:
            self.set_condition(lease, "Ready", "Released", "The lease was marked for release", "False")
            self.end(lease)
        elif lease.effective_begin is not None and lease.expires_at is not None and lease.expires_at < self.now():
            self.expire(lease)

    def _assign(self, lease: Lease) -> None:
        if lease.begin_time is not None and lease.begin_time > self.now():
            return
        if self.held_until is not None:
            if time.monotonic() < self.held_until:
                if self.hold_reason is not None:
                    self.set_condition(lease, "Pending", *self.hold_reason)
                return
            self.held_until = None
        self._scheduler.assign(lease)
