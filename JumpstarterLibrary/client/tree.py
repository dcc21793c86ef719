"""The driver report as a tree (protocol §2). Assembled by position, because proxies repeat a uuid (§2.2)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from ..errors import DriverNotFoundError, InfrastructureError
from ..wire import names
from ..wire.protocol import CLIENT_LABEL, NAME_LABEL


@dataclass(slots=True, eq=False)
class Node:
    """One driver at its place in the tree."""

    uuid: str
    name: str
    path: str = ""
    type_tag: str = ""
    """The client class that the report names; a tag, never imported here (protocol §6.6)."""
    description: str = ""
    methods_description: dict[str, str] = field(default_factory=dict)
    labels: dict[str, str] = field(default_factory=dict)
    children: dict[str, Node] = field(default_factory=dict)

    def walk(self) -> Iterator[Node]:
        """This node and all below it, parents first."""
        yield self
        for child in self.children.values():
            yield from child.walk()

    def way_to(self, other: Node) -> list[Node]:
        """This node, those between, and the other one; empty if the other one is not below this one."""
        if other is self:
            return [self]
        for child in self.children.values():
            if below := child.way_to(other):
                return [self, *below]
        return []


def assemble(device: str, reports: Iterable[Any]) -> Node:
    """Builds the tree from the rows of a report.

    Rows that a strange exporter sends are kept as well as can be: a child before its parent, a row whose parent is missing, a
    second root, two siblings of one name and rows that name each other as parent all get a place.

    Raises:
        InfrastructureError: there are no rows.
    """
    rows = list(reports)
    if not rows:
        raise InfrastructureError(f"The exporter of device '{device}' reports no drivers at all.")
    nodes = [_node(row) for row in rows]
    root_index = next((i for i, row in enumerate(rows) if not row.HasField("parent_uuid")), 0)
    parents: dict[int, int] = {}
    latest: dict[str, int] = {}
    for index, row in enumerate(rows):
        if index != root_index:
            parent = _parent_index(rows, latest, index)
            parents[index] = root_index if parent is None else parent
        latest[row.uuid] = index
    for index in parents:
        if _is_below_itself(parents, index):
            parents[index] = root_index
        _attach(nodes[parents[index]], nodes[index])
    root = nodes[root_index]
    root.name = ""
    _set_paths(root, "")
    return root


def _node(row: Any) -> Node:
    labels = dict(row.labels)
    return Node(
        uuid=row.uuid,
        name=labels.get(NAME_LABEL) or f"unnamed-{row.uuid[:8]}",
        type_tag=labels.get(CLIENT_LABEL, ""),
        description=row.description,
        methods_description=dict(row.methods_description),
        labels=labels,
    )


def _parent_index(rows: list[Any], latest: dict[str, int], index: int) -> int | None:
    wanted = rows[index].parent_uuid
    if wanted in latest:
        return latest[wanted]
    return next((i for i in range(index + 1, len(rows)) if rows[i].uuid == wanted), None)


def _is_below_itself(parents: dict[int, int], index: int) -> bool:
    """Whether rows name each other as parent, so that no way leads from this one to the root."""
    seen, at = {index}, parents[index]
    while at in parents and at not in seen:
        seen.add(at)
        at = parents[at]
    return at == index


def _attach(parent: Node, child: Node) -> None:
    name, number = child.name, 2
    while child.name in parent.children:
        child.name, number = f"{name}~{number}", number + 1
    parent.children[child.name] = child


def _set_paths(node: Node, path: str) -> None:
    node.path = path
    for name, child in node.children.items():
        _set_paths(child, f"{path}.{name}" if path else name)


def find(device: str, root: Node, path: str) -> Node:
    """Finds a driver by path; the empty path, or `.`, is the root.

    Raises:
        DriverNotFoundError: there is none; the message lists near matches.
    """
    if path in ("", "."):
        return root
    known = {node.path: node for node in root.walk() if node.path}
    if path in known:
        return known[path]
    raise DriverNotFoundError(f"Device '{device}' has no driver '{path}'. {_near(path, known)}")


def _near(path: str, known: dict[str, Node]) -> str:
    if not known:
        return "Its root driver has no children; leave the driver out to use it."
    near = names.near(path, known)
    near += [other for other in known if other.rpartition(".")[2] == path.rpartition(".")[2] and other not in near]
    return f"Did you mean {_listed(near)}?" if near else f"It has {_listed(list(known))}."


def _listed(paths: list[str]) -> str:
    shown = ", ".join(f"'{path}'" for path in paths[:20])
    return shown + (f" and {len(paths) - 20} more" if len(paths) > 20 else "")


def choose(device: str, candidates: list[Node], family: str, root: Node | None = None) -> Node:
    """Takes the only candidate.

    Args:
        device: what messages call the device.
        candidates: the drivers of the family.
        family: what was looked for.
        root: where it was looked for; a message lists what is there.

    Raises:
        DriverNotFoundError: there are none or several; the message lists them.
    """
    distinct = {node.uuid: node for node in reversed(candidates)}
    if len(distinct) == 1:
        return next(iter(distinct.values()))
    if not candidates:
        others = [node.path for node in root.walk() if node.path] if root is not None else []
        below = root.path if root is not None else ""  # the default driver
        at, there = (f" at or below its default driver '{below}'", "There is") if below else ("", "It has")
        has = f" {there} {_listed(others)}." if others else ""
        raise DriverNotFoundError(
            f"Device '{device}' has no {family} driver{at}; give driver= if one of its drivers is meant.{has}"
        )
    raise DriverNotFoundError(
        f"Device '{device}' has {len(distinct)} {family} drivers: {_listed([node.path for node in candidates])}. "
        "Say which one with driver=, or once with Set Default Driver."
    )
