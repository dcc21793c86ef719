"""What is sent arrives, and what is fetched is what the driver gave."""

from __future__ import annotations

import hashlib
import re
import threading
from pathlib import Path

import pytest
from transfer_support import GIB, KIB, MIB, image, nothing_left

from JumpstarterLibrary.client.images import Source, open_source
from JumpstarterLibrary.client.resources import HANDLE, download, upload
from JumpstarterLibrary.client.sending import Sender
from JumpstarterLibrary.errors import UsageError
from JumpstarterLibrary.journal import CallEnded, TransferEnded
from JumpstarterLibrary.wire.compression import Encoding

SIZES = [0, 1, 64 * KIB - 1, 64 * KIB, 64 * KIB + 1, 4 * MIB - 1, 4 * MIB, 4 * MIB + 1, 40 * MIB + 7]


def digest(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


@pytest.mark.parametrize("size", SIZES)
def test_an_upload_arrives_whole(device, tmp_path, size):
    path = image(tmp_path / "image", size)
    with nothing_left():
        transfer = upload(device["store"], "write", open_source(path))
    assert transfer.returned == {"size": size, "sha256": digest(path)}
    assert (transfer.size, transfer.sha256, transfer.name) == (size, digest(path), str(path))
    assert transfer.rate > 0 or not size


@pytest.mark.parametrize("size", SIZES)
def test_a_download_arrives_whole(device, tmp_path, size):
    target = tmp_path / "dump"
    with nothing_left():
        transfer = download(device["store"], "read", target, (HANDLE, size))
    assert target.read_bytes() == b"d" * size
    assert (transfer.size, transfer.sha256) == (size, digest(target))
    assert [path.name for path in tmp_path.iterdir()] == ["dump"]


class Growth:
    """How much more memory this process had at its peak in the block than before."""

    def __enter__(self):
        Path("/proc/self/clear_refs").write_text("5")  # sets the peak back
        self._before = self._status("VmRSS")
        return self

    def __exit__(self, *_):
        self.bytes = self._status("VmHWM") - self._before

    @staticmethod
    def _status(name):
        return int(re.search(rf"{name}:\s+(\d+) kB", Path("/proc/self/status").read_text())[1]) * KIB


def test_a_gibibyte_goes_up_in_little_memory(device, tmp_path):
    path = tmp_path / "sparse"
    with path.open("wb") as file:
        file.truncate(GIB)
    with Growth() as growth:
        transfer = upload(device["store"], "write", open_source(path))
    assert transfer.returned == {"size": GIB, "sha256": transfer.sha256}
    assert transfer.sha256 == repeated(b"\0", GIB)
    assert growth.bytes < 64 * MIB


def test_a_gibibyte_comes_down_in_little_memory(device, tmp_path):
    target = tmp_path / "dump"
    with Growth() as growth:
        transfer = download(device["store"], "read", target, (HANDLE, GIB))
    assert transfer.size == target.stat().st_size == GIB
    assert transfer.sha256 == digest(target) == repeated(b"d", GIB)
    target.unlink()
    assert growth.bytes < 64 * MIB


def repeated(byte: bytes, size: int) -> str:
    """The SHA-256 of so many equal bytes."""
    found, block = hashlib.sha256(), byte * MIB
    for _ in range(size // MIB):
        found.update(block)
    return found.hexdigest()


@pytest.mark.interop
def test_upstreams_flasher_takes_and_gives_an_image(upstream_smoke, tmp_path):
    from JumpstarterLibrary.client import connect

    path = image(tmp_path / "image", 5 * MIB + 3)
    with connect(upstream_smoke.address) as device:
        for target in ("boot", None):
            upload(device["dut.flasher"], "flash", open_source(path), (HANDLE, target))
            download(device["dut.flasher"], "dump", tmp_path / "dump", (HANDLE, target))
            assert digest(tmp_path / "dump") == digest(path)


@pytest.mark.parametrize("name", ["with spaces", "Größe-名前-🚀", "-dash", "new\nline", "x" * 250])
def test_any_name_of_a_file_will_do(device, tmp_path, name):
    path = image(tmp_path / name, 100)
    upload(device["store"], "write", open_source(path))
    download(device["store"], "read", tmp_path / name, (HANDLE, 5))
    assert path.read_bytes() == b"ddddd"


def test_the_handle_stands_where_the_method_wants_it(device, tmp_path):
    transfer = upload(device["store"], "write_last", Source.of_bytes(b"abc"), (str(tmp_path / "written"), HANDLE))
    assert transfer.returned["size"] == 3
    assert (tmp_path / "written").read_bytes() == b"abc"


def test_without_a_handle_nothing_is_called(our_device):
    with pytest.raises(UsageError, match="none of its arguments"):
        upload(our_device["store"], "write", Source.of_bytes(b"abc"), ())


def test_progress_ends_at_the_size(device, tmp_path):
    told = []
    upload(device["store"], "write_slowly", Source.of_bytes(bytes(3 * MIB)), (HANDLE, str(tmp_path / "note")),
           progress=lambda count, total: told.append((count, total)))  # fmt: skip
    assert told == sorted(told)
    assert told[-1] == (3 * MIB, 3 * MIB)


@pytest.mark.parametrize("size", [None, 100, 20 * MIB, GIB])
def test_no_frame_comes_near_the_limit_of_a_message(size):
    sender = Sender(Source("large pieces", lambda _: iter([bytes(16 * MIB), bytes(5)]), size))
    sender.start()
    sizes = [frame.ByteSize() for frame in sender.frames()]
    sender.close()
    assert sender.sent == 16 * MIB + 5
    assert max(sizes) < 2 * MIB


def test_the_frames_of_a_large_archive_are_large_from_the_beginning():
    archive = Source("image.zst", lambda _: iter([bytes(MIB)] * 4), 128 * MIB, encoding=Encoding.ZSTD, unpack=False)
    sender = Sender(archive)
    sender.start()
    first = next(iter(sender.frames()))
    sender.close()
    assert len(first.payload) == MIB


def test_two_uploads_at_once_do_not_mix(device, tmp_path):
    images = {name: image(tmp_path / name, 20 * MIB + number) for number, name in enumerate(("store", "other"))}
    found = {}

    def run(name: str) -> None:
        found[name] = upload(device[name], "write", open_source(images[name])).returned

    threads = [threading.Thread(target=run, args=(name,)) for name in images]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert {name: answer["sha256"] for name, answer in found.items()} == {name: digest(path) for name, path in images.items()}


def test_a_transfer_is_in_the_journal(device, tmp_path):
    with pytest.raises(Exception, match="the card is broken"):
        upload(device["store"], "write_and_fail", Source.of_bytes(b"abc", "three"), (HANDLE, 1))
    transfer = download(device["store"], "read", tmp_path / "dump", (HANDLE, 3))
    failed, good = device.journal.events(TransferEnded)
    assert (failed.driver, failed.method, failed.direction, failed.name) == ("store", "write_and_fail", "upload", "three")
    assert (failed.status, failed.sha256) == ("DriverError", "")
    assert (good.direction, good.name, good.size, good.status) == ("download", str(tmp_path / "dump"), 3, "ok")
    assert good.sha256 == transfer.sha256
    assert [call.outcome for call in device.journal.events(CallEnded)] == ["DriverError", "ok"]


def test_an_older_file_is_replaced_and_a_link_stays_a_link(device, tmp_path):
    (tmp_path / "real").write_text("old and much longer than the new one")
    (tmp_path / "link").symlink_to("real")
    download(device["store"], "read", tmp_path / "link", (HANDLE, 3))
    assert (tmp_path / "link").is_symlink()
    assert (tmp_path / "real").read_bytes() == b"ddd"
