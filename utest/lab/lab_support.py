"""What the tests of leases share: one lab with one exporter per file, put back in order after each test."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path
from typing import Any

from helpers.lab import Lab, start_lab

from JumpstarterLibrary.lab import held
from JumpstarterLibrary.lab.wish import Wish
from JumpstarterLibrary.sessions import DeviceSession, Sessions

SOON = 6.0
"""Seconds in which something that is meant to happen at once has to be over on a busy machine."""


class Bench:
    """A lab, its client configuration, and sessions that lease in it."""

    def __init__(self, lab: Lab) -> None:
        self.lab = lab
        self.config = lab.client_config("ci")
        self.sessions = Sessions()
        self.told: list[str] = []

    def open(self, *, timeout: float = 10, alias: str | None = None, **wish: Any) -> DeviceSession:
        """Leases with the exporter's selector, unless something else is wished."""
        wanted = {"selector": "board=mock"} if not {"selector", "exporter_name", "lease"} & set(wish) else {}
        wish.setdefault("acquisition_timeout", timedelta(seconds=30))
        return self.sessions.open(
            alias=alias,
            wish=Wish(client_config=self.config, **wanted, **wish),
            timeout=timeout,
            progress=self.told.append,
        )

    def asked(self, method: str) -> list[dict[str, Any]]:
        """What our client has asked the controller."""
        return [request for request in self.lab.requests(method) if request["kind"] != "Exporter"]

    def tidy(self) -> None:
        """Puts the lab in order."""
        for method in ("GetLease", "CreateLease", "DeleteLease", "UpdateLease", "GetExporter", "Dial", "Stream", "ListLeases"):
            self.lab.refuse(method, times=0)
            self.lab.delay(method, 0)
        self.lab.network("controller")
        self.lab.network("router")
        self.lab.shape_tunnels()
        self.lab.unhold()
        with contextlib.suppress(Exception):
            self.sessions.close_all()
        held.release_all()
        for lease in self.lab.leases():
            self.lab.release_lease(lease["name"])
        self.config = self.lab.client_config("ci")
        self.lab.wait_for_status("bench-1", "AVAILABLE")
        self.lab.clear_requests()
        self.told.clear()


@contextlib.contextmanager
def bench_with_exporter(folder: Path) -> Iterator[Bench]:
    """A lab with the exporter `bench-1`, which has the label `board=mock`."""
    with start_lab(folder, dial_wait=1) as lab:
        lab.start_session_exporter("bench-1", {"board": "mock"})
        yield Bench(lab)


class Stopwatch:
    """How long something took, in seconds."""

    def __init__(self) -> None:
        self._begin = time.monotonic()

    @property
    def seconds(self) -> float:
        """Since it was made."""
        return time.monotonic() - self._begin
