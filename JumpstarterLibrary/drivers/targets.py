"""The targets that are served in this process: what is in the box, and exporter configurations."""

from __future__ import annotations

import difflib
from collections.abc import Callable

from ..errors import ConfigurationError
from ..exporter.config import load_exporter
from ..exporter.driver import Driver
from .board import MockBoard
from .mock_lab import MockLab
from .power import MockPower

BUILT_IN: dict[str, Callable[[], Driver]] = {"mock": MockBoard, "mock:power": MockPower, "mock:lab": MockLab}
"""The devices in the box, by target."""
CONFIGURATION_SUFFIXES = (".yaml", ".yml")


def builtin_device(name: str) -> Driver | None:
    """Makes the device in the box that a target names, or returns None if there is none of this name."""
    make = BUILT_IN.get(name)
    return make() if make else None


def root_device_for(target: str) -> Driver:
    """Makes the driver tree for a target that is served in this process.

    Args:
        target: `mock`, `mock:power`, `mock:lab`, or the path of an exporter configuration (`.yaml`, `.yml`).

    Raises:
        ConfigurationError: there is no such device, or the file is wrong.
    """
    if is_configuration(target):
        return load_exporter(target).root
    device = builtin_device(target)
    if device is None:
        near = difflib.get_close_matches(target, BUILT_IN)
        hint = f"; did you mean '{near[0]}'?" if near else ""
        raise ConfigurationError(
            f"'{target}' cannot be served here: expected {', '.join(BUILT_IN)} or the path of a .yaml file{hint}"
        )
    return device


def is_configuration(target: str) -> bool:
    """Whether a target is the path of an exporter configuration."""
    return target.lower().endswith(CONFIGURATION_SUFFIXES)
