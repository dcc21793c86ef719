"""Frames of `RouterService.Stream` (protocol §1.3, §4.2)."""

from __future__ import annotations

from collections.abc import Iterator

DATA = 0x00
RST_STREAM = 0x03
PING = 0x06
GOAWAY = 0x07

FRAME_SIZE = 1024 * 1024
"""Bytes of payload per frame: seven times the throughput of 64 KiB, and well below the limit of 4 MiB (protocol §4.6)."""


def split(data: bytes, size: int = FRAME_SIZE) -> Iterator[bytes]:
    """Cuts data into payloads that stay below the message limit."""
    if 0 < len(data) <= size:
        yield bytes(data)
        return
    view = memoryview(data)
    for start in range(0, len(view), size):
        yield bytes(view[start : start + size])
