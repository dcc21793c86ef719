"""Resource streams that clients open and drivers consume once (protocol §4.4)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

from ..wire.compression import Encoding
from .presigned import open_presigned
from .transfers import ByteStream, Transfer, used_transfers

__all__ = ["ByteStream", "Resources", "encoding_named", "handle_for", "transferred"]


class Resources:
    """The open resource streams of one driver; each can be taken once and goes away with its RPC (D10)."""

    def __init__(self) -> None:
        self._streams: dict[UUID, Transfer] = {}

    def add(self, stream: Transfer) -> UUID:
        """Registers a stream and returns the id for its handle."""
        identity = uuid4()
        self._streams[identity] = stream
        return identity

    def drop(self, identity: UUID) -> bool:
        """Forgets a stream; returns whether it was still there, unused."""
        return self._streams.pop(identity, None) is not None

    def note_unused(self) -> None:
        """Takes down for the running call which streams it left alone: one of them may have been meant for it."""
        used = used_transfers.get()
        if used is not None:
            for identity, transfer in self._streams.items():
                used.setdefault(str(identity), transfer)

    def __len__(self) -> int:
        return len(self._streams)

    @asynccontextmanager
    async def use(self, handle: object) -> AsyncIterator[ByteStream]:
        """Takes the stream that a handle names and closes it at the end.

        Raises:
            ValueError: the handle is malformed, unknown or already used.
            OSError: it is a presigned request, and the web server says no or cannot be reached.
        """
        if isinstance(handle, Mapping) and handle.get("kind") == "presigned_request":
            async with open_presigned(handle) as fetched:
                yield fetched
            return
        identity = _identity(handle)
        transfer = self._streams.pop(identity, None)
        if transfer is None:
            raise ValueError("the resource handle is unknown or was already used")
        used = used_transfers.get()
        if used is not None:
            used[str(identity)] = transfer
        try:
            yield transfer
        except BaseException:
            transfer.failed = True
            raise
        finally:
            await transfer.aclose()


def encoding_named(name: object) -> Encoding | None:
    """The encoding that a client asks for; None if it asks for none that there is."""
    return next((encoding for encoding in Encoding if encoding.value == name), None)


def handle_for(identity: UUID, encoding: Encoding | None = None) -> str:
    """The handle as JSON text. An encoding that this exporter does not take is not in it (protocol §4.5)."""
    named = encoding.value if encoding else None
    return json.dumps({"kind": "client_stream", "uuid": str(identity), "x_jmp_content_encoding": named})


def transferred() -> str | None:
    """What the running call took from and gave to its resource streams, as the client's `TRANSFERRED_KEY` wants it."""
    used = used_transfers.get()
    return json.dumps({identity: [each.taken, each.given] for identity, each in used.items()}) if used else None


def _identity(handle: Any) -> UUID:
    if not isinstance(handle, Mapping):
        raise ValueError("a resource handle is an object")  # noqa: TRY004 - the wire's INVALID_ARGUMENT is ValueError
    try:
        return UUID(str(handle["uuid"]))
    except (KeyError, ValueError):
        raise ValueError("the resource handle has no valid uuid") from None
