"""Sessions that lease and end in every way, many at a time; and what is left of their leases afterwards."""

from __future__ import annotations

import itertools
import queue
import random
import signal
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from helpers.lab import Lab
from helpers.robot_run import RobotProcess, RobotRun, RobotRunner

QUIET_ENDINGS = ("pass", "fail", "exception", "timeout in the test", "timeout while opening")
"""Endings of a test, many of which share a process."""
SIGNALS = ("Ctrl-C", "Ctrl-C twice", "SIGTERM")
"""Endings of a process."""
BROKEN = "broken controller"
ENDINGS = (*QUIET_ENDINGS, *SIGNALS, BROKEN)
PER_PROCESS = 50
"""Tests in one process; each leases for itself."""
PATIENCE = 5.0
"""Seconds in which a process that a second Ctrl-C ends has to be gone, or to say that Python lost it."""
LOST = ("Execution forcefully stopped", "Exception ignored in", "SystemExit")
BROKEN_DURATION = 25
"""Seconds that a lease lasts which cannot be given back."""

QUIET_SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=20s    auto_close=TEST
Test Setup        Open Jumpstarter Session    selector=lane={lane}    client_config={config}

*** Test Cases ***
{tests}

*** Keywords ***
Wait In Vain
    [Timeout]    {{milliseconds}}
    Power Cycle    wait=60s
"""
BODIES = {
    "pass": ("Power On", "PASS", ""),
    "fail": ("Fail    as it happens", "FAIL", "as it happens"),
    "exception": ("Evaluate    {}['as it happens']", "FAIL", "KeyError"),
    "timeout in the test": ("Wait In Vain", "FAIL", "Keyword timeout"),
    "timeout while opening": ("[Timeout]    {moment} milliseconds\n    Sleep    60s", "FAIL", "Test timeout"),
}
"""What the test does, how it ends, and what stands in its message."""

SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=20s
Library           OperatingSystem
Suite Setup       Open Jumpstarter Session    selector=lane={lane}    client_config={config}    {how}
{settings}

*** Test Cases ***
One
    Power On
    Log    leased    console=yes
    {body}
"""
WAITS = ("Sleep    60s", "Power Cycle    wait=60s")


@dataclass
class Report:
    """What has happened."""

    ended: Counter[str] = field(default_factory=Counter)
    left: list[str] = field(default_factory=list)
    """Leases that were there after their process was gone."""
    wrong: list[str] = field(default_factory=list)
    """Runs that did not end as they should have."""
    lost_signals: int = 0
    """Second Ctrl-C that Python forgot, so that a third was sent."""
    seconds: float = 0.0

    def __str__(self) -> str:
        rows = [f"  {ending:<24}{self.ended[ending]:>6}" for ending in ENDINGS]
        total = f"{sum(self.ended.values())} sessions in {self.seconds:.0f} s, leases left: {len(self.left)}"
        total += f", signals that Python lost: {self.lost_signals}"
        return "\n".join([total, *rows, *self.left, *self.wrong])


