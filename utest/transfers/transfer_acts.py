"""What the drivers of these tests do, for our exporter's drivers and for upstream's alike."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import anyio

PIECE = 256 * 1024


async def write(stream: Any, file: str = "") -> dict[str, object]:
    """Takes everything; into a file, if one is named."""
    digest, size = hashlib.sha256(), 0
    with Path(file or "/dev/null").open("wb") as target:
        async for chunk in stream:
            digest.update(chunk)
            target.write(chunk)
            size += len(chunk)
    return {"size": size, "sha256": digest.hexdigest()}


async def take(stream: Any, count: float) -> int:
    """Takes at least so many bytes."""
    taken = 0
    while taken < count:
        taken += len(await stream.receive())
    return taken


async def give(stream: Any, count: float) -> None:
    """Gives exactly so many bytes."""
    left = int(count)
    while left > 0:
        await stream.send(b"d" * min(left, PIECE))
        left -= PIECE


async def stall(file: str) -> None:
    """Says that it is there, and waits without end."""
    Path(file).touch()
    await anyio.sleep(3600)


async def slowly(stream: Any, file: str, pause: float) -> None:
    """Takes everything, with a pause after each piece, and writes down how it ended."""

    def note(text: str) -> None:
        Path(f"{file}.new").write_text(text)
        Path(f"{file}.new").replace(file)  # so that nobody reads half of it

    try:
        async for chunk in stream:
            note(f"took {len(chunk)}")
            await anyio.sleep(pause)
    except BaseException as error:
        note(f"error {type(error).__name__}")
        raise
    note("end of file")
