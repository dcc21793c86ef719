"""Moving files into, out of and inside the file stores beside the device."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

from assertionengine import AssertionOperator, verify_assertion
from robot.api import logger
from robot.api.types import Secret

from ..client.files import FileStoreClient, store_of
from ..client.images import Source, open_source
from ..client.resources import Transfer
from ..client.verification import Written
from ..errors import UsageError
from .base import Tag, keyword
from .transfer_base import TransferGroup


class FileKeywords(TransferGroup):
    """Keywords that move files."""

    @keyword(tags=[Tag.FILES])
    def upload_file(
        self,
        source: str | Path | Secret,
        destination: str,
        *,
        checksum: str | None = None,
        unpack: bool = False,
        verify: bool | None = None,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> Transfer:
        """Writes a local file, or one from the web, into a file store.

        A file that was there is replaced; directories are made. A file that could not be written completely is removed.

        Args:
            source: A file, or an `http` or `https` address, which is fetched here and passed on.
            destination: Its path in the store.
            checksum: What the file, or what is packed in it, has to have: `sha256:HEX`, or the digits of MD5 to SHA-512 alone.
            unpack: Whether gzip, xz, bz2 and zstd files are unpacked on their way.
            verify: Unless given, size and SHA-256 are compared with what the store says, or the size alone if it cannot hash.
                True reads the file back, False compares the size alone.
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            Facts about the transfer; see [Flash Image].

        Raises:
            CONFIGURATION: there is no such file, it is corrupt, or it has another checksum.
            DEVICE: the store cannot write it, or has something else afterwards.
            INFRASTRUCTURE: the transfer stood still, or the exporter is gone.
            TEST: the destination is a directory.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload File    ${SUITE SOURCE}    notes/suite.robot
            Remote File Should Exist    notes/suite.robot
        ```
        """
        return self._upload(
            open_source(self.revealed(source), checksum=checksum, unpack=unpack), destination, verify, idle_timeout, driver
        )

    @keyword(tags=[Tag.FILES])
    def upload_text(
        self, text: str | Secret, destination: str, *, encoding: str = "UTF-8", driver: str | None = None
    ) -> Transfer:
        """Writes a text as a file into a file store.

        Args:
            text: What the file contains.
            destination: Its path in the store; a file that was there is replaced.
            encoding: How the text becomes bytes.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            Facts about the transfer; see [Flash Image].

        Raises:
            DEVICE: the store cannot write it, or has something else afterwards.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    quiet splash    config/boot.conf
        ```
        """
        data = ((self.reveal(text) or "") if isinstance(text, Secret) else text).encode(encoding)
        return self._upload(Source.of_bytes(data, "text"), destination, None, None, driver)

    @keyword(tags=[Tag.FILES])
    def download_file(
        self,
        path: str,
        destination: Path,
        *,
        verify: bool | None = None,
        idle_timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> Transfer:
        """Reads a file of a store into a local file.

        The local file has its name only when it is complete and compared; an older one is replaced then, and stays if anything
        fails.

        Args:
            path: The file in the store.
            destination: The file to write; its folder has to be there.
            verify: As for [Upload File].
            idle_timeout: How long the transfer may stand still; the library's timeout unless given. It may take any time in all.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            Facts about the transfer; see [Flash Image].

        Raises:
            CONFIGURATION: the file cannot be written there.
            DEVICE: there is no such file, or what came is not what the store says that it has.
            INFRASTRUCTURE: the transfer stood still, the exporter is gone, or the disk is full.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Download File    greeting.txt    ${OUTPUT DIR}/greeting.txt
        ```
        """
        with self.progress(f"download {path}") as progress:
            written = self._store(driver).download(path, destination, verify=verify, idle=idle_timeout, progress=progress)
        return self._tell_stored(written, f"Downloaded {path} to")

    @keyword(tags=[Tag.FILES, Tag.GETTER, Tag.ASSERTION])
    def get_remote_file(
        self,
        path: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        encoding: str = "UTF-8",
        driver: str | None = None,
    ) -> str:
        """Returns the text of a file in a store, and checks it if an operator is given.

        Args:
            path: The file in the store.
            assertion_operator: See [Assertions].
            assertion_expected: What to compare with.
            message: Replaces the failure message.
            encoding: How the file's bytes become text.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            The text.

        Raises:
            DEVICE: there is no such file.
            TEST: it is no text in this encoding.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Get Remote File    greeting.txt    ==    hello
        ```
        """
        data = self._store(driver).read(path)
        try:
            text = data.decode(encoding)
        except UnicodeDecodeError as error:
            raise UsageError(f"'{path}' is no {encoding} text: {error}. Get Binary Remote File returns its bytes.") from None
        checked: str = verify_assertion(text, assertion_operator, assertion_expected, f"{path}:", message)
        return checked

    @keyword(tags=[Tag.FILES, Tag.GETTER])
    def get_binary_remote_file(self, path: str, *, driver: str | None = None) -> bytes:
        """Returns the bytes of a file in a store.

        Args:
            path: The file in the store.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            The bytes.

        Raises:
            DEVICE: there is no such file.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            ${bytes} =    Get Binary Remote File    greeting.txt
            Should Be Equal    ${bytes}    ${{ b'hello' }}
        ```
        """
        return self._store(driver).read(path)

    @keyword(tags=[Tag.FILES])
    def create_remote_directory(self, path: str, *, driver: str | None = None) -> None:
        """Makes a directory in a store, and those above it. One that is there stays as it is.

        Args:
            path: The directory; a `/` at its end is not needed.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Raises:
            DEVICE: the store cannot make it.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Create Remote Directory    logs/today
        ```
        """
        self._store(driver).create_directory(path)

    @keyword(tags=[Tag.FILES])
    def remove_remote_file(self, path: str, *, driver: str | None = None) -> None:
        """Removes a file from a store. If there is none, the log says so and the keyword passes.

        Args:
            path: The file in the store.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Raises:
            DEVICE: the file is still there afterwards.
            TEST: it is a directory.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Remove Remote File    greeting.txt
            Remote File Should Not Exist    greeting.txt
        ```
        """
        logger.info(f"Removed '{path}'." if self._store(driver).remove_file(path) else f"There was no file '{path}'.")

    @keyword(tags=[Tag.FILES])
    def remove_remote_directory(self, path: str, *, recursive: bool = False, driver: str | None = None) -> None:
        """Removes a directory from a store. If there is none, the log says so and the keyword passes.

        Args:
            path: The directory; never the root of the store.
            recursive: Whether to remove what is in it; else it has to be empty.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Raises:
            DEVICE: the directory is still there afterwards.
            TEST: it is not empty, or the root.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    notes/greeting.txt
            Remove Remote Directory    notes    recursive=True
        ```
        """
        removed = self._store(driver).remove_directory(path, recursive=recursive)
        logger.info(f"Removed '{path}'." if removed else f"There was no directory '{path}'.")

    @keyword(tags=[Tag.FILES])
    def copy_remote_file(self, source: str, destination: str, *, driver: str | None = None) -> None:
        """Copies a file in a store. A file that was there is replaced.

        Stores that cannot copy, such as those in memory, have it read and written through this machine.

        Args:
            source: The file in the store.
            destination: The copy's path.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Raises:
            DEVICE: there is no such file, or the copy is not there or differs in size.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Copy Remote File    greeting.txt    copy.txt
        ```
        """
        logger.info(f"Copied '{source}' to '{destination}' {self._store(driver).copy(source, destination)}.")

    @keyword(tags=[Tag.FILES])
    def move_remote_file(self, source: str, destination: str, *, driver: str | None = None) -> None:
        """Moves or renames a file in a store. A file that was there is replaced.

        Stores that cannot rename, such as those in memory, have it read and written through this machine.

        Args:
            source: The file in the store.
            destination: Its new path.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Raises:
            DEVICE: there is no such file, it is still there, or the new one is not there or differs in size.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Move Remote File    greeting.txt    old/greeting.txt
        ```
        """
        logger.info(f"Moved '{source}' to '{destination}' {self._store(driver).move(source, destination)}.")

    def _store(self, driver: str | None) -> FileStoreClient:
        return store_of(self.device, driver)

    def _upload(
        self, source: Source, destination: str, verify: bool | None, idle: timedelta | None, driver: str | None
    ) -> Transfer:
        with self.progress(f"upload {destination}") as progress:
            written = self._store(driver).upload(source, destination, verify=verify, idle=idle, progress=progress)
        return self._tell_stored(written, f"Uploaded to {destination}")

    def _tell_stored(self, written: Written, what: str) -> Transfer:
        self.report(written.transfer, what)
        logger.info(f"Checked: {written.checked}.")
        return written.transfer
