"""Ends what another thread waits for."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable

from .interruptible import SoundEvent


class Abandoned:
    """Says from another thread that something is not wanted any more, and wakes who waits for it."""

    def __init__(self) -> None:
        self._event = SoundEvent()
        self._lock = threading.Lock()
        self._acts: list[Callable[[], object]] = []

    @property
    def over(self) -> bool:
        """Whether it was abandoned."""
        return self._event.is_set()

    def call(self, act: Callable[[], object]) -> None:
        """Has something done when it is abandoned, or now if it is already."""
        with self._lock:
            if not self._event.is_set():
                self._acts.append(act)
                return
        with contextlib.suppress(OSError):
            act()

    def set(self) -> None:
        """Abandons it."""
        with self._lock:
            self._event.set()
            acts, self._acts = self._acts, []
        for act in acts:
            with contextlib.suppress(OSError):  # it is closed already
                act()
