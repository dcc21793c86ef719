"""Settings with a scope: for the whole run, for a suite, or for a test."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import timedelta
from enum import Enum

from .keywords.base import Scope


class AutoClose(Enum):
    """When sessions are closed that nobody closed: at the end of the test or suite that opened them, at the end of the run,
    or not at all."""

    TEST = "test"
    SUITE = "suite"
    MANUAL = "manual"
    KEEP = "keep"


@dataclass
class _Layer:
    scope: Scope
    timeout: timedelta | None = None


class Settings:
    """A stack of layers: the run's at the bottom, then one per suite, and one for the test. The topmost that is set counts."""

    def __init__(self, timeout: timedelta) -> None:
        self._layers = [_Layer(Scope.Global, timeout)]

    @property
    def timeout(self) -> timedelta:
        """How long a keyword may take unless it says otherwise."""
        return next(layer.timeout for layer in reversed(self._layers) if layer.timeout is not None)

    def set_timeout(self, timeout: timedelta, scope: Scope) -> timedelta:
        """Sets the timeout for a scope and returns the one that held before. What was set for inner scopes gives way."""
        before = self.timeout
        position = max((i for i, layer in enumerate(self._layers) if layer.scope is scope), default=0)
        self._layers[position].timeout = timeout
        for layer in self._layers[position + 1 :]:
            layer.timeout = None
        return before

    def enter(self, scope: Scope) -> None:
        """A suite or a test begins."""
        self._layers.append(_Layer(scope))

    def leave(self, scope: Scope) -> None:
        """A suite or a test ends, and with it what was set for it."""
        if len(self._layers) > 1 and self._layers[-1].scope is scope:
            self._layers.pop()
