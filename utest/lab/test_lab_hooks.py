"""Hooks of exporters, ours and upstream's: short, long and failing ones with each `onFailure`, and what they write (§5.3)."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.lab import Lab, start_lab
from helpers.robot_run import RobotRun, RobotRunner

pytestmark = pytest.mark.acceptance

SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=20s
Suite Setup       Open Jumpstarter Session    selector=bench={bench}

*** Test Cases ***
One
    Power On
"""
EXPORTERS = [pytest.param("ours", id="ours"), pytest.param("upstream", id="upstream", marks=pytest.mark.interop)]


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab; each test has an exporter of its own."""
    with start_lab(tmp_path_factory.mktemp("hooks")) as running:
        running.client_config("ci", current=True)
        yield running


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The lab; no lease may be left."""
    yield shared_lab
    shared_lab.wait_until_free()


@pytest.fixture
def lease(lab: Lab, run_robot: RobotRunner, request: pytest.FixtureRequest) -> Iterator[Callable[..., RobotRun]]:
    """Starts an exporter with a hook, and leases it in a suite."""
    exporters = []

    def run(
        maker: str, when: str, *, seconds: float = 0, output: list[str], fails: str | None = None, timeout: float = 60
    ) -> RobotRun:
        bench = f"{maker}-{len(lab.exporters())}"
        if maker == "ours":
            hook = {"seconds": seconds, "output": output, "fails": fails}
            exporter = lab.start_session_exporter(bench, {"bench": bench}, **{f"{when}_lease": hook})
        else:
            script = "; ".join([*(f"echo {line}" for line in output), f"sleep {seconds}", f"exit {3 if fails else 0}"])
            hook = {"script": script, "timeout": int(seconds) + 20, "onFailure": fails or "endLease"}
            exporter = lab.start_upstream_exporter(bench, {"bench": bench}, hooks={f"{when}Lease": hook})
        exporters.append(exporter)
        return run_robot(SUITE.format(bench=bench), env=lab.environment(), timeout=timeout)

    yield run
    for exporter in exporters:
        exporter.stop()


def journal(run: RobotRun) -> str:
    """What the session's journal has."""
    return "".join(path.read_text() for path in run.outputdir.glob("jumpstarter/*.jsonl"))


@pytest.mark.parametrize("maker", EXPORTERS)
@pytest.mark.parametrize(
    "seconds", [1, pytest.param(25, marks=pytest.mark.slow), pytest.param(70, marks=pytest.mark.slow)], ids=lambda s: f"{s}s"
)
def test_the_session_opens_after_the_hook_however_long_that_takes(
    lease: Callable[..., RobotRun], maker: str, seconds: int
) -> None:
    begin = time.monotonic()
    run = lease(maker, "before", seconds=seconds, output=["flashing the board"], timeout=seconds + 60)

    assert run.tests["One"].passed, run.tests["One"].message
    assert time.monotonic() - begin > seconds
    messages = run.messages()
    assert any("runs its beforeLease hook" in text for text in messages), messages
    assert any("flashing the board" in text for text in messages), messages
    assert "before_lease_hook" in journal(run)


@pytest.mark.parametrize("maker", EXPORTERS)
def test_a_hook_that_only_warns_is_seen_and_the_lease_goes_on(lease: Callable[..., RobotRun], maker: str) -> None:
    run = lease(maker, "before", seconds=0.3, output=["no card inserted"], fails="warn")

    assert run.tests["One"].passed, run.tests["One"].message
    assert any("no card inserted" in text for text in run.messages())


@pytest.mark.parametrize("maker", EXPORTERS)
@pytest.mark.parametrize("fails", ["endLease", "exit"])
def test_a_hook_that_fails_is_the_labs_failure_with_what_the_hook_wrote(
    lease: Callable[..., RobotRun], maker: str, fails: str
) -> None:
    run = lease(maker, "before", seconds=1, output=["no card inserted", "giving up"], fails=fails)

    message = run.tests["One"].message
    assert "INFRASTRUCTURE: " in message
    assert "beforeLease hook" in message, message
    assert "no card inserted" in message, message


@pytest.mark.parametrize(
    ("maker", "fails"),
    [
        *(("ours", fails) for fails in (None, "warn", "endLease", "exit")),
        *(pytest.param("upstream", fails, marks=pytest.mark.interop) for fails in (None, "endLease")),
    ],
)
def test_what_the_hook_after_the_lease_writes_is_seen(lease: Callable[..., RobotRun], maker: str, fails: str | None) -> None:
    run = lease(maker, "after", seconds=0.3, output=["switching the board off"], fails=fails)

    assert run.tests["One"].passed, run.tests["One"].message
    assert "switching the board off" in journal(run)
    assert run.returncode == 0


def test_each_exporter_has_its_hook(lab: Lab, run_robot: RobotRunner, tmp_path: Path) -> None:
    lab.start_session_exporter("good", {"pair": "1", "bench": "good"}, before_lease={"seconds": 0.2, "output": ["good card"]})
    lab.start_session_exporter(
        "bad", {"pair": "1", "bench": "bad"}, before_lease={"seconds": 0.5, "output": ["bad card"], "fails": "endLease"}
    )
    run = run_robot(
        "*** Settings ***\nLibrary    JumpstarterLibrary    timeout=20s\n\n*** Test Cases ***\n"
        "All Or None\n    Open Jumpstarter Sessions    one=bench=good    two=bench=bad\n",
        env=lab.environment(),
    )

    message = run.tests["All Or None"].message
    assert message.startswith("INFRASTRUCTURE: ")
    assert "The beforeLease hook of exporter 'bad' failed" in message
    assert "bad card" in message
    assert "good card" not in message
