"""Locks that stay sound when Robot's timeout or Ctrl-C interrupts the main thread at any place.

`threading.Condition` is entered by Python code. An exception that a signal raises there, after the lock was acquired and before
the block began, leaves the lock held for good. gRPC's client has such conditions in each channel and each call: once one is held,
its thread hangs, and with it every later call, whatever its deadline. About one in a hundred interrupted runs was seen to hang.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import time
import types
from typing import Any

LOOK = 0.005
"""Seconds between two looks whether it is our turn."""


class SoundCondition(threading.Condition):
    """A condition that is entered and left by its lock's own code, which is C, and not interrupted."""

    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)


class SoundEvent(threading.Event):
    """An event with such a condition: one that was interrupted while it is set, or waited for, hangs nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self._cond = SoundCondition(threading.Lock())


class Turn:
    """Lets one thread at a time do something, for a time that others can limit; one thread may take its turn again.

    Not a lock with a timeout: a signal's exception right after that was acquired would keep it for good. What such an exception
    leaves behind here is the thread's own turn, which it takes again.
    """

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._holder: int | None = None

    @property
    def is_others(self) -> bool:
        """Whether another thread has it now."""
        return self._holder not in (None, threading.get_ident())

    def take(self, limit: float) -> bool:
        """Waits for it, so many seconds at most; returns whether it is ours."""
        end, me = time.monotonic() + limit, threading.get_ident()
        while True:
            with self._lock:
                if self._holder in (None, me):
                    self._holder = me
                    return True
            if time.monotonic() >= end:
                return False
            time.sleep(LOOK)

    def give(self) -> None:
        """Gives it back, if it is ours."""
        if self._holder == threading.get_ident():
            self._holder = None


class _Threading(types.ModuleType):
    """`threading`, as gRPC's client sees it: with conditions that cannot be interrupted while they are entered."""

    Condition = SoundCondition

    def __getattr__(self, name: str) -> Any:
        return getattr(threading, name)


def make_grpc_sound() -> None:
    """Has gRPC's client use such conditions for the channels and calls that are made from now on."""
    sound = _Threading("threading")
    for name in ("grpc._cython.cygrpc", "grpc._channel", "grpc._utilities"):
        with contextlib.suppress(ImportError, AttributeError, TypeError):  # a version of gRPC that is made in another way
            module: Any = importlib.import_module(name)
            if module.threading is threading:
                module.threading = sound
