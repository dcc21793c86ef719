"""The line between a simulated device and its clients: every client gets every byte, and what they send goes one way."""

from __future__ import annotations

import asyncio
import logging
import time
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Coroutine
from contextlib import asynccontextmanager

import anyio
from anyio.abc import ObjectStream

LARGEST_BACKLOG = 64 * 1024 * 1024
"""Bytes that may wait for one client; one that is further behind loses its stream, and never single bytes."""
WINDOW = 256 * 1024
"""Bytes that a client may be behind before a sender that can wait does so."""
LARGEST_PIECE = 64 * 1024
"""Bytes after which no more of what waits is given to a client at once."""
STALL = 1.0
"""Seconds after which nobody waits any more for a client that takes nothing."""


class Uart:
    """A serial line. A client that connects sees what is said from then on, as on a real line.

    Everything happens in the session's event loop.

    Args:
        take: takes what clients send.
        backlog: bytes that may wait for one client.
    """

    def __init__(self, take: Callable[[bytes], Awaitable[None]], backlog: int = LARGEST_BACKLOG) -> None:
        self._take = take
        self._backlog = backlog
        self._streams: list[UartStream] = []
        self._taking = asyncio.Lock()
        self.taken = asyncio.Event()
        """Set whenever a client takes something, goes or comes."""

    @property
    def connected(self) -> int:
        """How many clients are connected."""
        return len(self._streams)

    @asynccontextmanager
    async def open(self) -> AsyncIterator[UartStream]:
        """Connects a client."""
        stream = UartStream(self)
        self._streams.append(stream)
        self.taken.set()
        try:
            yield stream
        finally:
            self.drop(stream)
            stream.end()

    def emit(self, data: bytes) -> None:
        """Sends bytes to every client at once."""
        if data:
            for stream in list(self._streams):
                if not stream.push(data, self._backlog):
                    self.drop(stream)

    async def room(self) -> None:
        """Waits until no client is far behind, except those that take nothing at all."""
        while any(stream.is_behind for stream in self._streams):
            self.taken.clear()
            with anyio.move_on_after(STALL / 10):
                await self.taken.wait()

    async def take(self, data: bytes) -> None:
        """Takes bytes of a client; those of several clients come one after the other."""
        async with self._taking:
            await self._take(data)

    def disconnect(self) -> None:
        """Ends every client's stream; what already waits for it still arrives."""
        for stream in list(self._streams):
            self.drop(stream)
            stream.end()

    def drop(self, stream: UartStream) -> None:
        """Forgets a client."""
        if stream in self._streams:
            self._streams.remove(stream)
            self.taken.set()


class UartStream(ObjectStream[bytes]):
    """One client's end of the line."""

    def __init__(self, uart: Uart) -> None:
        self._uart = uart
        self._chunks: deque[bytes] = deque()
        self._size = 0
        self._wake = asyncio.Event()
        self._end: Exception | None = None
        self._last_taken = time.monotonic()

    @property
    def is_behind(self) -> bool:
        """Whether much waits for this client, and it still takes."""
        return self._size > WINDOW and time.monotonic() - self._last_taken < STALL

    def push(self, data: bytes, backlog: int) -> bool:
        """Appends bytes; returns False if that is too much, and the stream broken."""
        self._chunks.append(data)
        self._size += len(data)
        self._wake.set()
        if self._size <= backlog:
            return True
        self._end = ConnectionError(f"the console was cut off: its client is {self._size} bytes behind")
        self._chunks.clear()
        self._size = 0
        return False

    def end(self) -> None:
        """Ends the stream after what already waits."""
        self._end = self._end or anyio.EndOfStream()
        self._wake.set()

    async def receive(self) -> bytes:
        """Returns the next bytes of the device.

        Raises:
            EndOfStream: the device hung up.
            ConnectionError: this client was too slow.
        """
        while not self._chunks:
            if self._end is not None:
                raise self._end
            self._wake.clear()
            await self._wake.wait()
        pieces, size = [], 0
        while self._chunks and size < LARGEST_PIECE:  # one large message is carried a hundred times quicker than many small ones
            pieces.append(self._chunks.popleft())
            size += len(pieces[-1])
        self._size -= size
        self._last_taken = time.monotonic()
        self._uart.taken.set()
        return b"".join(pieces)

    async def send(self, item: bytes) -> None:
        """Sends bytes to the device.

        Raises:
            ClosedResourceError: the stream has ended.
        """
        if self._end is not None:
            raise anyio.ClosedResourceError
        await self._uart.take(item)

    async def send_eof(self) -> None:
        """Does nothing: a line has no end of file, and a client that is done sending may go on reading."""

    async def aclose(self) -> None:
        """Disconnects."""
        self._uart.drop(self)
        self.end()


class Tasks:
    """The tasks of a driver in the event loop; none outlives its driver.

    Args:
        logger: where the failures of tasks go.
    """

    def __init__(self, logger: logging.Logger) -> None:
        self._logger = logger
        self._running: set[asyncio.Task[None]] = set()

    def start(self, work: Coroutine[None, None, None]) -> asyncio.Task[None]:
        """Starts a task."""
        task = asyncio.get_running_loop().create_task(work)
        self._running.add(task)
        task.add_done_callback(self._ended)
        return task

    def cancel(self) -> None:
        """Tells all tasks to end."""
        for task in self._running:
            task.cancel()

    async def close(self) -> None:
        """Ends all tasks and waits for them."""
        self.cancel()
        here = asyncio.get_running_loop()
        if mine := [task for task in self._running if task.get_loop() is here]:
            await asyncio.wait(mine)

    def _ended(self, task: asyncio.Task[None]) -> None:
        self._running.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            self._logger.error("the simulation failed: %s: %s", type(error).__name__, error)
