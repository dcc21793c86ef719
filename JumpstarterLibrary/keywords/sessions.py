"""Opening, switching and closing device sessions."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

from robot.api import logger
from robot.api.types import Secret
from robot.utils import DotDict

from ..client.channel import Security
from ..client.serial import SerialClient
from ..report.output import journal_folder
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
    ) -> str:
        """Opens a device and makes it the current one.

        See [Where the device is] for the targets. Without a target, `JUMPSTARTER_HOST` says where the device is, so the
        same suite runs inside a `jmp shell`.

        Args:
            target: `mock`, `mock:power`, an exporter configuration (`bench.yaml`), `host:port` or `unix:PATH`.
            alias: Name of the session, for [Switch Jumpstarter Session]; made from the target unless given.
            timeout: How long opening may take; the library's timeout unless given.
            passphrase: What the exporter asks for; `JMP_GRPC_PASSPHRASE` unless given. Never logged.
            security: Protection of TCP traffic. `AUTO` is plaintext to this machine, and TLS elsewhere.
            ca: PEM file with the only certificate authorities to trust.
            consoles: Consoles to open at once, as by [Open Console]: a path, several joined by commas, or a list.

        Returns:
            The alias.

        Raises:
            CONFIGURATION: the target, the passphrase or the alias is wrong.
            INFRASTRUCTURE: the exporter cannot be reached, or does not become ready in time.

        ```robotframework
        *** Test Cases ***
        Example
            ${alias} =    Open Jumpstarter Session    mock
            Should Be Equal    ${alias}    mock
        ```
        """
        session = self.library.sessions.open(
            target,
            alias=alias,
            timeout=session_timeout(timeout or self.library.settings.timeout),
            passphrase=self.reveal(passphrase),
            security=security,
            ca=ca,
            journal_folder=journal_folder(),
        )
        session.device.default_driver = self.library.default_driver
        self._open_consoles(session, consoles)
        logger.info(
            f"Device session '{session.alias}': {session.place.target} ({session.place.origin}), "
            f"{sum(1 for _ in session.device.tree.walk())} drivers."
        )
        return session.alias

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
