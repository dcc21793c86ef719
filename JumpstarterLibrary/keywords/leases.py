"""Leases: what is known of them, more time, and the exporters of a lab."""

from __future__ import annotations

from datetime import timedelta

from robot.api import logger
from robot.utils import DotDict

from ..errors import LeaseError, UsageError
from ..lab.exporters import asked, wait_for_seat
from ..lab.lease import Lease
from ..lab.leasing import Leased
from ..lab.seats import Seat, list_seats
from ..lab.states import LeaseState
from ..report.lab_tables import exporters_table, leases_table
from ..wire.deadline import Deadline, in_words
from .base import KeywordGroup, Tag, keyword


class LeaseKeywords(KeywordGroup):
    """Keywords for leases and exporters of a lab."""

    @keyword(tags=[Tag.LEASE, Tag.GETTER])
    def get_lease(self, alias: str | None = None) -> DotDict:
        """Returns what is known of the lease behind a session.

        Args:
            alias: Which session; the current one unless given.

        Returns:
            A dictionary with `name`, `exporter`, `labels`, `client`, `selector`, `tags`, `created` (whether the session made it),
            `remaining` (how much is left), `expires` (when it ends unless it is extended) and `ended` (why it is over; empty
            while it is not).

        Raises:
            TEST: the session has no lease.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    selector=board=mock
            ${lease} =    Get Lease
            Log    ${lease.exporter} is ours for ${lease.remaining}.
        ```
        """
        lease = self._lease(alias)
        state = lease.state
        return DotDict(
            name=lease.name,
            exporter=lease.exporter,
            labels=DotDict(lease.labels),
            client=state.client,
            selector=state.selector,
            tags=DotDict(state.tags),
            created=lease.created,
            remaining=lease.remaining,
            expires=lease.expires,
            ended=lease.ended,
        )

    @keyword(tags=[Tag.LEASE])
    def extend_lease(self, remaining: timedelta, *, alias: str | None = None, timeout: timedelta | None = None) -> timedelta:
        """Makes a lease last longer, so that from now on so much is left. It is never made shorter.

        Args:
            remaining: How much is to be left.
            alias: Which session; the current one unless given.
            timeout: How long the controller may take; the library's timeout unless given.

        Returns:
            How much is left now.

        Raises:
            TEST: the session has no lease.
            INFRASTRUCTURE: the lease is over, or the controller refuses.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    selector=board=mock
            Extend Lease    45 min
            Lease Should Have Time Left    40 min
        ```
        """
        lease = self._lease(alias)
        left = lease.extend(remaining, timeout or self.library.settings.timeout)
        logger.info(f"{in_words(left)} are left of the {lease}.")
        return left

    @keyword(tags=[Tag.LEASE])
    def release_lease(self, alias: str | None = None) -> None:
        """Closes a session and gives its exporter back, before the end of the suite does it.

        Args:
            alias: Which session; the current one unless given.

        Raises:
            TEST: the session has no lease, or it uses one that somebody else made and keeps.
            INFRASTRUCTURE: the controller could not be reached; the message has the command that does it by hand.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    selector=board=mock
            Release Lease
        ```
        """
        lease = self._lease(alias)
        if not lease.created:
            raise UsageError(
                f"The {lease} was not made by this session, so it is not released. Close Jumpstarter Session leaves it."
            )
        self.library.sessions.close(alias)

    @keyword(tags=[Tag.LEASE, Tag.ASSERTION])
    def lease_should_have_time_left(
        self, minimum: timedelta, *, alias: str | None = None, extend: bool = False, timeout: timedelta | None = None
    ) -> None:
        """Fails if less than this is left of a lease.

        Args:
            minimum: How much has to be left.
            alias: Which session; the current one unless given.
            extend: Whether a shorter lease is extended first, if it is one that is extended by itself.
            timeout: How long the controller may take; the library's timeout unless given.

        Raises:
            TEST: the session has no lease.
            INFRASTRUCTURE: less is left, with the figures, or the lease is over.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    selector=board=mock
            Lease Should Have Time Left    5 min
        ```
        """
        lease = self._lease(alias)
        limit = timeout or self.library.settings.timeout
        if extend:
            lease.ensure(minimum, limit, "this check")
        if ended := lease.look(limit):
            raise LeaseError(f"The {lease} is over: {ended}.")
        left = lease.remaining
        if left is not None and left < minimum:
            raise LeaseError(f"{in_words(left)} are left of the {lease}, and {in_words(minimum)} should be.")
        logger.info(f"{in_words(left) if left is not None else 'No one knows how much time'} left of the {lease}.")

    @keyword(tags=[Tag.LEASE, Tag.GETTER])
    def get_exporter_labels(self, alias: str | None = None) -> DotDict:
        """Returns the labels of the exporter behind a lease.

        Args:
            alias: Which session; the current one unless given.

        Returns:
            A dictionary of the labels.

        Raises:
            TEST: the session has no lease.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    selector=board=mock
            ${labels} =    Get Exporter Labels
            Should Be Equal    ${labels.board}    mock
        ```
        """
        return DotDict(self._lease(alias).labels)

    @keyword(tags=[Tag.LEASE, Tag.GETTER])
    def get_exporters(
        self,
        selector: str = "",
        *,
        client_config: str | None = None,
        timeout: timedelta | None = None,
    ) -> list[DotDict]:
        """Returns the exporters of the lab, and draws them as a table in the log. No session is needed.

        Args:
            selector: Labels that they have to have, such as `board=rpi4`; all unless given.
            client_config: Alias or path of the client configuration; the one of the current lease, else the user's current one.
            timeout: How long the controller may take; the library's timeout unless given.

        Returns:
            A list of dictionaries with `name`, `labels`, `status`, `available`, `leased_by` and `leased_until`.

        Raises:
            CONFIGURATION: there is no client configuration, or the controller refuses the token or the selector.
            INFRASTRUCTURE: the controller cannot be reached.

        ```robotframework
        *** Test Cases ***
        Example
            ${exporters} =    Get Exporters    board=mock
            Log    ${exporters}[0][name] is ${exporters}[0][status].
        ```
        """
        deadline = Deadline(timeout or self.library.settings.timeout)
        with asked(self._leased(), client_config, self.library.sessions.redact) as controller:
            seats = list_seats(controller, selector, "", deadline)
        logger.info(exporters_table(seats), html=True)
        return [_exporter(seat) for seat in seats]

    @keyword(tags=[Tag.LEASE, Tag.GETTER])
    def get_leases(
        self, *, only_active: bool = True, client_config: str | None = None, timeout: timedelta | None = None
    ) -> list[DotDict]:
        """Returns the leases of the lab, of all clients, and draws them as a table in the log. No session is needed.

        Args:
            only_active: Whether to leave out those that have ended.
            client_config: Alias or path of the client configuration; the one of the current lease, else the user's current one.
            timeout: How long the controller may take; the library's timeout unless given.

        Returns:
            A list of dictionaries with `name`, `client`, `exporter`, `selector`, `exporter_name`, `tags`, `expires` and `ended`.

        Raises:
            CONFIGURATION: there is no client configuration, or the controller refuses the token.
            INFRASTRUCTURE: the controller cannot be reached.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    selector=board=mock
            ${leases} =    Get Leases
            Should Not Be Empty    ${leases}
        ```
        """
        limit = timeout or self.library.settings.timeout
        with asked(self._leased(), client_config, self.library.sessions.redact) as controller:
            leases = controller.list_leases(limit, only_active=only_active)
        logger.info(leases_table(leases), html=True)
        return [_lease(lease) for lease in leases]

    @keyword(tags=[Tag.LEASE, Tag.WAITING])
    def wait_until_exporter_is_available(
        self,
        selector: str = "",
        *,
        exporter_name: str = "",
        client_config: str | None = None,
        timeout: timedelta = timedelta(minutes=5),
    ) -> str:
        """Waits until an exporter could be leased. No session is needed, and nothing is leased.

        Args:
            selector: Labels that it has to have.
            exporter_name: Its name.
            client_config: Alias or path of the client configuration; the one of the current lease, else the user's current one.
            timeout: How long to wait.

        Returns:
            The exporter's name.

        Raises:
            CONFIGURATION: the lab has no such exporter.
            INFRASTRUCTURE: none became available in time; the message says what they are doing.

        ```robotframework
        *** Test Cases ***
        Example
            ${name} =    Wait Until Exporter Is Available    board=mock    timeout=30 s
            Open Jumpstarter Session    exporter_name=${name}
        ```
        """
        with asked(self._leased(), client_config, self.library.sessions.redact) as controller:
            seat = wait_for_seat(controller, selector, exporter_name, Deadline(timeout), self.tell)
        return seat.exporter.name

    def tell(self, text: str) -> None:
        """Tells people what is waited for: in the log and on the terminal."""
        logger.info(self.library.sessions.redact(text), also_console=True)

    def _leased(self) -> Leased | None:
        return self.session.leased if len(self.library.sessions) else None

    def _lease(self, alias: str | None) -> Lease:
        session = self.library.sessions.get(alias)
        if session.leased is None:
            raise UsageError(f"The session '{session.alias}' has no lease: its device is {session.place.target}.")
        return session.leased.lease


def _exporter(seat: Seat) -> DotDict:
    exporter, lease = seat.exporter, seat.lease
    return DotDict(
        name=exporter.name,
        labels=DotDict(exporter.labels),
        status=exporter.status_name,
        available=seat.is_free,
        leased_by=lease.client if lease else None,
        leased_until=lease.expires if lease else None,
    )


def _lease(lease: LeaseState) -> DotDict:
    return DotDict(
        name=lease.name,
        client=lease.client,
        exporter=lease.exporter,
        selector=lease.selector,
        exporter_name=lease.exporter_name,
        tags=DotDict(lease.tags),
        expires=lease.expires,
        ended=lease.ended,
    )
