"""`JumpstarterTest`: a base class for pytest classes that test a device.

```python
from JumpstarterLibrary.testing import JumpstarterTest


class TestBoard(JumpstarterTest):
    selector = "board=rpi4"  # what a lease selects; not used where JUMPSTARTER_HOST says where the device is

    def test_powers_up(self, client):
        client.power.on()
        assert client.power.latest().volt > 4.5
```
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from .client import Device

__all__ = ["JumpstarterTest"]


class JumpstarterTest:
    """Gives the tests of a class one device in the fixture `client`; each class has its own session.

    Attributes:
        selector: labels of the device to lease, such as `board=rpi4`. Inside a `jmp shell`, or wherever
            `JUMPSTARTER_HOST` is set, that device is used instead, and before both the one of `--jumpstarter-target`.
    """

    selector: ClassVar[str] = ""

    # pytest 10 takes class-scoped fixtures as class methods only.
    @pytest.fixture(scope="class")
    @classmethod
    def client(cls, request: pytest.FixtureRequest) -> Iterator[Device]:
        """The device: children are attributes, and where the root is a driver of its own, its methods are the device's.

        Raises:
            JumpstarterError: it cannot be found or opened; pytest shows the message only.
        """
        from .sessions import Sessions

        sessions = Sessions()
        # Without our plugin (`-p no:jumpstarter`) there is no such option.
        device = open_or_fail(sessions, request.config.getoption("--jumpstarter-target", None), cls.selector)
        try:
            yield device
        finally:
            sessions.close_all()


def open_or_fail(sessions: object, target: str | None, selector: str = "") -> Device:
    """Opens a device for a fixture; what goes wrong is told in one message, without a traceback of ours."""
    from .errors import JumpstarterError
    from .sessions import Sessions

    assert isinstance(sessions, Sessions)
    try:
        return sessions.open(target, selector=selector or None).device
    except JumpstarterError as error:
        message = f"{error.failure_class.value}: {error}"
    pytest.fail(message, pytrace=False)
