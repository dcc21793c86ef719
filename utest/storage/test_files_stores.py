"""File stores on our own drivers: which one is meant, stores that can less, what is left behind."""

from __future__ import annotations

import gzip
import re
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from lying_drivers import LyingStore, half
from storing_support import image_file, random_bytes

from JumpstarterLibrary.client import Device, FileStoreClient
from JumpstarterLibrary.client.files import THROUGH_US, store_of
from JumpstarterLibrary.client.images import Source, open_source
from JumpstarterLibrary.drivers import Composite, FileStore, MockHttpServer
from JumpstarterLibrary.errors import (
    ConfigurationError,
    DriverError,
    DriverNotFoundError,
    DriverNotSupportedError,
    JumpstarterError,
    RemoteFileNotFoundError,
    TransferMismatchError,
    UsageError,
)
from JumpstarterLibrary.exporter import Driver, export


class SimpleStore(FileStore):
    """Cannot hash, copy or rename, and says so in the two ways that drivers have."""

    @export
    def hash(self, path: str, algo: str = "sha256") -> None:
        raise NotImplementedError("no hashes here")

    @export
    def copy(self, source: str, target: str) -> None:
        raise RuntimeError("Unsupported (permanent) at copy")

    @export
    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError("no renaming here")


class HonestStore(SimpleStore):
    """Says before that it cannot."""

    @export
    def capability(self) -> dict[str, bool | None]:
        return super().capability() | {"rename": False, "copy": False}


class FullStore(FileStore):
    """Has no room for what it is given, and notices when the file is closed."""

    @export
    def file_close(self, fd: str) -> None:
        super().file_close(fd)
        raise OSError(28, "No space left on device")


@pytest.fixture
def store(serve: Callable[..., Device]) -> FileStoreClient:
    return serve(FileStore(files={"a.txt": "some text", "sub/b.txt": "b"})).driver_of(FileStoreClient)


class TestWhichStore:
    def test_a_servers_own_counts_only_where_there_is_no_other(self, serve: Callable[..., Device]):
        device = serve(Composite(children={"http": MockHttpServer(), "files": FileStore()}))
        assert store_of(device, None).path == "files"
        assert store_of(device, "http.storage").path == "http.storage"
        assert store_of(serve(Composite(children={"http": MockHttpServer()})), None).path == "http.storage"

    def test_two_are_an_error(self, serve: Callable[..., Device]):
        device = serve(Composite(children={"one": FileStore(), "two": FileStore(), "http": MockHttpServer()}))
        with pytest.raises(DriverNotFoundError, match=r"3 file store drivers: 'one', 'two', 'http\.storage'"):
            store_of(device, None)
        device.default_driver = "two"
        assert store_of(device, None).path == "two"

    def test_none_is_an_error(self, serve: Callable[..., Device]):
        with pytest.raises(DriverNotFoundError, match="no file store driver"):
            store_of(serve(Composite(children={"other": Driver()})), None)


