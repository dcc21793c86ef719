"""Reaching the device's network from this machine: forwarded ports and sockets, addresses."""

from __future__ import annotations

from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from assertionengine import AssertionOperator, verify_assertion
from robot.api import logger

from ..client.device import Device
from ..client.forward import LOOPBACK, Forwarding, forward_port, forward_unix
from ..client.network import NetworkClient
from ..errors import UsageError
from .base import KeywordGroup, Library, Tag, keyword


class NetworkKeywords(KeywordGroup):
    """Keywords for network drivers."""

    def __init__(self, library: Library) -> None:
        super().__init__(library)
        self._forwardings: WeakKeyDictionary[Device, list[Forwarding]] = WeakKeyDictionary()

    # -------------------------------------------------------------- forwarding

    @keyword(tags=[Tag.NETWORK])
    def forward_port(self, host: str = LOOPBACK, port: int = 0, *, driver: str | None = None) -> Forwarding:
        """Has a TCP port of this machine lead to what a network driver leads to.

        Many connections at once are possible. One that the device refuses is closed at once, with the reason in the log; the
        forwarding goes on. One that breaks on the exporter's side is reset here, so that nothing looks complete that is not. The
        forwarding ends with [Stop Forwarding], at the latest with the session.

        Args:
            host: Where to listen. Only this machine reaches the default. Whoever reaches the port reaches the device.
            port: Which port; a free one unless given.
            driver: Path of the network driver, or of another one with a byte stream; see [Choosing a driver].

        Returns:
            The forwarding, with the attributes `host`, `port`, `address` and `failures`; as text it is the address, such as
            `127.0.0.1:40123`.

        Raises:
            TEST: the port is taken.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Power On
            ${web} =    Forward Port    driver=network.http
            ${page} =    Evaluate    urllib.request.urlopen('http://${web}/').read().decode()    modules=urllib.request
            Should Contain    ${page}    SimBoard
        ```
        """
        network = self.driver(NetworkClient, driver)
        return self._note(forward_port(network, host, port))

    @keyword(tags=[Tag.NETWORK])
    def forward_unix_socket(self, path: Path | None = None, *, driver: str | None = None) -> Forwarding:
        """Has a Unix socket of this machine lead to what a network driver leads to; see [Forward Port].

        Args:
            path: The socket's path, at which there is nothing yet; one in a private folder unless given.
            driver: Path of the network driver; see [Choosing a driver].

        Returns:
            The forwarding, with the attributes `path`, `address` and `failures`; as text it is the path.

        Raises:
            TEST: there is something at that path.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${socket} =    Forward Unix Socket    driver=network.echo
            Should Be True    os.path.exists($socket.address)
            Stop Forwarding    ${socket}
        ```
        """
        return self._note(forward_unix(self.driver(NetworkClient, driver), path))

    @keyword(tags=[Tag.NETWORK])
    def stop_forwarding(self, forwarding: Any = None) -> None:
        """Ends a forwarding and its connections. Stopping one twice does no harm.

        Args:
            forwarding: What [Forward Port] or [Forward Unix Socket] returned, or its address; the only one of the current session
                unless given.

        Raises:
            TEST: there is none, or there are several.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${echo} =    Forward Port    driver=network.echo
            Stop Forwarding    ${echo}
        ```
        """
        if isinstance(forwarding, Forwarding):
            forwarding.close()
            return
        mine = self._forwardings.get(self.device, [])
        found = [one for one in mine if forwarding in (None, one.address) and (forwarding or not one.closed)]
        if len(found) != 1:
            known = ", ".join(one.address for one in mine if not one.closed) or "none"
            asked = "Cannot tell which forwarding to stop" if forwarding is None else f"There is no forwarding '{forwarding}'"
            raise UsageError(f"{asked}: the open ones of device '{self.device.name}' are {known}.")
        found[0].close()

    @keyword(tags=[Tag.NETWORK])
    def stop_all_forwarding(self) -> None:
        """Ends all forwardings of the current session, of which there may be none.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Forward Port    driver=network.echo
            Forward Port    driver=network.http
            Stop All Forwarding
        ```
        """
        for forwarding in self._forwardings.pop(self.device, []):
            forwarding.close()

    @keyword(tags=[Tag.NETWORK, Tag.GETTER, Tag.ASSERTION])
    def get_network_address(
        self,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        driver: str | None = None,
    ) -> str:
        """Returns where a network driver leads to, as seen from the exporter.

        Args:
            assertion_operator: See [Assertions].
            assertion_expected: What the operator compares with.
            message: Says it instead of the standard message, if it fails.
            driver: Path of the network driver; see [Choosing a driver].

        Returns:
            Such as `tcp://10.0.0.7:22`, `udp://10.0.0.7:69` or `ws://10.0.0.7/console`.

        Raises:
            DEVICE: the exporter does not tell, or this network has no such address.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    DEVICE:*has no address*    Get Network Address    driver=network.echo
        ```
        """
        address = self.driver(NetworkClient, driver).address()
        return str(verify_assertion(address, assertion_operator, assertion_expected, "Network address", message))

    def _note(self, forwarding: Forwarding) -> Forwarding:
        logger.info(f"{forwarding.address} leads to {forwarding.act.place}")
        self._forwardings.setdefault(self.device, []).append(forwarding)
        return forwarding
