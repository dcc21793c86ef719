"""Drivers of our exporter that take and give without keeping anything, so that the way is measured and not the disk."""

from __future__ import annotations

from JumpstarterLibrary.exporter import Driver, export


class Flasher(Driver):
    """Takes images and gives zeros."""

    @export
    async def flash(self, handle: object, target: str | None = None) -> None:
        """Reads an image to its end."""
        async with self.resource(handle) as stream:
            async for _ in stream:
                pass

    @export
    async def dump(self, handle: object, size: int) -> None:
        """Gives so many bytes."""
        piece = bytes(2**20)
        async with self.resource(handle) as stream:
            for _ in range(size // len(piece)):
                await stream.send(piece)

    @export
    async def on(self) -> None:
        """Does nothing."""
