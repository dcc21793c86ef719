"""`python -m JumpstarterLibrary doctor`: one screen that says what works on the way to a device, and what does not."""

from __future__ import annotations

import argparse
import importlib.metadata
import platform
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from .errors import ConfigurationError, FailureClass, JumpstarterError, LeaseError, NoTargetError
from .lab.configuration import load_configuration
from .lab.controller import Controller
from .lab.seats import describe, list_seats
from .lab.wish import Wish
from .places import Kind, Place, locate
from .report import health
from .sessions import DeviceSession, Sessions
from .version import __version__
from .wire.deadline import Deadline
from .wire.secrets import Redactor

PACKAGES = ("robotframework", "grpcio", "protobuf", "jumpstarter-protocol", "jumpstarter")
MOST_EXPORTERS = 10
TIMEOUT = 10.0
EXIT_CODES = {
    FailureClass.TEST: 2,
    FailureClass.CONFIGURATION: 3,
    FailureClass.INFRASTRUCTURE: 4,
    FailureClass.DEVICE: 5,
    FailureClass.LIBRARY: 6,
}
"""What the command returns when something is wrong, by whose failure it is; 0 if all is well."""


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m JumpstarterLibrary doctor",
        description="Says what works on the way to a device: the one of the target or of JUMPSTARTER_HOST, or one in the lab. "
        "Exit code: 0 if all is well, 3 for a wrong configuration, 4 if the lab or an exporter cannot be reached.",
    )
    parser.add_argument("target", nargs="?", help="as for Open Jumpstarter Session: mock, bench.yaml, host:port, …")
    parser.add_argument("--selector", default="", metavar="LABELS", help="labels of the exporter; one is leased to look further")
    parser.add_argument("--exporter-name", default="", metavar="NAME", help="the exporter to lease, by name")
    parser.add_argument(
        "--client-config", metavar="CONFIG", help="alias or path; the environment's or the current one unless given"
    )
    parser.add_argument("--wait", type=float, default=30.0, metavar="SECONDS", help="how long to wait for the lease")
    parser.add_argument("--health", type=Path, metavar="FILE", help="tell instead what the exporters did over many runs")
    options = parser.parse_args(arguments)
    if options.health is not None:
        return _tell_health(options.health)
    wish = Wish(
        selector=options.selector,
        exporter_name=options.exporter_name,
        client_config=options.client_config,
        acquisition_timeout=timedelta(seconds=options.wait),
        duration=timedelta(minutes=5),
    )
    return _Doctor(wish, options.target).run()


def _tell_health(path: Path) -> int:
    """Prints what a file of the lab's health says."""
    try:
        print(health.describe(*health.load(path)))  # noqa: T201 - what the command is for
        return 0
    except JumpstarterError as error:
        print(f"{error.failure_class.value}: {error}")  # noqa: T201 - what the command is for
        return EXIT_CODES[error.failure_class]


class _Doctor:
    """Takes one step after the other, up to the first that fails."""

    def __init__(self, wish: Wish, target: str | None) -> None:
        self._wish, self._target = wish, target
        self._redact = Redactor()
        self._sessions = Sessions()

    def run(self) -> int:
        """Looks at everything; returns the exit code."""
        self._say("versions", _versions())
        try:
            self._look()
            return 0
        except JumpstarterError as error:
            self._say(f"{error.failure_class.value}", str(error))
            return EXIT_CODES[error.failure_class]
        finally:
            self._sessions.close_all()

    def _what_would_open(self) -> Place | None:
        """Says what Open Jumpstarter Session would open now, here, with what was given to this command."""
        try:
            place = locate(self._target, self._wish)
        except NoTargetError:
            self._say(
                "device",
                "Open Jumpstarter Session without a target would fail: JUMPSTARTER_HOST and JMP_LEASE are not set, and no "
                "--selector or --exporter-name is given",
            )
            return None
        if self._target is not None:
            self._say("device", f"{place.target} ({place.origin})")
            return place
        what = f"lease {place.target}" if place.kind is Kind.LEASE and place.origin == "leased" else f"use {place.target}"
        why = "" if place.origin == "leased" else f", because {place.origin} is set"
        note = f"\n{place.note}" if place.note else ""
        self._say("device", f"Open Jumpstarter Session without a target would {what}{why}{note}")
        return place

    def _look(self) -> None:
        place = self._what_would_open()
        is_here = place is not None and place.kind is not Kind.LEASE
        if is_here:
            session = self._sessions.open(self._target, timeout=TIMEOUT)
            self._say("exporter", "answers, and is ready")
            self._say_drivers(session)
            self._sessions.close_all()
        if self._target is not None:
            return
        try:
            configuration = load_configuration(self._wish.client_config)
        except ConfigurationError as error:
            if not is_here or self._wish.is_given or self._wish.client_config:
                raise
            self._say("lab", f"not looked at, and not needed for this device: {error}")
            return
        self._say("configuration", configuration.describe())
        controller = Controller(configuration, self._redact)
        try:
            self._say("token", controller.token.describe())
            seats = list_seats(controller, self._wish.selector, self._wish.exporter_name, Deadline(TIMEOUT))
            self._say("controller", f"{configuration.endpoint} answers")
            more = [f"and {len(seats) - MOST_EXPORTERS} more"] if len(seats) > MOST_EXPORTERS else []
            self._say("exporters", "\n".join([*map(describe, seats[:MOST_EXPORTERS]), *more]) or "none matches")
        finally:
            controller.close()
        if not self._wish.is_given:
            self._say("router", "not tried; --selector or --exporter-name leases an exporter and looks further")
            return
        self._lease()

    def _lease(self) -> None:
        session = self._sessions.open(wish=self._wish, timeout=TIMEOUT, progress=lambda text: self._say("waiting", text))
        if session.leased is None:
            raise LeaseError(f"The device is {session.place.target} ({session.place.origin}), and nothing was leased.")
        self._say("lease", str(session.leased.lease))
        self._say("router", "reached; the tunnel carries the session")
        self._say_drivers(session)
        self._sessions.close_all()
        self._say("release", "the lease was given back")

    def _say_drivers(self, session: DeviceSession) -> None:
        nodes = session.device.tree.walk()
        self._say("drivers", "\n".join(f"{node.path or '(root)'}  {node.type_tag}" for node in nodes))

    def _say(self, what: str, text: str) -> None:
        text = self._sessions.redact(self._redact(text)).replace("\n", "\n" + " " * 16)
        print(f"{what:<14}  {text}", flush=True)  # noqa: T201 - what the command is for


def _versions() -> str:
    found = [f"JumpstarterLibrary {__version__}", f"Python {platform.python_version()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return ", ".join(found)
