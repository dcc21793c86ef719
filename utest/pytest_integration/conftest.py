"""What all tests of the pytest integration share."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def only_our_plugin(monkeypatch: pytest.MonkeyPatch) -> None:
    """Child processes load our plugin and no other: a dozen plugins take longer to load than all the tests."""
    monkeypatch.setenv("PYTEST_DISABLE_PLUGIN_AUTOLOAD", "1")
    monkeypatch.setenv("PYTEST_PLUGINS", "JumpstarterLibrary.pytest_plugin")
