"""Drivers that only arrange other drivers."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..errors import ConfigurationError
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


def resolver_for(root: Driver) -> Callable[[Driver], Driver]:
    """Returns the function that replaces a proxy by its target.

    Raises:
        ConfigurationError: from that function, when a proxy points nowhere, in a circle, or at its own parent.
    """
    entered: list[Driver] = []

    def resolve(driver: Driver) -> Driver:
        seen: list[str] = []
        while isinstance(driver, Proxy):
            if driver.ref in seen:
                raise ConfigurationError(f"The proxies {' → '.join([*seen, driver.ref])} go round in a circle.")
            seen.append(driver.ref)
            driver = _follow(root, driver.ref)
        entered.append(driver)
        if len(entered) > MOST_ROWS:
            raise ConfigurationError(
                f"The driver tree has more than {MOST_ROWS} rows: a proxy "
                f"({', '.join(seen) or 'somewhere below'}) probably contains itself."
            )
        return driver

    return resolve


MOST_ROWS = 5_000
"""Rows of a driver tree; real ones have some dozens."""


def _follow(root: Driver, ref: str) -> Driver:
    driver = root
    walked: list[str] = []
    for name in ref.split("."):
        for _ in range(MOST_ROWS):
            if not isinstance(driver, Proxy):
                break
            driver = _follow(root, driver.ref)
        if name not in driver.children:
            known = ", ".join(sorted(driver.children)) or "no children"
            raise ConfigurationError(
                f"The proxy to '{ref}' points nowhere: '{'.'.join(walked) or 'the root'}' has {known}, but no '{name}'."
            )
        driver = driver.children[name]
        walked.append(name)
    return driver
