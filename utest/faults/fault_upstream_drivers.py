"""The same troubles as drivers of upstream's, for upstream's exporter."""

import asyncio
import logging
from collections.abc import AsyncGenerator
from dataclasses import dataclass

from jumpstarter.driver import Driver, export

ERRORS = {
    kind.__name__: kind
    for kind in (ValueError, NotImplementedError, TimeoutError, ConnectionError, OSError, TypeError, KeyError, RuntimeError)
}


@dataclass(kw_only=True)
class Trouble(Driver):
    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_composite.client.CompositeClient"

    @export
    async def hang(self) -> None:
        await asyncio.sleep(60)

    @export
    async def endless(self) -> AsyncGenerator[int, None]:
        for number in range(600):
            yield number
            await asyncio.sleep(0.1)

    @export
    async def fail(self, kind: str, text: str) -> None:
        raise ERRORS[kind](text)

    @export
    async def echo(self, value: object) -> object:
        return value

    @export
    async def bytes_of(self, size: float) -> str:
        return "x" * int(size)

    @export
    async def tell(self, level: str, text: str) -> None:
        self.logger.log(logging.getLevelName(level), text)
