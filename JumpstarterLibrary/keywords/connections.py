"""Talking to the device's network from the suite: connections and datagrams."""

from __future__ import annotations

from datetime import timedelta
from typing import Any
from weakref import WeakKeyDictionary

from robot.api.types import Secret

from ..client.device import Device
from ..client.driver_stream import DriverStream
from ..client.network import NetworkClient
from ..errors import DriverError, UsageError
from .base import KeywordGroup, Library, Tag, keyword

LARGEST_DATAGRAM = 1024 * 1024
"""Bytes; one message of the stream, which must not be cut into several."""


class ConnectionKeywords(KeywordGroup):
    """Keywords for connections to networks."""

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self._connections: WeakKeyDictionary[Device, list[DriverStream]] = WeakKeyDictionary()

    @keyword(tags=[Tag.NETWORK])
    def open_connection(self, *, driver: str | None = None, timeout: timedelta | None = None) -> DriverStream:
        """Opens a connection to what a network driver leads to, for [Send Data] and [Receive Data].

        SSHLibrary and Telnet have a keyword of this name, too: beside them write `JumpstarterLibrary.Open Connection`.

        Args:
            driver: Path of the network driver; see [Choosing a driver].
            timeout: How long opening may take; the library's timeout unless given.

        Returns:
            The connection. It is closed with the session, if not before.

        Raises:
            DEVICE: nobody listens there, or it cannot be reached.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Connection    driver=network.echo
            Send Data    hello
            ${answer} =    Receive Data    count=5
            Should Be Equal    ${answer}    hello
            Close Connection
        ```
        """
        connection = self.driver(NetworkClient, driver).connect(timeout)
        mine = self._connections.setdefault(self.device, [])
        mine[:] = [*(one for one in mine if not one.closed), connection]
        return connection

    @keyword(tags=[Tag.NETWORK])
    def send_data(
        self,
        data: str | bytes | Secret,
        *,
        encoding: str = "UTF-8",
        finish: bool = False,
        connection: Any = None,
        timeout: timedelta | None = None,
    ) -> None:
        """Sends text or bytes over a connection.

        Args:
            data: Text, bytes, or a secret, which shows nowhere.
            encoding: How text becomes bytes.
            finish: Says that this was all; the other side can still send.
            connection: What [Open Connection] or [Open Driver Stream] returned; the one that was opened last unless given.
            timeout: How long the exporter may take to take it; the library's timeout unless given.

        Raises:
            INFRASTRUCTURE: the connection has ended, or the exporter takes nothing.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Connection    driver=network.echo
            Send Data    one line\\n    finish=True
            ${line} =    Receive Data    until=\\n
            Should Be Equal    ${line}    one line\\n
        ```
        """
        stream = self._connection(connection)
        if raw := self._bytes(data, encoding):
            stream.send(raw, timeout)
        if finish:
            stream.finish_sending()

    @keyword(tags=[Tag.NETWORK])
    def receive_data(
        self,
        count: int | None = None,
        until: str | bytes | None = None,
        *,
        encoding: str | None = "UTF-8",
        connection: Any = None,
        timeout: timedelta | None = None,
    ) -> str | bytes:
        """Receives data from a connection: so many bytes, or up to a mark, or else what comes first.

        Args:
            count: How many bytes.
            until: The mark, which is part of what is returned.
            encoding: How bytes become text; with `${NONE}` they are returned as they are. Without `count` and `until`, a
                letter of which only a part has come stays for the next time.
            connection: What [Open Connection] or [Open Driver Stream] returned; the one that was opened last unless given.
            timeout: How long to wait; the library's timeout unless given.

        Returns:
            The data; empty only if neither `count` nor `until` was given and the other side has ended the connection.

        Raises:
            DEVICE: it did not come in time, or the connection was ended before. What came until then can still be received.
            INFRASTRUCTURE: the connection broke.
            TEST: the bytes are no text in this encoding; they can still be received.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Connection    driver=network.echo
            Send Data    ${{b'\\x00\\xff\\x01'}}
            ${bytes} =    Receive Data    count=3    encoding=${NONE}
            Should Be Equal    ${bytes}    ${{b'\\x00\\xff\\x01'}}
        ```
        """
        stream = self._connection(connection)
        if count is None and until is None and encoding is not None:
            try:
                data = stream.receive_whole(encoding, timeout)
            except LookupError:
                raise UsageError(f"There is no encoding '{encoding}'. What came over {stream} can still be received.") from None
            return self._text(stream, data, encoding)
        mark = until.encode(encoding or "UTF-8") if isinstance(until, str) else until
        data = stream.receive(count, mark, timeout)
        if (count is not None and len(data) < count) or (mark is not None and not data.endswith(mark)):
            stream.give_back(data)
            raise DriverError(
                f"{stream} was ended by the other side before all came: {len(data)} bytes came, and no "
                f"{'more' if count is not None else f'{mark!r}'}."
            )
        return self._text(stream, data, encoding)

    @keyword(tags=[Tag.NETWORK])
    def close_connection(self, connection: Any = None) -> None:
        """Closes a connection. Closing one twice does no harm.

        Args:
            connection: What [Open Connection] returned; the one that was opened last unless given.

        Raises:
            TEST: there is none.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${echo} =    Open Connection    driver=network.echo
            Close Connection    ${echo}
        ```
        """
        self._connection(connection).close()

    # --------------------------------------------------------------- datagrams

    @keyword(tags=[Tag.NETWORK])
    def send_datagram(
        self,
        data: str | bytes | Secret,
        *,
        encoding: str = "UTF-8",
        connection: Any = None,
        timeout: timedelta | None = None,
    ) -> None:
        """Sends one datagram of UDP, or one message of a WebSocket.

        Args:
            data: Text, bytes, or a secret, which shows nowhere; at least one byte and at most 1 MiB.
            encoding: How text becomes bytes.
            connection: What [Open Connection] returned; the one that was opened last unless given.
            timeout: How long the exporter may take to take it; the library's timeout unless given.

        Raises:
            TEST: there is no such datagram.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Connection    driver=network.echo
            Send Datagram    ping
            ${answer} =    Receive Datagram
            Should Be Equal    ${answer}    ping
        ```
        """
        raw = self._bytes(data, encoding)
        if not 0 < len(raw) <= LARGEST_DATAGRAM:
            raise UsageError(f"A datagram of {len(raw)} bytes cannot be sent: it has to have 1 to {LARGEST_DATAGRAM} bytes.")
        self._connection(connection).send(raw, timeout)

    @keyword(tags=[Tag.NETWORK])
    def receive_datagram(
        self, *, encoding: str | None = "UTF-8", connection: Any = None, timeout: timedelta | None = None
    ) -> str | bytes:
        """Receives one datagram of UDP, or one message of a WebSocket.

        Args:
            encoding: How bytes become text; with `${NONE}` they are returned as they are.
            connection: What [Open Connection] returned; the one that was opened last unless given.
            timeout: How long to wait; the library's timeout unless given.

        Returns:
            The datagram.

        Raises:
            DEVICE: none came in time.
            INFRASTRUCTURE: the connection broke, or was ended.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Open Connection    driver=network.echo
            Send Datagram    first
            Send Datagram    second
            ${first} =    Receive Datagram
            ${second} =    Receive Datagram
            Should Be Equal    ${first} and ${second}    first and second
        ```
        """
        stream = self._connection(connection)
        return self._text(stream, stream.receive_message(timeout), encoding)

    def _connection(self, given: Any) -> DriverStream:
        if isinstance(given, DriverStream):
            return given
        if given is not None:
            raise UsageError("connection= takes what Open Connection or Open Driver Stream returned.")
        mine = [one for one in self._connections.get(self.device, []) if not one.closed]
        if not mine:
            raise UsageError(f"Device '{self.device.name}' has no open connection. Use Open Connection first.")
        return mine[-1]

    def _bytes(self, data: str | bytes | Secret, encoding: str) -> bytes:
        text = self.reveal(data) or "" if isinstance(data, Secret) else data
        if isinstance(text, bytes):
            return text
        try:
            return text.encode(encoding)
        except (LookupError, UnicodeEncodeError) as error:
            reason = "there is no such encoding" if isinstance(error, LookupError) else "it has letters that are not in it"
            raise UsageError(f"The text cannot be sent in the encoding '{encoding}': {reason}.") from None

    def _text(self, stream: DriverStream, data: bytes, encoding: str | None) -> str | bytes:
        if encoding is None:
            return data
        try:
            return data.decode(encoding)
        except (LookupError, UnicodeDecodeError) as error:
            stream.give_back(data)
            raise UsageError(
                f"What came over {stream} is no text in '{encoding}' ({error}). Receive it with encoding=${{NONE}} to get bytes."
            ) from None
