"""A bounded queue from one thread to another that each side can end."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Generic, TypeVar

from ..wire.interruptible import SoundCondition

T = TypeVar("T")


class HandOver(Generic[T]):
    """Items from a giver to a taker. The giver waits while there are too many; neither waits once the other has ended it.

    Args:
        limit: how many items may wait, or how much.
        weigh: how much an item counts; one unless given.
    """

    def __init__(self, limit: int, weigh: Callable[[T], int] = lambda _: 1) -> None:
        self._items: deque[T] = deque()
        self._limit = limit
        self._weigh = weigh
        self._weight = 0
        self._changed = SoundCondition()
        self._complete = False
        self._closed = False
        self._error: BaseException | None = None

    def put(self, item: T) -> bool:
        """Gives an item; waits while too many wait. Returns whether it is still wanted."""
        with self._changed:
            self._changed.wait_for(lambda: self._weight < self._limit or self._closed)
            if not self._closed:
                self._items.append(item)
                self._weight += self._weigh(item)
                self._changed.notify_all()
            return not self._closed

    def finish(self, error: BaseException | None = None) -> None:
        """Says that no more comes, and why, if it should."""
        with self._changed:
            self._complete, self._error = True, self._error or error
            self._changed.notify_all()

    def get(self, timeout: float | None = None) -> T | None:
        """Takes the next item; None if there is none within `timeout` seconds, or none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._complete or self._closed, timeout)
            if not self._items or self._closed:
                return None
            item = self._items.popleft()
            self._weight -= self._weigh(item)
            self._changed.notify_all()
            return item

    def get_all(self, timeout: float | None = None) -> list[T]:
        """Takes all items that wait; none if there is none within `timeout` seconds, or none will come."""
        with self._changed:
            self._changed.wait_for(lambda: self._items or self._complete or self._closed, timeout)
            items = [] if self._closed else list(self._items)
            self._items.clear()
            self._weight = 0
            self._changed.notify_all()
            return items

    def wait_for_item(self, timeout: float) -> bool:
        """Waits until an item is there or none will come; returns whether that is so."""
        with self._changed:
            return bool(self._changed.wait_for(lambda: self._items or self._complete or self._closed, timeout))

    def close(self) -> None:
        """Says that nothing is wanted any more; what waits is dropped."""
        with self._changed:
            self._closed = True
            self._items.clear()
            self._changed.notify_all()

    @property
    def exhausted(self) -> bool:
        """Whether everything was taken and no more comes."""
        with self._changed:
            return self._complete and not self._items

    @property
    def error(self) -> BaseException | None:
        """Why no more comes, if it should; known as soon as it happens, whatever still waits."""
        return self._error

    @property
    def waiting(self) -> int:
        """How many items wait to be taken."""
        return len(self._items)

    @property
    def closed(self) -> bool:
        """Whether nothing is wanted any more."""
        return self._closed
