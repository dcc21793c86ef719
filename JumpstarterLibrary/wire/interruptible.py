"""Locks that stay sound when Robot's timeout or Ctrl-C interrupts the main thread at any place.

`threading.Condition` is entered by Python code. An exception that a signal raises there, after the lock was acquired and before
the block began, leaves the lock held for good. gRPC's client has such conditions in each channel and each call: once one is held,
its thread hangs, and with it every later call, whatever its deadline. About one in a hundred interrupted runs was seen to hang.
"""

from __future__ import annotations

import contextlib
import importlib
import threading
import types
from typing import Any


class SoundCondition(threading.Condition):
    """A condition that is entered and left by its lock's own code, which is C, and not interrupted."""

    __enter__ = property(lambda self: self._lock.__enter__)
    __exit__ = property(lambda self: self._lock.__exit__)


class SoundEvent(threading.Event):
    """An event with such a condition: one that was interrupted while it is set, or waited for, hangs nobody else."""

    def __init__(self) -> None:
        super().__init__()
        self._cond = SoundCondition(threading.Lock())


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
