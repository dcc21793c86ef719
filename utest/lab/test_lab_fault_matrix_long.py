"""What breaks while something long is under way, or at the end: in time, of the right class, and then usable or clearly dead.

`fault_matrix.py` has the table, `conftest.py` the fixtures; two files share it, so that two processes can share the time.
"""

from __future__ import annotations

import pytest
from fault_matrix import FAULTS, NOISE, PROMISED, Scene, play

MOMENTS = ("in a console wait", "in a flash", "in teardown")


@pytest.mark.parametrize("fault", FAULTS)
@pytest.mark.parametrize("moment", MOMENTS)
def test_what_breaks_is_told_in_time_and_leaves_the_session_usable_or_dead(
    scene: Scene, measured: dict[str, float], moment: str, fault: str
) -> None:
    measured[f"{fault} {moment}"] = over = play(scene, moment, fault)

    assert over < PROMISED + NOISE, f"it took {over:.2f} s more than its deadline"
