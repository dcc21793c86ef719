"""Who is there, and who has it: exporters and leases of a lab, asked outside of any lease."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from pathlib import Path

from ..errors import ConfigurationError, LeaseTimeoutError
from ..wire.deadline import Deadline, in_words
from ..wire.secrets import Redactor
from .configuration import load_configuration
from .controller import Controller
from .leasing import Leased
from .refusals import ControllerAwayError
from .seats import Seat, describe, list_seats

FIRST_POLL, LONGEST_POLL = 0.1, 2.0
QUIET = 1.0
REPEAT = 60.0


@contextlib.contextmanager
def asked(leased: Leased | None, client_config: str | Path | None, redact: Redactor) -> Iterator[Controller]:
    """Gives a controller to ask: the one of a lease, unless another configuration is named.

    Raises:
        ConfigurationError: as `load_configuration`.
    """
    if leased is not None and client_config is None:
        yield leased.controller
        return
    controller = Controller(load_configuration(client_config), redact)
    try:
        yield controller
    finally:
        controller.close()


def wait_for_seat(
    controller: Controller, selector: str, exporter_name: str, deadline: Deadline, progress: Callable[[str], object]
) -> Seat:
    """Waits until an exporter could be leased.

    Raises:
        ConfigurationError: there is none with these labels or this name at all.
        LeaseTimeoutError: none became free in time; the message says what they are doing.
        JumpstarterError: see `refusals`.
    """
    wanted = f"exporter '{exporter_name}'" if exporter_name else f"an exporter with {selector}" if selector else "an exporter"
    pause, told, told_at, words = FIRST_POLL, "", 0.0, "the controller does not answer"
    while True:
        waited = deadline.total - deadline.remaining
        try:
            seats = list_seats(controller, selector, exporter_name, deadline)
            if not seats:
                raise ConfigurationError(f"{controller.where[0].upper()}{controller.where[1:]} has not {wanted}.")
            if free := [seat for seat in seats if seat.is_free]:
                return free[0]
            words = ", ".join(describe(seat) for seat in seats)
        except ControllerAwayError as error:
            words = str(error)
        if deadline.expired:
            raise LeaseTimeoutError(f"No exporter became available within {in_words(deadline.total)} ({wanted}): {words}.")
        if waited > QUIET and (words != told or waited - told_at > REPEAT):
            told, told_at = words, waited
            progress(f"Waiting until {wanted} is available, {in_words(round(waited))} so far: {words}")
        deadline.sleep(pause)
        pause = min(pause * 1.5, LONGEST_POLL)
