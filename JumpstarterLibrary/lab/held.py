"""The leases that this process holds, released at the latest when it ends.

SIGKILL alone leaves one behind, until its duration is over; so durations are short, and extended.
"""

from __future__ import annotations

import atexit
import contextlib
import os
import signal
import sys
import threading
from types import FrameType
from typing import Protocol

LAST_TIMEOUT = 5.0
"""Seconds for each release when the process ends."""


class Held(Protocol):
    """What can be released."""

    def release(self, timeout: float) -> None:
        """Gives it back."""


_held: dict[int, Held] = {}
_process = 0


def add(lease: Held) -> None:
    """Remembers a lease to release; before it is asked for, as an interrupt may come between question and answer."""
    global _process  # noqa: PLW0603 - belongs to the one dictionary
    if _process != os.getpid():  # after a fork these are our parent's
        _held.clear()
        _process = os.getpid()
    _held[id(lease)] = lease
    guard_against_sigterm()


def discard(lease: Held) -> None:
    """Forgets a lease that is released or ended."""
    _held.pop(id(lease), None)


def release_all() -> None:
    """Releases whatever is left; what cannot be released is told on standard error."""
    if _process != os.getpid():  # a fork has no right to our leases
        return
    for lease in reversed(list(_held.values())):
        try:
            lease.release(LAST_TIMEOUT)
        except Exception as error:  # noqa: BLE001 - nobody is left to catch it, and the others must be released too
            with contextlib.suppress(OSError, ValueError):
                sys.stderr.write(f"jumpstarter: {error}\n")
        finally:
            discard(lease)


@atexit.register
def _at_exit() -> None:
    if _held and threading.current_thread() is threading.main_thread():
        with contextlib.suppress(ValueError):
            signal.signal(signal.SIGINT, signal.SIG_IGN)  # a third Ctrl-C would only leave the lease behind
    release_all()


def guard_against_sigterm() -> None:
    """Has SIGTERM release our leases before it ends the process, unless somebody (Robot does) handles it already. Only the main
    thread can; whoever leases on another one calls this first."""
    if threading.current_thread() is not threading.main_thread() or signal.getsignal(signal.SIGTERM) is not signal.SIG_DFL:
        return
    signal.signal(signal.SIGTERM, _terminated)


def _terminated(number: int, frame: FrameType | None) -> None:
    signal.signal(number, signal.SIG_DFL)
    release_all()
    os.kill(os.getpid(), number)
