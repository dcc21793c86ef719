"""A lease that we hold or use: watched, extended in time, and released whatever happens."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable
from datetime import datetime, timedelta

from ..errors import AccessDeniedError, JumpstarterError, LeaseError
from ..wire.deadline import Deadline, Timeout, in_words
from ..wire.interruptible import SoundEvent, Turn
from . import held
from .controller import Controller
from .refusals import ControllerAwayError, NotFoundByControllerError
from .states import ExporterState, LeaseState

WATCH_INTERVAL = 5.0
"""Seconds between two looks at the lease."""
WATCH_TIMEOUT = 10.0
RELEASE_TIMEOUT = 10.0
"""Seconds that a release may take, whatever else went wrong before."""
LATE_LEASE = 2.0
"""Seconds in which a lease may come to be although the request for it was cut off: the controller had handed it on already."""
QUICK_LOOK = 0.3
"""Seconds for a look at the lease on the way to an error."""
SAFETY = timedelta(seconds=5)
"""What is left of a lease beyond what was asked for, as clocks and networks are not exact."""
RETRY_EXTENSION = 30.0
JOIN_BUDGET = 0.5


class Lease:
    """A lease on one exporter. Thread-safe.

    Args:
        controller: whose.
        name: of the lease.
        created: whether we made it, and so release it.
        auto_extend: whether it is extended by itself while half of its duration is over.
    """

    def __init__(self, controller: Controller, name: str, *, created: bool, auto_extend: bool) -> None:
        self.controller = controller
        self.name = name
        self.created = created
        self.auto_extend = auto_extend
        self.exporter = ""
        self.labels: dict[str, str] = {}
        self.ended = ""
        """Why it has ended, for the end of a sentence; empty while it is in force."""
        self.on_end: Callable[[str], object] = lambda _: None
        """Told once, from the watching thread, when it ends other than by our release."""
        self.tell: Callable[[str], object] = lambda _: None
        """Told, from the watching thread, what people should know."""
        self.released = False
        self.in_making = False
        """Whether it was asked for, and the controller's answer was not heard (yet)."""
        self._state: LeaseState | None = None
        self._seen = 0.0
        self._step = timedelta()
        self._last_note = ""
        self._next_extension = 0.0
        self._lock = threading.RLock()
        self._extending = Turn()
        self._presumed = False
        """Whether its end is only what our clock says."""
        self._stopped = SoundEvent()
        self._thread: threading.Thread | None = None
        if created:
            held.add(self)

    def __str__(self) -> str:
        return f"lease '{self.name}'" + (f" of exporter '{self.exporter}'" if self.exporter else "")

    # ------------------------------------------------------------------- facts

    @property
    def state(self) -> LeaseState:
        """What the controller said last."""
        assert self._state is not None, "nobody has asked the controller yet"
        return self._state

    def take(self, state: LeaseState) -> None:
        """Takes note of what the controller says now."""
        with self._lock:
            self._state, self._seen = state, time.monotonic()
            self.exporter = state.exporter or self.exporter
            if self._step == timedelta() and state.duration is not None:
                self._step = state.duration

    def take_exporter(self, exporter: ExporterState) -> None:
        """Takes note of the exporter's labels."""
        self.labels = dict(exporter.labels)

    @property
    def remaining(self) -> timedelta | None:
        """How much is left, never less than nothing; None if the controller does not say."""
        with self._lock:
            left = self.state.remaining
            if left is None:
                return None
            return max(timedelta(), left - timedelta(seconds=time.monotonic() - self._seen))

    @property
    def expires(self) -> datetime | None:
        """When it ends unless it is extended."""
        return self.state.expires

    def look(self, timeout: Timeout) -> str:
        """Asks the controller, and returns why the lease has ended; empty while it is in force.

        Raises:
            JumpstarterError: the controller could not say.
        """
        try:
            state = self.controller.get_lease(self.name, timeout)
        except NotFoundByControllerError:
            return self._end("somebody deleted it")
        self.take(state)
        if state.ended:
            why = state.ended
            return self._end(f"somebody released it{why.removeprefix('it was released')}" if "released" in why else why)
        if state.client and state.client != self.controller.configuration.name:
            return self._end(f"it was transferred to client '{state.client}'")
        return ""

    def look_quickly(self) -> str:
        """The same on the way to an error: with a short deadline, and without errors of its own."""
        if not self.ended and not self.released:
            with contextlib.suppress(JumpstarterError):
                self.look(QUICK_LOOK)
        return self.ended

    def _end(self, why: str, *, presumed: bool = False) -> str:
        with self._lock:
            news = not self.ended and not self.released
            if news:
                self.ended, self._presumed = why, presumed
        if news:
            if not presumed:
                held.discard(self)
            if not self._stopped.is_set():
                self.on_end(why)
        return self.ended

    # --------------------------------------------------------------- extension

    def extend(self, more: timedelta, timeout: Timeout) -> timedelta:
        """Makes the lease last so much longer from now on. Returns how much is left then.

        Raises:
            LeaseError: the controller refused, or the lease has ended.
            JumpstarterError: the controller could not be asked.
        """
        deadline = Deadline(timeout)
        try:
            # Two at a time could make it shorter: the controller is told the whole length.
            if not self._extending.take(deadline.remaining):
                raise LeaseError(f"Cannot extend the {self} in time: another extension is under way.")
            if self.ended:
                raise LeaseError(f"Cannot extend the {self}: {self.ended}.")
            self._make_longer(max(timedelta(), more - (self.remaining or timedelta())), deadline)
        except AccessDeniedError:
            self.look_quickly()
            raise
        finally:
            self._extending.give()
        left = self.remaining or timedelta()
        if left < more - SAFETY:
            raise LeaseError(f"The controller gave the {self} {in_words(left)}, and {in_words(more)} were asked for.")
        return left

    def _make_longer(self, by: timedelta, deadline: Deadline) -> None:
        state = self.state
        total, end = (state.duration or timedelta()) + by, None
        if state.scheduled_end is not None and state.scheduled_begin is not None:  # all three times have to agree then
            end = (state.scheduled_begin, state.scheduled_end + by)
            total = end[1] - end[0]
        self.take(self.controller.extend_lease(self.name, total, deadline.remaining, end=end))

    def ensure(self, needed: timedelta, timeout: Timeout, what: str) -> None:
        """Sees to it that so much is left.

        Args:
            needed: how much.
            timeout: for the controller.
            what: what needs it, for the error.

        Raises:
            LeaseError: less is left, and the lease cannot be extended; the message has the figures.
        """
        reason = self.ended and f"{self.ended}"
        if not reason:
            left = self.remaining
            if left is None or left >= needed:
                return
            if self.auto_extend:
                try:
                    if self.extend(max(needed + SAFETY, self._step), timeout) >= needed:
                        return
                    reason = "the controller gave less than was asked for"
                except JumpstarterError as error:
                    reason = str(error)
            else:
                reason = "it is not extended by itself, as auto_extend is off"
        left = self.remaining or timedelta()
        raise LeaseError(
            f"The {self} is too short: {in_words(needed)} are needed for {what}, and {in_words(left)} are left; {reason}."
        )

    # ------------------------------------------------------------------- watch

    def watch(self) -> None:
        """Looks after the lease in the background until it ends or is released."""
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-lease-{self.name}", daemon=True)
        self._thread.start()

    def _run(self) -> None:
        while not self._stopped.wait(self._pause()):
            try:
                if self.look(WATCH_TIMEOUT):
                    return
                if self.auto_extend:
                    self._extend_in_time()
            except ControllerAwayError:
                if self.remaining == timedelta():
                    self._end("its time is over, and the controller does not answer", presumed=True)
                    return
            except JumpstarterError as error:
                self._note(f"Looking after the {self} failed: {error}")

    def _pause(self) -> float:
        left = self.remaining
        # A look just after the end, so that it is noticed at once.
        return WATCH_INTERVAL if left is None else max(0.2, min(WATCH_INTERVAL, left.total_seconds() + 0.2))

    def _extend_in_time(self) -> None:
        left = self.remaining
        if left is None or left > self._step / 2 or time.monotonic() < self._next_extension:
            return
        try:
            self.extend(self._step, WATCH_TIMEOUT)
            self._last_note = ""
        except JumpstarterError as error:
            self._next_extension = time.monotonic() + min(RETRY_EXTENSION, left.total_seconds() / 4)
            if not self._stopped.is_set():
                self._note(f"The {self} could not be extended before {self.expires or 'its end'}: {error}")

    def _note(self, text: str) -> None:
        if text != self._last_note:
            self._last_note = text
            self.tell(text)

    # ----------------------------------------------------------------- release

    def stop(self) -> None:
        """Ends the background thread."""
        self._stopped.set()
        if self._thread is not None and self._thread is not threading.current_thread():
            self._thread.join(JOIN_BUDGET)

    def forget(self) -> None:
        """Takes note that the lease was never made."""
        self.created = False
        held.discard(self)

    def release(self, timeout: Timeout = RELEASE_TIMEOUT) -> None:
        """Gives the exporter back if we created the lease. Doing it twice does no harm.

        It has its own deadline and its own connection, so it is sent even if nothing else works. It may be asked for again
        while another thread's gets no answer.

        Raises:
            LeaseError: it could not be released; the message has the command that does it by hand.
        """
        self._stopped.set()
        if not self.created or self.released or (self.ended and not self._presumed):
            self.released = True
            held.discard(self)
            return
        controller = self.controller.again()
        try:
            controller.delete_lease(self.name, timeout, patience=LATE_LEASE if self.in_making else 0.0)
        except JumpstarterError as error:
            if self._presumed:
                return
            end = self.expires if self._state else None
            until = f"it ends by itself at {end.astimezone():%H:%M:%S}" if end else "it ends by itself after its duration"
            raise LeaseError(
                f"The {self} could not be released, and {until}; by hand: jmp delete leases {self.name}. {error}"
            ) from None
        finally:
            controller.close_channel()
        self.released = True
        held.discard(self)
