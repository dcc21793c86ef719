"""Exporters and leases as tables in the log."""

from __future__ import annotations

import html
from collections.abc import Iterable, Sequence
from datetime import datetime

from ..lab.seats import Seat
from ..lab.states import LeaseState

_CELL = '<td style="padding:1px 16px 1px 0;border:0;vertical-align:top">{}</td>'
_HEAD = '<th style="text-align:left;padding:1px 16px 1px 0;border:0;color:#607d8b">{}</th>'


def exporters_table(seats: Iterable[Seat]) -> str:
    """Returns a table of exporters: name, labels, status, leased by."""
    rows = []
    for seat in seats:
        exporter, lease = seat.exporter, seat.lease
        holder = "" if lease is None else f"{lease.client} until {clock(lease.expires)}" if lease.expires else lease.client
        status = exporter.status_name + ("" if exporter.enabled else ", disabled")
        rows.append((exporter.name, labels_text(exporter.labels), status, holder))
    return _table(("exporter", "labels", "status", "leased by"), rows)


def leases_table(leases: Iterable[LeaseState]) -> str:
    """Returns a table of leases: name, client, exporter, selector, end."""
    rows = [
        (
            lease.name,
            lease.client,
            lease.exporter or "none yet",
            lease.exporter_name or lease.selector,
            clock(lease.expires) if lease.expires else "",
        )
        for lease in leases
    ]
    return _table(("lease", "client", "exporter", "asked for", "until"), rows)


def labels_text(labels: object) -> str:
    """Returns labels as `a=1, b=2`."""
    return ", ".join(f"{key}={value}" for key, value in sorted(dict(labels).items()))  # type: ignore[call-overload]


def clock(moment: datetime) -> str:
    """Returns a moment in local time."""
    return f"{moment.astimezone():%Y-%m-%d %H:%M:%S}"


def _table(titles: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    head = "".join(_HEAD.format(html.escape(title)) for title in titles)
    body = "".join("<tr>" + "".join(_CELL.format(html.escape(cell)) for cell in row) + "</tr>" for row in rows)
    # It scrolls by itself where the window is narrow.
    table = f'<table style="border-spacing:0;font-size:inherit"><tr>{head}</tr>{body}</table>'
    return f'<div style="overflow-x:auto">{table}</div>'
