"""Several leases at once, all or none: each is asked for in a thread of its own, and one's failure gives the others back."""

from __future__ import annotations

import contextlib
import queue
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from types import TracebackType

from ..errors import JumpstarterError
from ..wire.secrets import Redactor
from . import held
from .configuration import ClientConfiguration
from .leases import Progress
from .leasing import HURRIED_RELEASE, Interruption, Leased, leased
from .wish import Wish

SLICE = 0.1
"""Longest time in which an interrupt is not noticed."""
RELEASE_BUDGET = HURRIED_RELEASE + 1.0
"""Seconds that giving back is waited for; the end of the process tries again."""


class Ready:
    """A lease that is there already; as a context manager it is used, and given back at the end."""

    def __init__(self, stack: contextlib.ExitStack, found: Leased) -> None:
        self._stack = stack
        self._found = found
        self._lock = threading.Lock()
        self._taken = False

    def take(self) -> bool:
        """Makes the caller the one who gives it back; returns whether nobody else is."""
        with self._lock:
            mine, self._taken = not self._taken, True
        return mine

    def give_back(self) -> None:
        """Gives it back if nobody uses it: as on the way to an error, in a hurry, and without an error of its own."""
        if self.take():
            error = JumpstarterError("the others could not be had")
            with contextlib.suppress(JumpstarterError):
                self.__exit__(type(error), error, None)

    def __enter__(self) -> Leased:
        self.take()
        return self._found

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._stack.__exit__(kind, error, trace)


class _Request:
    """One of them: what its thread does, and what came of it."""

    def __init__(self, alias: str, wish: Wish, tell: Callable[[str, object], None], redact: Redactor) -> None:
        self.alias = alias
        self.ready: Ready | None = None
        self.error: BaseException | None = None
        self._wish = wish
        self._tell = tell
        self._redact = redact
        self._interruption = Interruption()
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-leasing-{alias}", daemon=True)

    def start(self) -> None:
        self._thread.start()

    @property
    def is_over(self) -> bool:
        return self.ready is not None or self.error is not None

    def cancel(self) -> None:
        """Has it end soon; what it has already is left to `give_back`."""
        self._interruption.interrupt()

    def give_back(self, end: float) -> None:
        """Waits until a cancelled request has given back what it had, until a moment on the monotonic clock."""
        if self._thread.ident is not None:
            self._thread.join(max(0.0, end - time.monotonic()))
        if self.ready is not None:
            self.ready.give_back()

    def _run(self) -> None:
        stack = contextlib.ExitStack()
        try:
            found = stack.enter_context(
                leased(
                    self._wish,
                    redact=self._redact,
                    progress=lambda text: self._tell(self.alias, text),
                    configured=lambda configuration: self._tell(self.alias, configuration),
                    interruption=self._interruption,
                )
            )
            self.ready = Ready(stack, found)
            if self._interruption.happened:  # perhaps nobody waits for it any more
                self.ready.give_back()
        except BaseException as error:  # noqa: BLE001 - it is raised where the others are given back
            self.error = error


@contextlib.contextmanager
def lease_together(
    wishes: Mapping[str, Wish],
    *,
    redact: Redactor | None = None,
    progress: Progress = lambda _: None,
    configured: Callable[[ClientConfiguration], object] = lambda _: None,
) -> Iterator[dict[str, Ready]]:
    """Asks for several leases at the same time and gives them when all are there. Those that nobody took by the end of the block
    are given back.

    Args:
        wishes: what leases, by alias.
        redact: learns the tokens.
        progress: told, in sentences that begin with an alias, what is waited for; on the thread that waits.
        configured: given the configuration before anybody is asked; once if all use one.

    Raises:
        JumpstarterError: as `leased`, for the first that could not be had; the others are given back by then.
    """
    redact = Redactor() if redact is None else redact
    told: queue.SimpleQueue[tuple[str, object]] = queue.SimpleQueue()
    requests = [_Request(alias, wish, lambda *news: told.put(news), redact) for alias, wish in wishes.items()]
    listener = _Listener(progress, configured)
    try:
        held.guard_against_signals()  # only the main thread can
        for request in requests:
            request.start()
        while not all(request.is_over for request in requests):
            listener.hear(told, SLICE)
            _raise_first(requests)
        listener.hear(told, 0)
        _raise_first(requests)
        yield {request.alias: request.ready for request in requests if request.ready is not None}
    finally:
        for request in requests:
            if not request.is_over:
                request.cancel()
        end = time.monotonic() + RELEASE_BUDGET
        for request in requests:
            request.give_back(end)


def _raise_first(requests: list[_Request]) -> None:
    for request in requests:
        if (error := request.error) is not None:
            if isinstance(error, JumpstarterError) and len(requests) > 1:
                error.args = (f"{error}\nThis was for '{request.alias}'; the others are given back.", *error.args[1:])
            raise error


class _Listener:
    """Tells on the waiting thread what the others found."""

    def __init__(self, progress: Progress, configured: Callable[[ClientConfiguration], object]) -> None:
        self._progress = progress
        self._configured = configured
        self._sources: set[str] = set()

    def hear(self, told: queue.SimpleQueue[tuple[str, object]], timeout: float) -> None:
        """Takes what there is, and waits at most so many seconds for it."""
        with contextlib.suppress(queue.Empty):
            alias, news = told.get(timeout=timeout) if timeout else told.get_nowait()
            while True:
                if not isinstance(news, ClientConfiguration):
                    self._progress(f"{alias}: {news}")
                elif news.source not in self._sources:
                    self._sources.add(news.source)
                    self._configured(news)
                alias, news = told.get_nowait()
