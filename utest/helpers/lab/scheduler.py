"""Which exporter a lease gets, or why none (§8.4)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from .objects import UNSET, Exporter, Lease

if TYPE_CHECKING:
    from .world import World


@dataclass
class _Candidate:
    exporter: Exporter
    priority: int = 0
    spot: bool = False
    lease: Lease | None = None


class Scheduler:
    """Assigns exporters; what stands in the way becomes a condition of the lease."""

    def __init__(self, world: World) -> None:
        self._world = world

    def assign(self, lease: Lease) -> None:
        """Gives the lease an exporter, or a condition that says why not."""
        candidates = self._candidates(lease)
        if candidates:
            self._choose(lease, candidates)

    def _candidates(self, lease: Lease) -> list[_Candidate]:
        """Those that match and that a policy allows; sets a final condition when there are none."""
        if lease.selector.empty and lease.exporter_name is None:
            self._world.set_condition(
                lease, "Invalid", "InvalidSelector", "The selector for the lease is empty, a selector is required"
            )
            return []
        matching = self._named(lease) if lease.exporter_name is not None else self._selected(lease)
        if matching is None:
            return []
        approved, refusals = self._approved(lease, matching)
        if not approved:
            text = (
                f"While there are {len(matching)} exporters matching the selector, "
                "none of them are approved by any policy for your client"
            )
            text += f". Matching policies: {'; '.join(refusals)}" if refusals else ""
            self._world.set_condition(lease, "Unsatisfiable", "NoAccess", text)
        return approved

    def _named(self, lease: Lease) -> list[Exporter] | None:
        name = lease.exporter_name or ""
        exporter = self._world.exporters.get(name)
        if exporter is None:
            self._world.set_condition(lease, "Unsatisfiable", "ExporterNotFound", f"Requested exporter {name} was not found")
        elif not lease.selector.matches(exporter.labels):
            text = f"Requested exporter {name} does not match selector {lease.selector}"
            self._world.set_condition(lease, "Unsatisfiable", "SelectorMismatch", text)
        elif not exporter.enabled and not lease.allow_disabled:
            text = (
                f"Requested exporter {name} is disabled. To lease a disabled exporter, set spec.allowDisabled: true on the "
                "Lease, or use --allow-disabled with jmp create lease or jmp shell"
            )
            self._world.set_condition(lease, "Unsatisfiable", "ExporterDisabled", text)
        else:
            return [exporter]
        return None

    def _selected(self, lease: Lease) -> list[Exporter] | None:
        listed = [exporter for exporter in self._world.exporters.values() if lease.selector.matches(exporter.labels)]
        enabled = [exporter for exporter in listed if exporter.enabled]
        if listed and not enabled:
            text = f"All {len(listed)} exporters matching the selector are disabled"
            self._world.set_condition(lease, "Unsatisfiable", "AllDisabled", text)
            return None
        return enabled

    def _approved(self, lease: Lease, exporters: list[Exporter]) -> tuple[list[_Candidate], list[str]]:
        if not self._world.policies:
            return [_Candidate(exporter) for exporter in exporters], []
        approved, refusals = [], []
        client = self._world.clients[lease.client]
        for exporter in exporters:
            for policy in self._world.policies:
                if not policy.exporters.matches(exporter.labels):
                    continue
                if not policy.clients.matches(client.labels):
                    refusals += [policy.description] if policy.description and policy.description not in refusals else []
                elif policy.max_duration is None or (lease.duration or 0.0) <= policy.max_duration:
                    approved.append(_Candidate(exporter, policy.priority, policy.spot))
        return approved, refusals

    def _choose(self, lease: Lease, approved: list[_Candidate]) -> None:
        """Takes the best candidate, or says why there is none now."""
        online = [each for each in approved if each.exporter.registered and self._world.online(each.exporter)]
        if not online:
            self._world.set_condition(
                lease,
                "Pending",
                "Offline",
                f"While there are {len(approved)} available exporters (i.e. {approved[0].exporter.name}), "
                "none of them are online",
            )
            return
        for each in online:
            each.lease = self._world.active_lease(each.exporter)
        online.sort(key=lambda each: (each.lease is not None, each.spot, -each.priority, each.exporter.name))
        first = online[0]
        if first.spot:
            text = (
                f"The only possible exporters are under spot access (i.e. {first.exporter.name}), "
                "but spot access is still not implemented"
            )
            self._world.set_condition(lease, "Unsatisfiable", "SpotAccess", text)
            return
        free = [each for each in online if each.lease is None and (each.exporter.told is None or not each.exporter.watchers)]
        if not free:
            text = f"There are {len(online)} approved exporters, (i.e. {first.exporter.name}) but all of them are already leased"
            self._world.set_condition(lease, "Pending", "NotAvailable", text)
            return
        ready = [each for each in free if each.exporter.status in ("AVAILABLE", UNSET)]
        if not ready:
            text = f"There are {len(free)} online exporters, but none are ready (still cleaning up previous lease)"
            self._world.set_condition(lease, "Pending", "NotReady", text)
            return
        lease.exporter = ready[0].exporter.name
