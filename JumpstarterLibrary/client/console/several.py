"""Waiting on several consoles at once: whichever says it first."""

from __future__ import annotations

import time
from collections.abc import Sequence

from ...errors import ConsoleError, ConsoleTimeoutError, InfrastructureError, UsageError
from ...wire.deadline import Deadline, Timeout, in_words, seconds
from .console import Console
from .engine import TextLookout, keep_looking
from .looking import LONGEST_LAST_LINE
from .patterns import Match, Pattern
from .result import ConsoleMatch
from .searches import SingleSearch


def wait_on_any(
    consoles: Sequence[Console],
    pattern: str,
    match: Match = Match.CONTAINS,
    timeout: Timeout | None = None,
    *,
    idle: Timeout | None = None,
    since: str = "last match",
) -> ConsoleMatch:
    """Waits for a line on whichever console says it first; they may be of several devices.

    Args:
        consoles: where.
        pattern: what to look for.
        match: how it is compared with a line.
        timeout: that of the first console's device unless given.
        idle: fails earlier, when none of the devices has said anything for so long.
        since: where to begin on each of them; see `Console.place`.

    Raises:
        ConsoleTimeoutError: none did in time.
        ConsoleWatcherError: a watcher of one of them was hit meanwhile.
        InfrastructureError: none did, and an exporter does not answer, or a stream is broken.
    """
    if match is Match.BYTES:
        raise UsageError("Bytes can be waited for on one console only.")
    if not consoles:
        raise UsageError("There are no consoles to wait on.")
    wanted, began = Pattern(pattern, match), time.monotonic()
    deadline = Deadline(consoles[0].device.timeout_seconds if timeout is None else timeout)
    lookouts = [TextLookout(console, SingleSearch(wanted, console.place(since).text)) for console in dict.fromkeys(consoles)]
    if found := keep_looking(lookouts, deadline, None if idle is None else seconds(idle)):
        first, hits = min(found, key=lambda one: one[1][0].time)
        assert isinstance(first, TextLookout)
        return first.console.take(hits, first.start, began)[0]
    names = ", ".join(f"'{console.name}' of '{console.device.name}'" for console in consoles)
    reasons: list[str] = []
    for lookout, console in zip(lookouts, dict.fromkeys(consoles), strict=True):
        try:
            raise console.in_vain(str(lookout.search), deadline, idle, began, lookout.start)
        except InfrastructureError as error:  # one that nobody can hear may be the one that said it
            raise type(error)(f"On none of the consoles {names}: {error}") from None
        except ConsoleError:
            last = console.device.connection.redact(console.last_line)[:LONGEST_LAST_LINE]
            reasons.append(f"\n  '{console.name}' of '{console.device.name}' said last: '{last}'")
    words = in_words(deadline.total) if deadline.expired or idle is None else f"{in_words(idle)} of silence"
    raise ConsoleTimeoutError(f"No line matching {wanted} on any of the consoles {names} within {words}.{''.join(reasons)}")
