"""What was written just before a console or a stream closes still reaches the device; an interrupted close ends everything."""

from __future__ import annotations

import threading
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import anyio
import pytest
from helpers.interrupting import Interruption, every_interruption
from helpers.results import eventually

from JumpstarterLibrary.client import Device
from JumpstarterLibrary.client.console import Console
from JumpstarterLibrary.client.console.reader import ConsoleReader
from JumpstarterLibrary.client.driver_stream import DriverStream
from JumpstarterLibrary.client.streams import ByteStream
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.exporter import Driver, exportstream

ROUNDS = 20
INPUT = b"".join(f"line {number}\n".encode() for number in range(2_000))


class Listening(Driver):
    """Keeps what is sent to it, and takes its time about each piece."""

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self.heard = bytearray()

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_pyserial.client.PySerialClient"

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        driver = self

        class Stream:
            async def receive(self) -> bytes:
                await anyio.sleep_forever()
                raise AssertionError

            async def send(self, data: bytes) -> None:
                await anyio.sleep(0.001)
                driver.heard += data

            async def send_eof(self) -> None:
                pass

            async def aclose(self) -> None:
                pass

        yield Stream()


@pytest.mark.parametrize("what", ["console", "stream", "device"])
def test_input_that_was_just_written_arrives(what: str, serve: Callable[..., Device]) -> None:
    for number in range(ROUNDS):
        driver = Listening()
        device = serve(driver)
        if what == "stream":
            with DriverStream(device.root) as stream:
                stream.send(INPUT)
        else:
            console = device.root.open_console()
            console.write(INPUT)
            (console if what == "console" else device).close()
        assert eventually(lambda heard=driver.heard: len(heard) >= len(INPUT), 2), (
            f"round {number}: {len(driver.heard)} bytes came"
        )
        assert bytes(driver.heard) == INPUT


def threads() -> list[str]:
    """The threads of consoles."""
    return [thread.name for thread in threading.enumerate() if thread.name.startswith("jumpstarter-console")]


def test_an_interrupted_close_leaves_no_stream_no_thread_and_no_open_file(serve: Callable[..., Device], tmp_path: Path) -> None:
    """Else the next Open Console would share the driver's bytes with a reader that nobody sees."""
    driver = MockConsole(loopback=False)
    device = serve(driver)
    device.files = tmp_path
    for interrupter in every_interruption(Console.close, ConsoleReader.close, ByteStream.close, ByteStream.abandon):
        console = device.root.open_console()
        files = console._files
        console.write("x")
        try:
            with interrupter:
                console.close()
        except Interruption:
            if not console.closed:
                console.close()
        assert eventually(lambda: driver.uart.connected == 0 and not threads()), (
            f"{interrupter.place}: {driver.uart.connected} streams, {threads()}"
        )
        assert files is not None
        assert files._session is None, interrupter.place
        device.consoles.clear()
