"""Annotations of functions, as far as they can be resolved."""

from __future__ import annotations

import types
import typing
from collections.abc import Callable
from typing import Any


def hints_of(function: Callable[..., Any]) -> dict[str, Any]:
    """Returns the types of a function's parameters. One that cannot be resolved is left out; the others stay.

    Drivers often import types for type checkers only, and such a name must not take the meaning from its neighbours.
    """
    try:
        return typing.get_type_hints(function)
    except Exception:  # noqa: BLE001 - resolving runs the annotations' text, and that may raise anything
        return _one_by_one(function)


def _one_by_one(function: Callable[..., Any]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, annotation in getattr(function, "__annotations__", {}).items():
        alone = types.FunctionType(_nothing.__code__, getattr(function, "__globals__", {}))
        alone.__annotations__ = {name: annotation}
        try:
            found |= typing.get_type_hints(alone)
        except Exception:  # noqa: BLE001 - as above
            continue
    return found


def _nothing() -> None: ...
