"""The one event-loop thread of this process, for session servers and lab tunnels.

Several grpc.aio loops in one process misbehave, and a portal that nobody closes keeps Python from ending. So there is one
loop, in a daemon thread, started on first use and closed by `close()`, at the latest when the interpreter ends.
"""

from __future__ import annotations

import asyncio
import atexit
import contextlib
import os
import threading
from collections.abc import Awaitable, Callable, Iterator
from concurrent.futures import Future
from typing import TypeVar

import anyio
from anyio.from_thread import BlockingPortal

from .interruptible import SoundEvent

T = TypeVar("T")

CLOSE_BUDGET = 2.0
"""Seconds that the loop gets to end."""


class EventLoopThread:
    """A daemon thread that runs an event loop and takes work from other threads."""

    def __init__(self) -> None:
        self.process = os.getpid()
        self._portal: BlockingPortal | None = None
        self._loop: asyncio.AbstractEventLoop | None = None
        self._started = SoundEvent()
        self._thread = threading.Thread(target=self._run, name="jumpstarter-event-loop", daemon=True)
        self._thread.start()
        self._started.wait()

    @property
    def alive(self) -> bool:
        """Whether the loop takes work, in this process."""
        return self._thread.is_alive() and self.process == os.getpid()

    @property
    def portal(self) -> BlockingPortal:
        """The portal through which other threads reach the loop."""
        assert self._portal is not None, "the event loop did not start"
        return self._portal

    def start(self, function: Callable[..., Awaitable[T]], *args: object) -> Future[T]:
        """Starts a coroutine function. The portal's way would wait until the loop has taken it, for ever if the loop is blocked.

        Raises:
            RuntimeError: the loop has ended.
        """
        assert self._loop is not None, "the event loop did not start"

        async def work() -> T:
            return await function(*args)

        coroutine = work()
        try:
            return asyncio.run_coroutine_threadsafe(coroutine, self._loop)
        except RuntimeError:
            coroutine.close()
            raise

    def close(self) -> None:
        """Ends the loop and what still runs in it."""
        if self.alive:
            self.start(self.portal.stop, True)  # noqa: FBT003 - anyio's own signature
            self._thread.join(CLOSE_BUDGET)

    def _run(self) -> None:
        try:
            anyio.run(self._serve)
        finally:
            self._started.set()

    async def _serve(self) -> None:
        async with BlockingPortal() as self._portal:
            self._loop = asyncio.get_running_loop()
            self._started.set()
            await self._portal.sleep_until_stopped()


_lock = threading.Lock()
_thread: EventLoopThread | None = None
_ended = False


def portal() -> BlockingPortal:
    """Returns the portal into this process's event loop, starting the loop if need be.

    Raises:
        RuntimeError: the interpreter is ending, and a new thread would never start.
    """
    return _running().portal


def start(function: Callable[..., Awaitable[T]], *args: object) -> Future[T]:
    """Starts a coroutine function in the loop and does not wait, not even for a blocked loop; cancelling the future cancels it.

    Raises:
        RuntimeError: the interpreter is ending.
    """
    return _running().start(function, *args)


def _running() -> EventLoopThread:
    global _thread  # noqa: PLW0603 - one per process is the point
    with _lock:
        if _ended:
            raise RuntimeError("the interpreter is ending")
        if _thread is None or not _thread.alive:
            _thread = EventLoopThread()
        return _thread


def run(function: Callable[..., Awaitable[T]], *args: object, timeout: float | None = None) -> T:
    """Runs a coroutine function in the loop and waits for it; an interrupt of the waiting thread cancels it.

    Raises:
        TimeoutError: it took longer than `timeout` seconds, or something else blocks the loop.
    """
    future = start(function, *args)
    try:
        return future.result(timeout)
    except BaseException:
        future.cancel()
        raise


def close() -> None:
    """Ends the loop, if one runs. The next use starts a new one."""
    global _thread
    with _lock:
        thread, _thread = _thread, None
    if thread is not None:
        thread.close()


_last_acts: dict[object, Callable[[], object]] = {}


@contextlib.contextmanager
def closed_at_exit(act: Callable[[], object]) -> Iterator[None]:
    """Runs an act at the end of the block, or when the interpreter ends inside it, which is before the loop goes."""
    key = object()
    _last_acts[key] = act
    try:
        yield
    finally:
        if _last_acts.pop(key, None) is not None:
            act()


@atexit.register
def _end() -> None:
    global _ended  # noqa: PLW0603 - belongs to the one loop
    for key, act in reversed(list(_last_acts.items())):
        _last_acts.pop(key, None)
        with contextlib.suppress(Exception):  # nobody is left to be told
            act()
    _ended = True  # what is collected later may want to stop its server, which has gone with the loop
    close()