class TestTransfers:
    @pytest.mark.parametrize("size", [0, 1, 65535, 65536, 65537, 3_000_000])
    def test_there_and_back(self, size: int, store: FileStoreClient, tmp_path: Path):
        image = image_file(tmp_path, size)
        for name in ("new/folder/name with spaces é.bin", "a.txt"):
            assert store.upload(open_source(image), name, verify=True).proven
            written = store.download(name, tmp_path / "back")
            assert (tmp_path / "back").read_bytes() == image.read_bytes()
            assert (written.proven, written.checked) == (True, "size and SHA-256 as the store says")
            assert store.read(name) == image.read_bytes()
            assert store.difference(name, image) == ""

    def test_packed_files_stay_packed_unless_told(self, store: FileStoreClient, tmp_path: Path):
        packed = tmp_path / "log.gz"
        packed.write_bytes(gzip.compress(b"text"))
        store.upload(open_source(packed, unpack=False), "log.gz")
        assert store.read("log.gz") == packed.read_bytes()
        store.upload(open_source(packed), "log")
        assert store.read("log") == b"text"

    def test_a_store_that_cannot_hash(self, serve: Callable[..., Device], tmp_path: Path):
        store = serve(SimpleStore()).driver_of(FileStoreClient)
        image = image_file(tmp_path)
        written = store.upload(open_source(image), "a.bin")
        assert (written.proven, written.checked) == (False, "size as the store says, which cannot hash")
        assert store.upload(open_source(image), "a.bin", verify=True).checked == "read back and compared"
        assert store.difference("a.bin", image) == ""
        assert "different content" in store.difference("a.bin", image_file(tmp_path, seed=2))
        with pytest.raises(DriverNotSupportedError):
            store.hash_file("a.bin")

    def test_a_store_that_is_full(self, serve: Callable[..., Device], tmp_path: Path):
        store = serve(FullStore()).driver_of(FileStoreClient)
        with pytest.raises(DriverError, match=r"No space left on device.*What was written of 'a.bin' was removed\."):
            store.upload(open_source(image_file(tmp_path)), "a.bin")
        assert not store.exists("a.bin")

    def test_a_source_that_cannot_be_read_leaves_nothing(self, store: FileStoreClient, tmp_path: Path):
        broken = tmp_path / "broken.gz"
        broken.write_bytes(gzip.compress(random_bytes(3_000_000))[:-5])
        with pytest.raises(ConfigurationError, match="Cannot unpack"):
            store.upload(open_source(broken), "a.bin")
        assert not store.exists("a.bin")
        with pytest.raises(ConfigurationError, match="checksum"):
            store.upload(open_source(image_file(tmp_path), checksum="ab" * 32, unpack=False), "a.bin")
        assert not store.exists("a.bin")

    def test_what_cannot_be_opened_is_not_removed(self, store: FileStoreClient):
        with pytest.raises(DriverError, match="is a folder"):
            store.upload(Source.of_bytes(b"x"), "sub")
        assert store.list_directory("sub") == ["b.txt"]

    def test_an_old_local_file_stays_if_the_new_one_is_wrong(self, serve: Callable[..., Device], tmp_path: Path):
        store = serve(LyingStore(files={"a.txt": "some text"}, give=half)).driver_of(FileStoreClient)
        (tmp_path / "a.txt").write_text("old")
        with pytest.raises(TransferMismatchError):
            store.download("a.txt", tmp_path / "a.txt")
        assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("a.txt", "old")]

    def test_local_places_that_cannot_be_written(self, store: FileStoreClient, tmp_path: Path):
        with pytest.raises(ConfigurationError, match="no directory"):
            store.download("a.txt", tmp_path / "nowhere" / "a.txt")
        with pytest.raises(ConfigurationError, match="it is a directory"):
            store.download("a.txt", tmp_path)

    def test_every_file_is_closed(self, serve: Callable[..., Device], tmp_path: Path):
        driver = FileStore(files={"a.txt": "some text"})
        store = serve(driver).driver_of(FileStoreClient)
        for _ in range(3):
            store.upload(open_source(image_file(tmp_path)), "b.bin", verify=True)
            store.read("a.txt")
            with pytest.raises(ConfigurationError):
                store.download("a.txt", tmp_path / "nowhere" / "a.txt")
        files = list(driver._handles._files.values())
        assert len(files) == 12
        assert all(file.closed for file in files)


class TestChanges:
    def test_stores_that_cannot_copy_or_rename(self, serve: Callable[..., Device], tmp_path: Path):
        store = serve(SimpleStore(files={"a.txt": "some text"})).driver_of(FileStoreClient)
        assert store.copy("a.txt", "b/c.txt") == THROUGH_US
        assert store.read("b/c.txt") == b"some text"
        assert store.move("b/c.txt", "d.txt") == THROUGH_US
        assert store.read("d.txt") == b"some text"
        assert not store.exists("b/c.txt")
        assert store.exists("a.txt")

    def test_other_errors_of_copying_are_errors(self, store: FileStoreClient):
        with pytest.raises(DriverError):
            store.copy("a.txt", "sub")
        with pytest.raises(RemoteFileNotFoundError, match="There is no file 'gone' in the root driver of device 'bench'"):
            store.copy("gone", "here")

    def test_removing_says_whether_there_was_anything(self, store: FileStoreClient):
        assert store.remove_file("a.txt")
        assert not store.remove_file("a.txt")
        assert store.remove_directory("sub", recursive=True)
        assert not store.remove_directory("sub", recursive=True)

    def test_mistakes_do_not_reach_the_store(self, store: FileStoreClient):
        for act in (
            lambda: store.remove_file("sub"),
            lambda: store.remove_file("sub/"),
            lambda: store.remove_directory("sub"),
            lambda: store.remove_directory("/", recursive=True),
            lambda: store.remove_directory("", recursive=True),
            lambda: store.remove_directory("sub/..", recursive=True),
            lambda: store.copy("a.txt", "a.txt"),
            lambda: store.upload(Source.of_bytes(b""), "sub/"),
            lambda: store.read("sub"),
        ):
            with pytest.raises(UsageError):
                act()
        assert store.list_directory("/", recursive=True) == ["a.txt", "sub/", "sub/b.txt"]


class TestFacts:
    def test_lists(self, store: FileStoreClient):
        assert store.list_directory() == ["a.txt", "sub/"]
        assert store.list_directory("/") == store.list_directory("")
        assert store.list_directory("sub") == store.list_directory("sub/") == store.list_directory("/sub") == ["b.txt"]

    def test_presence(self, store: FileStoreClient):
        assert store.exists("a.txt")
        assert store.exists("sub")
        assert not store.exists("b.txt")
        assert store.info("sub").is_directory
        assert (store.info("a.txt").size, store.info("a.txt").is_directory) == (9, False)
        with pytest.raises(RemoteFileNotFoundError):
            store.info("gone")

    def test_what_it_can(self, store: FileStoreClient):
        assert store.capability()["copy"] is True
        with pytest.raises(DriverNotSupportedError):
            store.presign("a.txt")


