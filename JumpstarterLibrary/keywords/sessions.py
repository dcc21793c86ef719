"""Opening, switching and closing device sessions."""

from __future__ import annotations

import re
from contextlib import suppress
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

from robot.api import logger
from robot.api.types import Secret
from robot.utils import DotDict

from ..client.channel import Security
from ..client.serial import SerialClient
from ..errors import JumpstarterError, UsageError
from ..lab.wish import Wish
from ..report.lab_metadata import note_lease
from ..report.output import journal_folder
from ..report.piling import remember, warn_of_piling
from ..sessions import DeviceSession, session_timeout
from .base import KeywordGroup, Tag, keyword


class SessionKeywords(KeywordGroup):
    """Keywords for device sessions."""

    @keyword(tags=[Tag.SESSION])
    def open_jumpstarter_session(
        self,
        target: str | None = None,
        alias: str | None = None,
        *,
        timeout: timedelta | None = None,
        passphrase: str | Secret | None = None,
        security: Security = Security.AUTO,
        ca: Path | None = None,
        consoles: str | list[str] | None = None,
        selector: str = "",
        exporter_name: str = "",
        lease: str = "",
        client_config: str | None = None,
        duration: timedelta | None = None,
        acquisition_timeout: timedelta | None = None,
        auto_extend: bool | None = None,
        tags: dict[str, str] | None = None,
    ) -> str:
        """Opens a device and makes it the current one.

        See [Where the device is] for the targets. Without a target, `JUMPSTARTER_HOST` says where the device is, so the
        same suite runs inside a `jmp shell`. With `selector`, `exporter_name` or `lease` it is leased from a lab; see [Leases].

        Args:
            target: `mock`, `mock:power`, `mock:lab`, an exporter configuration (`bench.yaml`), `host:port` or `unix:PATH`.
            alias: Name of the session, for [Switch Jumpstarter Session]; made from the target unless given.
            timeout: How long opening may take; the library's timeout unless given.
            passphrase: What the exporter asks for; `JMP_GRPC_PASSPHRASE` unless given. Never logged.
            security: Protection of TCP traffic. `AUTO` is plaintext to this machine, and TLS elsewhere.
            ca: PEM file with the only certificate authorities to trust.
            consoles: Consoles to open at once, as by [Open Console]: a path, several joined by commas, or a list.
            selector: Labels of the exporter to lease, such as `board=rpi4,!broken`.
            exporter_name: Name of the exporter to lease.
            lease: Name of an existing lease to use, which is then never released; `JMP_LEASE` unless given.
            client_config: Alias or path of the client configuration; the environment's or the user's current one unless given.
            duration: How long the lease is, and by how much it is extended; 10 minutes unless given, 30 without `auto_extend`.
            acquisition_timeout: How long to wait for an exporter; as the client configuration says unless given.
            auto_extend: Whether the lease is extended while the session is open; new ones are unless told otherwise.
            tags: Up to 10 tags of a new lease.

        Returns:
            The alias.

        Raises:
            CONFIGURATION: the target, the passphrase or the alias is wrong; no exporter fits, or the lab refuses the token.
            INFRASTRUCTURE: the exporter cannot be reached, does not become ready or free in time, or its hook fails.

        ```robotframework
        *** Test Cases ***
        Example
            ${alias} =    Open Jumpstarter Session    mock
            Should Be Equal    ${alias}    mock
        ```
        """
        wish = Wish(
            selector=selector,
            exporter_name=exporter_name,
            lease=lease,
            client_config=client_config,
            duration=duration,
            acquisition_timeout=acquisition_timeout,
            auto_extend=auto_extend,
            tags=tags or {},
        )
        session = self._open(
            target, alias, timeout=timeout, wish=wish, passphrase=self.reveal(passphrase), security=security, ca=ca
        )
        self._open_consoles(session, consoles)
        return session.alias

    @keyword(tags=[Tag.SESSION])
    def open_jumpstarter_sessions(
        self,
        *,
        timeout: timedelta | None = None,
        client_config: str | None = None,
        duration: timedelta | None = None,
        acquisition_timeout: timedelta | None = None,
        **devices: str,
    ) -> list[str]:
        """Opens several devices, all or none: if one cannot be opened, those that were are closed and released.

        Each device is `alias=what`, where `what` is a target as for [Open Jumpstarter Session], a selector such as `board=rpi4`
        (it has a `=`, an `in (…)` or a `!`), or `exporter:NAME`, `lease:NAME` or `selector:LABELS`. Leases are asked for at the
        same time. The last device becomes the current one.

        Args:
            timeout: How long opening each of them may take; the library's timeout unless given.
            client_config: As for [Open Jumpstarter Session]; also the next two.
            duration: How long each lease is.
            acquisition_timeout: How long to wait for the exporters, all together.
            devices: What to open, by alias.

        Returns:
            The aliases, in the order given.

        Raises:
            TEST: no device was given, or an alias is taken.
            CONFIGURATION: as for [Open Jumpstarter Session].
            INFRASTRUCTURE: as for [Open Jumpstarter Session].

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Sessions    dut=mock    peer=mock:power
            Switch Jumpstarter Session    peer
            Power On
        ```
        """
        if not devices:
            raise UsageError("Open Jumpstarter Sessions opens nothing: give it devices, such as dut=board=rpi4    peer=mock.")
        lease = Wish(client_config=client_config, duration=duration, acquisition_timeout=acquisition_timeout)
        wanted = {alias: _meant(what, lease) for alias, what in devices.items()}
        opened: list[str] = []
        try:
            with self.library.sessions.leased_together(wanted, progress=self._tell, configured=_log_configuration) as ready:
                for alias, (target, wish) in wanted.items():
                    opened.append(self._open(target, alias, timeout=timeout, wish=wish, ready=ready.get(alias)).alias)
        except BaseException:
            for alias in reversed(opened):
                with suppress(JumpstarterError):  # the first error matters more
                    self.library.sessions.close(alias)
            raise
        return opened

    @keyword(tags=[Tag.SESSION])
    def close_jumpstarter_session(self, alias: str | None = None) -> None:
        """Closes a session. The one opened last of those that remain becomes the current one.

        Args:
            alias: Which one; the current one unless given.

        Raises:
            TEST: no open session has this alias.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Close Jumpstarter Session
        ```
        """
        self.library.sessions.close(alias)

    @keyword(tags=[Tag.SESSION])
    def close_all_jumpstarter_sessions(self) -> None:
        """Closes all sessions. Does no harm when none is open, and fails only after every one was closed.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Close All Jumpstarter Sessions
        ```
        """
        self.library.sessions.close_all()

    @keyword(tags=[Tag.SESSION])
    def switch_jumpstarter_session(self, alias: str) -> str | None:
        """Makes another open session the current one.

        Args:
            alias: Which one.

        Returns:
            The alias of the session that was current before, to switch back.

        Raises:
            TEST: no open session has this alias.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock    left
            Open Jumpstarter Session    mock    right
            ${before} =    Switch Jumpstarter Session    left
            Should Be Equal    ${before}    right
        ```
        """
        return self.library.sessions.switch(alias)

    @keyword(tags=[Tag.SESSION, Tag.GETTER])
    def get_jumpstarter_session(self, alias: str | None = None) -> DotDict:
        """Returns what is known of a session.

        Args:
            alias: Which one; the current one unless given.

        Returns:
            A dictionary with `alias`, `target`, `origin` (which rule chose the target), `state` (`open`, `lost` or
            `closed`), `drivers` (how many) and `current`.

        Raises:
            TEST: no open session has this alias.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${session} =    Get Jumpstarter Session
            Should Be Equal    ${session.state}    open
        ```
        """
        return self._described(self.library.sessions.get(alias))

    @keyword(tags=[Tag.SESSION, Tag.GETTER])
    def get_jumpstarter_sessions(self) -> list[DotDict]:
        """Returns what is known of all sessions, in the order in which they were opened.

        Returns:
            A list of dictionaries as [Get Jumpstarter Session] returns them; empty when none is open.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${sessions} =    Get Jumpstarter Sessions
            Length Should Be    ${sessions}    1
        ```
        """
        return [self._described(session) for session in self.library.sessions]

    def _open(self, target: str | None, alias: str | None, *, timeout: timedelta | None, wish: Wish, **how: Any) -> DeviceSession:
        asked = "" if alias else target or (str(wish) if wish.is_given else "the device")
        warn_of_piling(asked, self.library.sessions)
        session = self.library.sessions.open(
            target,
            alias=alias,
            timeout=session_timeout(timeout or self.library.settings.timeout),
            wish=wish,
            progress=self._tell,
            configured=_log_configuration,
            journal_folder=journal_folder(),
            **how,
        )
        session.device.default_driver = self.library.default_driver
        remember(session, asked)
        self._note_lease(session)
        logger.info(
            f"Device session '{session.alias}': {session.place.target} ({session.place.origin}), "
            f"{sum(1 for _ in session.device.tree.walk())} drivers."
        )
        return session

    def _tell(self, text: str) -> None:
        """Tells people what a lease waits for: in the log and on the terminal."""
        logger.info(self.library.sessions.redact(text), also_console=True)

    def _note_lease(self, session: DeviceSession) -> None:
        if session.place.note:
            logger.info(session.place.note)
        if session.leased is not None:
            note_lease(session.alias, session.leased.lease)

    def _open_consoles(self, session: DeviceSession, consoles: str | list[str] | None) -> None:
        paths = consoles.split(",") if isinstance(consoles, str) else consoles or []
        try:
            for path in paths:
                client = session.device.driver_of(SerialClient, path.strip())
                client.open_console(connect_later=True)  # the device may still be off
                session.console = session.console or client.path
        except BaseException:
            self.library.sessions.close(session.alias)
            raise

    def _described(self, session: DeviceSession) -> DotDict:
        return DotDict(
            alias=session.alias,
            target=session.place.target,
            origin=session.place.origin,
            state=session.device.state,
            drivers=sum(1 for _ in session.device.tree.walk()),
            current=session is self.library.sessions.current,
        )


def _log_configuration(configuration: Any) -> None:
    logger.info(f"Client configuration:\n{configuration.describe()}")


def _meant(what: str, lease: Wish) -> tuple[str | None, Wish]:
    """Says what a text means: a target, or a lease by its prefix or its form; and how that is to be leased."""
    prefix, _, rest = what.partition(":")
    if prefix == "selector":
        return None, replace(lease, selector=rest)
    if prefix == "exporter":
        return None, replace(lease, exporter_name=rest)
    if prefix == "lease":
        return None, replace(lease, lease=rest)
    if re.search(r"=|^\s*!|,\s*!|\b(not)?in\s*\(", what) and not what.startswith(("/", "unix:")):
        return None, replace(lease, selector=what)
    return what, lease
