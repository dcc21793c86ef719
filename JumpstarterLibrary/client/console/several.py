"""Waiting on several consoles at once: whichever says it first."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...errors import ConsoleTimeoutError
from ...wire.deadline import Deadline, Timeout, in_words
from .console import Console
from .patterns import Match, Pattern
from .result import ConsoleMatch
from .searches import SingleSearch

INTERVAL = 0.005
"""Seconds between two looks; each console has news of its own."""


def wait_on_any(consoles: Sequence[Console], pattern: str, match: Match, timeout: Timeout) -> ConsoleMatch:
    """Waits for a line on whichever console says it first.

    Raises:
        ConsoleTimeoutError: none did in time.
        ConsoleWatcherError: a watcher of one of them was hit meanwhile.
    """
    wanted = Pattern(pattern, match)
    deadline, began = Deadline(timeout), time.monotonic()
    searches = [(console, SingleSearch(wanted, console.place("last match").text)) for console in consoles]
    starts = [search.position for _, search in searches]
    while True:
        hits = [
            (found[0].time, index, found) for index, (console, search) in enumerate(searches) if (found := console.poll(search))
        ]
        if hits:
            _, index, found = min(hits, key=lambda hit: hit[0])
            return consoles[index].take(found, starts[index], began)[0]
        for console in consoles:
            console.check()
        if deadline.expired:
            names = ", ".join(f"'{console.name}'" for console in consoles)
            last = "; ".join(f"'{console.name}' said last: '{console.last_line}'" for console in consoles)
            raise ConsoleTimeoutError(
                f"No line matching {wanted} on any of the consoles {names} within {in_words(deadline.total)}. {last}."
            )
        time.sleep(min(INTERVAL, deadline.remaining))
