"""What each exporter did over many runs: one line of JSON for each test and exporter, and what they add up to. No Robot."""

from __future__ import annotations

import contextlib
import json
import os
import statistics
import time
import weakref
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import IO, Any

from ..errors import ConfigurationError, FailureClass
from ..journal import BootStage, SessionOpened, TransferEnded
from ..sessions import DeviceSession
from .failure_class import Failure

VERSION = 1
FLASHING = frozenset({"flash", "write"})
"""Methods of drivers that put an image onto a device."""
BOOTED = ("login", "kernel")
"""Stages that end a start, the best one first."""
LOCK_TIMEOUT = 2.0
"""Seconds that a line waits for other processes that write theirs."""


class Health:
    """A file that grows by a line for each test and exporter, from any number of processes.

    Args:
        path: the file; its folder is made.
        redact: masks secrets.
    """

    def __init__(self, path: Path, redact: Callable[[str], str]) -> None:
        self.path = path
        self._redact = redact
        self._positions: weakref.WeakKeyDictionary[DeviceSession, int] = weakref.WeakKeyDictionary()
        """How much of each journal the lines tell."""

    def add(
        self, sessions: Iterable[DeviceSession], suite: str, test: str, *, status: str, failure: Failure | None = None
    ) -> str:
        """Adds the lines of a test.

        Args:
            sessions: those that the test had.
            suite: its suite, or file.
            test: its name.
            status: `PASS`, `FAIL` or `SKIP`.
            failure: class and reason, if it failed.

        Returns:
            Why that is not possible; empty if it is done. A full disk fails no test.
        """
        rows = [self._row(session, suite, test, status=status, failure=failure) for session in sessions]
        if not rows:
            return ""
        # Before JSON, whose quoting of a secret nobody would know.
        rows = [{key: self._redact(value) if isinstance(value, str) else value for key, value in row.items()} for row in rows]
        text = "".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows)
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            with self.path.open("a", encoding="utf-8", errors="backslashreplace") as file, _locked(file):
                file.write(text)
                file.flush()
            return ""
        except OSError as error:
            return f"The health file '{self.path}' cannot be written: {(error.strerror or str(error)).lower()}."

    def _row(self, session: DeviceSession, suite: str, test: str, *, status: str, failure: Failure | None) -> dict[str, Any]:
        # Also what happened before the test, in the setup of the suite.
        events, self._positions[session], _ = session.journal.since(self._positions.get(session, 0))
        flashed = [one for one in events if isinstance(one, TransferEnded) and one.method in FLASHING]
        boots = [one for one in events if isinstance(one, BootStage)]
        return {
            "version": VERSION,
            "time": time.strftime("%Y-%m-%dT%H:%M:%SZ", time.gmtime()),
            "exporter": exporter_of(session),
            "suite": suite,
            "test": test,
            "status": status,
            "class": None if failure is None else failure.failure_class.value.lower(),
            "reason": None if failure is None else failure.reason,
            "boot": {one.stage: round(one.since_power_on, 3) for one in boots},
            "flashed": sum(one.status == "ok" for one in flashed),
            "not_flashed": sum(one.status != "ok" for one in flashed),
        }


def exporter_of(session: DeviceSession) -> str:
    """Returns by which name the exporter is known from run to run: of a lease, else what was opened."""
    if session.leased is not None and session.leased.lease.exporter:
        return session.leased.lease.exporter
    opened = session.journal.events(SessionOpened)
    return opened[0].target if opened else session.place.name


@contextlib.contextmanager
def _locked(file: IO[str]) -> Iterator[None]:
    """Lets no other process of ours write into the file meanwhile."""
    try:
        import fcntl
    except ImportError:  # Windows: the line is written in one piece, which mostly does
        yield
        return
    end = time.monotonic() + LOCK_TIMEOUT
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if time.monotonic() > end:
                raise OSError(0, f"another process has locked it for {LOCK_TIMEOUT:g} s") from None
            time.sleep(0.01)
    try:
        file.seek(0, os.SEEK_END)
        yield
    finally:
        fcntl.flock(file, fcntl.LOCK_UN)


