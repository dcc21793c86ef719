"""Fixtures of the lab tests."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from fault_matrix import Scene, scene_in, tidy
from helpers.lab import Lab, start_lab
from issuers import Issuer, running_issuer

from JumpstarterLibrary.lab import lease as lease_module


@pytest.fixture
def lab(tmp_path: Path) -> Iterator[Lab]:
    """A lab of the test's own, without exporters and clients."""
    with start_lab(tmp_path) as running:
        yield running


@pytest.fixture
def issuer() -> Iterator[Issuer]:
    """Describes itself, and gives tokens for refresh tokens."""
    with running_issuer() as running:
        yield running


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One lab for all cells of a file of the fault matrix; at the end it says by how much deadlines were outlived."""
    with scene_in(tmp_path_factory.mktemp("matrix")) as scene:
        yield scene


@pytest.fixture(scope="module")
def measured() -> Iterator[dict[str, float]]:
    """By how many seconds each act outlived its deadline."""
    found: dict[str, float] = {}
    yield found
    worst = sorted(found.items(), key=lambda one: -one[1])[:3]
    print("\nlongest beyond the deadline:", ", ".join(f"{name} {over:+.2f} s" for name, over in worst))


@pytest.fixture
def scene(shared_scene: Scene, monkeypatch: pytest.MonkeyPatch) -> Iterator[Scene]:
    """The lab, in order; leases are looked at often."""
    monkeypatch.setattr(lease_module, "WATCH_INTERVAL", 0.2)
    yield shared_scene
    tidy(shared_scene)