class Soak:
    """Lanes that run side by side, each with an exporter and a client of its own.

    Args:
        lab: one for leases that can be given back, and one whose controller goes.
        runner: starts `robot`.
        lanes: how many.
    """

    def __init__(self, lab: Lab, broken: Lab, runner: RobotRunner, lanes: int = 3) -> None:
        self._lab = lab
        self._broken = broken
        self._runner = runner
        self._lanes = [str(number) for number in range(1, lanes + 1)]
        self._lock = threading.Lock()
        self.report = Report()
        for lane, where in itertools.product(self._lanes, (lab, broken)):
            where.start_session_exporter(f"bench-{lane}", {"lane": lane}, "mock:power")
            where.client_config(f"ci-{lane}")

    def run(self, count: int, broken: int, budget: float = float("inf")) -> Report:
        """Runs sessions of all endings in turn.

        Args:
            count: how many; those with a broken controller not counted.
            broken: how many of those. They wait most of the time, and so run beside the others.
            budget: seconds after which no further group is begun.
        """
        begin = time.monotonic()
        work: queue.SimpleQueue[Callable[[str], None]] = queue.SimpleQueue()
        for job in _mixed(count, self):
            work.put(job)

        def lane_runs(lane: str) -> None:
            while time.monotonic() - begin < budget:
                try:
                    job = work.get_nowait()
                except queue.Empty:
                    return
                try:
                    job(lane)
                except AssertionError as error:
                    self._note_wrong(str(error))

        threads = [threading.Thread(target=lane_runs, args=(lane,)) for lane in self._lanes]
        threads.append(threading.Thread(target=self._break_often, args=(broken,)))
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.report.seconds = time.monotonic() - begin
        return self.report

    def _break_often(self, count: int) -> None:
        """Runs sessions whose controller is gone when they give their leases back, as many at a time as there are lanes."""
        try:
            while count > 0:
                self._break_controller(self._lanes[:count])
                count -= len(self._lanes)
        except AssertionError as error:
            self._note_wrong(str(error))

    def quiet(self, lane: str, count: int) -> None:
        """Runs one process with many tests, which end in turn in all ways in which a test can."""
        # Opening takes some 100 ms: it is interrupted in each of its steps, and now and then a moment later.
        endings = list(itertools.islice(itertools.cycle(QUIET_ENDINGS), count))
        moments = random.Random(count)
        bodies = [BODIES[ending][0].replace("{moment}", str(moments.randint(5, 350))) for ending in endings]
        tests = "\n".join(
            f"{number} {ending}\n    {body}" for number, (ending, body) in enumerate(zip(endings, bodies, strict=True))
        )
        suite = QUIET_SUITE.format(lane=lane, config=f"ci-{lane}", tests=tests).replace("{milliseconds}", "50 milliseconds")
        try:
            run = self._runner(suite, env=self._lab.environment(), timeout=30 + 5 * count)
        finally:
            self._check_left(self._lab, lane, f"{count} tests")
        tested = list(run.suite.all_tests)
        for test, ending in zip(tested, endings, strict=True):
            _, status, words = BODIES[ending]
            if test.status != status or words not in test.message:
                self._note_wrong(f"'{ending}' ended as {test.status}: {test.message}")
        with self._lock:
            self.report.ended.update(endings)

    def signalled(self, lane: str, ending: str, number: int) -> None:
        """Runs one process and ends it by signals."""
        settings = "Suite Teardown    Sleep    60s" if ending == "Ctrl-C twice" else ""
        process = self._start(self._lab, lane, WAITS[number // 2 % len(WAITS)], settings)
        process.send_signal(signal.SIGTERM if ending == "SIGTERM" else signal.SIGINT)
        if ending == "Ctrl-C twice":
            process.wait_for_output("Second signal will force exit", 20)
            if number % 2:  # half of them at once, while the first one still has its effects
                process.wait_for_output("| FAIL |", 20)
            process.send_signal(signal.SIGINT)
            self._insist(process)
        try:
            run = process.finish(40)
        finally:
            self._check_left(self._lab, lane, ending)
        if run.returncode == 0:
            self._note_wrong(f"'{ending}' ended with 0: {run.stdout}")
        with self._lock:
            self.report.ended[ending] += 1

    def _insist(self, process: RobotProcess) -> None:
        """Sends the signal once more where Python has lost it, as a person would.

        Robot ends itself by an exception from its signal handler. Where that strikes within a callback of a weak reference or a
        `__del__`, Python prints and forgets it (`Exception ignored in`), and Robot goes on. No library can prevent that.
        """
        end = time.monotonic() + PATIENCE
        while process.returncode is None and time.monotonic() < end:
            if all(words in process.output for words in LOST):
                with self._lock:
                    self.report.lost_signals += 1
                process.send_signal(signal.SIGINT)
                return
            time.sleep(0.05)

    def _break_controller(self, lanes: list[str]) -> None:
        lab = self._broken
        for lane in lanes:
            lab.wait_for_status(f"bench-{lane}", "AVAILABLE")
        go = lab.folder / f"go-{time.monotonic_ns()}"
        how = f"duration={BROKEN_DURATION}s    auto_extend=False"
        body = f"Wait Until Created    {go}    60s"
        processes = [self._start(lab, lane, body, how=how) for lane in lanes]
        leases = {lease["client"]: lease["name"] for lease in lab.leases()}
        lab.controller_down()
        try:
            go.touch()
            runs: list[RobotRun] = [process.finish(90) for process in processes]
        finally:
            lab.controller_up()
        for lane, run in zip(lanes, runs, strict=True):
            if f"by hand: jmp delete leases {leases[f'ci-{lane}']}" not in run.stdout:
                self._note_wrong(f"'{BROKEN}' did not tell how to give the lease back: {run.stdout}")
        try:
            lab.wait_until_free(BROKEN_DURATION + 20)
        except AssertionError as error:
            self.report.left.append(f"{BROKEN}: {error}")
        for name in leases.values():
            reasons = [condition["reason"] for condition in lab.lease(name)["conditions"]]
            if "Expired" not in reasons:
                self._note_wrong(f"'{BROKEN}': the lease did not end by its duration: {reasons}")
        self.report.ended[BROKEN] += len(lanes)

    def _start(self, lab: Lab, lane: str, body: str, settings: str = "", how: str = "") -> RobotProcess:
        suite = SUITE.format(lane=lane, config=f"ci-{lane}", body=body, settings=settings, how=how)
        with self._lock:
            process = self._runner.start(suite, env=lab.environment())
        process.wait_for_output("leased", 60)
        return process

    def _check_left(self, lab: Lab, lane: str, what: str) -> None:
        """The process is gone, so its leases have to be gone too, at once."""
        left: list[dict[str, Any]] = [lease for lease in lab.leases() if lease["client"] == f"ci-{lane}"]
        with self._lock:
            self.report.left += [f"after {what}: {lease}" for lease in left]
        for lease in left:
            lab.release_lease(lease["name"])

    def _note_wrong(self, text: str) -> None:
        with self._lock:
            self.report.wrong.append(text)


def _mixed(count: int, soak: Soak) -> list[Callable[[str], None]]:
    """Divides a number of sessions: a fifth is ended by signals, each in a process of its own."""
    signals = count // 5
    jobs: list[Callable[[str], None]] = []
    for number in range(signals):
        ending = SIGNALS[number % len(SIGNALS)]
        turn = number // len(SIGNALS)
        jobs.append(lambda lane, ending=ending, turn=turn: soak.signalled(lane, ending, turn))
    rest = count - signals
    share = min(PER_PROCESS, max(len(QUIET_ENDINGS), rest // 3))
    quiet = [min(share, rest - begin) for begin in range(0, rest, share)]
    for position, size in enumerate(quiet):
        jobs.insert(position * max(1, len(jobs) // len(quiet)), lambda lane, size=size: soak.quiet(lane, size))
    return jobs


def labs_of(folder: Path) -> tuple[Path, Path]:
    """Folders for the two labs of a soak."""
    return folder / "steady", folder / "broken"
