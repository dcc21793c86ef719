"""File servers beside the device: HTTP and TFTP."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path, PurePath
from urllib.parse import urlsplit

from robot.api import logger
from robot.api.types import Secret

from ..client.images import open_source
from ..client.servers import FileServerClient, HttpServerClient, TftpServerClient
from .base import Tag, keyword
from .transfer_base import TransferGroup


class ServerKeywords(TransferGroup):
    """Keywords for HTTP and TFTP servers that run beside the device."""

    @keyword("Start HTTP Server", tags=[Tag.SERVER])
    def start_http_server(self, *, driver: str | None = None) -> str:
        """Starts the HTTP server beside the device, unless it runs.

        It serves the files of its file store, the child `storage`, until [Stop HTTP Server] or the end of the exporter's session.

        Args:
            driver: Path of the HTTP server; see [Choosing a driver].

        Returns:
            Its address as a URL without path, such as `http://10.0.0.5:8080`.

        Raises:
            DEVICE: it does not start, or has no address.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            ${url} =    Start HTTP Server
            Should Match    ${url}    http://*:*
        ```
        """
        url = self.driver(HttpServerClient, driver).start()
        logger.info(f"The HTTP server has {url}")
        return url

    @keyword("Stop HTTP Server", tags=[Tag.SERVER])
    def stop_http_server(self, *, driver: str | None = None) -> None:
        """Stops the HTTP server beside the device. One that does not run stays as it is.

        Args:
            driver: Path of the HTTP server; see [Choosing a driver].

        Raises:
            DEVICE: it does not stop.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            Start HTTP Server
            Stop HTTP Server
        ```
        """
        self.driver(HttpServerClient, driver).stop()

    @keyword("Get HTTP Server URL", tags=[Tag.SERVER, Tag.GETTER])
    def get_http_server_url(self, *, driver: str | None = None) -> str:
        """Returns the address of the running HTTP server as a URL without path.

        Args:
            driver: Path of the HTTP server; see [Choosing a driver].

        Returns:
            Such as `http://10.0.0.5:8080`.

        Raises:
            DEVICE: it has no address.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            Start HTTP Server
            ${url} =    Get HTTP Server URL
        ```
        """
        return self.driver(HttpServerClient, driver).url

    @keyword("Serve File Over HTTP", tags=[Tag.SERVER])
    def serve_file_over_http(
        self,
        source: str | Path | Secret,
        *,
        name: str | None = None,
        checksum: str | None = None,
        unpack: bool = False,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> str:
        """Puts a file where the HTTP server has its files, compares it there, and starts the server.

        Args:
            source: A file, or an `http` or `https` address, which is fetched here and passed on.
            name: Its path on the server; the file's own name unless given.
            checksum: As for [Upload File].
            unpack: As for [Upload File].
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.
            driver: Path of the HTTP server; see [Choosing a driver].

        Returns:
            The URL of the file, for the device.

        Raises:
            CONFIGURATION: there is no such file, it is corrupt, or it has another checksum.
            DEVICE: the file cannot be written, or the server does not start.
            INFRASTRUCTURE: the transfer stood still, or the exporter is gone.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            ${url} =    Serve File Over HTTP    ${SUITE SOURCE}    name=suite.robot
            Should End With    ${url}    /suite.robot
        ```
        """
        return self._serve(self.driver(HttpServerClient, driver), self.revealed(source), name, checksum, unpack, idle_timeout)

    @keyword("Start TFTP Server", tags=[Tag.SERVER])
    def start_tftp_server(self, *, driver: str | None = None) -> str:
        """Starts the TFTP server beside the device, unless it runs.

        It serves the files of its file store, the child `storage`, until [Stop TFTP Server] or the end of the exporter's session.
        Upstream's driver reports success also where its port is in use; only its log says so then.

        Args:
            driver: Path of the TFTP server; see [Choosing a driver].

        Returns:
            Its address as a URL without path, such as `tftp://10.0.0.5:8080`.

        Raises:
            DEVICE: it does not start, or has no address.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            ${url} =    Start TFTP Server
            Should Match    ${url}    tftp://*:*
        ```
        """
        url = self.driver(TftpServerClient, driver).start()
        logger.info(f"The TFTP server has {url}")
        return url

    @keyword("Stop TFTP Server", tags=[Tag.SERVER])
    def stop_tftp_server(self, *, driver: str | None = None) -> None:
        """Stops the TFTP server beside the device. One that does not run stays as it is.

        Args:
            driver: Path of the TFTP server; see [Choosing a driver].

        Raises:
            DEVICE: it does not stop.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            Start TFTP Server
            Stop TFTP Server
        ```
        """
        self.driver(TftpServerClient, driver).stop()

    @keyword("Get TFTP Server URL", tags=[Tag.SERVER, Tag.GETTER])
    def get_tftp_server_url(self, *, driver: str | None = None) -> str:
        """Returns the address of the running TFTP server as a URL without path.

        Args:
            driver: Path of the TFTP server; see [Choosing a driver].

        Returns:
            Such as `tftp://10.0.0.5:8080`.

        Raises:
            DEVICE: it has no address.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            Start TFTP Server
            ${url} =    Get TFTP Server URL
        ```
        """
        return self.driver(TftpServerClient, driver).url

    @keyword("Serve File Over TFTP", tags=[Tag.SERVER])
    def serve_file_over_tftp(
        self,
        source: str | Path | Secret,
        *,
        name: str | None = None,
        checksum: str | None = None,
        unpack: bool = False,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> str:
        """Puts a file where the TFTP server has its files, compares it there, and starts the server.

        Args:
            source: A file, or an `http` or `https` address, which is fetched here and passed on.
            name: Its path on the server; the file's own name unless given.
            checksum: As for [Upload File].
            unpack: As for [Upload File].
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.
            driver: Path of the TFTP server; see [Choosing a driver].

        Returns:
            The URL of the file, for the device.

        Raises:
            CONFIGURATION: there is no such file, it is corrupt, or it has another checksum.
            DEVICE: the file cannot be written, or the server does not start.
            INFRASTRUCTURE: the transfer stood still, or the exporter is gone.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            ${url} =    Serve File Over TFTP    ${SUITE SOURCE}    name=suite.robot
            Should End With    ${url}    /suite.robot
        ```
        """
        return self._serve(self.driver(TftpServerClient, driver), self.revealed(source), name, checksum, unpack, idle_timeout)

    def _serve(  # noqa: PLR0917 - one place
        self,
        server: FileServerClient,
        source: str | Path,
        name: str | None,
        checksum: str | None,
        unpack: bool,
        idle: timedelta | None,
    ) -> str:
        file = open_source(source, checksum=checksum, unpack=unpack)
        path = name or PurePath(urlsplit(str(source)).path if "://" in str(source) else source).name
        with self.progress(f"serve {path}") as progress:
            served = server.serve(file, path, idle=idle, progress=progress)
        self.report(served.written.transfer, f"Serves {served.url}")
        logger.info(f"Checked: {served.written.checked}.")
        return served.url
