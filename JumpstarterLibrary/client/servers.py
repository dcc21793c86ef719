"""File servers beside the device, from which it fetches kernels, images and packages: HTTP and TFTP."""

from __future__ import annotations

import ipaddress
import re
from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import quote

from ..errors import DriverError, UsageError
from ..wire.deadline import Timeout
from .driver import DriverClient
from .failures import Act
from .files import FileStoreClient
from .images import Source
from .verification import Written

if TYPE_CHECKING:
    from .resources import Progress


@dataclass(frozen=True)
class Served:
    """A file that a server has now."""

    url: str
    written: Written


class FileServerClient(DriverClient):
    """What the servers share: they start, stop, and have a file store as their child `storage`."""

    @property
    def storage(self) -> FileStoreClient:
        """The files that the server serves.

        Raises:
            DriverNotFoundError: the server has no such child.
        """
        return self.device.driver_of(FileStoreClient, f"{self.path}.storage" if self.path else "storage")

    def start(self) -> str:
        """Starts the server, unless it runs, and returns its address as a URL without path."""
        raise NotImplementedError

    def stop(self) -> None:
        """Stops the server; one that does not run stays as it is."""
        self.call("stop")

    def serve(self, source: Source, name: str, *, idle: Timeout | None = None, progress: Progress | None = None) -> Served:
        """Writes a file into the server's store, compares it, and starts the server.

        Args:
            source: what to serve.
            name: its path on the server.
            idle: the longest time without progress.
            progress: is told how far it is.

        Raises:
            TransferMismatchError: the store has something else.
            DriverError: the file could not be written, or the server does not start.
        """
        name = name.lstrip("/")
        if not name:
            raise UsageError(f"A file that driver '{self.path}' of device '{self.device.name}' shall serve needs a name.")
        written = self.storage.upload(source, name, idle=idle, progress=progress)
        return Served(f"{self.start()}/{quote(name)}", written)

    def _host(self) -> str:
        host = self.call("get_host")
        if not isinstance(host, str) or not host:
            raise DriverError(f"{self._act('get_host')} gave no host, but {host!r}."[:500])
        try:
            return f"[{host}]" if ipaddress.ip_address(host).version == 6 else host
        except ValueError:
            return host

    def _port(self) -> int:
        port = self.call("get_port")
        if isinstance(port, bool) or not isinstance(port, int) or not 0 <= port < 65536:
            raise DriverError(f"{self._act('get_port')} gave no port, but {port!r}."[:500])
        return port

    def _act(self, method: str) -> Act:
        return Act(self.device.name, self.path, method)


class HttpServerClient(FileServerClient):
    """An HTTP server."""

    family = "HTTP server"
    tags = frozenset({"jumpstarter_driver_http.client.HttpServerClient"})

    def start(self) -> str:
        """Starts the server, unless it runs, and returns its URL without a slash at the end.

        Raises:
            DriverError: it cannot start, or says that it did and has no address.
        """
        # Upstream's server, started twice, breaks off its downloads and may change its port.
        if self._port() == 0:
            self.call("start")
        return self.url

    @property
    def url(self) -> str:
        """The URL of the running server.

        Raises:
            DriverError: it does not run.
        """
        url = self.call("get_url")
        match = re.fullmatch(r"(https?://.+:(?P<port>\d+))/?", url) if isinstance(url, str) else None
        if match is None or int(match["port"]) == 0:
            raise DriverError(f"{self._act('get_url')} gave no address, but {url!r}. Start the server first."[:500])
        return match[1]

    def stop(self) -> None:
        """Stops the server; one that does not run stays as it is.

        Raises:
            DriverError: it still has a port afterwards.
        """
        super().stop()
        if (port := self._port()) != 0 and self.url:
            raise DriverError(f"{self._act('stop')} succeeded, and the server still has port {port}.")


class TftpServerClient(FileServerClient):
    """A TFTP server, from which devices read."""

    family = "TFTP server"
    tags = frozenset({"jumpstarter_driver_tftp.client.TftpServerClient"})

    def start(self) -> str:
        """Starts the server, unless it runs, and returns `tftp://host:port`.

        Upstream's driver does not say whether its port was free: the log of the exporter does.

        Raises:
            DriverError: it cannot start, or has no address.
        """
        self.call("start")
        return self.url

    @property
    def url(self) -> str:
        """`tftp://host:port`, also while it does not run."""
        host, port = self.address
        return f"tftp://{host}:{port}"

    @property
    def address(self) -> tuple[str, int]:
        """Host and port.

        Raises:
            DriverError: it has none.
        """
        host, port = self._host(), self._port()
        if port == 0:
            raise DriverError(f"{self._act('get_port')} gave port 0: the server has no address.")
        return host, port
