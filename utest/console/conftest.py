"""Consoles on a session in this process, and on exporters in processes of their own."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from console_drivers import CONFIGURATION
from console_support import open_console
from helpers.exporters import Exporter, start_our_exporter

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.console import Console
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.exporter import Driver, Session


@pytest.fixture
def serve() -> Iterator[Callable[..., Device]]:
    """Serves a driver in this process and connects to it."""
    with ExitStack() as stack:

        def start(driver: Driver, **options: object) -> Device:
            path = stack.enter_context(stack.enter_context(Session(root_device=driver)).serve_unix())
            return stack.enter_context(connect(path, name="bench", timeout=10, **options))

        yield start


@pytest.fixture
def console(serve: Callable[..., Device]) -> Console:
    """The console of a device that says what `say` gives it, and nothing by itself."""
    return open_console(serve(MockConsole(loopback=False)))


@pytest.fixture
def say(console: Console) -> Callable[[str | bytes], object]:
    """Lets the device say something."""
    root = console.device.root
    return lambda text: root.call("send_hex", (text.encode() if isinstance(text, str) else text).hex())


@pytest.fixture
def start_exporter() -> Iterator[Callable[..., Exporter]]:
    """Starts exporters with the drivers of these tests, to freeze and to kill."""
    with ExitStack() as stack:
        env = {"PYTHONPATH": str(Path(__file__).parent)}
        yield lambda: stack.enter_context(start_our_exporter(CONFIGURATION, env=env))
