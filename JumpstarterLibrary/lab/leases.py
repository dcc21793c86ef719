"""Getting a lease: asked for once, waited for in words, stopped at once by what is final (protocol §8.1, §8.4)."""

from __future__ import annotations

import contextlib
import os
import time
from collections.abc import Callable

from ..errors import (
    AccessDeniedError,
    ConfigurationError,
    JumpstarterError,
    LeaseError,
    LeaseTimeoutError,
    LeaseUnsatisfiableError,
)
from ..wire.deadline import Deadline, Timeout, in_words
from .controller import Controller
from .lease import Lease
from .refusals import ControllerAwayError, NotFoundByControllerError
from .seats import describe, list_seats
from .states import Condition, LeaseState, short
from .wish import Wish

FIRST_POLL, LONGEST_POLL = 0.01, 3.0
"""Seconds between two looks at a lease that is waiting: at first, as an exporter that is free is there at once; and what they
double to."""
POLL_TIMEOUT = 10.0
CONTACT_TIMEOUT = 30.0
"""Seconds for the first question to a controller, which may be a wrong address."""
HOLDERS_INTERVAL = 15.0
"""Seconds between two looks at who holds the exporters."""
HOLDERS_TIMEOUT = 3.0
QUIET = 1.0
"""Seconds of waiting that are not worth a word."""
REPEAT = 60.0
"""Seconds after which the same is told again."""
MOST_NAMED = 5
RECREATE_PAUSE = 5.0

Progress = Callable[[str], object]
"""Takes a sentence on what is waited for; called on the thread that waits."""

_OURS = ("NoAccess", "ExporterNotFound", "SelectorMismatch", "SpotAccess")


def acquire(
    controller: Controller, wish: Wish, deadline: Deadline, progress: Progress, keep: Callable[[Lease], object] = lambda _: None
) -> Lease:
    """Gets a lease and waits until it has an exporter.

    Args:
        controller: whom to ask.
        wish: what for.
        deadline: by when.
        progress: told what is waited for.
        keep: given each lease before it is asked for, and has to release it, however this ends.

    Raises:
        LeaseUnsatisfiableError: no exporter will ever fit.
        LeaseTimeoutError: none became free in time.
        LeaseError: the lease ended before it began.
        JumpstarterError: the controller refused, see `refusals`.
    """
    if wish.lease:
        lease = Lease(controller, short(wish.lease), created=False, auto_extend=wish.extends)
        keep(lease)
        _take_existing(lease, deadline)
        _Waiting(lease, wish, deadline, progress).run()
        return lease
    while True:
        lease = Lease(controller, _new_name(), created=True, auto_extend=wish.extends)
        keep(lease)
        try:
            _make(lease, wish, deadline)
            _Waiting(lease, wish, deadline, progress).run()
            return lease
        except _TryAgainError as reason:
            if deadline.remaining <= RECREATE_PAUSE:
                raise LeaseTimeoutError(f"No lease on {wish} within {in_words(deadline.total)}: {reason}.") from None
            progress(f"No exporter fits {wish} now ({reason}); it is asked for again.")
            deadline.sleep(RECREATE_PAUSE)


def _make(lease: Lease, wish: Wish, deadline: Deadline) -> None:
    lease.in_making = True
    try:
        lease.take(lease.controller.create_lease(lease.name, wish.request(), min(CONTACT_TIMEOUT, deadline.remaining)))
    except ControllerAwayError as error:
        if error.never_asked:
            lease.forget()
        raise
    except JumpstarterError:  # a refusal
        lease.in_making = False
        raise
    lease.in_making = False


def _take_existing(lease: Lease, deadline: Deadline) -> None:
    try:
        ended = lease.look(min(CONTACT_TIMEOUT, deadline.remaining))
    except NotFoundByControllerError:  # pragma: no cover - look() says it in its own way
        ended = "it is not there"
    if not ended:
        return
    if lease.ended == "somebody deleted it":
        raise ConfigurationError(f"There is no lease '{lease.name}' at {lease.controller.where}. jmp get leases lists them.")
    if lease.ended.startswith("it was transferred"):
        raise AccessDeniedError(
            f"The {lease} belongs to client '{lease.state.client}', not to '{lease.controller.configuration.name}'."
        )
    raise LeaseError(f"The {lease} is over: {lease.ended}.")


class _TryAgainError(Exception):
    """An old controller found no exporter; another lease may have more luck."""


