"""The leases that this process holds, released at the latest when it ends.

SIGKILL alone leaves one behind, until its duration is over; so durations are short, and extended.
"""

from __future__ import annotations

import _thread
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
ENDINGS = [getattr(signal, name) for name in ("SIGTERM", "SIGHUP") if hasattr(signal, name)]
"""Signals that end a process, and which Python leaves to the system."""


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
    guard_against_signals()


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


def guard_against_signals() -> None:
    """Has SIGTERM, and SIGHUP of a terminal that is closed, release our leases before they end the process, unless somebody
    handles them already, as Robot does with SIGTERM. Only the main thread can; whoever leases on another one calls this first."""
    if threading.current_thread() is threading.main_thread():
        for number in ENDINGS:
            if signal.getsignal(number) is signal.SIG_DFL:
                signal.signal(number, _terminated)


def _terminated(number: int, frame: FrameType | None) -> None:
    for each in ENDINGS:  # who sends it twice gets no more by that than a lease that is left
        signal.signal(each, signal.SIG_IGN)
    # On another thread, and for a limited time: what the main thread was doing may hold a lock that a release needs, and the main
    # thread does not go on before this handler is done. Not by `threading.Thread`, which has such a lock itself.
    finished = threading.Lock()
    finished.acquire()
    limit = LAST_TIMEOUT * len(_held) + 1.0

    def release() -> None:
        try:
            release_all()
        finally:
            finished.release()

    _thread.start_new_thread(release, ())
    finished.acquire(timeout=limit)
    signal.signal(number, signal.SIG_DFL)
    os.kill(os.getpid(), number)
