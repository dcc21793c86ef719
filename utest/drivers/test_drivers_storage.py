"""Cards and flashers without hardware, and what the simulated board makes of its card."""

from __future__ import annotations

import errno
import hashlib
import io
import os

import pytest
from drivers_support import Bench, Board, eventually
from storage_support import Unfinished, data, download, resource, upload

from JumpstarterLibrary.drivers import Composite, MockFlasher, MockStorageMux, MockStorageMuxFlasher, storage
from JumpstarterLibrary.drivers.pieces import PIECE
from JumpstarterLibrary.errors import DriverError, DriverInvalidArgumentError
from JumpstarterLibrary.wire import event_loop

SIZES = [0, 1, 64 * 1024 - 1, 64 * 1024, 64 * 1024 + 1, PIECE - 1, PIECE, PIECE + 1, 3 * PIECE + 5]


class Rig(Composite):
    """All drivers with storage."""

    def __init__(self) -> None:
        super().__init__(children={"flasher": MockFlasher(), "mux": MockStorageMux(), "both": MockStorageMuxFlasher()})


@pytest.fixture
def rig(bench) -> Bench:
    return bench(Rig())


@pytest.mark.parametrize("size", SIZES)
def test_what_is_flashed_comes_back(rig, size):
    content = os.urandom(size)
    answer = upload(rig.device, "flasher", "flash", [content[i : i + 50_000] for i in range(0, size, 50_000)])
    assert answer == {"size": size, "sha256": hashlib.sha256(content).hexdigest()}
    assert download(rig.device, "flasher", "dump") == content


def test_partitions_are_apart(rig):
    with resource(rig.device, "flasher", data(b"one")) as (_, handle):
        rig.device["flasher"].call("flash", handle, "boot")
    upload(rig.device, "flasher", "flash", b"other")
    with resource(rig.device, "flasher", data()) as (_, handle):
        assert rig.device["flasher"].call("dump", handle, "boot")["size"] == 3
    with resource(rig.device, "flasher", data()) as (_, handle):
        with pytest.raises(DriverInvalidArgumentError, match="nothing was flashed into 'root'; there are boot, default"):
            rig.device["flasher"].call("dump", handle, "root")


def test_a_shorter_image_leaves_nothing_of_the_longer_one(rig):
    for content in (b"a long image", b"short"):
        upload(rig.device, "flasher", "flash", content)
    assert download(rig.device, "flasher", "dump") == b"short"


@pytest.mark.parametrize("side", ["off", "dut"])
def test_a_card_is_written_and_read_at_the_host_only(rig, side):
    mux = rig.device["mux"]
    mux.call(side)
    for method in ("write", "read"):
        with resource(rig.device, "mux", data(b"x")) as (_, handle):
            with pytest.raises(DriverInvalidArgumentError, match=f"connected to '{side}'; connect it to 'host' first"):
                mux.call(method, handle)
    mux.call("host")
    upload(rig.device, "mux", "write", b"content")
    assert download(rig.device, "mux", "read") == b"content"
    assert mux.call("get_side") == "host"


def test_flashing_a_card_moves_it_to_the_host_and_then_to_the_device(rig):
    both = rig.device["both"]
    assert both.call("get_side") == "off"
    assert upload(rig.device, "both", "flash", b"image")["size"] == 5
    assert both.call("get_side") == "dut"
    assert download(rig.device, "both", "dump") == b"image"
    with resource(rig.device, "both", data(b"x")) as (_, handle):
        with pytest.raises(DriverInvalidArgumentError, match="'boot' cannot be flashed or dumped alone"):
            both.call("flash", handle, "boot")


def unfinished(rig: Bench, path: str, content: bytes = b"begun") -> Unfinished:
    medium = rig.root.children[path].medium
    return Unfinished(rig.device, path, "flash", content, begun=lambda: medium.busy)


def test_a_card_does_not_move_while_it_is_written(rig):
    running = unfinished(rig, "both")
    with pytest.raises(DriverError, match="cannot go to 'dut' now: it is being written or read"):
        rig.device["both"].call("dut")
    with resource(rig.device, "both", data(b"x")) as (_, handle):
        with pytest.raises(DriverError, match="being written or read already"):
            rig.device["both"].call("flash", handle)
    assert running.end() is None
    assert rig.device["both"].call("get_side") == "dut"
    assert download(rig.device, "both", "dump") == b"begun"


def test_an_upload_that_breaks_off_is_an_error_and_frees_the_card(rig):
    running = unfinished(rig, "both")
    running.rpc.cancel()
    assert isinstance(running.end(), DriverError)
    medium = rig.root.children["both"].medium
    assert eventually(lambda: not medium.busy)
    assert not medium.complete
    upload(rig.device, "both", "flash", b"whole")
    assert medium.complete


def test_a_full_disk_of_the_exporter_is_an_error_and_a_later_flash_helps(rig, monkeypatch):
    class FullDisk(io.BytesIO):
        full = True

        def write(self, data):
            if self.full:
                raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))
            return super().write(data)

    monkeypatch.setattr(storage.tempfile, "TemporaryFile", FullDisk)
    both = rig.root.children["both"]
    with pytest.raises(DriverError, match="No space left on device"):
        upload(rig.device, "both", "flash", bytes(3 * PIECE))
    assert (both.medium.complete, both.medium.busy, both.side) == (False, False, "dut")
    both.medium._file.full = False
    assert upload(rig.device, "both", "flash", b"fits")["size"] == 4
    assert both.medium.complete


