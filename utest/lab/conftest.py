"""Fixtures of the lab tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.lab import Lab, start_lab


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab of the test's own, without exporters and clients."""
    with start_lab(tmp_path) as running:
        yield running
