"""Exporter configurations in YAML (protocol §7.3): the driver tree, or an error that names file, line and key."""

from __future__ import annotations

import os
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

from ..errors import ConfigurationError
from .classes import find_class, make_driver
from .composite import Composite, Proxy, resolver_for
from .driver import Driver, walk
from .yaml_file import Place, read_yaml

API_VERSION = "jumpstarter.dev/v1alpha1"
KIND = "ExporterConfig"
USED = ("apiVersion", "kind", "metadata", "description", "export")
NOT_USED = ("endpoint", "token", "tls", "grpcOptions", "hooks", "failureDetection", "motd", "exitOnLeaseEnd")
"""What only an exporter that joins a controller needs; accepted and left alone."""
ENTRY_KEYS = ("type", "description", "methods_description", "config", "children", "ref")
ENTRY_NEEDS = "a driver entry needs 'type' (a class), 'children' (a group of drivers) or 'ref' (the path of another driver)"


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
    fields = top.fields("an exporter configuration")
    for name, place in fields.items():
        if name not in USED + NOT_USED:
            raise Place(place.file, place._node, "", place.line).unknown("a key of an exporter configuration", name, USED + NOT_USED)
    _check_constant(top, fields, "kind", KIND)
    _check_constant(top, fields, "apiVersion", API_VERSION)
    namespace, name = _metadata(top, fields.get("metadata"), environment)
    description = fields["description"].text() if "description" in fields else None
    return ExporterConfig(
        path=Path(path),
        namespace=namespace,
        name=name,
        description=description,
        root=_Tree().make_root(top, fields.get("export"), description),
        notes=[note for note in map(_note, fields.values()) if note],
    )
