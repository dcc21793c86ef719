"""Drivers that fail, hang, tell secrets, and write down what happens to them, for exporters in child processes."""

from __future__ import annotations

import os
import time
from collections.abc import AsyncGenerator
from pathlib import Path
from typing import Any

import anyio

from JumpstarterLibrary.drivers import Power, PowerReading
from JumpstarterLibrary.exporter import Driver, export

ERRORS: dict[str, type[BaseException]] = {
    kind.__name__: kind
    for kind in (ValueError, NotImplementedError, TimeoutError, ConnectionError, OSError, TypeError, KeyError, RuntimeError)
}


class Recorder(Driver):
    """Writes lines into a file, from which the test reads them."""

    def __init__(self, *, file: str, **driver: Any) -> None:
        super().__init__(**driver)
        self._file = file

    def note(self, text: str) -> None:
        """Appends a line in one write, so that it is either there or not."""
        descriptor = os.open(self._file, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.write(descriptor, f"{time.time():.3f} {text}\n".encode())
        os.close(descriptor)


class Trouble(Recorder):
    """One method for each kind of trouble."""

    @export
    async def hang(self) -> None:
        self.note("hang begun")
        try:
            await anyio.sleep(60)
        except BaseException:
            self.note("hang cancelled")
            raise
        self.note("hang completed")

    @export
    async def endless(self) -> AsyncGenerator[int, None]:
        self.note("endless begun")
        try:
            for number in range(600):
                yield number
                await anyio.sleep(0.1)
            self.note("endless completed")
        finally:
            self.note("endless closed")

    @export
    async def fail(self, kind: str, text: str) -> None:
        raise ERRORS[kind](text)

    @export
    async def fail_with_secret(self, secret: str) -> None:
        raise ValueError(f"login as {secret} was refused")

    @export
    async def log_secret(self, secret: str) -> None:
        self.logger.info("logging in as %s", secret)

    @export
    async def echo(self, value: object) -> object:
        return value

    @export
    async def tell(self, level: str, text: str) -> None:
        self.logger.log({"DEBUG": 10, "INFO": 20, "WARNING": 30, "ERROR": 40}[level], text)

    @export
    async def bytes_of(self, size: int) -> str:
        return "x" * size

    @export
    async def count(self, up_to: int) -> AsyncGenerator[int, None]:
        for number in range(up_to):
            yield number


class RecordingPower(Recorder, Power):
    """A power driver that writes down how it is switched."""

    @export
    async def on(self) -> None:
        self.note("power on")

    @export
    async def off(self) -> None:
        self.note("power off")

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        yield PowerReading(voltage=5.0, current=1.0)


class SlowReset(Recorder):
    """Keeps its session from starting."""

    async def reset(self) -> None:
        self.note("reset begun")
        try:
            await anyio.sleep(60)
        except BaseException:
            self.note("reset cancelled")
            raise


def configuration(drivers: dict[str, str], file: Path) -> str:
    """An exporter configuration of these classes, all of which write into one file."""
    entries = "".join(f"  {name}: {{type: fault_drivers.{kind}, config: {{file: '{file}'}}}}\n" for name, kind in drivers.items())
    return (
        "apiVersion: jumpstarter.dev/v1alpha1\nkind: ExporterConfig\nmetadata: {namespace: default, name: faults}\n"
        f"export:\n{entries}"
    )


def notes(file: Path) -> dict[str, float]:
    """What the drivers have written so far, with the wall-clock time of the last line of each text."""
    lines = file.read_text().splitlines() if file.exists() else []
    return {text: float(clock) for clock, _, text in (line.partition(" ") for line in lines)}
