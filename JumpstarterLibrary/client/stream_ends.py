"""Ends of value streams that no value brings: another thread wants to stop, or enough time has passed."""

from __future__ import annotations

import threading
from collections.abc import Callable


class Background:
    """Lets another thread end a stream that waits for its next value."""

    def __init__(self) -> None:
        self.over = False
        """Whether it was ended."""
        self._cancel: Callable[[], object] = lambda: None

    def ends(self, cancel: Callable[[], object]) -> None:
        """Says how the stream is cancelled; does so at once if it was ended before."""
        self._cancel = cancel
        if self.over:
            cancel()

    def end(self) -> None:
        """Ends the stream."""
        self.over = True
        self._cancel()


class Settled:
    """Cancels an RPC after a while; reading a stream cannot be given a time limit of its own."""

    def __init__(self, after: float, cancel: Callable[[], object]) -> None:
        self.over = False
        """Whether the time came."""
        self._cancel = cancel
        self._timer = threading.Timer(after, self._end)
        self._timer.daemon = True
        self._timer.start()

    def cancel(self) -> None:
        """Stops the clock."""
        self._timer.cancel()

    def _end(self) -> None:
        self.over = True
        self._cancel()
