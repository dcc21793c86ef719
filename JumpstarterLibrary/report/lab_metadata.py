"""Which exporter and lease a suite has used: in its metadata, and as tags of its tests."""

from __future__ import annotations

import contextlib

from robot.errors import DataError
from robot.libraries.BuiltIn import BuiltIn, RobotNotRunningError

from ..lab.lease import Lease
from .lab_tables import labels_text
from .robot_text import plain


def note_lease(alias: str, lease: Lease) -> None:
    """Writes exporter, lease and labels into the suite's metadata, and tags the test, or in a suite setup all tests."""
    built_in = BuiltIn()
    with contextlib.suppress(RobotNotRunningError, DataError):
        labels = labels_text(lease.labels)
        text = f"{lease.exporter} (lease {lease.name}{'; ' + labels if labels else ''})"
        built_in.set_suite_metadata(f"Exporter of {alias}", plain(text), top=False)
        built_in.set_tags(f"exporter:{lease.exporter}")
