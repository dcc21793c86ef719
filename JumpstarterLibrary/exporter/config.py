"""Exporter configurations in YAML (protocol §7.3): the driver tree, or an error that names file, line and key."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError
from .composite import Composite, Proxy, resolver_for
from .driver import Driver, walk
from .driver_class import find_class, make_driver
from .yaml_file import Place, read_yaml

API_VERSION = "jumpstarter.dev/v1alpha1"
KIND = "ExporterConfig"
KNOWN_KEYS = (
    "apiVersion",
    "kind",
    "metadata",
    "description",
    "export",
    # The rest is for exporters that join a controller: accepted, and left alone.
    "endpoint",
    "token",
    "tls",
    "grpcOptions",
    "hooks",
    "failureDetection",
    "motd",
    "exitOnLeaseEnd",
)
ENTRY = "a driver entry"
ENTRY_KEYS = ("type", "description", "methods_description", "config", "children", "ref")
ENTRY_NEEDS = f"{ENTRY} needs 'type' (a class), 'children' (a group of drivers) or 'ref' (the path of another driver)"


@dataclass(frozen=True)
class ExporterConfig:
    """An exporter configuration, and the driver tree that was made from it."""

    path: Path
    namespace: str
    name: str
    root: Driver
    description: str | None = None
    notes: list[str] = field(default_factory=list)
    """What in the file has no effect here, for people."""

    @property
    def labels(self) -> dict[str, str]:
        """The exporter's labels for the report."""
        return {"jumpstarter.dev/name": self.name}


def load_exporter(path: str | os.PathLike[str], environment: Mapping[str, str] = os.environ) -> ExporterConfig:
    """Reads an exporter configuration and makes its drivers.

    Args:
        path: the file.
        environment: where JMP_NAMESPACE and JMP_NAME fill what `metadata` leaves out.

    Raises:
        ConfigurationError: something in the file is wrong; the message names file, line and key.
    """
    top = read_yaml(Path(path))
    fields = top.fields("an exporter configuration", KNOWN_KEYS)
    _check_constant(fields, "kind", KIND)
    _check_constant(fields, "apiVersion", API_VERSION)
    namespace, name = _metadata(top, fields.get("metadata"), environment)
    description = fields["description"].text() if "description" in fields else None
    # Drivers of one's own may stand beside the configuration, wherever it is served from.
    folder = str(Path(path).absolute().parent)
    if folder not in sys.path:
        sys.path.append(folder)
    return ExporterConfig(
        path=Path(path),
        namespace=namespace,
        name=name,
        description=description,
        root=_Tree().root(top, fields.get("export"), description),
        notes=list(_notes(fields)),
    )


def _check_constant(fields: dict[str, Place], key: str, wanted: str) -> None:
    place = fields.get(key)
    if place is not None and (given := place.text()) != wanted:
        raise place.error(f"expected {wanted}, not {given}")


def _metadata(top: Place, place: Place | None, environment: Mapping[str, str]) -> tuple[str, str]:
    """Returns namespace and name; the environment fills gaps only."""
    fields = {} if place is None or place.is_empty() else place.fields("metadata", ("namespace", "name"))
    given = {key: value.text() for key, value in fields.items()}
    found = []
    for key, variable in (("namespace", "JMP_NAMESPACE"), ("name", "JMP_NAME")):
        value = given.get(key) or environment.get(variable)
        if not value:
            raise (place or top).error(f"'{key}' is missing: give it in metadata, or set {variable}")
        found.append(value)
    return found[0], found[1]


def _notes(fields: dict[str, Place]) -> Iterator[str]:
    if "hooks" in fields:
        place = fields["hooks"]
        yield f"{place.file}:{place.line}: hooks: they belong to leases and do not run here"


class _Tree:
    """Makes drivers from the entries below `export`."""

    def __init__(self) -> None:
        self._places: list[tuple[Driver, Place]] = []

    def root(self, top: Place, export: Place | None, description: str | None) -> Driver:
        """Makes the root, and checks that every reference leads somewhere."""
        if export is None:
            raise top.error("'export' is missing: there is no driver to serve")
        if export.is_empty():
            raise export.error("there is no driver to serve")
        root = Composite(children=self._children(export), description=description)
        self._check_references(root, export)
        return root

    def _children(self, place: Place) -> dict[str, Driver]:
        return {name: self._driver(name, entry) for name, entry in place.fields("the drivers by name").items()}

    def _driver(self, name: str, entry: Place) -> Driver:
        if entry.is_empty():
            raise entry.error(ENTRY_NEEDS)
        fields = entry.fields(ENTRY, ENTRY_KEYS)
        if not name or "." in name:
            raise entry.error(f"'{name}' is no name for a driver: dots separate names in paths")
        if "ref" in fields:
            driver = self._proxy(entry, fields)
        elif "type" in fields:
            driver = self._typed(fields)
        else:
            driver = self._group(entry, fields)
        self._places.append((driver, entry))
        return driver

    def _proxy(self, entry: Place, fields: dict[str, Place]) -> Driver:
        if others := ", ".join(key for key in fields if key != "ref"):
            raise entry.error(f"'ref' stands alone: it names another driver, so {others} can have no effect")
        return Proxy(ref=fields["ref"].text())

    def _group(self, entry: Place, fields: dict[str, Place]) -> Driver:
        if "children" not in fields:
            raise entry.error(f"{ENTRY_NEEDS}; here is only {', '.join(fields)}")
        if "config" in fields:
            raise fields["config"].error("without 'type' there is no class that could take it")
        if fields["children"].is_empty():
            raise fields["children"].error("a group without children has no use")
        return Composite(children=self._children(fields["children"]), **_texts(fields))

    def _typed(self, fields: dict[str, Place]) -> Driver:
        driver_class = find_class(fields["type"])
        arguments: dict[str, object] = dict(_texts(fields))
        if "children" in fields and not fields["children"].is_empty():
            arguments["children"] = self._children(fields["children"])
        config = fields.get("config")
        return make_driver(driver_class, fields["type"], config, arguments)

    def _check_references(self, root: Driver, export: Place) -> None:
        resolve = resolver_for(root)
        for driver, place in self._places:
            try:
                resolve(driver)
            except ConfigurationError as error:
                raise place.error(str(error)) from None
        try:
            list(walk(root, resolver_for(root)))
        except ConfigurationError as error:
            raise export.error(str(error)) from None


def _texts(fields: dict[str, Place]) -> dict[str, Any]:
    """Reads the two keys that hold texts for people."""
    found: dict[str, Any] = {}
    if "description" in fields:
        found["description"] = fields["description"].text()
    if "methods_description" in fields:
        found["methods_description"] = fields["methods_description"].texts("the texts by method")
    return found
