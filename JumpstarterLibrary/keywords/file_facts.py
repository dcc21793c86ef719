"""What is in the file stores beside the device."""

from __future__ import annotations

from datetime import timedelta
from enum import Enum
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from assertionengine import AssertionOperator, int_str_verify_assertion, verify_assertion
from robot.api import logger
from robot.utils import DotDict

from ..client.files import FileStoreClient, store_of
from ..errors import RemoteFileMismatchError, RemoteFileNotFoundError
from .base import KeywordGroup, Tag, keyword


class HashAlgorithm(Enum):
    """How a file is hashed."""

    SHA256 = "sha256"
    MD5 = "md5"


class PresignedOperation(Enum):
    """What a presigned URL is for."""

    READ = "read"
    WRITE = "write"
    STAT = "stat"


class FileFactKeywords(KeywordGroup):
    """Keywords that look into file stores."""

    @keyword(tags=[Tag.FILES])
    def list_remote_directory(
        self, path: str = "/", *, recursive: bool = False, pattern: str | None = None, driver: str | None = None
    ) -> list[str]:
        """Returns what is in a directory of a store, sorted.

        Args:
            path: The directory.
            recursive: Whether to go into directories.
            pattern: Only names like this, such as `*.log`; case matters.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            Paths relative to the directory; those of directories end with `/`.

        Raises:
            DEVICE: there is no such directory.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    notes/greeting.txt
            ${names} =    List Remote Directory    notes
            Should Be Equal    ${names}    ${{ ['greeting.txt'] }}
        ```
        """
        names = self._store(driver).list_directory(path, recursive=recursive)
        found = [name for name in names if pattern is None or fnmatchcase(name, pattern)]
        logger.info("\n".join(found) or "(nothing)")
        return found

    @keyword(tags=[Tag.FILES, Tag.ASSERTION])
    def remote_file_should_exist(self, path: str, *, message: str | None = None, driver: str | None = None) -> None:
        """Fails unless a store has this file.

        Args:
            path: The file; a directory of this name does not count.
            message: Replaces the failure message.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Remote File Should Exist    greeting.txt
        ```
        """
        store = self._store(driver)
        try:
            found = not store.info(path).is_directory
        except RemoteFileNotFoundError:
            found = False
        if not found:
            raise RemoteFileMismatchError(message or f"There is no file '{path}' in {_place(store)}.")

    @keyword(tags=[Tag.FILES, Tag.ASSERTION])
    def remote_file_should_not_exist(self, path: str, *, message: str | None = None, driver: str | None = None) -> None:
        """Fails if a store has a file or directory of this name.

        Args:
            path: The file or directory.
            message: Replaces the failure message.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Remote File Should Not Exist    core.dump
        ```
        """
        store = self._store(driver)
        if store.exists(path):
            raise RemoteFileMismatchError(message or f"There is '{path}' in {_place(store)}.")

    @keyword(tags=[Tag.FILES, Tag.GETTER, Tag.ASSERTION])
    def get_remote_file_size(
        self,
        path: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        driver: str | None = None,
    ) -> int:
        """Returns the size of a file in a store, in bytes, and checks it if an operator is given.

        Args:
            path: The file in the store.
            assertion_operator: See [Assertions].
            assertion_expected: What to compare with.
            message: Replaces the failure message.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            Bytes.

        Raises:
            DEVICE: there is no such file.
            TEST: it is a directory.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Get Remote File Size    greeting.txt    ==    5
        ```
        """
        size = self._store(driver).file_info(path).size
        checked: int = int_str_verify_assertion(size, assertion_operator, assertion_expected, f"Size of '{path}':", message)
        return checked

    @keyword(tags=[Tag.FILES, Tag.GETTER])
    def get_remote_file_info(self, path: str, *, driver: str | None = None) -> DotDict:
        """Returns what a store knows about a file or directory.

        Args:
            path: The file or directory in the store.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            A dictionary with `path`, `size` in bytes, `is_directory`, and `content_type`, `md5` and `etag`, which are `${None}`
            where the store does not know them.

        Raises:
            DEVICE: there is neither.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            ${info} =    Get Remote File Info    greeting.txt
            Should Be True    not ${info.is_directory}
        ```
        """
        return DotDict(vars(self._store(driver).info(path)))

    @keyword(tags=[Tag.FILES, Tag.GETTER, Tag.ASSERTION])
    def get_remote_file_hash(
        self,
        path: str,
        assertion_operator: AssertionOperator | None = None,
        assertion_expected: Any = None,
        message: str | None = None,
        *,
        algorithm: HashAlgorithm = HashAlgorithm.SHA256,
        timeout: timedelta | None = None,
        driver: str | None = None,
    ) -> str:
        """Has a store hash a file, returns the hash, and checks it if an operator is given.

        Args:
            path: The file in the store.
            assertion_operator: See [Assertions].
            assertion_expected: What to compare with.
            message: Replaces the failure message.
            algorithm: How it is hashed.
            timeout: How long that may take; unless given, the library's timeout, and longer for large files.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            Hexadecimal digits in lower case.

        Raises:
            DEVICE: there is no such file, or the store cannot hash.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload Text    hello    greeting.txt
            Get Remote File Hash    greeting.txt    ==    5d41402abc4b2a76b9719d911017c592    algorithm=MD5
        ```
        """
        digest = self._store(driver).hash_file(path, algorithm.value, timeout=timeout)
        checked: str = verify_assertion(digest, assertion_operator, assertion_expected, f"Hash of '{path}':", message)
        return checked

    @keyword(tags=[Tag.FILES, Tag.ASSERTION])
    def remote_file_should_be_equal_to_local_file(
        self, path: str, local: Path, *, message: str | None = None, driver: str | None = None
    ) -> None:
        """Fails unless a file in a store and a local one have the same content.

        Their sizes and SHA-256 are compared; a store that cannot hash is read.

        Args:
            path: The file in the store.
            local: The local file.
            message: Replaces the failure message.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Raises:
            CONFIGURATION: there is no such local file.
            DEVICE: there is no such file in the store.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Upload File    ${SUITE SOURCE}    suite.robot
            Remote File Should Be Equal To Local File    suite.robot    ${SUITE SOURCE}
        ```
        """
        if difference := self._store(driver).difference(path, local):
            raise RemoteFileMismatchError(message or difference)

    @keyword("Get Presigned URL", tags=[Tag.FILES, Tag.GETTER])
    def get_presigned_url(
        self,
        path: str,
        *,
        operation: PresignedOperation = PresignedOperation.READ,
        expires: timedelta = timedelta(hours=1),
        driver: str | None = None,
    ) -> DotDict:
        """Has a store make a URL that works without the device, for a while. Stores such as S3 can; directories cannot.

        Args:
            path: The file in the store.
            operation: What the URL is for.
            expires: How long it works.
            driver: Path of the file store; see [Choosing a driver]. A server's store counts only where there is no other.

        Returns:
            A dictionary with `url`, `method` and `headers` of the request. The URL is as secret as the file.

        Raises:
            DEVICE: the store cannot do that.

        ```robotframework
        *** Test Cases ***
        Example
            Open Jumpstarter Session    mock
            Run Keyword And Expect Error    DEVICE:*    Get Presigned URL    greeting.txt
        ```
        """
        answer = self._store(driver).presign(path, operation.value, max(1, round(expires.total_seconds())))
        return DotDict(answer)

    def _store(self, driver: str | None) -> FileStoreClient:
        return store_of(self.device, driver)


def _place(store: FileStoreClient) -> str:
    return f"file store '{store.path or '(root)'}' of device '{store.device.name}'"
