"""The line that comes nearest to what a wait looked for: where it came too early, the failure says how to find it."""

from __future__ import annotations

import pytest

from JumpstarterLibrary.client.console import explain


@pytest.mark.parametrize(("wait", "hinted"), [(20.0, True), (5.0, False)])
def test_a_line_from_before_the_wait_comes_with_a_way_to_find_it(wait: float, hinted: bool) -> None:
    told = explain._nearest("no line matching 'login:'", [(10.0, "simboard login:")], begin=9.0, wait=wait)

    assert told.startswith("  nearest: +1.000 s  ")
    assert "simboard login:" in told
    assert ("since=power on" in told) is hinted
