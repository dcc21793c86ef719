"""Simulated devices, served in this process and reached through our client."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from contextlib import ExitStack
from datetime import timedelta

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.console import Console, ConsoleOptions
from JumpstarterLibrary.drivers import MockBoard
from JumpstarterLibrary.exporter import Driver, Session
from JumpstarterLibrary.wire import event_loop


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


def tasks() -> int:
    """How many tasks there are in the event loop."""

    async def count() -> int:
        return len(asyncio.all_tasks())

    return event_loop.run(count)


class Bench:
    """A device with consoles; `close` closes everything."""

    def __init__(self, root: Driver, name: str = "") -> None:
        self.root = root
        self._stack = ExitStack()
        session = self._stack.enter_context(Session(root_device=root))
        path = self._stack.enter_context(session.serve_unix())
        self.device: Device = self._stack.enter_context(connect(path, timeout=10))
        self.driver = self.device[name] if name else self.device

    def open(self) -> Console:
        console = Console(self.driver, ConsoleOptions(settle=timedelta(milliseconds=20)))
        self._stack.callback(console.close)
        return console

    def call(self, method: str, *arguments: object) -> object:
        return self.driver.call(method, *arguments)

    def close(self) -> None:
        self._stack.close()


class Board(Bench):
    """A simulated board with an open console; it boots at once unless told otherwise."""

    def __init__(self, **options: object) -> None:
        super().__init__(MockBoard(**{"boot_time": 0.0, **options}), "console")
        self.state = self.root.state
        self.power = self.device["power"]
        self.console = self.open()

    def log_in(self) -> Console:
        if not self.state.is_on:
            self.power.on()
        self.console.login("root", "sesame")
        return self.console