class _Waiting:
    """Waits until a lease has an exporter."""

    def __init__(self, lease: Lease, wish: Wish, deadline: Deadline, progress: Progress) -> None:
        self._lease = lease
        self._wish = wish
        self._deadline = deadline
        self._progress = progress
        self._begin = time.monotonic()
        self._told = ""
        self._told_at = 0.0
        self._holders = ""
        self._holders_at = 0.0
        self._reason = ""

    def run(self) -> None:
        """Returns when the lease is in force."""
        pause, state = FIRST_POLL, self._lease.state
        while not self._is_acquired(state):
            self._tell(state)
            if self._deadline.expired:
                self._give_up(state)
            self._deadline.sleep(pause)
            pause = min(pause * 2, LONGEST_POLL)
            state = self._look(state)

    def _look(self, before: LeaseState) -> LeaseState:
        controller = self._lease.controller
        try:
            state = controller.get_lease(self._lease.name, min(POLL_TIMEOUT, max(self._deadline.remaining, 0.1)))
        except NotFoundByControllerError:
            self._lease.ended = "somebody deleted it"
            raise LeaseError(f"No lease on {self._wish}: somebody deleted the {self._lease} while it waited.") from None
        except ControllerAwayError as error:  # it may come back before our time is over
            self._reason = str(error)
            return before
        self._reason = ""
        self._lease.take(state)
        return state

    def _is_acquired(self, state: LeaseState) -> bool:
        """Looks in the order of §8.4, as conditions are never cleared. What came first explains what came later."""
        for kind in ("Unsatisfiable", "Invalid"):
            if (condition := state.condition(kind)) is not None and not state.acquired:
                self._refuse(condition)
        if state.ended:
            self._lease.ended = state.ended
            raise LeaseError(f"No lease on {self._wish}: the {self._lease} is over before it began: {state.ended}.")
        client = self._lease.controller.configuration.name
        if state.client and state.client != client:
            self._lease.ended = f"it was transferred to client '{state.client}'"
            raise LeaseError(f"No lease on {self._wish}: the {self._lease} was given to client '{state.client}'.")
        return state.acquired

    def _refuse(self, condition: Condition) -> None:
        text = condition.message.rstrip(".") or condition.reason
        if condition.reason == "NoExporter":
            raise _TryAgainError(text)
        told = f"No lease on {self._wish}: {text} ({condition.reason})."
        if condition.kind == "Invalid":
            raise ConfigurationError(f"{told} Check the selector.")
        if condition.reason in _OURS:
            raise LeaseUnsatisfiableError(f"{told} Check selector and exporter name, or ask the lab for access.")
        raise LeaseError(told)

    # ---------------------------------------------------------------- in words

    def _tell(self, state: LeaseState) -> None:
        now = time.monotonic()
        if now - self._begin < QUIET:
            return
        why = self._why(state)
        if why == self._told and now - self._told_at < REPEAT:
            return
        self._told, self._told_at = why, now
        self._progress(f"Waiting for {self._wish}, {in_words(round(now - self._begin))} so far: {why}")

    def _why(self, state: LeaseState) -> str:
        if self._reason:
            return self._reason
        if state.scheduled_begin is not None and state.begin is None and not state.conditions:
            return f"the lease is scheduled for {state.scheduled_begin.astimezone():%Y-%m-%d %H:%M:%S}."
        pending = state.condition("Pending")
        if pending is None:
            return "the controller has not decided yet."
        words = {
            "Offline": "the exporters that fit are offline",
            "NotAvailable": "the exporters that fit are leased",
            "NotReady": "the exporters that fit are not ready yet",
        }
        why = words.get(pending.reason) or pending.message.rstrip(".") or pending.reason
        return f"{why}{self._who()}."

    def _who(self) -> str:
        now = time.monotonic()
        if self._holders_at and now - self._holders_at < HOLDERS_INTERVAL:
            return self._holders
        self._holders_at = now
        with contextlib.suppress(JumpstarterError):
            self._holders = self._ask_who()
        return self._holders

    def _ask_who(self) -> str:
        controller, deadline = self._lease.controller, Deadline(min(HOLDERS_TIMEOUT, max(self._deadline.remaining, 0.1)))
        wanted = self._wish.request()
        seats = list_seats(controller, wanted.selector, wanted.exporter_name, deadline)
        shown = [describe(seat) for seat in seats[:MOST_NAMED]]
        if len(seats) > MOST_NAMED:
            shown.append(f"and {len(seats) - MOST_NAMED} more")
        return f" ({', '.join(shown)})" if shown else ""

    def _give_up(self, state: LeaseState) -> None:
        raise LeaseTimeoutError(f"No lease on {self._wish} within {in_words(self._deadline.total)}: {self._why(state)}")


def acquisition_deadline(wish: Wish, controller: Controller) -> Deadline:
    """By when a lease has to be there: as wished, else as the configuration says."""
    timeout: Timeout = wish.acquisition_timeout or controller.configuration.acquisition_timeout
    return Deadline(timeout)


def _new_name() -> str:
    """A name that nobody else has and that sorts by age, as the controller itself makes them (UUIDv7)."""
    random = int.from_bytes(os.urandom(10), "big")
    number = (int(time.time() * 1000) << 80) | random
    number = (number & ~(0xF << 76)) | (0x7 << 76)
    number = (number & ~(0x3 << 62)) | (0x2 << 62)
    text = f"{number:032x}"
    return "-".join((text[:8], text[8:12], text[12:16], text[16:20], text[20:]))
