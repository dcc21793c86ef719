"""Exporters that die, freeze or vanish, and drivers that stop in the middle: always an error, soon, and nothing left behind."""

from __future__ import annotations

import os
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.results import eventually
from transfer_support import KIB, MIB, Relay, image, nothing_left, serve

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.images import Source, open_source
from JumpstarterLibrary.client.resources import HANDLE, download, upload
from JumpstarterLibrary.errors import (
    CallTimeoutError,
    ConfigurationError,
    DriverError,
    DriverMethodNotFoundError,
    DriverTimeoutError,
    FailureClass,
    InfrastructureError,
    SessionClosedError,
    SessionLostError,
)
from JumpstarterLibrary.journal import TransferEnded

SIZE = 48 * MIB
IDLE = 0.6
SHARES = [0.0, 0.5, 0.99]
BUSY = 2.0
"""Seconds that a busy machine may add to the second beyond the idle time."""


@pytest.fixture(scope="module")
def big(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An image that no buffer between us and the driver can hold."""
    return image(tmp_path_factory.mktemp("big") / "image", SIZE)


class Fault:
    """A transfer that a driver stalls after a share of it; then something happens to the exporter."""

    def __init__(self, device: Device, folder: Path, share: float, happens: Callable[[], object]) -> None:
        self._device, self._folder, self._share = device, folder, share
        self._note = folder / "stalled"
        self._happens = happens
        self._happened = 0.0
        self.late = 0.0
        """Seconds from the event to the error."""

    def upload(self, big: Path) -> None:
        arguments = (HANDLE, int(SIZE * self._share), str(self._note))
        self._run(lambda: upload(self._device["store"], "write_and_stall", open_source(big), arguments, idle=IDLE))

    def download(self) -> None:
        arguments = (HANDLE, int(SIZE * self._share), str(self._note))
        target = self._folder / "dump"
        target.write_text("old")
        try:
            self._run(lambda: download(self._device["store"], "read_and_stall", target, arguments, idle=IDLE))
        finally:
            assert target.read_text() == "old"
            assert sorted(path.name for path in self._folder.iterdir()) == ["dump", "stalled"]

    def _run(self, transfer: Callable[[], object]) -> None:
        def happen() -> None:
            assert eventually(self._note.exists, 20)
            self._happened = time.monotonic()
            self._happens()

        thread = threading.Thread(target=happen)
        thread.start()
        try:
            transfer()
        finally:
            self.late = time.monotonic() - self._happened
            thread.join(20)


@pytest.mark.parametrize("share", SHARES)
@pytest.mark.parametrize("direction", ["upload", "download"])
class TestExporters:
    def test_killed(self, kind, tmp_path, big, share, direction):
        with serve(kind) as exporter, connect(exporter.address, timeout=20) as device:
            fault = Fault(device, tmp_path, share, exporter.kill)
            with nothing_left(), pytest.raises(SessionLostError, match="The outcome of the call is unknown"):
                fault.upload(big) if direction == "upload" else fault.download()
            assert fault.late < 1 + BUSY

    def test_frozen(self, exporter, tmp_path, big, share, direction):
        try:
            # gRPC keeps a thread for the connection while what it has begun to write waits for a frozen peer.
            with nothing_left(), connect(exporter.address, timeout=20) as device:
                fault = Fault(device, tmp_path, share, exporter.freeze)
                with pytest.raises(CallTimeoutError, match=f"nothing moved for {IDLE * 1000:.0f} ms") as caught:
                    fault.upload(big) if direction == "upload" else fault.download()
        finally:
            exporter.thaw()
        assert caught.value.failure_class is FailureClass.INFRASTRUCTURE
        assert fault.late < IDLE + 1 + BUSY

    def test_reset(self, kind, exporter, tmp_path, big, share, direction):
        with Relay(exporter.address) as relay, connect(relay.address, timeout=20) as device:
            fault = Fault(device, tmp_path, share, relay.reset)
            with nothing_left(), pytest.raises(SessionLostError):
                fault.upload(big) if direction == "upload" else fault.download()
            assert fault.late < 1 + BUSY


class TestDrivers:
    def test_one_that_stalls(self, device, tmp_path, big):
        with (
            nothing_left(),
            pytest.raises(DriverTimeoutError, match=f"nothing moved for 600 ms, after .* of {SIZE} bytes. The exp"),
        ):
            upload(device["store"], "write_and_stall", open_source(big), (HANDLE, SIZE // 2, str(tmp_path / "note")), idle=IDLE)
        with (
            nothing_left(),
            pytest.raises(DriverTimeoutError, match=f"nothing moved for 600 ms, after {MIB} bytes. The exporter answers"),
        ):
            download(device["store"], "read_and_stall", tmp_path / "dump", (HANDLE, MIB, str(tmp_path / "note")), idle=IDLE)
        assert device["store"].call("echo", 5) == 5

    @pytest.mark.parametrize("share", SHARES)
    def test_one_that_fails(self, device, tmp_path, big, share):
        count = int(SIZE * share)
        with nothing_left(), pytest.raises(DriverError, match=r"write_and_fail.* the card is broken"):
            upload(device["store"], "write_and_fail", open_source(big), (HANDLE, count))
        with nothing_left(), pytest.raises(DriverError, match=r"read_and_fail.* the card is broken"):
            download(device["store"], "read_and_fail", tmp_path / "dump", (HANDLE, count))
        assert not list(tmp_path.iterdir())

    @pytest.mark.parametrize("method", ["write_part", "ignore"])
    def test_one_that_returns_early(self, device, big, method):
        arguments = (HANDLE, MIB) if method == "write_part" else (HANDLE,)
        with nothing_left(), pytest.raises(DriverError, match=rf"returned as if all was well, but it took .* of {SIZE} bytes"):
            upload(device["store"], method, open_source(big), arguments)
        assert device.journal.events(TransferEnded)[-1].status == "DriverError"

    @pytest.mark.parametrize("size", [2, 64 * KIB + 1, 4 * MIB])
    def test_one_of_ours_that_returns_early_is_seen_at_any_size(self, our_device, size):
        for method, arguments, taken in (("write_part", (HANDLE, 0), 0), ("ignore", (HANDLE,), 0)):
            with pytest.raises(DriverError, match=f"it took {taken} of {size} bytes"):
                upload(our_device["store"], method, Source.of_bytes(bytes(size)), arguments)

    def test_one_that_takes_all_without_looking_for_the_end(self, device):
        assert upload(device["store"], "write_part", Source.of_bytes(bytes(5000)), (HANDLE, 5000)).returned == 5000

    def test_one_that_gives_nothing_and_returns(self, device, kind, tmp_path):
        with nothing_left(), pytest.raises(DriverError) as caught:
            download(device["store"], "ignore", tmp_path / "dump", idle=IDLE if kind == "upstream" else 20)
        assert ("nothing moved" if kind == "upstream" else "without giving a file") in str(caught.value)
        assert not list(tmp_path.iterdir())

    def test_a_method_that_is_not_there(self, device, tmp_path):
        with nothing_left(), pytest.raises(DriverMethodNotFoundError):
            upload(device["store"], "burn", Source.of_bytes(b"x"))
        with nothing_left(), pytest.raises(DriverMethodNotFoundError):
            download(device["store"], "burn", tmp_path / "dump")


class TestTargets:
    def test_a_folder_that_is_not_there(self, our_device, tmp_path):
        with pytest.raises(ConfigurationError, match=r"there is no directory '.*/none'"):
            download(our_device["store"], "read", tmp_path / "none" / "dump", (HANDLE, 1))
        assert len(our_device.journal.events(TransferEnded)) == 1

    def test_a_directory(self, our_device, tmp_path):
        with pytest.raises(ConfigurationError, match="it is a directory"):
            download(our_device["store"], "read", tmp_path, (HANDLE, 1))

    def test_a_special_file_is_not_replaced(self, our_device, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        with pytest.raises(ConfigurationError, match="no regular file"):
            download(our_device["store"], "read", tmp_path / "pipe", (HANDLE, 1))
        assert (tmp_path / "pipe").is_fifo()

    def test_a_full_disk_here(self, device, small_disk):
        (small_disk / "dump").write_text("old")
        with nothing_left(), pytest.raises(InfrastructureError, match=r"No space left on device\. There is no partial file left"):
            download(device["store"], "read", small_disk / "dump", (HANDLE, 8 * MIB))
        assert [path.name for path in small_disk.iterdir()] == ["dump"]
        assert (small_disk / "dump").read_text() == "old"

    def test_a_full_disk_at_the_exporter(self, device, small_disk, big):
        with nothing_left(), pytest.raises(DriverError, match="No space left on device"):
            upload(device["store"], "write", open_source(big), (HANDLE, str(small_disk / "image")))


def test_a_closed_session_ends_a_transfer(exporter, tmp_path, big):
    with connect(exporter.address, timeout=20) as device:
        fault = Fault(device, tmp_path, 0.5, device.close)
        with nothing_left(), pytest.raises(SessionClosedError):
            fault.upload(big)


def test_a_stream_that_is_reset_alone_is_no_good_upload(our_device, monkeypatch, tmp_path):
    """As a tunnel does it: the call goes on, and the driver has to learn that the file is not whole."""
    from JumpstarterLibrary.client import sending

    def break_off(self: sending.Sender):
        yield next(frames(self))
        assert eventually((tmp_path / "note").exists)
        raise RuntimeError("as if the network had broken here")

    frames = sending.Sender.frames
    monkeypatch.setattr(sending.Sender, "frames", break_off)
    with pytest.raises((DriverError, InfrastructureError)):
        upload(our_device["store"], "write_slowly", Source.of_bytes(bytes(MIB)), (HANDLE, str(tmp_path / "note")))
    assert eventually(lambda: "error" in (tmp_path / "note").read_text())
