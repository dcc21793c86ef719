"""The session's log: every reader gets every line, bounded, and sees where lines are missing (protocol §5.6)."""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import logging
import threading
from collections import deque
from collections.abc import AsyncIterator, Iterator
from contextvars import ContextVar
from dataclasses import dataclass
from uuid import UUID

from ..wire.protocol import LogSource

HISTORY = 1_000
"""Lines that a reader who comes late still gets."""
READER_LIMIT = 10_000
"""Lines that wait for one reader at most."""
LONGEST_LINE = 64 * 1024
"""Characters of one line; the rest is cut with a note."""


@dataclass(frozen=True, slots=True)
class Line:
    """One line, or, with `lost`, the mark that lines are missing here."""

    severity: str
    source: LogSource
    message: str
    driver: UUID | None = None
    lost: int = 0


class _Reader:
    """One reader's queue. Lines come from any thread; they are taken in the event loop."""

    def __init__(self, loop: asyncio.AbstractEventLoop, limit: int) -> None:
        self.lines: deque[Line] = deque()
        self.lost = 0
        self._limit = limit
        self._loop = loop
        self._ready = asyncio.Event()
        self._woken = False

    def put(self, line: Line) -> None:
        if len(self.lines) >= self._limit:
            self.lines.popleft()
            self.lost += 1
        self.lines.append(line)
        if not self._woken:
            self._woken = True
            with contextlib.suppress(RuntimeError):  # the loop is closing: nobody reads any more
                self._loop.call_soon_threadsafe(self._ready.set)

    async def wait(self) -> None:
        await self._ready.wait()
        self._ready.clear()
        self._woken = False


class LogHub:
    """Takes lines from loggers and hands them to all readers."""

    def __init__(self, history: int = HISTORY, reader_limit: int = READER_LIMIT) -> None:
        self._lock = threading.RLock()  # a destructor that runs in here may log, too
        self._history: deque[Line] = deque(maxlen=history)
        self._readers: list[_Reader] = []
        self._reader_limit = reader_limit
        self.position = 0
        """How many lines were written so far."""

    def write(self, line: Line) -> None:
        """Takes one line, from any thread."""
        with self._lock:
            self.position += 1
            self._history.append(line)
            for reader in self._readers:
                reader.put(line)

    @contextlib.contextmanager
    def reader(self, after: int = 0) -> Iterator[tuple[int, AsyncIterator[Line]]]:
        """Gives the position before the first line that the reader will get, and the lines; enter it in the loop.

        Args:
            after: the position of the last line that the reader does not want.
        """
        reader = _Reader(asyncio.get_running_loop(), self._reader_limit)
        with self._lock:
            oldest = self.position - len(self._history)
            start = min(max(oldest, after), self.position)
            for line in itertools.islice(self._history, start - oldest, None):
                reader.put(line)
            self._readers.append(reader)
        try:
            yield start, self._read(reader)
        finally:
            with self._lock:
                self._readers.remove(reader)

    @property
    def readers(self) -> int:
        """How many readers are open."""
        return len(self._readers)

    async def _read(self, reader: _Reader) -> AsyncIterator[Line]:
        while True:
            await reader.wait()
            while True:
                with self._lock:
                    lost, reader.lost = reader.lost, 0
                    line = reader.lines.popleft() if reader.lines else None
                if lost:
                    yield gap(lost)
                if line is None:
                    break
                yield line


def gap(lost: int) -> Line:
    """Makes the mark that stands where lines were lost."""
    return Line("WARNING", LogSource.SYSTEM, f"[{lost} log lines lost here: the reader was too slow]", lost=lost)


current_hub: ContextVar[LogHub | None] = ContextVar("jumpstarter_log_hub", default=None)
"""The hub of the session for which the running code works; worker threads inherit it."""


class HubHandler(logging.Handler):
    """Hands log records to a session's hub."""

    def __init__(self, hub: LogHub, source: LogSource, driver: UUID | None = None) -> None:
        super().__init__()
        self._hub, self._source, self._driver = hub, source, driver

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record to the hub."""
        deliver(self._hub, record, self._source, self._driver)


class ContextHandler(logging.Handler):
    """On the root logger: what a driver logs through loggers of its own modules reaches its session's log too."""

    def emit(self, record: logging.LogRecord) -> None:
        """Writes one record to the hub of the session that the running code works for, if any."""
        hub = current_hub.get()
        if hub is not None and record.levelno >= logging.INFO and not getattr(record, "jumpstarter_delivered", False):
            source = LogSource.DRIVER if record.name.startswith("driver.") else LogSource.SYSTEM
            deliver(hub, record, source, None)


def deliver(hub: LogHub, record: logging.LogRecord, source: LogSource, driver: UUID | None) -> None:
    """Formats a record and writes it to a hub; a record that cannot be formatted says so."""
    record.jumpstarter_delivered = True
    try:
        message = record.getMessage()
        if record.exc_info and record.exc_info[1] is not None:
            message += f" ({type(record.exc_info[1]).__name__}: {record.exc_info[1]})"
    except Exception as error:  # noqa: BLE001 - a bad format in a driver's log call must not fail the driver's call
        message = f"(a log line that cannot be formatted: {error}) {record.msg!r}"
    if len(message) > LONGEST_LINE:
        message = f"{message[:LONGEST_LINE]} [… {len(message) - LONGEST_LINE} characters cut]"
    hub.write(Line(record.levelname, source, message, driver))


_root_lock = threading.Lock()
_root_handler = ContextHandler()
_root_users = 0


@contextlib.contextmanager
def context_logging() -> Iterator[None]:
    """Keeps the handler on the root logger while at least one session is open."""
    global _root_users  # noqa: PLW0603 - counts the sessions of this process
    with _root_lock:
        _root_users += 1
        if _root_users == 1:
            logging.getLogger().addHandler(_root_handler)
    try:
        yield
    finally:
        with _root_lock:
            _root_users -= 1
            if _root_users == 0:
                logging.getLogger().removeHandler(_root_handler)
