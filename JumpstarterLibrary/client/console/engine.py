"""The one loop in which everything waits that waits for what consoles say."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Protocol, TypeVar

from ...wire.deadline import Deadline, seconds

if TYPE_CHECKING:
    from .looking import ConsoleLooks
    from .search import Found
    from .searches import Search
    from .transcript import Transcript

TICK = 0.5
"""Seconds after which a wait looks around even if nothing came."""
GRACE = 0.5
"""Seconds beyond the deadline in which a match on the open line may become certain."""

T_co = TypeVar("T_co", covariant=True)
T = TypeVar("T")


class Lookout(Protocol[T_co]):
    """What one wait looks for on one console."""

    @property
    def console(self) -> ConsoleLooks:
        """Where it looks."""

    @property
    def behind(self) -> bool:
        """Whether there is more than the last look took in."""

    def look(self) -> T_co | None:
        """Looks once at what is new; returns what was found once that is complete."""

    def pending(self) -> bool:
        """Whether it may be found already, and a moment of quiet would make it certain."""


class TextLookout:
    """Looks for lines and prompts."""

    def __init__(self, console: ConsoleLooks, search: Search) -> None:
        self.console, self.search = console, search
        self.behind = False
        self.start = search.position
        self.began = time.monotonic()

    def look(self) -> list[Found] | None:
        """Looks at new lines, and at the open line when it has been quiet."""
        found = self.console.poll(self.search)
        self.behind = self.console.behind
        return found

    def pending(self) -> bool:
        """Whether it stands on the open line."""
        return bool(self.console.pending(self.search))


class BytesLookout:
    """Looks for bytes, whatever lines are."""

    behind = False

    def __init__(self, console: ConsoleLooks, data: bytes, position: int) -> None:
        self.console, self._data, self._looked = console, data, position

    def look(self) -> int | None:
        """Returns the position behind the bytes."""
        found, self._looked = self.console.transcript.find_bytes(self._data, self._looked)
        return self._looked if found else None

    def pending(self) -> bool:
        """Bytes are there or not."""
        return False


class News:
    """Tells a wait that something has changed on any of several consoles."""

    def __init__(self, transcripts: Iterable[Transcript]) -> None:
        self._transcripts = list(transcripts)
        self._nothing_new = threading.Lock()  # held while nothing is new: half the cost of an event, at each byte that is echoed
        self._nothing_new.acquire()

    def follow(self) -> None:
        """Begins to be told. Call it within the `try` whose `finally` calls `unfollow`: an interrupt may come at any place."""
        for transcript in self._transcripts:
            transcript.follow(self)

    def unfollow(self) -> None:
        """Ends being told, also of what it was not told yet."""
        for transcript in self._transcripts:
            transcript.unfollow(self)

    def begin(self) -> None:
        """What comes from now on is news; say so before looking, and nothing is missed."""
        self._nothing_new.acquire(blocking=False)

    def tell(self) -> None:
        """There is news."""
        with contextlib.suppress(RuntimeError):  # it was told already
            self._nothing_new.release()

    def wait(self, length: float) -> None:
        """Waits for news, or until the time is over."""
        self._nothing_new.acquire(timeout=length)


def keep_looking(lookouts: Sequence[Lookout[T]], deadline: Deadline, idle: float | None = None) -> list[tuple[Lookout[T], T]]:
    """Looks until anything was found, and says what was found by whom at that moment.

    Args:
        lookouts: what to look for, each on its console.
        deadline: until when. What is there by then gets a moment more to become certain.
        idle: seconds without a byte on any of the consoles, after which it is in vain.

    Returns:
        What was found; nothing if time is over, or if the consoles were silent for too long: then the deadline has not expired.

    Raises:
        ConsoleWatcherError: a watcher was hit meanwhile.
        JumpstarterError: a console or session was closed, or is lost.
    """
    consoles = list(dict.fromkeys(one.console for one in lookouts))
    began = time.monotonic()
    last = began + deadline.remaining + GRACE
    settle = max(seconds(console.options.settle) for console in consoles)
    news = News(console.transcript for console in consoles)
    try:
        news.follow()
        while True:
            news.begin()
            for console in consoles:
                console.check_hits()
            if found := [(one, result) for one in lookouts if (result := one.look()) is not None]:
                for console in consoles:
                    console.raise_hit()  # what came with it counts, as it would if it had come before
                return found
            behind = any(one.behind for one in lookouts)
            if deadline.expired and time.monotonic() < last and (behind or any(one.pending() for one in lookouts)):
                # It is on the open line, and a moment more shows whether that goes on; or not everything was looked at yet.
                deadline = Deadline(min(settle, last - time.monotonic()))
            if behind and not deadline.expired:
                continue
            for console in consoles:
                console.check()
            now = time.monotonic()
            rest = TICK if idle is None else idle - (now - max(began, *(console.transcript.last_byte for console in consoles)))
            if deadline.expired or rest <= 0:
                return []
            # A line without end counts when it has been quiet for long enough.
            quiet = [console.transcript.last_byte + seconds(console.options.settle) - now for console in consoles]
            news.wait(min(deadline.remaining, TICK, rest, *(one for one in quiet if one > 0)) + 0.001)
    finally:
        news.unfollow()


def wait_for_news(transcript: Transcript, length: float) -> None:
    """Waits until a console has something new, or the time is over."""
    news = News([transcript])
    try:
        news.follow()
        news.wait(length + 0.001)
    finally:
        news.unfollow()
