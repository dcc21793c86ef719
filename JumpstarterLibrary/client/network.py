"""Network drivers (drivers.md §2.4): streams and datagrams to what the driver leads to, forwarding, addresses."""

from __future__ import annotations

from pathlib import Path

from ..errors import DriverInvalidArgumentError, DriverMethodNotFoundError, DriverNotSupportedError
from ..wire.deadline import Timeout
from .driver import DriverClient
from .driver_stream import DriverStream
from .failures import Act
from .forward import LOOPBACK, Forwarding, forward_port, forward_unix


class NetworkClient(DriverClient):
    """Reaches what the driver leads to: a TCP, UDP, Unix, vsock, D-Bus or WebSocket server."""

    family = "network"
    tags = frozenset(
        {
            "jumpstarter_driver_network.client.NetworkClient",
            "jumpstarter_driver_network.client.DbusNetworkClient",
        }
    )

    def connect(self, timeout: Timeout | None = None) -> DriverStream:
        """Opens a connection; whoever opens it closes it. With UDP and WebSocket each message on it is one datagram.

        Args:
            timeout: until it has to be open; the device's unless given.

        Raises:
            JumpstarterError: it was refused, or cannot be reached; the message has the driver's reason.
        """
        return DriverStream(self, "connect", timeout)

    def address(self) -> str:
        """Returns where the driver leads to, as seen from the exporter: `tcp://10.0.0.7:22`, `udp://…`, `ws://…`.

        Raises:
            DriverNotSupportedError: the exporter does not tell, or this kind of network has no address.
        """
        place = Act(self.device.name, self.path, "address").place
        try:
            return str(self.call("address"))
        except DriverInvalidArgumentError as error:
            raise DriverNotSupportedError(
                f"The exporter does not tell the address of {place}. Use a forwarded port instead. It said: {error}"
            ) from None
        except DriverMethodNotFoundError:
            raise DriverNotSupportedError(
                f"The {place} has no address that could be told. Use a forwarded port or socket instead."
            ) from None

    def forward_port(self, host: str = LOOPBACK, port: int = 0) -> Forwarding:
        """Has a port of this machine lead to the network; see `forward.forward_port`."""
        return forward_port(self, host, port)

    def forward_unix(self, path: str | Path | None = None) -> Forwarding:
        """Has a Unix socket of this machine lead to the network; see `forward.forward_unix`."""
        return forward_unix(self, path)
