"""What the tests of failures share."""

from __future__ import annotations

import os
from collections.abc import Iterator

import pytest
import seeded_faults
from evidence_support import PATH
from helpers.robot_run import RobotRun, RobotRunner


@pytest.fixture(scope="session")
def seeded_run(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RobotRun]:
    """One run of real `robot` with all seeded faults."""
    folder = tmp_path_factory.mktemp("seeded")
    (folder / "image.bin").write_bytes(os.urandom(1000))
    runner = RobotRunner(folder)
    try:
        image = f"IMAGE:{folder / 'image.bin'}"
        health = f"HEALTH:{folder / 'health.jsonl'}"
        yield runner(seeded_faults.suite(), "--variable", image, "--variable", health, env=PATH, timeout=180)
    finally:
        runner.close()
