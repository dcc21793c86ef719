"""What a test needs of its devices: `needs:power`, `needs:dut.power`, `needs:peer:video`; compared with the driver trees."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from .client.driver import DriverClient
from .client.tree import Node
from .errors import UsageError
from .sessions import DeviceSession
from .wire import names

__all__ = ["FAMILIES", "PREFIX", "Need", "parse", "tags_to_needs", "undecided", "unmet"]

PREFIX = "needs:"
"""What the tags begin with."""

FAMILIES: dict[str, frozenset[str]] = {
    "power": frozenset({"power"}),
    "console": frozenset({"console"}),
    "storage": frozenset({"flasher", "storage mux"}),
    "flasher": frozenset({"flasher"}),
    "storage-mux": frozenset({"storage mux"}),
    "files": frozenset({"file store"}),
    "network": frozenset({"network"}),
    "http": frozenset({"HTTP server"}),
    "tftp": frozenset({"TFTP server"}),
    "shell": frozenset({"shell"}),
    "ssh": frozenset({"ssh"}),
    "uboot": frozenset({"U-Boot"}),
    "video": frozenset({"video"}),
}
"""What can be needed, and which families of driver clients will do; a test holds that none is forgotten."""
_BY_NORMAL_NAME = {name.replace("-", ""): name for name in FAMILIES} | {
    family.casefold().replace(" ", "").replace("-", ""): name
    for name, families in FAMILIES.items()
    if len(families) == 1
    for family in families
}
MOST_DRIVERS = 20


@dataclass(frozen=True, slots=True)
class Need:
    """One thing that a test needs.

    Attributes:
        text: as it was written, without `needs:`.
        family: a key of `FAMILIES`; empty if a path is needed.
        path: of the driver; empty if a family is needed.
        alias: of the session that has to have it; empty if any open one will do.
    """

    text: str
    family: str = ""
    path: str = ""
    alias: str = ""

    def of(self, sessions: Iterable[DeviceSession]) -> list[DeviceSession]:
        """The sessions in which it is looked for."""
        return [session for session in sessions if self.alias in ("", session.alias)]

    def is_met_by(self, tree: Node) -> bool:
        """Whether a device has it."""
        if self.path:
            return any(node.path == self.path for node in tree.walk())
        return any(families_of(node) & FAMILIES[self.family] for node in tree.walk())

    def __str__(self) -> str:
        return f"driver '{self.path}'" if self.path else f"{self.family} driver"


def parse(text: str) -> Need:
    """Reads what stands behind `needs:`, or in the marker.

    Args:
        text: a family (`power`), a path (`dut.power`, `.supply`), either with an alias in front (`peer:video`).

    Raises:
        UsageError: there is no such family; the message lists the known ones.
    """
    alias, _, what = (part.strip() for part in text.rpartition(":"))
    if "." in what.strip("."):
        return Need(text, path=what.strip("."), alias=alias)
    if what.startswith(".") and what != ".":
        return Need(text, path=what[1:], alias=alias)
    normal = what.casefold().replace(" ", "").replace("_", "").replace("-", "")
    if family := _BY_NORMAL_NAME.get(normal):
        return Need(text, family=family, alias=alias)
    near = names.near(normal, FAMILIES)
    meant = f"Did you mean '{near[0]}'? " if near else ""
    raise UsageError(
        f"'{PREFIX}{text}' cannot be checked: there is no family of drivers '{what}'. {meant}Known: {', '.join(FAMILIES)}. "
        f"A driver itself is named by its path, with a dot: '{PREFIX}dut.power', '{PREFIX}.{what.strip('.') or 'power'}'."
    )


def tags_to_needs(tags: Iterable[str]) -> list[Need]:
    """Reads those of a test's tags that say what it needs.

    Raises:
        UsageError: as `parse`.
    """
    return [parse(str(tag)[len(PREFIX) :]) for tag in tags if str(tag).casefold().startswith(PREFIX)]


def undecided(needs: Iterable[Need], sessions: Sequence[DeviceSession]) -> list[Need]:
    """Those needs for which no session is open yet."""
    return [need for need in needs if not need.of(sessions)]


def unmet(needs: Iterable[Need], sessions: Sequence[DeviceSession]) -> str:
    """Says what is missing in which device, and what that has; nothing if all that can be checked is there."""
    missing: dict[tuple[str, ...], list[Need]] = {}
    looked: dict[tuple[str, ...], list[DeviceSession]] = {}
    for need in needs:
        found = need.of(sessions)
        if found and not any(need.is_met_by(session.device.tree) for session in found):
            key = tuple(session.alias for session in found)
            missing.setdefault(key, []).append(need)
            looked[key] = found
    return "\n".join(_told(lacking, looked[key]) for key, lacking in missing.items())


def _told(lacking: list[Need], sessions: list[DeviceSession]) -> str:
    what = " and no ".join(map(str, lacking))
    if len(sessions) == 1:
        return f"Device {_name(sessions[0])} has no {what}. It has {_drivers(sessions[0])}."
    having = "\n".join(f"{_name(session)} has {_drivers(session)}." for session in sessions)
    return f"None of the {len(sessions)} open devices has a {what.replace(' and no ', ', or a ')}.\n{having}"


def _name(session: DeviceSession) -> str:
    exporter = session.leased.lease.exporter if session.leased is not None else session.place.target
    return f"'{session.alias}'" + (f" ({exporter})" if exporter and exporter != session.alias else "")


def _drivers(session: DeviceSession) -> str:
    rows = []
    for node in session.device.tree.walk():
        families = families_of(node)
        if families or (node.path and not node.children):
            kind = DriverClient.class_for(node).family if families else node.type_tag.rpartition(".")[2] or "unknown"
            rows.append(f"{node.path or 'the root'} ({kind})")
    more = [f"and {len(rows) - MOST_DRIVERS} more"] if len(rows) > MOST_DRIVERS else []
    return ", ".join([*rows[:MOST_DRIVERS], *more]) or "no drivers at all"


def families_of(node: Node) -> frozenset[str]:
    """The families of a driver: its own and those that it is made of."""
    classes = DriverClient.class_for(node).__mro__
    return frozenset(each.family for each in classes if issubclass(each, DriverClient) and each.family != DriverClient.family)
