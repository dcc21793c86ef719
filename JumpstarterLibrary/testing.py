"""`JumpstarterTest`: a base class for pytest classes that test a device.

```python
from JumpstarterLibrary.testing import JumpstarterTest


class TestBoard(JumpstarterTest):
    selector = "board=rpi4"  # what to lease; not used where JUMPSTARTER_HOST says where the device is

    def test_powers_up(self, client):
        client.power.on()
        assert client.power.latest().volt > 4.5
```
"""

from __future__ import annotations

import logging
from collections.abc import Iterator
from typing import TYPE_CHECKING, ClassVar

import pytest

if TYPE_CHECKING:
    from .client import Device

__all__ = ["JumpstarterTest"]

logger = logging.getLogger("jumpstarter")


class JumpstarterTest:
    """Gives the tests of a class one device in the fixture `client`; each class has its own session.

    Attributes:
        selector: labels of the device to lease, such as `board=rpi4`; `--jumpstarter-selector` replaces it. Inside a `jmp shell`,
            or wherever `JUMPSTARTER_HOST` is set, that device is used instead, and before all the one of `--jumpstarter-target`.
        exporter_name: the exporter to lease, by name.
        client_config: alias or path of the client configuration; the environment's or the user's current one unless given.
    """

    selector: ClassVar[str] = ""
    exporter_name: ClassVar[str] = ""
    client_config: ClassVar[str] = ""

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
        # Without our plugin (`-p no:jumpstarter`) there are no such options.
        target, selector, config = (
            request.config.getoption(option, None)
            for option in ("--jumpstarter-target", "--jumpstarter-selector", "--jumpstarter-client-config")
        )
        name = "" if selector else cls.exporter_name
        try:
            yield open_or_fail(sessions, target, selector or cls.selector, name, config or cls.client_config)
        finally:
            close_or_fail(sessions)


def open_or_fail(
    sessions: object, target: str | None, selector: str = "", exporter_name: str = "", client_config: str = ""
) -> Device:
    """Opens a device for a fixture; what goes wrong is told in one message, without a traceback of ours."""
    from .errors import JumpstarterError
    from .lab.wish import Wish
    from .pytest_plugin import measurements, opened_sessions, output_folder
    from .sessions import Sessions

    assert isinstance(sessions, Sessions)
    try:
        wish = Wish(selector=selector, exporter_name=exporter_name, client_config=client_config or None)
        opened_sessions.add(sessions)
        folder = output_folder()
        device = sessions.open(target, wish=None if target else wish, progress=logger.info, journal_folder=folder).device
        measurements().follow(sessions.current)
        return device
    except JumpstarterError as error:
        message = f"{error.failure_class.value}: {error}"
    pytest.fail(message, pytrace=False)


def close_or_fail(sessions: object) -> None:
    """Closes what a fixture has opened; a lease that could not be released is told in one message."""
    from .errors import JumpstarterError
    from .sessions import Sessions

    assert isinstance(sessions, Sessions)
    try:
        sessions.close_all()
        return
    except JumpstarterError as error:
        message = f"{error.failure_class.value}: {error}"
    pytest.fail(message, pytrace=False)
