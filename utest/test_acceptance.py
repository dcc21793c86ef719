"""The suites in atest/, one test for each, so that they count."""

from pathlib import Path

import pytest
from helpers.robot_run import RobotRunner

ATEST = Path(__file__).parents[1] / "atest"
SUITES = [*sorted(ATEST.glob("[0-9]*_*/*.robot")), ATEST / "demo" / "demo.robot"]


@pytest.mark.acceptance
@pytest.mark.parametrize("suite", SUITES, ids=lambda path: str(path.relative_to(ATEST)))
def test_every_test_of_the_suite_passes(suite: Path, run_robot: RobotRunner) -> None:
    run = run_robot(suite)

    failed = {name: test.message for name, test in run.tests.items() if not test.passed}
    assert run.tests
    assert not failed
    assert run.returncode == 0


def test_there_are_suites() -> None:
    assert len(SUITES) >= 6
