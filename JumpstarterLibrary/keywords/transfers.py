"""Files for and from any method of any driver, and byte streams to any driver."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from robot.api import logger
from robot.api.types import Secret

from ..client.driver_stream import DriverStream
from ..client.images import open_source
from ..client.resources import HANDLE, Transfer, download, upload
from ..errors import UsageError
from .base import Tag, keyword
from .transfer_base import TransferGroup


class TransferKeywords(TransferGroup):
    """Keywords that move bytes to and from drivers of every kind."""

    @keyword(tags=[Tag.DRIVER])
    def upload_with_driver_method(
        self,
        method: str,
        source: str | Path | Secret,
        *arguments: Any,
        handle_position: int = 0,
        checksum: str | None = None,
        unpack: bool = True,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> Transfer:
        """Calls a method that takes a file, and hands it one.

        For drivers that have no keyword of their own for it. Images that are compressed with gzip, xz, bz2 or zstd are unpacked
        on their way; their content tells, not their name.

        Args:
            method: Name of the method on the driver.
            source: A file, or an `http` or `https` address, which is fetched here and passed on.
            arguments: The method's other arguments, as for [Call Driver Method].
            handle_position: Where among its arguments the method wants the file; `0` is before all others.
            checksum: What the file, or what is packed in it, has to have: `sha256:HEX`, or the digits of MD5 to SHA-512 alone.
            unpack: Whether compressed files are unpacked.
            driver: Path of the driver; the default driver unless given, else the root.
            timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.

        Returns:
            Facts about the transfer: `size` in bytes, `seconds`, `rate` in bytes per second, `sha256`, and what the driver
            `returned`.

        Raises:
            CONFIGURATION: there is no such file, it is corrupt, or has another checksum.
            TEST: the driver has no such method, or takes other arguments.
            DEVICE: the driver raised an error, or did not take the whole file.
            INFRASTRUCTURE: the exporter is gone, or does not answer.

        ```robotframework
        *** Settings ***
        Library    OperatingSystem

        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Create File    ${OUTPUT DIR}/image    version=2
            ${transfer} =    Upload With Driver Method    flash    ${OUTPUT DIR}/image    ${None}    driver=storage
            Should Be Equal    ${transfer.size}    ${9}
        ```
        """
        image = open_source(self.revealed(source), checksum=checksum, unpack=unpack)
        call = self._arguments(arguments, handle_position)
        with self.progress(f"{method} {image.name}") as progress:
            return self.report(upload(self.any_driver(driver), method, image, call, idle=timeout, progress=progress))

    @keyword(tags=[Tag.DRIVER])
    def download_with_driver_method(
        self,
        method: str,
        target: Path,
        *arguments: Any,
        handle_position: int = 0,
        driver: str | None = None,
        timeout: timedelta | None = None,
    ) -> Transfer:
        """Calls a method that gives a file, and stores it.

        The file has its name only when it is complete; an older one is replaced then, and stays if anything fails.

        Args:
            method: Name of the method on the driver.
            target: The file to write; its folder has to be there.
            arguments: The method's other arguments, as for [Call Driver Method].
            handle_position: Where among its arguments the method wants the file; `0` is before all others.
            driver: Path of the driver; the default driver unless given, else the root.
            timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.

        Returns:
            Facts about the transfer, as for [Upload With Driver Method].

        Raises:
            CONFIGURATION: the file cannot be written there.
            TEST: the driver has no such method, or takes other arguments.
            DEVICE: the driver raised an error.
            INFRASTRUCTURE: the exporter is gone, does not answer, or the disk is full.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Download With Driver Method    dump    ${OUTPUT DIR}/card.img    ${None}    driver=storage
        ```
        """
        call = self._arguments(arguments, handle_position)
        with self.progress(f"{method} {target}") as progress:
            return self.report(download(self.any_driver(driver), method, target, call, idle=timeout, progress=progress))

    @keyword(tags=[Tag.DRIVER])
    def open_driver_stream(
        self, method: str = "connect", *, driver: str | None = None, timeout: timedelta | None = None
    ) -> DriverStream:
        """Opens a byte stream to a driver.

        For drivers that have no keyword of their own for it. Consoles are opened by `Open Console`, which reads all the time.

        Args:
            method: Name of the driver's stream method.
            driver: Path of the driver; the default driver unless given, else the root.
            timeout: How long the driver may take to open it; the library's timeout unless given.

        Returns:
            The stream, for [Close Driver Stream] and for the keywords that send and receive data. It is closed with the session.

        Raises:
            TEST: the driver has no such stream method.
            DEVICE: the driver could not open the stream.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${stream} =    Open Driver Stream    driver=network.echo
            Close Driver Stream    ${stream}
        ```
        """
        stream = DriverStream(self.any_driver(driver), method, timeout)
        logger.info(f"Opened {stream}")
        return stream

    @keyword(tags=[Tag.DRIVER])
    def close_driver_stream(self, stream: Any) -> None:
        """Closes a byte stream. Closing one twice does no harm.

        Args:
            stream: What [Open Driver Stream] returned.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${stream} =    Open Driver Stream    driver=network.echo
            Close Driver Stream    ${stream}
        ```
        """
        if not isinstance(stream, DriverStream):
            raise UsageError(f"Close Driver Stream wants what Open Driver Stream returned, and got {type(stream).__name__}.")
        stream.close()

    def _arguments(self, arguments: tuple[Any, ...], position: int) -> list[object]:
        if not 0 <= position <= len(arguments):
            raise UsageError(
                f"handle_position={position} is not possible: with {len(arguments)} other arguments it is 0 to {len(arguments)}."
            )
        hidden = [self.hide(argument) for argument in arguments]
        return [*hidden[:position], HANDLE, *hidden[position:]]
