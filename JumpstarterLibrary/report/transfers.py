"""Transfers as a line for people."""

from __future__ import annotations

from ..client.resources import Transfer
from ..wire.deadline import in_words

_UNITS = ("KiB", "MiB", "GiB", "TiB")


def describe(transfer: Transfer) -> str:
    """One line: what moved, how much, how long, how fast, and its digest."""
    rate = f", {in_units(transfer.rate)}/s" if transfer.seconds > 0 and transfer.size else ""
    return f"{transfer.name}: {in_units(transfer.size)} in {in_words(transfer.seconds)}{rate}, SHA-256 {transfer.sha256}"


def in_units(count: float) -> str:
    """Writes a number of bytes for people: `17 B`, `1.5 MiB`."""
    if count < 1024:
        return f"{count:.0f} B"
    value = float(count)
    for unit in _UNITS:
        value /= 1024
        if value < 1023.95 or unit == _UNITS[-1]:
            break
    return f"{value:.1f} {unit}"
