"""Looking into what `robot` wrote, and waiting for what comes by itself."""

import time
from collections.abc import Callable, Iterator
from typing import Any


def find_keywords(item: Any, name: str) -> list[Any]:
    """All keywords of a name below a suite, test or keyword, in order, setups and teardowns too."""
    return list(_find(item, name))


def find_keyword(item: Any, name: str) -> Any:
    """The only keyword of a name."""
    (found,) = _find(item, name)
    return found


def end_of(item: Any) -> float:
    """When a keyword or test ended, as seconds since the epoch."""
    return (item.start_time + item.elapsed_time).timestamp()


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    """Waits until something holds; returns whether it came to that."""
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


def _find(item: Any, name: str) -> Iterator[Any]:
    if getattr(item, "name", None) == name and hasattr(item, "args"):
        yield item
    if getattr(item, "has_setup", False):
        yield from _find(item.setup, name)
    for part in (*getattr(item, "body", ()), *getattr(item, "suites", ()), *getattr(item, "tests", ())):
        yield from _find(part, name)
    if getattr(item, "has_teardown", False):
        yield from _find(item.teardown, name)
