"""How long is waited: for what a store does to a large file in one call, and for images that give nothing."""

from __future__ import annotations

import os
import socket
import time
from collections.abc import Callable
from pathlib import Path

import anyio
import pytest
from storing_support import random_bytes

from JumpstarterLibrary.client import Device, FileStoreClient, FlasherClient, file_facts
from JumpstarterLibrary.client.images import Source, open_source
from JumpstarterLibrary.drivers import FileStore, MockFlasher
from JumpstarterLibrary.errors import ConfigurationError, InfrastructureError, JumpstarterError
from JumpstarterLibrary.exporter import export

DATA = random_bytes(1000)
WORK = 1.0
"""Seconds that the store takes for a file."""


class WorkingStore(FileStore):
    """Takes a second for each file that it hashes or copies, as large ones do."""

    @export
    async def hash(self, path: str, algo: str = "sha256") -> str:
        await anyio.sleep(WORK)
        return super().hash(path, algo)

    @export
    async def copy(self, source: str, target: str) -> None:
        await anyio.sleep(WORK)
        super().copy(source, target)


@pytest.fixture
def store(serve: Callable[..., Device]) -> FileStoreClient:
    """A store that works for longer than the device's timeout."""
    store = serve(WorkingStore(), WORK / 2).driver_of(FileStoreClient)
    store.upload(Source.of_bytes(DATA), "file", verify=False)
    return store


def test_a_large_file_may_take_longer_than_the_timeout(store: FileStoreClient, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(JumpstarterError):
        store.hash_file("file")
    monkeypatch.setattr(file_facts, "READING_RATE", len(DATA) / 20)
    assert len(store.hash_file("file")) == 64
    store.copy("file", "copy")
    assert store.upload(Source.of_bytes(DATA), "other", idle=WORK / 2).proven


def test_a_timeout_of_its_own_counts(store: FileStoreClient, monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(store.hash_file("file", timeout=20)) == 64
    monkeypatch.setattr(file_facts, "READING_RATE", len(DATA) / 20)
    with pytest.raises(JumpstarterError):
        store.hash_file("file", timeout=WORK / 5)


@pytest.mark.parametrize("checksum", [None, "0" * 64])
def test_a_pipe_into_which_nobody_writes(serve: Callable[..., Device], checksum: str | None, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    driver = MockFlasher()
    begin = time.monotonic()
    with pytest.raises(InfrastructureError, match=r"was not called: '.*pipe' gave nothing for 300 ms"):
        serve(driver).driver_of(FlasherClient).flash(open_source(tmp_path / "pipe", checksum=checksum), idle=0.3)
    assert time.monotonic() - begin < 5
    assert not driver.partitions


def test_a_socket_is_no_image(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind("socket")
        with pytest.raises(ConfigurationError, match="Cannot read 'socket'"):
            open_source("socket")


def test_a_pipe_is_nothing_to_compare_with(store: FileStoreClient, tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(ConfigurationError, match="pipe' is no regular file"):
        store.difference("file", tmp_path / "pipe")
