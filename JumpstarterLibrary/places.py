"""Where the device is: what a target, the environment or a wish for a lease says (`docs/guide/sessions.md`)."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from enum import Enum
from pathlib import Path

from .errors import ConfigurationError, NoTargetError, UsageError
from .lab.wish import Wish, lease_of_environment
from .wire import names
from .wire.address import parse_address

BUILT_IN = ("mock", "mock:power", "mock:lab")
WAYS = """\
  1. give a target: mock, mock:power, an exporter configuration (bench.yaml), host:port, or unix:PATH
     (in pytest: --jumpstarter-target);
  2. set JUMPSTARTER_HOST to such an address, as python -m JumpstarterLibrary.exporter prints it;
  3. run inside a jmp shell, which sets JUMPSTARTER_HOST;
  4. lease a device in a lab: selector=board=rpi4, exporter_name= or lease=, or the same in jmp shell."""


class Kind(Enum):
    """What a target is."""

    EMBEDDED = "embedded device"
    CONFIGURATION = "exporter configuration"
    ADDRESS = "address"
    LEASE = "lease"


@dataclass(frozen=True)
class Place:
    """Where a device is, and which rule said so."""

    kind: Kind
    target: str
    origin: str
    name: str
    """What to call the device when nobody names it."""
    note: str = ""
    """What was asked for and has no effect, for people."""
    wish: Wish | None = None
    """What to lease."""


def locate(target: str | None, wish: Wish | None = None) -> Place:
    """Says where the device is: the given target, else JUMPSTARTER_HOST, else a lease (`docs/guide/sessions.md`).

    Args:
        target: a text that says it.
        wish: what to lease.

    Raises:
        NoTargetError: nothing says where it is; the message names the ways.
        UsageError: target and lease were both asked for.
    """
    wish = Wish() if wish is None else wish
    if target:
        if wish.is_given:
            raise UsageError(f"A target ('{target}') and a lease ({wish}) are two different devices: ask for one of them.")
        return _locate_given(target.strip())
    if host := os.environ.get("JUMPSTARTER_HOST"):
        exporter = os.environ.get("JMP_EXPORTER", "")
        name = exporter if exporter not in ("", "direct") else _short_name(host)
        note = f"JUMPSTARTER_HOST is set, so {wish} is not leased." if wish.is_given else ""
        return Place(Kind.ADDRESS, host, "JUMPSTARTER_HOST", name, note)
    if not wish.lease and (surrounding := lease_of_environment()):
        note = f"JMP_LEASE is set, so {wish} is not leased." if wish.is_given else ""
        return _leased_place(replace(wish, lease=surrounding), "JMP_LEASE", note)
    if wish.is_given:
        return _leased_place(wish, "leased")
    raise NoTargetError(f"Nothing says where the device is. There are four ways:\n{WAYS}")


def _leased_place(wish: Wish, origin: str, note: str = "") -> Place:
    return Place(Kind.LEASE, str(wish), origin, wish.exporter_name or wish.lease, note, wish)


def _locate_given(target: str) -> Place:
    if target == "mock" or target.startswith("mock:"):
        return Place(Kind.EMBEDDED, target, "embedded in this process", target.replace(":", "-"))
    if target.endswith((".yaml", ".yml")):
        return Place(Kind.CONFIGURATION, target, "exporter configuration, served in this process", Path(target).stem)
    try:
        parse_address(target)
    except ConfigurationError as error:
        near = names.near(target, BUILT_IN)
        hint = f" Did you mean {' or '.join(near)}?" if near else ""
        raise ConfigurationError(
            f"{error} Other targets are {', '.join(BUILT_IN)}, and a configuration's path (.yaml).{hint}"
        ) from None
    return Place(Kind.ADDRESS, target, "given address", _short_name(target))


def _short_name(address: str) -> str:
    """`/run/user/1000/jumpstarter-ab12/socket` is a poor name; its folder is better."""
    path = Path(address.removeprefix("unix:"))
    return path.parent.name if path.name == "socket" and path.parent.name else address


@contextlib.contextmanager
def served(place: Place) -> Iterator[str]:
    """Gives the address of a place, serving it in this process where need be."""
    if place.kind is Kind.ADDRESS:
        yield place.target
        return
    from .drivers.targets import builtin_device
    from .exporter import Session
    from .exporter.config import load_exporter

    if place.kind is Kind.CONFIGURATION:
        root = load_exporter(Path(place.target)).root
    else:
        built_in = builtin_device(place.target)
        if built_in is None:
            raise ConfigurationError(f"There is no embedded device '{place.target}'; there are {', '.join(BUILT_IN)}.")
        root = built_in
    with Session(root_device=root) as session, session.serve_unix() as path:
        yield path
