"""What a file store knows about its files: presence, size, hash, lists (upstream's opendal driver, protocol §4.7)."""

from __future__ import annotations

import posixpath
import re
from collections.abc import Mapping
from dataclasses import dataclass

from ..errors import DriverError, DriverNotSupportedError, RemoteFileNotFoundError, UsageError
from ..wire.deadline import Timeout, seconds
from .driver import DriverClient
from .failures import Act

READING_RATE = 20_000_000
"""Bytes per second that a slow exporter hashes or copies."""

_MISSING = re.compile(r"NotFound|no such file|does not exist|not found", re.IGNORECASE)


@dataclass(frozen=True)
class FileInfo:
    """What a store knows about a file or directory."""

    path: str
    size: int
    """Bytes; of no meaning for a directory."""
    is_directory: bool
    content_type: str | None = None
    md5: str | None = None
    etag: str | None = None


class FileFacts(DriverClient):
    """The questions that a file store answers. Paths have `/` between their parts, and a trailing `/` is never needed."""

    def exists(self, path: str) -> bool:
        """Whether there is a file or a directory of this name."""
        path = self._path(path)
        if self._says("exists", path):
            return True
        return not path.endswith("/") and self._says("exists", f"{path}/")  # object stores know directories by their slash only

    def info(self, path: str) -> FileInfo:
        """What the store knows about a file or directory.

        Raises:
            RemoteFileNotFoundError: there is none.
        """
        path = self._path(path)
        try:
            answer = self._stat(path)
        except RemoteFileNotFoundError as missing:
            if path.endswith("/"):
                raise
            try:
                answer = self._stat(f"{path}/")  # object stores know directories by their slash only
            except DriverError:
                raise missing from None
        mode = answer.get("mode")
        return FileInfo(
            path=path,
            size=self._number(answer.get("content_length"), "stat"),
            is_directory=isinstance(mode, Mapping) and bool(mode.get("entry_is_dir")),
            content_type=_text(answer.get("content_type")),
            md5=_text(answer.get("content_md5")),
            etag=_text(answer.get("etag")),
        )

    def hash_file(self, path: str, algorithm: str = "sha256", *, timeout: Timeout | None = None) -> str:
        """Has the driver hash a file.

        Args:
            path: the file.
            algorithm: `sha256` or `md5`.
            timeout: how long that may take; unless given, the device's, and longer for large files.

        Returns:
            Hexadecimal digits.

        Raises:
            RemoteFileNotFoundError: there is no such file.
            DriverNotSupportedError: the driver has no `hash`.
        """
        path = self._file_path(path)
        size = self.file_info(path).size
        return self._hash(path, algorithm, self._patience(size) if timeout is None else seconds(timeout))

    def list_directory(self, path: str = "/", *, recursive: bool = False) -> list[str]:
        """Returns what is in a directory, sorted; directories end with `/`.

        Args:
            path: the directory.
            recursive: whether to go into directories; the paths are relative to `path`.

        Raises:
            RemoteFileNotFoundError: there is no such directory.
        """
        folder = self._directory_path(path)
        prefix = folder.lstrip("/")
        found = set()
        for entry in self.stream_call("scan" if recursive else "list", folder):
            if not isinstance(entry, str):
                raise DriverError(f"{self._act('list')} gave no path, but {entry!r}."[:500])
            found.add(entry.lstrip("/").removeprefix(prefix))
        found.discard("")  # some stores list the directory itself
        if not found and not self._says("exists", folder):
            raise RemoteFileNotFoundError(f"{self._act('list')}: there is no directory '{path}'.")
        return sorted(found)

    def capability(self) -> dict[str, bool]:
        """What the store can do, by upstream's names: `copy`, `rename`, `presign`, `write_can_append` and more."""
        answer = self.call("capability")
        return {str(key): bool(value) for key, value in answer.items()} if isinstance(answer, Mapping) else {}

    def presign(self, path: str, operation: str = "read", expires: int = 3600) -> dict[str, object]:
        """Makes a URL that works without the device, for a while.

        Args:
            path: the file.
            operation: `read`, `write` or `stat`.
            expires: after how many seconds it ends.

        Returns:
            `url`, `method` and `headers`.

        Raises:
            DriverNotSupportedError: the store cannot do that.
        """
        method = f"presign_{operation}"
        try:
            answer = self.call(method, self._file_path(path), expires)
        except DriverError as error:
            if "Unsupported" in str(error):
                raise DriverNotSupportedError(
                    f"{self._act(method)} failed: this store cannot make URLs. Stores such as S3 can, directories and memory "
                    "cannot. Serve File Over HTTP gives a URL for a file."
                ) from None
            raise
        if not isinstance(answer, Mapping) or not _text(answer.get("url")):
            raise DriverError(f"{self._act(method)} gave no URL, but {answer!r}."[:500])
        return dict(answer)

    def _patience(self, size: int, idle: Timeout | None = None) -> float:
        """Seconds for what a store does to a whole file in one call, which tells nothing meanwhile."""
        return max(self.device.timeout_seconds if idle is None else seconds(idle), size / READING_RATE)

    def _hash(self, path: str, algorithm: str, patience: float) -> str:
        try:
            digest = self.call("hash", path, algorithm, timeout=patience)
        except DriverError as error:
            raise self._missing(error, path) from None
        if not isinstance(digest, str) or not re.fullmatch(r"[0-9a-fA-F]{32,}", digest):
            raise DriverError(f"{self._act('hash')} gave no hash, but {digest!r}."[:500])
        return digest.lower()

    def file_info(self, path: str) -> FileInfo:
        """What the store knows about a file.

        Raises:
            RemoteFileNotFoundError: there is none.
            UsageError: it is a directory.
        """
        info = self.info(path)
        if info.is_directory:
            raise UsageError(f"'{path}' in {self._act('stat').place} is a directory, and a file is meant.")
        return info

    def _stat(self, path: str) -> Mapping[str, object]:
        try:
            answer = self.call("stat", path)
        except DriverError as error:
            raise self._missing(error, path) from None
        if not isinstance(answer, Mapping):
            raise DriverError(f"{self._act('stat')} gave no facts about '{path}', but {answer!r}."[:500])
        return answer

    def _says(self, method: str, path: str) -> bool:
        answer = self.call(method, path)
        if not isinstance(answer, bool):
            raise DriverError(f"{self._act(method)} gave neither true nor false, but {answer!r}."[:500])
        return answer

    def _number(self, value: object, method: str) -> int:
        if isinstance(value, bool) or not isinstance(value, int) or value < 0:
            raise DriverError(f"{self._act(method)} gave no size, but {value!r}."[:500])
        return value

    def _missing(self, error: DriverError, path: str) -> DriverError:
        if isinstance(error, DriverNotSupportedError) or not _MISSING.search(str(error)):
            return error
        return RemoteFileNotFoundError(f"There is no file '{path}' in {self._act('').place}.")

    def _act(self, method: str) -> Act:
        return Act(self.device.name, self.path, method)

    def _path(self, path: str) -> str:
        # Upstream's directory store follows '..' out of its root and would write anywhere on the exporter.
        if ".." in path.split("/"):
            raise UsageError(f"'{path}' leads out of {self._act('').place}: paths in a file store have no '..'.")
        return path or "/"

    def _file_path(self, path: str) -> str:
        path = self._path(path)
        if path.endswith("/"):
            raise UsageError(f"'{path}' names a directory of {self._act('').place}, and a file is meant.")
        return path

    def _directory_path(self, path: str) -> str:
        return posixpath.join(self._path(path), "").replace("//", "/")


def _text(value: object) -> str | None:
    return value if isinstance(value, str) and value else None
