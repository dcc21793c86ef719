"""Flashers on upstream's Driver that lie. Upstream's exporter does not say what a driver took."""

from __future__ import annotations

from typing import Any

from jumpstarter.driver import export
from jumpstarter_driver_opendal.driver import MockFlasher


class IdleFlasher(MockFlasher):
    """Never looks at the image."""

    @export
    async def flash(self, source: Any, partition: str | None = None) -> str:
        return "Flashed successfully"


class ShortFlasher(MockFlasher):
    """Reads the first piece alone."""

    @export
    async def flash(self, source: Any, partition: str | None = None) -> None:
        async with self.resource(source) as stream:
            await stream.receive()


class DeafFlasher(MockFlasher):
    """Reads all of it and keeps nothing."""

    @export
    async def flash(self, source: Any, partition: str | None = None) -> None:
        async with self.resource(source) as stream:
            async for _ in stream:
                pass
