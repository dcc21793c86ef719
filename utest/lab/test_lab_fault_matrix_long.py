"""What breaks while something long is under way, or at the end: in time, of the right class, and then usable or clearly dead.

`fault_matrix.py` has the table; two files share it, so that two processes can share the time.
"""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from fault_matrix import FAULTS, NOISE, PROMISED, Scene, play, scene_in, tidy

from JumpstarterLibrary.lab import lease as lease_module

MOMENTS = ("in a console wait", "in a flash", "in teardown")


@pytest.fixture(scope="module")
def shared_scene(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Scene]:
    """One lab for all cells of this file; at the end it says by how much deadlines were outlived."""
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


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_breaks_is_told_in_time_and_leaves_the_session_usable_or_dead(
    scene: Scene, measured: dict[str, float], moment: str, fault: str
) -> None:
    measured[f"{fault} {moment}"] = over = play(scene, moment, fault)

    assert over < PROMISED + NOISE, f"it took {over:.2f} s more than its deadline"
