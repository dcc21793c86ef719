"""The file store: every method, and that nothing outside its folder can be reached."""

from __future__ import annotations

import hashlib
import os

import pytest
from drivers_support import Bench
from storage_support import Unfinished, download, upload

from JumpstarterLibrary.drivers import FileStore
from JumpstarterLibrary.drivers.file_handles import MOST_OPEN
from JumpstarterLibrary.errors import (
    DriverError,
    DriverInvalidArgumentError,
    DriverNotSupportedError,
)


@pytest.fixture
def store(bench, tmp_path) -> Bench:
    return bench(FileStore(root=str(tmp_path / "store")))


def put(store: Bench, path: str, content: bytes) -> None:
    handle = store.call("open", path, "wb")
    assert upload(store.device, "", "file_write", content, handle) == len(content)
    store.call("file_close", handle)


def get(store: Bench, path: str) -> bytes:
    handle = store.call("open", path, "rb")
    content = download(store.device, "", "file_read", handle)
    store.call("file_close", handle)
    return content


def names(store: Bench, method: str, path: str) -> list[str]:
    return list(store.device.stream_call(method, path))


@pytest.mark.parametrize("size", [0, 1, 65_535, 65_537, 3 * 1024 * 1024 + 1])
@pytest.mark.parametrize("path", ["plain", "a/b/deep.bin", "/leading", "with space and ünïcode €.txt"])
def test_round_trip(store, tmp_path, size, path):
    content = os.urandom(size)
    put(store, path, content)
    assert get(store, path) == content
    assert (tmp_path / "store" / path.lstrip("/")).read_bytes() == content
    assert store.call("hash", path) == hashlib.sha256(content).hexdigest()
    assert store.call("hash", path, "md5") == hashlib.md5(content).hexdigest()
    assert store.call("stat", path)["content_length"] == size


def test_looking_around(store):
    for path in ("a/one.txt", "a/b/two.txt", "three.txt"):
        put(store, path, b"x")
    assert names(store, "list", "/") == ["/", "a/", "three.txt"]
    assert names(store, "list", "a/") == ["a/", "a/b/", "a/one.txt"]
    assert names(store, "scan", "") == ["/", "a/", "a/b/", "a/b/two.txt", "a/one.txt", "three.txt"]
    assert names(store, "list", "three.txt") == ["three.txt"]
    assert names(store, "list", "missing/") == names(store, "scan", "three.txt/") == []
    assert store.call("stat", "a/")["mode"] == {"entry_is_file": False, "entry_is_dir": True}
    assert store.call("stat", "a/one.txt")["mode"] == {"entry_is_file": True, "entry_is_dir": False}
    told = [store.call("exists", path) for path in ("a", "a/", "a/one.txt", "a/one.txt/", "missing", "missing/")]
    assert told == [True, True, True, False, False, False]


def test_changing(store):
    put(store, "a.txt", b"content")
    store.call("copy", "a.txt", "new/b.txt")
    store.call("rename", "a.txt", "new/c.txt")
    assert names(store, "scan", "/") == ["/", "new/", "new/b.txt", "new/c.txt"]
    store.call("create_dir", "x/y/")
    store.call("create_dir", "x/y/")
    with pytest.raises(DriverInvalidArgumentError, match="'z/'"):
        store.call("create_dir", "z")
    with pytest.raises(DriverError, match="'x/' is not empty"):
        store.call("delete", "x/")
    store.call("delete", "x/y/")
    store.call("delete", "new/b.txt")
    store.call("delete", "new/b.txt")
    assert names(store, "scan", "/") == ["/", "new/", "new/c.txt", "x/"]
    store.call("remove_all", "new/")
    store.call("remove_all", "new/")
    assert names(store, "scan", "/") == ["/", "x/"]
    store.call("register_path", "elsewhere")
    assert "elsewhere" in store.call("get_created_resources")
    store.call("remove_all", "/")
    assert names(store, "scan", "/") == ["/"]
    assert store.call("get_created_resources") == []


def test_what_was_made_in_the_session_is_known(store):
    put(store, "/d/one", b"x")
    store.call("create_dir", "e/")
    store.call("copy", "d/one", "two")
    store.call("rename", "two", "three")
    store.call("register_path", "four")
    store.call("delete", "e/")
    assert store.call("get_created_resources") == ["d/one", "four", "three"]


@pytest.mark.parametrize(
    ("method", "arguments"),
    [
        ("stat", ["missing"]),
        ("stat", ["file/"]),
        ("hash", ["missing"]),
        ("copy", ["missing", "new"]),
        ("rename", ["missing", "new"]),
        ("open", ["missing", "rb"]),
    ],
    ids=str,
)
def test_what_is_missing_is_an_error(store, method, arguments):
    put(store, "file", b"x")
    with pytest.raises(DriverError, match="NotFound"):
        store.call(method, *arguments)


@pytest.mark.parametrize(
    ("method", "arguments", "text"),
    [
        ("open", ["folder/", "wb"], "is a folder"),
        ("open", ["folder", "wb"], "is a folder"),
        ("open", ["file", "ab"], "rb or wb"),
        ("hash", ["file", "crc32"], "sha256"),
        ("copy", ["file", "file"], "the same file"),
        ("delete", ["/"], "the root"),
        ("file_close", ["nonsense"], "no open file"),
        ("file_tell", ["12345678-1234-5678-1234-567812345678"], "no open file"),
        ("stat", ["a\0b"], "is no path"),
    ],
    ids=str,
)
def test_what_is_wrong_is_refused(store, method, arguments, text):
    put(store, "file", b"x")
    store.call("create_dir", "folder/")
    with pytest.raises(DriverInvalidArgumentError, match=text):
        store.call(method, *arguments)
    assert get(store, "file") == b"x"


