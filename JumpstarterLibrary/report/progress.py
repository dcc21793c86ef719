"""A progress bar on the terminal, for transfers that take a while."""

from __future__ import annotations

import contextlib
import sys
import time
from collections.abc import Iterator
from typing import Any

from robot.libraries.BuiltIn import BuiltIn
from robot.output import LOGGER

PATIENCE = 1.0
"""Seconds that a transfer takes before the bar appears."""
LONGEST_TITLE = 40
"""Characters."""


class ProgressBar:
    """Shows how far a transfer is, on the terminal; call it with the bytes so far and the bytes in all, if those are known.

    It stays away when standard error is no terminal, when Robot writes to the console less than usual, or the transfer is quick.

    Args:
        title: what the transfer is, in a few words.
    """

    def __init__(self, title: str) -> None:
        self._title = title if len(title) <= LONGEST_TITLE else f"…{title[1 - LONGEST_TITLE :]}"
        self._begin = time.monotonic()
        self._bar: Any = None
        self._wanted = _is_terminal() and _is_verbose()

    def __call__(self, count: int, total: int | None) -> None:
        """Shows how far it is."""
        if not self._wanted:
            return
        if self._bar is None:
            if time.monotonic() - self._begin < PATIENCE:
                return
            self._bar = self._draw(total)
        self._bar.update(count - self._bar.n)

    def close(self) -> None:
        """Ends the bar; its last state stays on the terminal."""
        if self._bar is not None:
            self._bar.close()
            self._bar = None

    def _draw(self, total: int | None) -> Any:
        import tqdm  # late, as most transfers are quick

        tqdm.tqdm.monitor_interval = 0  # no thread of its own: we call often enough
        with contextlib.suppress(OSError, ValueError):  # the name of the test waits there for its status
            sys.__stdout__ and sys.__stdout__.isatty() and print(file=sys.__stdout__, flush=True)
        return tqdm.tqdm(
            desc=self._title,
            total=total,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            dynamic_ncols=True,
            file=sys.__stderr__,
            mininterval=0.1,
        )


@contextlib.contextmanager
def progress_bar(title: str) -> Iterator[ProgressBar]:
    """A bar that ends with the block, whatever happens."""
    bar = ProgressBar(title)
    try:
        yield bar
    finally:
        bar.close()


def _is_terminal() -> bool:
    try:
        return sys.__stderr__ is not None and sys.__stderr__.isatty()
    except ValueError:  # it is closed
        return False


def _is_verbose() -> bool:
    """Whether Robot writes every test to the console. Robot tells that to nobody, so its console is asked what it is."""
    if not BuiltIn().robot_running:
        return False
    console = getattr(LOGGER, "_console", None)
    console = getattr(console, "listener", console)
    return type(console).__name__.startswith("Verbose")
