"""The matrix of proof 5: what is under way, what breaks, what comes of it, and whether the session can be used afterwards."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from helpers.lab import Lab, start_lab
from helpers.lab.slow_drivers import CONFIGURATION
from lab_support import Bench

from JumpstarterLibrary.client import Device
from JumpstarterLibrary.client.images import Source
from JumpstarterLibrary.client.resources import HANDLE, upload
from JumpstarterLibrary.client.serial import SerialClient
from JumpstarterLibrary.errors import FailureClass, JumpstarterError, SessionLostError
from JumpstarterLibrary.lab import held
from JumpstarterLibrary.sessions import DeviceSession

DEADLINE = 1.5
"""Seconds that each act may take."""
PROMISED, NOISE = 1.0, 1.5
"""Seconds beyond the deadline: what is promised, and what a busy machine may add in a test."""
RECOVERY = 20.0
INTO = 0.2
"""Seconds after the beginning of an act at which something breaks."""
LABELS = {"board": "slow"}

WORKS = "works"
"""The act succeeds as if nothing had happened."""
FAILS = "fails"
"""INFRASTRUCTURE; the session goes on."""
DEAD = "dead"
"""INFRASTRUCTURE with the reason; every later keyword fails at once with it."""


@dataclass
class Scene:
    """One exporter with drivers that take their time, and a session that leases it."""

    bench: Bench
    exporter: Any
    session: DeviceSession | None = None

    @property
    def lab(self) -> Lab:
        return self.bench.lab

    @property
    def device(self) -> Device:
        assert self.session is not None
        return self.session.device

    @property
    def lease(self) -> str:
        assert self.session is not None
        return self.session.leased.lease.name


# --------------------------------------------------------------------- faults


@dataclass(frozen=True)
class Fault:
    """What breaks, and what puts it right again."""

    name: str
    strike: Callable[[Scene], object]
    heal: Callable[[Scene], object] = lambda _: None
    before: Callable[[Scene], object] = lambda _: None
    """What has to be so before the lease is asked for."""


def _down_and_back(scene: Scene) -> None:
    scene.lab.controller_down()
    threading.Timer(0.7, scene.lab.controller_up).start()


def _restart(scene: Scene) -> None:
    scene.exporter.kill()
    scene.exporter = scene.lab.start_session_exporter("slow-1", LABELS, CONFIGURATION, wait=False)


def _expire_token(scene: Scene) -> None:
    scene.lab.expire_tokens("ci")


FAULTS = {
    fault.name: fault
    for fault in (
        Fault("controller down and back", _down_and_back),
        Fault("router cut", lambda scene: scene.lab.cut_tunnels()),
        Fault("half-open", lambda s: s.lab.shape_tunnels(frozen=True), lambda s: s.lab.shape_tunnels()),
        Fault("1 kB/s", lambda s: s.lab.shape_tunnels(rate=1000), lambda s: s.lab.shape_tunnels()),
        Fault("2 s delay", lambda s: s.lab.shape_tunnels(delay=2.0), lambda s: s.lab.shape_tunnels()),
        Fault("exporter restarted", _restart),
        Fault("lease expired", lambda scene: scene.lab.expire_lease(scene.lease)),
        Fault("lease deleted", lambda scene: scene.lab.delete_lease(scene.lease)),
        Fault("token expired", _expire_token),
        # A clock does not jump while a lease runs; it is wrong all the time, by less than the tokens live.
        Fault("clock skew", lambda _: None, before=lambda scene: scene.lab.clock(1500), heal=lambda scene: scene.lab.clock(0)),
    )
}

# -------------------------------------------------------------------- moments


def idle(scene: Scene, strike: Callable[[], object]) -> None:
    """It breaks while nothing is under way; then, when the news is here, a keyword begins."""
    strike()
    time.sleep(INTO)
    scene.device["power"].call("on", timeout=DEADLINE)


def in_a_call(scene: Scene, strike: Callable[[], object]) -> None:
    """It breaks while a call is under way, which is never repeated."""
    with striking(strike):
        assert scene.device["slow"].call("work", timeout=DEADLINE) == "done"


def in_a_console_wait(scene: Scene, strike: Callable[[], object]) -> None:
    """It breaks while a console is waited for, which has been told something."""
    console = scene.device.driver_of(SerialClient, "console").open_console()
    console.write("the answer\n")
    with striking(strike):
        console.wait_for_line("the answer", timeout=DEADLINE)


def in_a_flash(scene: Scene, strike: Callable[[], object]) -> None:
    """It breaks while an image is on its way; the deadline is for the time in which nothing moves."""
    with striking(strike):
        upload(scene.device["slow"], "flash", Source.of_bytes(b"x" * 400, "image"), (HANDLE,), idle=DEADLINE)


def in_teardown(scene: Scene, strike: Callable[[], object]) -> None:
    """It breaks, and then the session is closed."""
    strike()
    scene.bench.sessions.close_all()


@contextmanager
def striking(strike: Callable[[], object]) -> Iterator[None]:
    """Strikes while the block runs."""
    timer = threading.Timer(INTO, strike)
    timer.start()
    try:
        yield
    finally:
        timer.join()


MOMENTS = {
    "idle": idle,
    "in a call": in_a_call,
    "in a console wait": in_a_console_wait,
    "in a flash": in_a_flash,
    "in teardown": in_teardown,
}

TABLE: dict[str, tuple[str, ...]] = {
    # What is under way, by what breaks:
    #                             idle   call   wait   flash  teardown
    "controller down and back": (WORKS, WORKS, WORKS, WORKS, WORKS),  # it is asked again until it answers
    "router cut": (WORKS, FAILS, FAILS, FAILS, WORKS),  # idle: dialled anew; else the outcome is unknown
    "half-open": (FAILS, FAILS, FAILS, FAILS, WORKS),
    "1 kB/s": (WORKS, WORKS, WORKS, WORKS, WORKS),  # slow is not broken: these have little to say
    "2 s delay": (FAILS, FAILS, FAILS, FAILS, WORKS),  # an answer takes longer than the deadline
    "exporter restarted": (WORKS, FAILS, FAILS, FAILS, WORKS),  # idle: drivers are found by their paths
    "lease expired": (DEAD, DEAD, DEAD, DEAD, WORKS),  # teardown: there is nothing to give back
    "lease deleted": (DEAD, DEAD, DEAD, DEAD, WORKS),
    "token expired": (WORKS, WORKS, WORKS, WORKS, FAILS),  # the tunnel needs none; giving back does
    "clock skew": (WORKS, WORKS, WORKS, WORKS, WORKS),
}


# ------------------------------------------------------------------ one cell


@contextmanager
def scene_in(folder: Path) -> Iterator[Scene]:
    """A lab for many cells."""
    with start_lab(folder, dial_wait=1) as lab:
        yield Scene(Bench(lab), lab.start_session_exporter("slow-1", LABELS, CONFIGURATION))


def expected(moment: str, fault: str) -> str:
    """What the table says."""
    return TABLE[fault][list(MOMENTS).index(moment)]


def play(scene: Scene, moment: str, name: str) -> float:
    """Plays one cell, checks it, and returns by how many seconds the act outlived its deadline."""
    fault, outcome = FAULTS[name], expected(moment, name)
    fault.before(scene)
    scene.bench.config = scene.lab.client_config("ci")
    scene.session = scene.bench.open(selector="board=slow", timeout=RECOVERY)
    scene.device.timeout = timedelta(seconds=DEADLINE)
    error: JumpstarterError | None = None
    begin = time.monotonic()
    try:
        MOMENTS[moment](scene, lambda: fault.strike(scene))
    except JumpstarterError as raised:
        error = raised
    over = time.monotonic() - begin - DEADLINE
    fault.heal(scene)

    assert (error is None) == (outcome == WORKS), f"{error}"
    if error is not None:
        assert error.failure_class is FailureClass.INFRASTRUCTURE, f"{type(error).__name__}: {error}"
        assert isinstance(error, SessionLostError) or outcome != DEAD, f"{type(error).__name__}: {error}"
    if moment == "in teardown":
        _check_closed(scene, error)
    elif outcome == DEAD:
        _check_dead(scene, "expired" if "expired" in name else "deleted")
    else:
        scene.device["power"].call("off", timeout=RECOVERY)
        assert scene.device.state == "open"
    return over


def _check_closed(scene: Scene, error: JumpstarterError | None) -> None:
    assert scene.device.state == "closed"
    if error is None:
        assert scene.lab.leases() == []
    else:
        assert f"by hand: jmp delete leases {scene.lease}" in str(error)


def _check_dead(scene: Scene, reason: str) -> None:
    begin = time.monotonic()
    with pytest.raises(SessionLostError, match=reason):
        scene.device["power"].call("off", timeout=RECOVERY)
    assert time.monotonic() - begin < PROMISED
    assert scene.device.state == "lost"


def tidy(scene: Scene) -> None:
    """Puts everything in order, for the next cell."""
    lab = scene.lab
    lab.network("controller")
    lab.shape_tunnels()
    lab.clock(0)
    scene.bench.config = lab.client_config("ci")
    with contextlib.suppress(JumpstarterError):  # nobody releases with a token that has expired
        scene.bench.sessions.close_all()
    for lease in lab.leases():
        lab.release_lease(lease["name"])
    if scene.session is not None and scene.session.leased is not None:
        held.discard(scene.session.leased.lease)
    lab.wait_for_status("slow-1", "AVAILABLE")
