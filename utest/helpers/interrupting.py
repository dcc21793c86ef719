"""Interrupts the main thread at any line of chosen functions, as Ctrl-C and Robot's timeouts do at any moment."""

import linecache
import sys
import types
from collections.abc import Callable, Iterator
from typing import Any


class Interruption(BaseException):
    """What is raised; nobody catches it by name."""


class Interrupter:
    """Raises `Interruption` before the n-th line that is executed inside some functions; counts from 1.

    Lines to which Python returns at the end of a `with` block are passed over: there, the block's own end has begun, and no code
    can be written that would survive an interruption between two steps of it.

    Args:
        functions: whose lines count; those of generators' bodies are lines of the function.
        number: at which of them.
    """

    def __init__(self, functions: tuple[Callable[..., Any], ...], number: int) -> None:
        self._codes = {code_of(function) for function in functions}
        self._number = number
        self._visited: set[tuple[int, int]] = set()
        self._count = 0
        self.place = ""
        """Where it was raised; empty if there were fewer lines."""

    def __enter__(self) -> "Interrupter":
        self._before = sys.gettrace()
        sys.settrace(self._called)
        return self

    def __exit__(self, *_: object) -> None:
        sys.settrace(self._before)

    def _called(self, frame: types.FrameType, event: str, _: object) -> Any:
        return self._traced if frame.f_code in self._codes else None

    def _traced(self, frame: types.FrameType, event: str, _: object) -> Any:
        if event == "line" and not self.place:
            text = linecache.getline(frame.f_code.co_filename, frame.f_lineno).strip()
            visit = (id(frame), frame.f_lineno)
            leaving = text.startswith(("with ", "async with ")) and visit in self._visited
            self._visited.add(visit)
            self._count += not leaving
            if self._count == self._number and not leaving:
                self.place = f"{frame.f_code.co_qualname}:{frame.f_lineno}: {text}"
                raise Interruption
        return self._traced


def code_of(function: Any) -> types.CodeType:
    """The code of a function, also of one that `contextmanager` wraps."""
    return getattr(function, "__wrapped__", function).__code__


def every_interruption(*functions: Callable[..., Any]) -> Iterator[Interrupter]:
    """Gives one interrupter after the other, each of which comes a line later, until one finds no line any more."""
    number = 0
    while True:
        number += 1
        interrupter = Interrupter(functions, number)
        yield interrupter
        if not interrupter.place:
            assert number > 1, "none of the functions was called"
            return
