"""Bytes between streams and files, in pieces that are large enough for the threads that do the work."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import anyio
from anyio import to_thread

from ..exporter.resources import ByteStream

PIECE = 1024 * 1024
"""Bytes that are read or written at once."""


async def gathered(stream: ByteStream) -> AsyncIterator[bytes]:
    """Gives what comes in pieces of `PIECE` bytes or a little more, as each piece costs a change of threads."""
    waiting = bytearray()
    async for chunk in stream:
        if not waiting and len(chunk) >= PIECE:
            yield chunk
            continue
        waiting += chunk
        if len(waiting) >= PIECE:
            yield bytes(waiting)
            waiting.clear()
    if waiting:
        yield bytes(waiting)


@asynccontextmanager
async def behind(work: Callable[[bytes], object]) -> AsyncIterator[Callable[[bytes], Awaitable[None]]]:
    """Gives a function that has work done in a thread while the next piece is fetched; all is done when the block ends."""
    running: asyncio.Task[object] | None = None

    async def finish() -> None:
        nonlocal running
        if running is not None:
            task, running = running, None
            await task

    async def push(piece: bytes) -> None:
        nonlocal running
        await finish()
        running = asyncio.ensure_future(to_thread.run_sync(work, piece))

    try:
        yield push
    finally:
        with anyio.CancelScope(shield=True):
            await finish()