class HangingStore(FileStore):
    """Takes nothing, and never ends what it is asked to tidy up."""

    @export
    async def file_write(self, fd: str, src: object) -> None:
        await anyio.sleep(30)

    @export
    async def file_close(self, fd: str) -> None:
        await anyio.sleep(30)

    @export
    async def delete(self, path: str) -> None:
        await anyio.sleep(30)


class UnopenedStore(FileStore):
    """Never opens a file."""

    @export
    async def open(self, path: str, mode: str) -> str:
        await anyio.sleep(30)
        return ""


class OnlyCopies(FileStore):
    """Cannot rename."""

    @export
    def capability(self) -> dict[str, bool | None]:
        return super().capability() | {"rename": False}

    @export
    def rename(self, source: str, target: str) -> None:
        raise NotImplementedError("Unsupported")


class BreaksWhileCopying(OnlyCopies):
    """Overwrites half of the target, and fails."""

    @export
    def copy(self, source: str, target: str) -> None:
        self._place(target).write_bytes(b"ne")
        raise OSError("the disk is full")


def broken_archive(folder: Path) -> Path:
    path = folder / "broken.gz"
    path.write_bytes(gzip.compress(random_bytes(20_000_000), 1)[:-5])  # more than is read before the first byte is sent
    return path


class TestFaultsOfUploads:
    @pytest.mark.parametrize("fault", ["missing", "corrupt", "checksum"])
    def test_a_bad_source_leaves_the_old_file(self, fault: str, store: FileStoreClient, tmp_path: Path):
        path = tmp_path / "image.gz"
        path.write_bytes(b"no archive" if fault == "corrupt" else gzip.compress(b"new"))
        source = open_source(path, checksum="0" * 64 if fault == "checksum" else None)
        if fault == "missing":
            path.unlink()
        with pytest.raises(ConfigurationError):
            store.upload(source, "a.txt")
        assert store.read("a.txt") == b"some text"

    @pytest.mark.parametrize("driver", [FileStore, OnlyCopies])
    def test_a_source_that_breaks_late_leaves_the_old_file_and_nothing_else(
        self, driver: type[FileStore], serve: Callable[..., Device], tmp_path: Path
    ):
        store = serve(driver(files={"a.txt": "some text"})).driver_of(FileStoreClient)
        with pytest.raises(ConfigurationError, match="the file before is as it was") as caught:
            store.upload(open_source(broken_archive(tmp_path)), "a.txt")
        assert re.search(r"\d{7,8} bytes of it had gone to the driver by then", str(caught.value))
        assert store.read("a.txt") == b"some text"
        assert store.list_directory() == ["a.txt"]

    def test_a_new_file_that_cannot_take_its_place_is_kept_and_named(self, serve: Callable[..., Device]):
        store = serve(BreaksWhileCopying(files={"a.txt": "some text"})).driver_of(FileStoreClient)
        with pytest.raises(DriverError, match=r"complete as 'a\.txt\.\w+\.part', and may not have taken the place of 'a\.txt'"):
            store.upload(Source.of_bytes(b"new"), "a.txt")
        [kept] = [name for name in store.list_directory() if name.endswith(".part")]
        assert store.read(kept) == b"new"

    def test_where_nothing_can_take_its_place_the_loss_is_told(self, serve: Callable[..., Device], tmp_path: Path):
        store = serve(HonestStore(files={"a.txt": "some text"})).driver_of(FileStoreClient)
        with pytest.raises(ConfigurationError, match="the file that was there before is gone"):
            store.upload(open_source(broken_archive(tmp_path)), "a.txt")
        assert not store.exists("a.txt")

    @pytest.mark.parametrize("driver", [FileStore, OnlyCopies, SimpleStore, HonestStore])
    def test_a_new_file_takes_the_place_of_the_old_one(self, driver: type[FileStore], serve: Callable[..., Device]):
        store = serve(driver(files={"a.txt": "some text"})).driver_of(FileStoreClient)
        store.upload(Source.of_bytes(b"new"), "a.txt")
        assert store.read("a.txt") == b"new"
        assert store.list_directory() == ["a.txt"]

    @pytest.mark.parametrize("driver", [HangingStore, UnopenedStore])
    def test_a_store_that_hangs_takes_little_more_than_the_idle_time(self, driver: type[Driver], serve: Callable[..., Device]):
        begin = time.monotonic()
        with pytest.raises(JumpstarterError):
            serve(driver(), timeout=20).driver_of(FileStoreClient).upload(Source.of_bytes(b"new"), "a.txt", idle=0.5)
        assert time.monotonic() - begin < 4  # far below the device's timeout
