"""Many sessions that end in every way: no lease is left. `make soak` runs a thousand of them."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.lab import start_lab
from helpers.robot_run import RobotRunner
from soak_runs import BROKEN, ENDINGS, Soak, labs_of

COUNT = int(os.environ.get("JUMPSTARTER_SOAK", "1000"))
"""Sessions of the long soak."""
SHORT_COUNT = 75
BUDGET = 40.0
"""Seconds after which the short soak begins nothing new."""


@pytest.fixture
def soak(tmp_path: Path, run_robot: RobotRunner) -> Iterator[Soak]:
    """Two labs with three exporters each."""
    steady, broken = labs_of(tmp_path)
    with start_lab(steady) as lab, start_lab(broken) as other:
        yield Soak(lab, other, run_robot)


@pytest.mark.acceptance
def test_sessions_that_end_in_every_way_leave_no_lease(soak: Soak) -> None:
    report = soak.run(SHORT_COUNT, 3, BUDGET)

    print(report)
    assert report.left == []
    assert report.wrong == []
    assert report.ended["pass"]
    assert report.ended[BROKEN] == 3


@pytest.mark.slow
@pytest.mark.acceptance
def test_a_thousand_sessions_that_end_in_every_way_leave_no_lease(
    soak: Soak, capfd: pytest.CaptureFixture[str], record_property: Callable[[str, object], None]
) -> None:
    broken = max(3, COUNT // 50)
    report = soak.run(COUNT - broken, broken)

    with capfd.disabled():
        print(f"\n{report}")
    record_property("soak", str(report))
    assert report.left == []
    assert report.wrong == []
    assert set(report.ended) == set(ENDINGS)
    assert report.ended.total() == COUNT
    assert report.ended[BROKEN] == broken