@pytest.mark.parametrize(
    "path", ["../secret", "a/../../secret", "..", "/../secret", "link/secret", "link", "a/./../../secret", "a/../a/own"]
)
def test_nothing_leads_out_of_the_store(store, tmp_path, path):
    (tmp_path / "secret").write_text("secret")
    put(store, "a/own", b"x")
    (tmp_path / "store" / "link").symlink_to(tmp_path)
    calls = [("stat",), ("exists",), ("hash",), ("delete",), ("remove_all",), ("register_path",)]
    calls += [("open", "rb"), ("open", "wb"), ("copy", "a/own"), ("rename", "a/own")]
    for method, *more in calls:
        with pytest.raises(DriverInvalidArgumentError, match=r"out of the store"):
            store.call(method, path, *more)
    for method in ("copy", "rename"):
        with pytest.raises(DriverInvalidArgumentError, match=r"out of the store"):
            store.call(method, "a/own", path)
    for method in ("list", "scan"):
        with pytest.raises(DriverInvalidArgumentError, match=r"out of the store"):
            names(store, method, path)
    with pytest.raises(DriverInvalidArgumentError):
        store.call("create_dir", f"{path}/new/")
    assert (tmp_path / "secret").read_text() == "secret"
    assert sorted(each.name for each in tmp_path.iterdir()) == ["secret", "store"]


def test_positions_in_a_file(store):
    put(store, "f", b"0123456789")
    handle = store.call("open", "f", "rb")
    assert store.call("file_seek", handle, 7) == store.call("file_tell", handle) == 7
    assert download(store.device, "", "file_read", handle) == b"789"
    assert store.call("file_seek", handle, -2, 2) == 8
    assert store.call("file_seek", handle, -3, 1) == 5
    with pytest.raises(DriverInvalidArgumentError, match="no position -1"):
        store.call("file_seek", handle, -1)
    facts = [store.call(f"file_{fact}", handle) for fact in ("readable", "seekable", "writable", "closed")]
    assert facts == [True, True, False, False]
    with pytest.raises(DriverInvalidArgumentError, match="opened for reading"):
        upload(store.device, "", "file_write", b"x", handle)
    store.call("file_close", handle)
    store.call("file_close", handle)
    assert store.call("file_closed", handle) is True
    with pytest.raises(DriverInvalidArgumentError, match="is closed"):
        store.call("file_tell", handle)


def test_writing_in_parts(store):
    handle = store.call("open", "f", "wb")
    facts = [store.call(f"file_{fact}", handle) for fact in ("readable", "seekable", "writable", "closed")]
    assert facts == [False, False, True, False]
    for part in (b"one ", b"two"):
        upload(store.device, "", "file_write", part, handle)
    with pytest.raises(DriverInvalidArgumentError, match="opened for writing"):
        download(store.device, "", "file_read", handle)
    store.call("file_close", handle)
    assert get(store, "f") == b"one two"


def test_an_runningthat_breaks_off_leaves_no_file(store, tmp_path):
    handle = store.call("open", "f", "wb")
    path = tmp_path / "store" / "f"
    opened = store.root._handles[handle]
    running = Unfinished(store.device, "", "file_write", b"half", handle, begun=lambda: opened._broken)
    assert path.exists()
    running.rpc.cancel()
    assert isinstance(running.end(), DriverError)
    assert not path.exists()
    with pytest.raises(DriverInvalidArgumentError, match="was removed"):
        upload(store.device, "", "file_write", b"rest", handle)
    store.call("file_close", handle)
    assert not path.exists()


def test_no_addresses_are_made(store):
    for method in ("presign_stat", "presign_read", "presign_write"):
        with pytest.raises(DriverNotSupportedError, match="Unsupported"):
            store.call(method, "f", 60)
    capability = store.call("capability")
    assert capability["read"] is True
    assert capability["presign_read"] is False


def test_files_that_nobody_closes_are_bounded(store):
    put(store, "f", b"x")
    handles = [store.call("open", "f", "rb") for _ in range(MOST_OPEN - 1)]
    store.call("file_close", handles[0])
    store.call("open", "f", "rb")
    store.call("open", "f", "rb")
    with pytest.raises(DriverError, match=f"{MOST_OPEN} files are open already"):
        store.call("open", "f", "rb")


def test_a_temporary_store_goes_with_its_session(bench):
    store = FileStore(files={"etc/readme.txt": "hello"})
    served = bench(store)
    assert get(served, "etc/readme.txt") == b"hello"
    folder = store.root
    served.close()
    assert not folder.exists()


def test_what_clients_made_can_go_with_the_session(bench, tmp_path):
    (tmp_path / "old").write_text("stays")
    store = bench(FileStore(root=str(tmp_path), remove_created_on_close=True))
    put(store, "dir/new", b"x")
    store.call("create_dir", "empty/")
    store.close()
    assert (tmp_path / "old").read_text() == "stays"
    assert not (tmp_path / "dir" / "new").exists()
    assert not (tmp_path / "empty").exists()


def test_the_board_has_a_store(board):
    board = board()
    files = board.device["files"]
    handle = files.call("open", "log/run.txt", "wb")
    upload(board.device, "files", "file_write", b"text", handle)
    files.call("file_close", handle)
    assert list(files.stream_call("scan", "/")) == ["/", "log/", "log/run.txt"]
