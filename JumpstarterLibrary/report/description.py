"""A device written down: its driver tree as a file, so that suites can be checked where the device is not."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any, cast

from ..client.connection import Connection
from ..client.device import Device
from ..client.driver import DriverClient
from ..client.tree import Node
from ..errors import ConfigurationError
from ..sessions import DeviceSession, Kind
from ..version import __version__

if TYPE_CHECKING:
    from ..exporter.driver import Driver

VERSION = 1


def describe(session: DeviceSession, redact: Callable[[str], str] = str) -> dict[str, Any]:
    """Returns what a device has, as it can be written to a file: places, families, type tags, methods, labels, help texts."""
    exported = _exported(session)
    numbers: dict[str, int] = {}
    nodes = list(session.device.tree.walk())
    for node in nodes:
        numbers.setdefault(node.uuid, len(numbers))
    return {
        "version": VERSION,
        "device": session.alias,
        "target": redact(session.place.target),
        "made": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
        "library": __version__,
        "drivers": [{"driver": numbers[node.uuid], **_row(node, exported.get(node.path), redact)} for node in nodes],
    }


def _row(node: Node, exported: list[str] | None, redact: Callable[[str], str]) -> dict[str, Any]:
    methods = {name: redact(text) for name, text in node.methods_description.items()}
    return {
        "path": node.path,
        "family": DriverClient.class_for(node).family,
        "client": node.type_tag,
        "description": redact(node.description),
        "methods": methods | {name: methods.get(name, "") for name in exported or ()},
        "all_methods": exported is not None,
        "labels": {name: redact(text) for name, text in node.labels.items()},
    }


def _exported(session: DeviceSession) -> dict[str, list[str]]:
    """The exported methods by path, where the device is served in this process. No exporter tells them."""
    if session.place.kind not in (Kind.EMBEDDED, Kind.CONFIGURATION):
        return {}
    from ..drivers.targets import root_device_for  # late: most sessions are elsewhere

    found: dict[str, list[str]] = {}

    def look(driver: Driver, path: str) -> None:
        found[path] = sorted(driver.exports)
        for name, child in driver.children.items():
            look(child, f"{path}.{name}" if path else name)

    look(root_device_for(session.place.target), "")
    return found


def save(description: dict[str, Any], path: Path) -> None:
    """Writes a description to a file.

    Raises:
        ConfigurationError: it cannot be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(json.dumps(description, indent=1, ensure_ascii=False) + "\n", encoding="utf-8")
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigurationError(f"The device description cannot be written to '{path}': {reason}.") from None


class DescribedDevice(Device):
    """A device that is only a description: drivers are chosen as on the device itself, and none can be called."""

    def __init__(self, name: str, tree: Node, methods: dict[str, list[str]]) -> None:
        nobody = SimpleNamespace(name=name, closed=False, loss=None)
        super().__init__(cast(Connection, nobody), tree, 1.0)
        self.default_driver: str | None = ""  # type: ignore[assignment]  # None if only a run knows it
        self.methods = methods
        """The exported methods by path, of the drivers of which all are known."""


def load(path: Path) -> DescribedDevice:
    """Reads a description.

    Raises:
        ConfigurationError: there is no such file, or it is of another kind.
    """
    hint = "Write one with `python -m JumpstarterLibrary describe`, or with the keyword Save Device Description."
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        rows = content["drivers"]
        tree = _tree(rows)
        methods = {str(row["path"]): [str(name) for name in row["methods"]] for row in rows if row["all_methods"]}
        return DescribedDevice(f"{content['device']} ({path.name})", tree, methods)
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise ConfigurationError(f"The device description '{path}' cannot be read: {reason}. {hint}") from None
    except (ValueError, KeyError, TypeError, AttributeError, IndexError) as error:
        raise ConfigurationError(f"'{path}' is no device description ({type(error).__name__}: {error}). {hint}") from None


def _tree(rows: list[dict[str, Any]]) -> Node:
    nodes: dict[str, Node] = {}
    for row in rows:
        path = row["path"]
        parent, _, name = path.rpartition(".")
        node = Node(str(row["driver"]), name, path, row["client"], row["description"], labels=row["labels"])
        if path:
            nodes[parent].children[name] = node
        nodes[path] = node
    return nodes[""]
