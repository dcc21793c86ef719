"""Portals into the one event loop whose work can be ended from outside: for foreign code that blocks on a portal.

Upstream's clients have blocking methods. Each starts tasks through the portal that the client was given, and waits for them,
without a deadline. Given this portal, what one method has started is known, and can be cancelled.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Awaitable, Callable
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from anyio.abc import TaskStatus
from anyio.from_thread import BlockingPortal

from . import event_loop

T = TypeVar("T")

CLEAN_UP = 1.0
"""Seconds that a cancelled act gets for its own cleaning up, before everything it asks for is refused."""
CLOSE_BUDGET = 2.0


class Act:
    """What one thread does through portals, from begin to end of a `with` block; another thread can cancel it."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._futures: set[Future[Any]] = set()
        self._cancelled = False
        self._told = False
        self._over = False

    def __enter__(self) -> Act:
        _threads.act = self
        return self

    def __exit__(self, *details: object) -> None:
        _threads.act = None

    def cancel(self) -> None:
        """Cancels the tasks it waits for, else the next one that it starts. After the time for cleaning up, all of them."""
        with self._lock:
            self._cancelled = True
            pending = [future for future in self._futures if not future.done()]
            self._told = bool(pending)
        for future in pending:
            future.cancel()
        timer = threading.Timer(CLEAN_UP, self._end)
        timer.daemon = True
        timer.start()

    def _end(self) -> None:
        with self._lock:
            self._over = True
            pending = list(self._futures)
        for future in pending:
            future.cancel()

    def check(self) -> None:
        """Refuses to start something in a cancelled act: the first time, and after the time for cleaning up.

        Raises:
            CancelledError: it is refused.
        """
        with self._lock:
            if self._over or (self._cancelled and not self._told):
                self._told = True
                raise CancelledError

    def add(self, future: Future[Any]) -> None:
        """Remembers a task until it is done."""
        with self._lock:
            self._futures.add(future)
            # Cancelled between the check and now: nobody has told this one.
            late = self._over or (self._cancelled and not self._told)
            self._told = self._told or late
        future.add_done_callback(self._forget)
        if late:
            future.cancel()

    def _forget(self, future: Future[Any]) -> None:
        with self._lock:
            self._futures.discard(future)


class TaskPortal(BlockingPortal):
    """A portal that tells the running act what is started through it. Interrupting a thread that waits ends what it waits for."""

    def start_task_soon(  # type: ignore[override]  # anyio's own is overloaded
        self, func: Callable[..., Awaitable[T] | T], *args: Any, name: object = None
    ) -> Future[T]:
        """As anyio's.

        Raises:
            CancelledError: the act to which this belongs was cancelled.
        """
        act: Act | None = getattr(_threads, "act", None)
        if act is not None:
            act.check()
        future: Future[Any] = super().start_task_soon(func, *args, name=name)
        if act is not None:
            act.add(future)
        return future

    def call(self, func: Callable[..., Awaitable[T] | T], *args: Any) -> T:  # type: ignore[override]
        """As anyio's; an exception in the waiting thread, such as Robot's timeout, also ends the task."""
        future = self.start_task_soon(func, *args)
        try:
            return future.result()
        except BaseException:
            future.cancel()
            raise


class OpenPortal:
    """A `TaskPortal` in this process's event loop; whoever opens it closes it."""

    def __init__(self) -> None:
        self._serving, self.portal = event_loop.portal().start_task(_serve)

    def close(self) -> None:
        """Ends every task that was started through the portal, and the portal."""
        with contextlib.suppress(RuntimeError, CancelledError, TimeoutError):  # the loop may have gone before
            event_loop.start(self.portal.stop, True)  # noqa: FBT003 - anyio's own signature
            try:
                self._serving.result(CLOSE_BUDGET)
            finally:
                self._serving.cancel()


async def _serve(*, task_status: TaskStatus[TaskPortal]) -> None:
    async with TaskPortal() as portal:
        task_status.started(portal)
        await portal.sleep_until_stopped()


_threads = threading.local()
