"""A TCP relay before a gRPC server, which can refuse, reset, stay silent, be late or be slow."""

import asyncio
import contextlib
import socket
import struct
import time

CHUNK = 65536
BACKLOG = 64
"""Chunks that may be under way in one direction of a slow connection."""


class Relay:
    """Listens at one port for ever, and passes connections on to another."""

    def __init__(self, target: int) -> None:
        self.port = 0
        self._target = target
        self._server: asyncio.Server | None = None
        self._sockets: set[asyncio.StreamWriter] = set()
        self._flowing = asyncio.Event()
        self._flowing.set()
        self._delay = 0.0
        self._rate: float | None = None

    async def set(self, mode: str, delay: float = 0.0, rate: float | None = None) -> None:
        """Changes what happens to bytes, see `Lab.network`."""
        self._delay, self._rate = delay, rate
        if mode == "silent":
            self._flowing.clear()
        else:
            self._flowing.set()
        if mode == "down":
            await self._close()
        elif self._server is None:
            self._server = await asyncio.start_server(self._connected, "127.0.0.1", self.port)
            self.port = self._server.sockets[0].getsockname()[1]

    async def _close(self) -> None:
        if self._server is not None:
            self._server.close()
            self._server = None
        for writer in list(self._sockets):
            with contextlib.suppress(OSError):
                # Linger 0: the peer gets a reset, as from a machine that restarts.
                raw = writer.get_extra_info("socket")
                raw.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        self._sockets.add(writer)
        inner: asyncio.StreamWriter | None = None
        try:
            inner_reader, inner = await asyncio.open_connection("127.0.0.1", self._target)
            self._sockets.add(inner)
            await asyncio.gather(self._pass(reader, inner), self._pass(inner_reader, writer))
        except OSError:
            pass  # either side is gone, so the other goes, too
        finally:
            for each in (writer, inner):
                if each is not None:
                    self._sockets.discard(each)
                    each.transport.abort()

    async def _pass(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Copies one direction until its end."""
        queue: asyncio.Queue[tuple[float, bytes]] = asyncio.Queue(BACKLOG)
        sender = asyncio.ensure_future(self._send(queue, writer))
        try:
            while data := await reader.read(CHUNK):
                if self._delay == 0 and self._rate is None and self._flowing.is_set() and queue.empty() and not sender.done():
                    writer.write(data)
                    await writer.drain()
                else:
                    await queue.put((time.monotonic() + self._delay, data))
            await queue.put((time.monotonic() + self._delay, b""))
            await sender
        finally:
            sender.cancel()

    async def _send(self, queue: asyncio.Queue[tuple[float, bytes]], writer: asyncio.StreamWriter) -> None:
        while True:
            due, data = await queue.get()
            if not data:
                writer.close()
                return
            while data:
                await self._flowing.wait()
                await asyncio.sleep(max(due - time.monotonic(), 0.0))
                piece = data if self._rate is None else data[: max(int(self._rate / 10), 1)]
                data = data[len(piece) :]
                writer.write(piece)
                await writer.drain()
                if self._rate is not None:
                    await asyncio.sleep(len(piece) / self._rate)
