"""A resource stream as its driver sees it: unpacked and packed, counted, and never ended by a client that breaks off."""

from __future__ import annotations

from collections.abc import Iterator
from contextvars import ContextVar

import anyio
import anyio.to_thread
from anyio.abc import ObjectStream

from ..wire import frames
from ..wire.compression import CompressionError, Encoding, Packer, Unpacker

ByteStream = ObjectStream[bytes]
"""What drivers read from and write to."""

used_transfers: ContextVar[dict[str, Transfer] | None] = ContextVar("used_transfers", default=None)
"""The resource streams that the running call has taken, by id."""


class Transfer(ObjectStream[bytes]):
    """A resource stream at its driver. A client that breaks off is an error, never an end of file (D5).

    Args:
        stream: the plain stream below.
        encoding: how the client's side is packed: what the driver reads is unpacked, and what it writes is packed.
        complete: whether an end of the stream below is always the end of the file.
    """

    def __init__(self, stream: ByteStream, encoding: Encoding | None = None, *, complete: bool = False) -> None:
        self._stream = stream
        self.complete = complete
        """Whether the client said that it sent everything."""
        self.failed = False
        """Whether the driver failed, so that what it wrote is no whole file."""
        self.taken = 0
        """Bytes that the driver has read, unpacked."""
        self.given = 0
        """Bytes that the driver has written, not packed."""
        self._encoding = encoding
        self._unpacker = Unpacker(encoding) if encoding else None
        self._packer: Packer | None = None
        self._unpacked: Iterator[bytes] = iter(())
        self._failure: Exception | None = None
        self._reading = False
        self._finished = False

    async def receive(self) -> bytes:
        """Returns the next bytes of an upload.

        Raises:
            anyio.EndOfStream: that was all, and all of it arrived.
            anyio.BrokenResourceError: the client broke off.
            CompressionError: the archive is corrupt or truncated.
        """
        if self._failure is not None:
            raise self._failure
        try:
            data = await self._next()
        except (anyio.BrokenResourceError, CompressionError) as error:
            self._failure = error
            raise
        self.taken += len(data)
        return data

    async def send(self, item: bytes) -> None:
        """Sends bytes of a download."""
        self.given += len(item)
        if self._encoding is not None:
            self._packer = self._packer or Packer(self._encoding)
            item = await anyio.to_thread.run_sync(self._packer.feed, item)
        await self._send(item)

    async def send_eof(self) -> None:
        """Ends a download."""
        await self._finish()
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Ends both directions."""
        try:
            if not self.failed and not self._reading:
                await self._finish()
        finally:
            with anyio.CancelScope(shield=True):
                await self._stream.aclose()

    async def _next(self) -> bytes:
        if self._unpacker is None:
            return await self._raw()
        while True:
            data = await anyio.to_thread.run_sync(next, self._unpacked, None)
            if data is not None:
                return data
            try:
                self._unpacked = self._unpacker.feed(await self._raw())
            except anyio.EndOfStream:
                self._unpacker.finish()
                raise

    async def _raw(self) -> bytes:
        self._reading = True
        try:
            return await self._stream.receive()
        except anyio.EndOfStream:
            if self.complete:
                raise
            raise anyio.BrokenResourceError("the client broke off the transfer") from None

    async def _send(self, data: bytes) -> None:
        for part in frames.split(data):
            await self._stream.send(part)

    async def _finish(self) -> None:
        if self._finished or self._encoding is None:
            return
        self._finished = True
        packer = self._packer or Packer(self._encoding)
        await self._send(await anyio.to_thread.run_sync(packer.finish))
