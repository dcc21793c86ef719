"""Flashing images, dumping them, and switching the card of a storage mux."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from pathlib import Path

from robot.api import logger
from robot.api.types import Secret

from ..client.images import open_source
from ..client.resources import Transfer
from ..client.storage import FETCHING, FlasherClient, StorageMuxClient
from ..client.verification import Written, add_note
from ..errors import JumpstarterError, UsageError
from .base import Tag, keyword
from .transfer_base import TransferGroup


class StorageKeywords(TransferGroup):
    """Keywords for flashers and storage muxes."""

    @keyword(tags=[Tag.STORAGE])
    def flash_image(
        self,
        source: str | Path | Secret,
        *,
        target: str | None = None,
        checksum: str | None = None,
        verify: bool = False,
        idle_timeout: timedelta | None = None,
        by_exporter: bool = False,
        driver: str | None = None,
    ) -> Transfer | None:
        """Writes an image to the device's storage.

        Images that are compressed with gzip, xz, bz2 or zstd are unpacked on their way; their content tells, not their name. On a
        storage mux the card is connected to the device afterwards, also after an error.

        Args:
            source: A file, or an `http` or `https` address, which is fetched here and passed on.
            target: Where to, as the driver calls it: a partition, an address, a file name; its default unless given.
            checksum: What the file, or what is packed in it, has to have: `sha256:HEX`, or the digits of MD5 to SHA-512 alone.
            verify: Whether to read the image back and compare it. Without it, only what the driver says by itself is compared.
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. With `by_exporter`, how long
                all of it may take, an hour unless given.
            by_exporter: Whether the exporter fetches the address itself. Then nothing is unpacked, and nothing can be compared.
            driver: Path of the flasher or storage mux; see [Choosing a driver].

        Returns:
            Facts about the transfer: `size` in bytes, `seconds`, `rate` in bytes per second, `sha256`, and what the driver
            `returned`. `${None}` with `by_exporter`.

        Raises:
            CONFIGURATION: there is no such file, it is corrupt, or it has another checksum.
            DEVICE: the driver failed, did not take everything, has something else afterwards, or cannot be read back.
            INFRASTRUCTURE: the transfer stood still, or the exporter is gone.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Dump Image    ${OUTPUT DIR}/old.img
            Flash Image    ${OUTPUT DIR}/old.img    verify=True
        ```
        """
        client = self.driver(FlasherClient, driver)
        if by_exporter:
            self._have_it_fetched(client, self.revealed(source), target, idle_timeout, checked=verify or checksum is not None)
            return None
        image = open_source(self.revealed(source), checksum=checksum)
        with self.progress(f"flash {image.name}") as progress:
            return self._tell_written(
                client.flash(image, target, verify=verify, idle=idle_timeout, progress=progress), client, target
            )

    @keyword(tags=[Tag.STORAGE])
    def flash_images(
        self,
        *,
        verify: bool = False,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
        **images: str | Path | Secret,
    ) -> dict[str, Transfer]:
        """Writes several images to targets of their own, one after another, in the order in which they stand.

        That all the files are there is checked before the first one is written.

        Args:
            verify: As for [Flash Image].
            idle_timeout: As for [Flash Image], for each of them.
            driver: Path of the flasher; see [Choosing a driver].
            images: Files or addresses by target, such as `root=disk.img.xz`.

        Returns:
            Facts about each transfer, by target; see [Flash Image].

        Raises:
            CONFIGURATION: one of the files is not there, or is corrupt.
            DEVICE: as for [Flash Image]; the message says which targets were written before.
            TEST: no image is given, or the driver has no targets.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock:lab
            Flash Image    ${SUITE SOURCE}    target=old
            Dump Image    ${OUTPUT DIR}/old.img    target=old
            Flash Images    boot=${OUTPUT DIR}/old.img    root=${OUTPUT DIR}/old.img    verify=True
        ```
        """
        if not images:
            raise UsageError("Flash Images needs at least one image: target=path.")
        client = self.driver(FlasherClient, driver)
        sources = {target: open_source(self.revealed(path)) for target, path in images.items()}
        written: dict[str, Transfer] = {}
        for target, source in sources.items():
            with self.progress(f"flash {target}") as progress, _telling_what_is_written(written, sources):
                done = client.flash(source, target, verify=verify, idle=idle_timeout, progress=progress)
            written[target] = self._tell_written(done, client, target)
        return written

    @keyword(tags=[Tag.STORAGE])
    def dump_image(
        self,
        destination: Path,
        *,
        target: str | None = None,
        size: int | None = None,
        checksum: str | None = None,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> Transfer:
        """Reads the device's storage, or a part of it, into a local file.

        The file has its name only when it is complete; an older one is replaced then, and stays if anything fails. On a storage
        mux the card is connected to the device afterwards, also after an error.

        Args:
            destination: The file to write; its folder has to be there.
            target: What to read, as the driver calls it; its default unless given.
            size: How many bytes have to come; any number unless given.
            checksum: What SHA-256 they have to have: `sha256:HEX`, or the digits alone.
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.
            driver: Path of the flasher or storage mux; see [Choosing a driver].

        Returns:
            Facts about the transfer; see [Flash Image].

        Raises:
            CONFIGURATION: the file cannot be written there.
            DEVICE: the driver cannot dump, failed, or gave something else than it says, or than is expected.
            INFRASTRUCTURE: the transfer stood still, the exporter is gone, or the disk is full.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            ${dump} =    Dump Image    ${OUTPUT DIR}/card.img
            Should Be True    ${dump.size} > 0
        ```
        """
        client = self.driver(FlasherClient, driver)
        with self.progress(f"dump {destination}") as progress:
            return self.report(
                client.dump(destination, target, size=size, checksum=checksum, idle=idle_timeout, progress=progress)
            )

    @keyword(tags=[Tag.STORAGE])
    def write_image_to_storage(
        self,
        source: str | Path | Secret,
        *,
        checksum: str | None = None,
        verify: bool = False,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> Transfer:
        """Writes an image to the card of a storage mux.

        The card is connected to the host before, and to the device afterwards, also after an error. Compressed images are
        unpacked, as for [Flash Image].

        Args:
            source: A file, or an `http` or `https` address, which is fetched here and passed on.
            checksum: As for [Flash Image].
            verify: As for [Flash Image].
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.
            driver: Path of the storage mux; see [Choosing a driver].

        Returns:
            Facts about the transfer; see [Flash Image].

        Raises:
            CONFIGURATION: there is no such file, it is corrupt, or it has another checksum.
            DEVICE: the driver failed, did not take everything, or has something else afterwards.
            INFRASTRUCTURE: the transfer stood still, or the exporter is gone.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Read Image From Storage    ${OUTPUT DIR}/card.img
            Write Image To Storage    ${OUTPUT DIR}/card.img    verify=True
        ```
        """
        client = self.driver(StorageMuxClient, driver)
        image = open_source(self.revealed(source), checksum=checksum)
        with self.progress(f"write {image.name}") as progress:
            return self._tell_written(client.write(image, verify=verify, idle=idle_timeout, progress=progress), client)

    @keyword(tags=[Tag.STORAGE])
    def read_image_from_storage(
        self,
        destination: Path,
        *,
        size: int | None = None,
        checksum: str | None = None,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> Transfer:
        """Reads the card of a storage mux into a local file.

        The card is connected to the host before, and to the device afterwards, also after an error.

        Args:
            destination: The file to write; as for [Dump Image].
            size: As for [Dump Image].
            checksum: As for [Dump Image].
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.
            driver: Path of the storage mux; see [Choosing a driver].

        Returns:
            Facts about the transfer; see [Flash Image].

        Raises:
            CONFIGURATION: the file cannot be written there.
            DEVICE: the driver failed, or gave something else than it says, or than is expected.
            INFRASTRUCTURE: the transfer stood still, the exporter is gone, or the disk is full.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Read Image From Storage    ${OUTPUT DIR}/card.img
        ```
        """
        client = self.driver(StorageMuxClient, driver)
        with self.progress(f"read {destination}") as progress:
            return self.report(client.read(destination, size=size, checksum=checksum, idle=idle_timeout, progress=progress))

    @keyword(tags=[Tag.STORAGE])
    def connect_storage_to_host(self, *, driver: str | None = None, timeout: timedelta | None = None) -> None:
        """Connects the card of a storage mux to the host, so that it can be written and read.

        Args:
            driver: Path of the storage mux; see [Choosing a driver].
            timeout: How long the call may take; the library's timeout unless given.

        Raises:
            DEVICE: the mux cannot switch now.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Connect Storage To Host
        ```
        """
        self.driver(StorageMuxClient, driver).host(timeout=timeout)

    @keyword(tags=[Tag.STORAGE])
    def connect_storage_to_dut(self, *, driver: str | None = None, timeout: timedelta | None = None) -> None:
        """Connects the card of a storage mux to the device under test.

        Args:
            driver: Path of the storage mux; see [Choosing a driver].
            timeout: How long the call may take; the library's timeout unless given.

        Raises:
            DEVICE: the mux cannot switch now.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Connect Storage To Dut
        ```
        """
        self.driver(StorageMuxClient, driver).dut(timeout=timeout)

    @keyword(tags=[Tag.STORAGE])
    def disconnect_storage(self, *, driver: str | None = None, timeout: timedelta | None = None) -> None:
        """Disconnects the card of a storage mux from both sides. Some muxes cannot, and connect it to the host.

        Args:
            driver: Path of the storage mux; see [Choosing a driver].
            timeout: How long the call may take; the library's timeout unless given.

        Raises:
            DEVICE: the mux cannot switch now.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Disconnect Storage
        ```
        """
        self.driver(StorageMuxClient, driver).off(timeout=timeout)

    def _have_it_fetched(
        self, client: FlasherClient, source: str | Path, target: str | None, timeout: timedelta | None, *, checked: bool
    ) -> None:
        if checked:
            raise UsageError(
                "by_exporter=True leaves nothing to compare, as the image does not come through here: leave checksum and verify "
                "out, or leave by_exporter out."
            )
        client.flash_by_exporter(str(source), target, timeout=FETCHING if timeout is None else timeout)
        logger.info("The exporter fetched and wrote the image itself; nothing was compared.")

    def _tell_written(self, written: Written, client: FlasherClient, target: str | None = None) -> Transfer:
        where = (client.path or client.family) + (f" {target}" if target else "")
        self.report(written.transfer, f"Written to {where}")
        logger.info(f"Checked: {written.checked}.")
        return written.transfer


@contextmanager
def _telling_what_is_written(written: Iterable[str], all_targets: Iterable[str]) -> Iterator[None]:
    try:
        yield
    except JumpstarterError as error:
        done = list(written)
        left = [target for target in all_targets if target not in done]
        add_note(error, f"Written before: {', '.join(done) or 'nothing'}. Not written, or not completely: {', '.join(left)}.")
        raise