# ----------------------------------------------------------------------- looking


def load(path: Path) -> tuple[list[dict[str, Any]], int]:
    """Reads a file; returns its rows, and how many lines are none.

    Raises:
        ConfigurationError: it cannot be read.
    """
    try:
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError as error:
        raise ConfigurationError(f"The health file '{path}' cannot be read: {(error.strerror or str(error)).lower()}.") from None
    rows, broken = [], 0
    for line in filter(str.strip, lines):
        try:
            row = json.loads(line)
            if not (isinstance(row["exporter"], str) and isinstance(row["test"], str) and isinstance(row["status"], str)):
                raise TypeError
            rows.append(row)
        except (ValueError, KeyError, TypeError):
            broken += 1
    return rows, broken


def describe(rows: list[dict[str, Any]], broken: int = 0) -> str:
    """Returns what the rows add up to: for each exporter runs, failures by class, boot times, flashing; and what fails on one
    exporter only."""
    exporters: dict[str, list[dict[str, Any]]] = {}
    for row in rows:
        exporters.setdefault(row["exporter"], []).append(row)
    lines = [line for name in sorted(exporters) for line in _of_exporter(name, exporters[name])]
    lines += _on_one_only(rows)
    if broken:
        lines.append(f"{broken} line{'' if broken == 1 else 's'} of the file cannot be read.")
    return "\n".join(lines or ["Nothing has run yet."])


def _of_exporter(name: str, rows: list[dict[str, Any]]) -> Iterator[str]:
    run = [row for row in rows if row["status"] in ("PASS", "FAIL")]
    failed = [row for row in run if row["status"] == "FAIL"]
    yield name
    skipped = f", {len(rows) - len(run)} skipped" if len(rows) > len(run) else ""
    yield f"  tests   {len(run)} run, {len(failed)} failed{skipped}"
    classes = [str(row.get("class")) for row in failed]
    counts = [f"{one.value.lower()} {classes.count(one.value.lower())}" for one in FailureClass if one.value.lower() in classes]
    if counts:
        yield f"  class   {', '.join(counts)}"
    if (boot := _boot_times(rows)) is not None:
        stage, times = boot
        times.sort()
        yield (f"  boot    {len(times)} to {stage}: {times[0]:.3g} to {times[-1]:.3g} s, median {statistics.median(times):.3g} s")
    good, bad = (sum(_count(row, key) for row in rows) for key in ("flashed", "not_flashed"))
    if good + bad:
        yield f"  flash   {good} of {good + bad} ok ({100 * good / (good + bad):.0f} %)"


def _boot_times(rows: list[dict[str, Any]]) -> tuple[str, list[float]] | None:
    boots = [row["boot"] for row in rows if isinstance(row.get("boot"), dict)]
    for stage in BOOTED:
        times = [float(boot[stage]) for boot in boots if isinstance(boot.get(stage), (int, float))]
        if times:
            return stage, times
    return None


def _count(row: dict[str, Any], key: str) -> int:
    value = row.get(key)
    return value if isinstance(value, int) else 0


def _on_one_only(rows: list[dict[str, Any]]) -> Iterator[str]:
    """Tests that failed on one exporter, and passed on every other one that ran them."""
    tests: dict[tuple[str, str], dict[str, set[str]]] = {}
    for row in rows:
        if row["status"] in ("PASS", "FAIL"):
            key = (str(row.get("suite", "")), row["test"])
            tests.setdefault(key, {}).setdefault(row["exporter"], set()).add(row["status"])
    for (_, test), found in sorted(tests.items()):
        failing = [exporter for exporter, statuses in found.items() if "FAIL" in statuses]
        if len(failing) == 1 and len(found) > 1:
            yield f"'{test}' fails on {failing[0]} only; it passes on {', '.join(sorted(set(found) - {failing[0]}))}."
