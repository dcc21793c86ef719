"""Resource streams that clients open and drivers consume once (protocol §4.4)."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Any
from uuid import UUID, uuid4

import anyio
from anyio.abc import ObjectStream

ByteStream = ObjectStream[bytes]
"""What drivers read from and write to."""


class Resources:
    """The open resource streams of one driver; each can be taken once and goes away with its RPC (D10)."""

    def __init__(self) -> None:
        self._streams: dict[UUID, ByteStream] = {}

    def add(self, stream: ByteStream) -> UUID:
        """Registers a stream and returns the id for its handle."""
        identity = uuid4()
        self._streams[identity] = stream
        return identity

    def drop(self, identity: UUID) -> bool:
        """Forgets a stream; returns whether it was still there, unused."""
        return self._streams.pop(identity, None) is not None

    def __len__(self) -> int:
        return len(self._streams)

    @asynccontextmanager
    async def use(self, handle: object) -> AsyncIterator[ByteStream]:
        """Takes the stream that a handle names and closes it at the end.

        Raises:
            ValueError: the handle is malformed, of a kind that this exporter does not take, unknown or already used.
        """
        stream = self._streams.pop(_identity(handle), None)
        if stream is None:
            raise ValueError("the resource handle is unknown or was already used")
        try:
            yield stream
        finally:
            with anyio.CancelScope(shield=True):
                await stream.aclose()


def handle_for(identity: UUID) -> str:
    """The handle as JSON text; no encoding, as this exporter takes plain bytes only (protocol §4.5)."""
    return json.dumps({"kind": "client_stream", "uuid": str(identity), "x_jmp_content_encoding": None})


def _identity(handle: Any) -> UUID:
    if not isinstance(handle, Mapping):
        raise ValueError("a resource handle is an object")  # noqa: TRY004 - the wire's INVALID_ARGUMENT is ValueError
    if handle.get("kind") == "presigned_request":
        raise ValueError("this exporter takes streams, not presigned requests")
    try:
        return UUID(str(handle["uuid"]))
    except (KeyError, ValueError):
        raise ValueError("the resource handle has no valid uuid") from None
