"""Exporters and who holds them."""

from __future__ import annotations

from dataclasses import dataclass

from ..wire.deadline import Deadline
from .controller import Controller
from .states import ExporterState, LeaseState


@dataclass(frozen=True)
class Seat:
    """An exporter, and the lease that it serves, if there is one."""

    exporter: ExporterState
    lease: LeaseState | None

    @property
    def is_free(self) -> bool:
        """Whether a lease could have it now."""
        return self.lease is None and self.exporter.is_available


def list_seats(controller: Controller, selector: str, exporter_name: str, deadline: Deadline) -> list[Seat]:
    """Returns exporters with these labels, or of this name, and who has them.

    Raises:
        JumpstarterError: see `refusals`.
    """
    exporters = controller.list_exporters(selector, max(deadline.remaining, 0.1))
    holders = {lease.exporter: lease for lease in controller.list_leases(max(deadline.remaining, 0.1)) if not lease.ended}
    return [Seat(exporter, holders.get(exporter.name)) for exporter in exporters if exporter_name in ("", exporter.name)]


def describe(seat: Seat) -> str:
    """Says what an exporter is doing."""
    exporter, lease = seat.exporter, seat.lease
    if lease is not None:
        until = f" until {lease.expires.astimezone():%H:%M:%S}" if lease.expires else ""
        return f"'{exporter.name}' is held by '{lease.client}'{until}"
    return f"'{exporter.name}' is {exporter.status_name}{'' if exporter.enabled else ', disabled'}"
