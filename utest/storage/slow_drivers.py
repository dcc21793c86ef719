"""Drivers that take their time and write down what happens to them, for exporters in child processes."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import anyio

from JumpstarterLibrary.drivers import FileStore
from JumpstarterLibrary.exporter import Driver, export

PAUSE = 0.02
"""Seconds for each piece of an image."""

CONFIGURATION = """\
metadata: {namespace: default, name: slow}
export:
  flasher: {type: slow_drivers.SlowFlasher, config: {file: "FILE"}}
  mux:     {type: slow_drivers.SlowMux, config: {file: "FILE"}}
  files:   {type: slow_drivers.SlowFiles, config: {file: "FILE"}}
  power:   {type: JumpstarterLibrary.drivers.MockPower}
"""


def configuration(file: Path) -> str:
    """The YAML of an exporter whose drivers write into a file."""
    return CONFIGURATION.replace("FILE", str(file))


def notes(file: Path) -> dict[str, float]:
    """What drivers wrote: each text with its last time, as seconds since the epoch."""
    lines = [line.split(" ", 1) for line in file.read_text().splitlines()] if file.exists() else []
    return {text: float(when) for when, text in lines}


class Slow(Driver):
    """Takes what comes piece by piece with pauses, and gives without end."""

    def __init__(self, *, file: str, **driver: Any) -> None:
        super().__init__(**driver)
        self._notes = file

    def note(self, text: str) -> None:
        """Appends a line in one write, so that it is either there or not."""
        descriptor = os.open(self._notes, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{time.time():.3f} {text}\n".encode())
        os.close(descriptor)

    async def take(self, source: object, act: str) -> None:
        """Reads all of it, slowly."""
        try:
            async with self.resource(source) as stream:
                count = 0
                async for _ in stream:
                    count += 1
                    if count == 1:
                        self.note(f"{act} begun")
                    await anyio.sleep(PAUSE)
                self.note(f"{act} saw the end of the file")
        except BaseException as error:
            self.note(f"{act} broken off")
            self.note(f"{act} got {type(error).__name__}")
            raise

    async def give(self, target: object, act: str) -> None:
        """Writes without end."""
        try:
            async with self.resource(target) as stream:
                self.note(f"{act} begun")
                while True:
                    await stream.send(bytes(65536))
                    await anyio.sleep(PAUSE)
        except BaseException:
            self.note(f"{act} broken off")
            raise


class SlowFlasher(Slow):
    """Does so as a flasher."""

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_opendal.client.FlasherClient"

    @export
    async def flash(self, source: object, target: str | None = None) -> None:
        await self.take(source, "flash")

    @export
    async def dump(self, target: object, partition: str | None = None) -> None:
        await self.give(target, "dump")


class SlowMux(SlowFlasher):
    """The same with a card; it cannot be moved while it is used."""

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self._busy = False

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_opendal.client.StorageMuxClient"

    @export
    async def host(self) -> None:
        self.note("card at host")

    @export
    async def dut(self) -> None:
        if self._busy:
            raise RuntimeError("the card is being written")
        self.note("card at dut")

    @export
    async def write(self, source: object) -> None:
        self._busy = True
        try:
            await self.take(source, "write")
        finally:
            self._busy = False

    @export
    async def read(self, target: object) -> None:
        await self.give(target, "read")


class SlowFiles(Slow, FileStore):
    """Does so as a file store, which has a file 'old'."""

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        (self.root / "old").write_bytes(b"old")

    @export
    async def file_write(self, fd: str, src: object) -> None:
        await self.take(src, "upload")

    @export
    async def file_read(self, fd: str, dst: object) -> None:
        await self.give(dst, "download")


class StillFlasher(Driver):
    """Never reads the image, and never returns."""

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_opendal.client.FlasherClient"

    @export
    async def flash(self, source: object, target: str | None = None) -> None:
        await anyio.sleep(60)


class SlowStore(FileStore):
    """Writes slowly."""

    @export
    async def file_write(self, fd: str, src: object) -> int:
        async with self.resource(src) as stream:
            async for _ in stream:
                await anyio.sleep(PAUSE)
        return 0