def boots_to(board: Board, text: str) -> str:
    """Switches the board off and on, and returns what it says up to a text."""
    board.power.off()
    mark = board.console.mark()
    board.power.on()
    board.console.wait_for_line(text, timeout=5, since=mark)
    return board.console.text(mark)


class TestBoard:
    def test_the_flashed_image_is_what_boots(self, board):
        board = board()
        upload(board.device, "storage", "flash", b"version=2.4.1\n" + os.urandom(PIECE))
        assert "Welcome to SimBoard 2.4.1" in boots_to(board, "Welcome to SimBoard")
        board.log_in()
        assert "VERSION_ID=2.4.1\n" in board.console.execute("cat /etc/os-release").stdout
        assert board.state.version == "2.4.1"

    def test_a_session_begins_with_the_card_at_the_board(self, board):
        board = board()
        upload(board.device, "storage", "flash", b"version=7.0\n")
        board.device["storage"].call("off")
        event_loop.run(board.root.children["storage"].reset)
        assert board.device["storage"].call("get_side") == "dut"
        boots_to(board, "Welcome to SimBoard 7.0")

    @pytest.mark.parametrize(
        ("content", "problem"),
        [
            (b"", "the card is empty"),
            (b"\x1f\x8b\x08\x00 compressed", "bad image: no version in its first line"),
            (b"version=\n", "bad image: no version in its first line"),
            (b"version=2.0 beta\n", "bad image: no version in its first line"),
            (b"version=2.0\nsize=100\nshort", "image is cut: 26 of 100 bytes"),
        ],
        ids=["empty", "not an image", "no version", "two words", "shorter than it says"],
    )
    def test_what_is_no_image_does_not_boot(self, board, content, problem):
        board = board()
        upload(board.device, "storage", "flash", content)
        text = boots_to(board, "## Error: nothing to boot")
        assert f"Loading the kernel: {problem}\n" in text
        board.console.wait_for_prompt("=> $", timeout=5)
        assert board.state.running == "loader"
        assert "Linux version" not in board.console.text()

    def test_an_image_that_says_its_right_size_boots(self, board):
        board = board()
        upload(board.device, "storage", "flash", b"version=3.1\r\nsize=31\r\n" + b"x" * 9)
        assert "Welcome to SimBoard 3.1\n" in boots_to(board, "Welcome to SimBoard")

    def test_a_half_written_card_does_not_boot_and_a_new_flash_helps(self, board):
        board = board()
        running = unfinished(board, "storage", b"version=2.4.1\n" + bytes(PIECE))
        running.rpc.cancel()
        assert isinstance(running.end(), DriverError)
        assert "Loading the kernel: image is cut: " in boots_to(board, "## Error: nothing to boot")
        upload(board.device, "storage", "flash", b"version=2.4.2\n")
        board.console.wait_for_prompt("=> $", timeout=5)
        board.console.write_line("boot")
        board.console.wait_for_line("Welcome to SimBoard 2.4.2", timeout=5)

    def test_without_a_card_the_boot_loader_stays_and_boots_when_the_card_is_back(self, board):
        board = board()
        board.device["storage"].call("host")
        assert "Loading the kernel: no card in slot mmc0\n" in boots_to(board, "## Error: nothing to boot")
        board.device["storage"].call("dut")
        board.console.wait_for_prompt("=> $", timeout=5)
        board.console.write_line("boot")
        board.console.wait_for_line("Welcome to SimBoard 1.0.0", timeout=5)
        assert "=> boot\n" in board.console.text()

    def test_the_rescue_system_needs_no_card(self, board):
        board = board()
        board.device["storage"].call("off")
        board.power.rescue()
        board.console.wait_for_prompt("rescue# $", timeout=5)

    def test_a_card_taken_away_breaks_the_running_system_until_the_next_boot(self, board):
        board = board()
        board.log_in()
        board.device["storage"].call("host")
        board.console.wait_for_line("I/O error, dev mmcblk0", timeout=5)
        result = board.console.execute("cat /etc/os-release")
        assert (result.stdout.strip().rpartition("\n")[2], result.rc) == ("cat: /etc/os-release: Input/output error", 1)
        board.device["storage"].call("dut")
        board.console.wait_for_line("mmc0: card of 8 GB at 50 MHz, not mounted", timeout=5)
        assert board.console.execute("cat /etc/os-release").rc == 1
        boots_to(board, "Welcome to SimBoard 1.0.0")
        board.log_in()
        assert board.console.execute("cat /etc/os-release").rc == 0

    def test_flashing_a_running_board_changes_the_version_only_at_the_next_boot(self, board):
        board = board()
        board.log_in()
        upload(board.device, "storage", "flash", b"version=5.0\n")
        assert board.state.version == "1.0.0"
        boots_to(board, "Welcome to SimBoard 5.0")

    def test_the_card_survives_power_cycles_and_writing_it_again(self, board):
        board = board()
        for version in ("2.0", "2.1"):
            upload(board.device, "storage", "flash", f"version={version}\n".encode())
            for _ in range(2):
                boots_to(board, f"Welcome to SimBoard {version}")

    def test_a_large_image_is_kept_in_a_file(self, board):
        board = board()
        upload(board.device, "storage", "flash", (bytes(PIECE) for _ in range(64)))
        medium = board.root.children["storage"].medium
        assert os.fstat(medium._file.fileno()).st_size == medium.size == 64 * PIECE
