"""Drivers that only arrange other drivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigurationError
from ..wire import names
from .driver import Driver


class Composite(Driver):
    """Groups its children under one name."""

    @classmethod
    def client(cls) -> str:
        """The type tag of composites."""
        return "jumpstarter_driver_composite.client.CompositeClient"


@dataclass(kw_only=True, eq=False, repr=False)
class Proxy(Driver):
    """Stands for another driver: in the report the target's whole subtree appears in its place (protocol §2.2).

    Args:
        ref: the target's path from the root, names joined by dots.
    """

    ref: str


MOST_ROWS = 5_000
"""Rows of a driver tree; real ones have some dozens, and proxies to proxies can multiply them."""


def resolver_for(root: Driver) -> Callable[[Driver], Driver]:
    """Returns the function that replaces a proxy by its target.

    Raises:
        ConfigurationError: from that function, when a proxy points nowhere or in a circle, or the tree grows too large.
    """
    rows = 0

    def resolve(driver: Driver) -> Driver:
        nonlocal rows
        rows += 1
        if rows > MOST_ROWS:
            raise ConfigurationError(f"The driver tree has more than {MOST_ROWS} rows: its proxies multiply it.")
        return _follow(root, driver.ref, ()) if isinstance(driver, Proxy) else driver

    return resolve


def _follow(root: Driver, ref: str, seen: tuple[str, ...]) -> Driver:
    if ref in seen:
        raise ConfigurationError(f"The proxies {' → '.join([*seen, ref])} go round in a circle.")
    driver = root
    walked: list[str] = []
    for name in ref.split("."):
        if name not in driver.children:
            raise ConfigurationError(_points_nowhere(ref, ".".join(walked), name, driver))
        driver = driver.children[name]
        walked.append(name)
        if isinstance(driver, Proxy):
            driver = _follow(root, driver.ref, (*seen, ref))
    return driver


def _points_nowhere(ref: str, walked: str, name: str, driver: Driver) -> str:
    known = sorted(driver.children)
    near = names.near(name, known)
    hint = f"did you mean {' or '.join(map(repr, near))}?" if near else f"it has {', '.join(known) or 'no children'}."
    place = f"'{walked}'" if walked else "the root"
    return f"The proxy to '{ref}' points nowhere: {place} has no child '{name}'; {hint}"
