"""The journal itself: thread-safe append, bounded memory, subscribers."""

from __future__ import annotations

import logging
import threading
from collections import deque
from collections.abc import Callable
from itertools import islice
from typing import TypeVar

from .events import Event

E = TypeVar("E", bound=Event)
Subscriber = Callable[[Event], None]

EVENTS_IN_MEMORY = 20_000
"""About 5 MB; the file has them all."""

_log = logging.getLogger(__name__)


class Journal:
    """The events of one device session, in order."""

    def __init__(self, limit: int = EVENTS_IN_MEMORY) -> None:
        self._events: deque[Event] = deque(maxlen=limit)
        self._lock = threading.Lock()
        self._subscribers: tuple[Subscriber, ...] = ()
        self._appended = 0

    def append(self, event: Event) -> None:
        """Writes an event down and shows it to the subscribers, in the same order for all, from any thread."""
        with self._lock:
            self._events.append(event)
            self._appended += 1
            for subscriber in self._subscribers:
                try:
                    subscriber(event)
                except Exception:  # noqa: BLE001 - one bad view must not stop the device, nor the other views
                    _log.exception("A view of the journal failed and was taken off: %r", subscriber)
                    self._drop(subscriber)

    def subscribe(self, subscriber: Subscriber) -> Callable[[], None]:
        """Shows every later event to a function, which must be quick and must not append. Returns how to end that."""
        with self._lock:
            self._subscribers = (*self._subscribers, subscriber)
        return lambda: self.unsubscribe(subscriber)

    def unsubscribe(self, subscriber: Subscriber) -> None:
        """Shows no more events to a function; one that sees none does no harm."""
        with self._lock:
            self._drop(subscriber)

    def events(self, kind: type[E] = Event) -> list[E]:  # type: ignore[assignment]  # the default is the bound itself
        """Returns the events still in memory, oldest first, of one class or of all."""
        with self._lock:
            return [event for event in self._events if isinstance(event, kind)]

    def since(self, position: int) -> tuple[list[Event], int, int]:
        """Returns the events after a position, the new position, and how many had already left memory."""
        with self._lock:
            wanted = self._appended - position
            if wanted <= 0:
                return [], self._appended, 0
            # From the new end, as the old one is thousands of events away.
            new = list(islice(reversed(self._events), wanted))[::-1]
        return new, position + wanted, wanted - len(new)

    @property
    def position(self) -> int:
        """How many events were appended so far."""
        return self._appended

    def __len__(self) -> int:
        return len(self._events)

    def _drop(self, subscriber: Subscriber) -> None:
        # By equality: a method is a new object each time it is named.
        self._subscribers = tuple(s for s in self._subscribers if s != subscriber)
