"""From a wish to a socket: configuration, controller, lease, tunnel, and their end in the opposite order."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from types import TracebackType

from ..errors import ConfigurationError, LeaseError
from ..wire.deadline import Deadline, Timeout, seconds
from ..wire.interruptible import SoundEvent
from ..wire.secrets import Redactor
from .configuration import ClientConfiguration, load_configuration
from .controller import Controller
from .hooks import wait_until_ready
from .lease import Lease
from .leases import Progress, acquire, acquisition_deadline
from .tunnel import Tunnel
from .wish import Wish

HURRIED_RELEASE = 5.0
"""Seconds for a release on the way to an error."""


class Notes:
    """What background threads have to tell people: kept until somebody listens."""

    def __init__(self) -> None:
        self._kept: list[str] = []
        self._sink: Callable[[str], object] = self._kept.append

    def __call__(self, text: str) -> None:
        """Tells something."""
        self._sink(text)

    def connect(self, sink: Callable[[str], object]) -> None:
        """Has everything told to somebody, also what was said before."""
        self._sink = sink
        kept, self._kept = self._kept, []
        for text in kept:
            sink(text)


@dataclass(frozen=True)
class Leased:
    """An exporter that is ours for a while."""

    configuration: ClientConfiguration
    controller: Controller
    lease: Lease
    tunnel: Tunnel
    notes: Notes

    def why_lost(self) -> str:
        """Says why the exporter cannot be reached, if lease or tunnel know; nothing else."""
        if ended := self.lease.look_quickly():
            return f"the {self.lease} is over: {ended}"
        return self.tunnel.failure


class Interruption:
    """Ends from another thread what a thread waits for, as an exception does on the main one."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._happened = SoundEvent()
        self._controller: Controller | None = None

    @property
    def happened(self) -> bool:
        """Whether it has come."""
        return self._happened.is_set()

    def interrupt(self) -> None:
        """Ends it: the wait that is under way, and each that begins later."""
        self._happened.set()
        with self._lock:
            controller = self._controller
        if controller is not None:
            controller.close()

    def watch(self, controller: Controller) -> None:
        """Has the requests to a controller end, too."""
        with self._lock:
            self._controller = controller

    def deadline(self, deadline: Deadline) -> Deadline:
        """Returns a deadline that is over at once when the interruption comes."""
        return InterruptibleDeadline(deadline.remaining, self._happened)


class InterruptibleDeadline(Deadline):
    """A deadline that another thread can bring forward to now."""

    __slots__ = ("_interrupted",)

    def __init__(self, timeout: Timeout, interrupted: threading.Event) -> None:
        super().__init__(timeout)
        self._interrupted = interrupted

    @property
    def remaining(self) -> float:
        """Seconds left; none after the interruption."""
        return 0.0 if self._interrupted.is_set() else super().remaining

    def sleep(self, duration: Timeout) -> None:
        """Sleeps for a while, but not beyond the deadline."""
        self._interrupted.wait(min(seconds(duration), self.remaining))


@contextlib.contextmanager
def leased(
    wish: Wish,
    *,
    redact: Redactor | None = None,
    progress: Progress = lambda _: None,
    configured: Callable[[ClientConfiguration], object] = lambda _: None,
    interruption: Interruption | None = None,
) -> Iterator[Leased]:
    """Leases an exporter for the block. What the wish made is released at its end, whatever the end is.

    Args:
        wish: what lease.
        redact: learns the tokens.
        progress: told, in sentences, what is waited for.
        configured: given the configuration before anybody is asked.
        interruption: ends the waiting from another thread, where this is not the main one.

    Raises:
        JumpstarterError: as `load_configuration`, `acquire` and `wait_until_ready`.
    """
    wish.check()
    try:
        configuration = load_configuration(wish.client_config)
    except ConfigurationError as error:
        raise ConfigurationError(f"Cannot lease {wish}: {error}") from None
    configured(configuration)
    redact = Redactor() if redact is None else redact
    notes = Notes()
    with contextlib.ExitStack() as stack:
        controller = Controller(configuration, redact, notes)
        stack.callback(controller.close)
        deadline = acquisition_deadline(wish, controller)
        if interruption is not None:
            interruption.watch(controller)
            deadline = interruption.deadline(deadline)
        # Before the lease is asked for, so that there is no moment in which nobody would release it.
        lease = acquire(controller, wish, deadline, progress, lambda made: stack.push(_releaser(made)))
        lease.tell = notes
        tunnel = Tunnel(controller, lease.name, lease.exporter, configuration.dial_timeout, lease.look_quickly)
        tunnel.tell = notes
        stack.callback(tunnel.close)
        stack.callback(lease.stop)
        lease.watch()  # the exporter's hook may take longer than the lease's first duration
        wait_until_ready(lease, tunnel, deadline, progress)
        yield Leased(configuration, controller, lease, tunnel, notes)


def _releaser(lease: Lease) -> Callable[[type[BaseException] | None, BaseException | None, TracebackType | None], bool]:
    def release(kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> bool:
        if error is None:
            lease.release()
        else:  # that one matters more, and the end of the process tries again
            with contextlib.suppress(LeaseError):
                lease.release(HURRIED_RELEASE)
        return False

    return release
