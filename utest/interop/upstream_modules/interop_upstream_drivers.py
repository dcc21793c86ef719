"""Drivers on upstream's base class, for upstream's exporter: what real ones do and no mock does."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import AsyncGenerator
from dataclasses import dataclass, field

from jumpstarter.driver import Driver, export
from jumpstarter_driver_power.common import PowerReading

ERRORS = {
    kind.__name__: kind
    for kind in (
        *(NotImplementedError, ValueError, UnicodeError, TimeoutError, ConnectionError, ConnectionRefusedError, OSError),
        *(TypeError, KeyError, RuntimeError, Exception),
    )
}


class Power(Driver):
    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_power.client.PowerClient"

    @export
    async def on(self) -> None:
        pass

    @export
    async def off(self) -> None:
        pass


class OneReading(Power):
    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        yield PowerReading(voltage=12.0, current=0.5)


@dataclass(kw_only=True)
class Endless(Power):
    running: int = field(init=False, default=0)

    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        self.running += 1
        try:
            for number in itertools.count(1):
                yield PowerReading(voltage=float(number), current=1.0)
                await asyncio.sleep(1)
        finally:
            self.running -= 1

    @export
    async def readers(self) -> int:
        return self.running


class StreamUnsupported(Power):
    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        raise NotImplementedError("this switch has no meter")
        yield


class UnaryUnsupported(Power):
    @export
    async def read(self) -> None:
        raise NotImplementedError("this relay has no meter")


class UnaryNull(Power):
    @export
    def read(self) -> None:
        return None


class NoRead(Power):
    pass


class NoReadings(Power):
    @export
    async def read(self) -> AsyncGenerator[PowerReading, None]:
        for reading in ():
            yield reading


class Nonsense(Power):
    @export
    async def read(self) -> AsyncGenerator[dict, None]:
        yield {"voltage": None, "current": 1.0}


class Faulty(Driver):
    @classmethod
    def client(cls) -> str:
        return "jumpstarter.client.DriverClient"

    @export
    async def fail(self, kind: str, text: str, times: float = 1) -> None:
        raise ERRORS[kind](text * int(times)) if text else ERRORS[kind]

    @export
    def fail_in_thread(self, kind: str, text: str) -> None:
        raise ERRORS[kind](text)

    @export
    async def fail_after_two(self, kind: str, text: str) -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise ERRORS[kind](text)

    @export
    def never_answer(self) -> None:
        # Upstream's exporter sends nothing at all then.
        raise asyncio.CancelledError


class Values(Driver):
    @classmethod
    def client(cls) -> str:
        return "jumpstarter.client.DriverClient"

    @export
    async def echo(self, value: object) -> object:
        return value

    @export
    async def text(self, size: float) -> str:
        return "x" * int(size)

    @export
    async def texts(self, size: float) -> AsyncGenerator[str, None]:
        yield "x" * int(size)
        yield "y" * int(size)

    @export
    async def length(self, text: str) -> int:
        return len(text)
