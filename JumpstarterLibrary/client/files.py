"""File stores: upstream's opendal driver, and the stores of its HTTP and TFTP servers (protocol §4.7)."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

from ..errors import (
    ConfigurationError,
    DriverError,
    DriverMethodNotFoundError,
    DriverNotSupportedError,
    JumpstarterError,
    RemoteFileNotFoundError,
    UsageError,
)
from ..wire.deadline import Timeout
from .checked import checked_download
from .driver import DriverClient
from .file_facts import FileFacts
from .file_places import Place, Tidying
from .images import Source, open_source
from .resources import HANDLE, Progress, Transfer, download, upload
from .tree import Node
from .verification import Written, add_note, check_answer, check_same, is_silent

if TYPE_CHECKING:
    from .device import Device


BY_STORE, THROUGH_US = "by the store", "through this machine"
_SERVERS = ("HttpServerClient", "TftpServerClient", "ISCSIServerClient")


class FileStoreClient(FileFacts):
    """Files beside the device: on the exporter's disk, in its memory, or in an object store."""

    family = "file store"
    tags = frozenset({"jumpstarter_driver_opendal.client.OpendalClient"})

    # ------------------------------------------------------------- whole files

    def upload(
        self,
        source: Source,
        path: str,
        *,
        verify: bool | None = None,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Writes a file. One that was there is replaced once the new one is complete, and stays as it is after an error, if the
        store can rename or copy; upstream's in memory cannot. A file that was not written completely is removed.

        Args:
            source: what to write.
            path: the file in the store; directories are made.
            verify: None compares size and SHA-256 with what the store says, and the size alone where the store cannot hash;
                True reads the file back; False compares the size alone.
            idle: the longest time without progress.
            progress: is told how far it is.

        Raises:
            TransferMismatchError: the store has something else.
            DriverError: the driver could not write it.
        """
        return self._write(source, Place(self._file_path(path)), verify=verify, idle=idle, progress=progress)

    def _write(
        self,
        source: Source,
        place: Place,
        *,
        verify: bool | None = None,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Written:
        opened: list[object] = []
        tidying = Tidying()

        def prepare() -> object:
            if not place.at_once:
                self._find_place(place)
            opened.append(self._open(place.written, "wb", idle))
            return opened[0]

        try:
            with self._closing(opened, idle, tidying):
                transfer = upload(self, "file_write", source, (HANDLE,), idle=idle, progress=progress, prepare=prepare)
                check_answer(self._act("file_write"), transfer)
            checked, proven = self._compare(place.written, transfer.size, transfer.sha256, verify, idle)
            self._put_in_place(place, idle)
            return Written(transfer, checked, proven)
        except BaseException as error:
            if opened:
                self._discard(place, error, tidying)
            raise

    def download(
        self,
        path: str,
        target: Path,
        *,
        verify: bool | None = None,
        idle: Timeout | None = None,
        progress: Progress | None = None,
    ) -> Written:
        """Reads a file into a local one, which is there only once it is complete and compared.

        Args:
            path: the file in the store.
            target: the local file; one that was there is replaced.
            verify: as for `upload`.
            idle: the longest time without progress.
            progress: is told how far it is.

        Raises:
            RemoteFileNotFoundError: the store has no such file.
            TransferMismatchError: what came is not what the store says that it has.
        """
        path = self._file_path(path)
        self.file_info(path)
        descriptor = self._open(path, "rb", idle)
        checked: list[tuple[str, bool]] = []

        def accept(came: Transfer) -> None:
            check_answer(self._act("file_read"), came)
            checked.append(self._compare(path, came.size, came.sha256, verify, idle))

        with self._closing([descriptor], idle):
            arguments = (descriptor, HANDLE)
            transfer = checked_download(self, "file_read", target, arguments, accept=accept, idle=idle, progress=progress)
        return Written(transfer, *checked[0])

    def read(self, path: str, *, verify: bool | None = None, idle: Timeout | None = None) -> bytes:
        """Returns what a file contains; arguments and errors as for `download`."""
        with tempfile.TemporaryDirectory(prefix="jumpstarter-") as folder:
            target = Path(folder) / "file"
            self.download(path, target, verify=verify, idle=idle)
            return target.read_bytes()

    def difference(self, path: str, local: Path) -> str:
        """Says how a file differs from a local one, by size or SHA-256; empty if it does not. A store that cannot hash is read.

        Raises:
            ConfigurationError: there is no such local file.
            RemoteFileNotFoundError: there is no such file in the store.
        """
        path = self._file_path(path)
        expected = hashlib.sha256()
        size = 0
        source = open_source(local, unpack=False)
        if source.stored_size is None:
            raise ConfigurationError(f"'{local}' is no regular file, so there is no telling where it ends.")
        for block in source.blocks():
            expected.update(block)
            size += len(block)
        found = self.file_info(path).size
        if found != size:
            return f"'{path}' in {self._act('').place} has {found} bytes, and '{local}' has {size}."
        try:
            digest = self._hash(path, "sha256", self._patience(size))
        except (DriverMethodNotFoundError, DriverNotSupportedError):
            digest = self._hash_here(path)
        if digest != expected.hexdigest():
            return f"'{path}' in {self._act('').place} and '{local}' have the same size and different content."
        return ""

    # ----------------------------------------------------------------- changes

    def create_directory(self, path: str) -> None:
        """Makes a directory and those above it; one that is there stays as it is."""
        folder = self._directory_path(path)
        self.call("create_dir", folder)
        if not self._says("exists", folder):
            raise DriverError(f"{self._act('create_dir')} succeeded, and there is no directory '{path}' afterwards.")

    def remove_file(self, path: str) -> bool:
        """Removes a file.

        Returns:
            Whether there was one.

        Raises:
            UsageError: it is a directory.
            DriverError: it is still there.
        """
        path = self._file_path(path)
        try:
            self.file_info(path)
        except RemoteFileNotFoundError:
            return False
        self.call("delete", path)
        self._should_be_gone(path, "delete")
        return True

    def remove_directory(self, path: str, *, recursive: bool = False) -> bool:
        """Removes a directory.

        Args:
            path: the directory; never the root of the store.
            recursive: whether to remove what is in it; else it has to be empty.

        Returns:
            Whether there was one.

        Raises:
            UsageError: it is not empty, or the root.
            DriverError: it is still there.
        """
        folder = self._directory_path(path)
        if folder == "/":
            raise UsageError(f"{self._act('remove_all')} was not sent: it would remove the whole store. Name a directory.")
        try:
            inside = self.list_directory(folder)
        except RemoteFileNotFoundError:
            return False
        if inside and not recursive:
            raise UsageError(
                f"{self._act('remove_all')} was not sent: the directory '{path}' is not empty, it has {len(inside)} entries. Say "
                "recursive=True to remove them too."
            )
        self.call("remove_all", folder)
        self._should_be_gone(folder, "remove_all")
        return True

    def copy(self, source: str, target: str) -> str:
        """Copies a file in the store; one that was there is replaced.

        Returns:
            `by the store`, or `through this machine` where the store cannot: in memory.

        Raises:
            RemoteFileNotFoundError: there is no such file.
            DriverError: the copy is not there, or has another size.
        """
        return self._transplant("copy", source, target)

    def move(self, source: str, target: str) -> str:
        """Moves or renames a file in the store; arguments, result and errors as for `copy`."""
        how = self._transplant("rename", source, target)
        if how == THROUGH_US:
            self.remove_file(source)
        self._should_be_gone(self._file_path(source), "rename")
        return how

    # ------------------------------------------------------------------- parts

    def _open(self, path: str, mode: str, idle: Timeout | None = None) -> object:
        try:
            return self.call("open", path, mode, timeout=idle)
        except DriverError as error:
            raise self._missing(error, path) from None

    @contextlib.contextmanager
    def _closing(self, opened: list[object], idle: Timeout | None = None, tidying: Tidying | None = None) -> Iterator[None]:
        """Closes what was opened meanwhile, if anything."""
        try:
            yield
        except BaseException as error:
            if opened and not is_silent(error):
                with contextlib.suppress(JumpstarterError):
                    self.call("file_close", opened[0], timeout=(tidying or Tidying()).left(error))
            raise
        self.call("file_close", opened[0], timeout=idle)  # writes what the store still holds, so its error counts

    def _find_place(self, place: Place) -> None:
        """Decides where a new file is written: beside one that is there, if the store can put it in its place afterwards."""
        place.existed = self._says("exists", place.path)
        if place.existed:
            with contextlib.suppress(JumpstarterError):
                able = self.capability()
                place.method = "rename" if able.get("rename") else "copy" if able.get("copy") else ""

    def _put_in_place(self, place: Place, idle: Timeout | None) -> None:
        if place.written == place.path:
            return
        place.complete = True
        how = self._transplant(place.method, place.written, place.path, idle=idle)
        if how == THROUGH_US or place.method == "copy":
            self.call("delete", place.written)

    def _discard(self, place: Place, error: BaseException, tidying: Tidying) -> None:
        """Removes a file that was not written completely, and says so in the error, and what became of the one before."""
        if place.complete:  # perhaps the only good copy: the old one may be half overwritten
            add_note(error, f"The new file is complete as '{place.written}', and may not have taken the place of '{place.path}'.")
            return
        told = f"What was written of '{place.path}' may still be there"
        if not is_silent(error):
            with contextlib.suppress(JumpstarterError):
                self.call("delete", place.written, timeout=tidying.left(error))
                told = f"What was written of '{place.path}' was removed"
        if place.existed:
            told += (
                "; the file that was there before is gone" if place.written == place.path else "; the file before is as it was"
            )
        add_note(error, f"{told}.")

    def _compare(self, path: str, size: int, sha256: str, verify: bool | None, idle: Timeout | None = None) -> tuple[str, bool]:
        """Compares what went through us with what the store says that it has; returns how, and whether the content too."""
        found = self.file_info(path).size
        check_same(self._act("stat"), path, size=found, sha256="", expected_size=size, expected_sha256=None)
        if verify is False:
            return "size as the store says", False
        method, told = ("file_read", "read back and compared") if verify else ("hash", "size and SHA-256 as the store says")
        try:
            digest = self._hash_here(path) if verify else self._hash(path, "sha256", self._patience(size, idle))
        except (DriverMethodNotFoundError, DriverNotSupportedError):
            if verify:
                raise
            return "size as the store says, which cannot hash", False
        check_same(self._act(method), path, size=found, sha256=digest, expected_size=size, expected_sha256=sha256)
        return told, True

    def _hash_here(self, path: str) -> str:
        descriptor = self._open(path, "rb")
        with tempfile.TemporaryDirectory(prefix="jumpstarter-") as folder, self._closing([descriptor]):
            return download(self, "file_read", Path(folder) / "file", (descriptor, HANDLE)).sha256

    def _transplant(self, method: str, source: str, target: str, *, idle: Timeout | None = None) -> str:
        source, target = self._file_path(source), self._file_path(target)
        if source == target:
            raise UsageError(f"{self._act(method)} was not sent: '{source}' is source and target.")
        size, how = self.file_info(source).size, BY_STORE
        try:
            self.call(method, source, target, timeout=self._patience(size, idle))
        except (DriverError, DriverMethodNotFoundError) as error:
            if "Unsupported" not in str(error) and not isinstance(error, (DriverNotSupportedError, DriverMethodNotFoundError)):
                raise
            how = THROUGH_US
            with tempfile.TemporaryDirectory(prefix="jumpstarter-") as folder:
                local = Path(folder) / "file"
                self.download(source, local)
                self._write(open_source(local, unpack=False), Place(target, at_once=True))
        found = self.file_info(target).size
        check_same(self._act(method), target, size=found, sha256="", expected_size=size, expected_sha256=None)
        return how

    def _should_be_gone(self, path: str, method: str) -> None:
        if self._says("exists", path):
            raise DriverError(f"{self._act(method)} succeeded, and '{path}' is still there.")


def store_of(device: Device, path: str | None) -> FileStoreClient:
    """Returns the named store, else the only one; those that belong to a server count only where there is no other.

    Raises:
        DriverNotFoundError: there is none, or there are several; the message lists them.
    """
    if path is None:
        own = list(_stores_without_server(device.driver(device.default_driver).node))
        if len({node.uuid for node in own}) == 1:
            path = own[0].path
    return device.driver_of(FileStoreClient, path)


def _stores_without_server(node: Node) -> Iterator[Node]:
    if node.type_tag.endswith(_SERVERS):
        return
    if issubclass(DriverClient.class_for(node), FileStoreClient):
        yield node
    for child in node.children.values():
        yield from _stores_without_server(child)
