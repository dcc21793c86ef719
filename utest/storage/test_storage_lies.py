"""Drivers that lie never get a pass: each of these does something else than it says."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from helpers.exporters import Exporter, start_upstream_exporter
from lying_drivers import (
    IdleFlasher,
    LyingFlasher,
    LyingHttpServer,
    LyingMux,
    LyingStore,
    LyingTftpServer,
    StubbornHttpServer,
    flipped,
    half,
    sha256,
)
from storing_support import image_file, random_bytes

from JumpstarterLibrary.client import (
    Device,
    FileStoreClient,
    FlasherClient,
    HttpServerClient,
    StorageMuxClient,
    TftpServerClient,
    connect,
)
from JumpstarterLibrary.client.images import Source, open_source
from JumpstarterLibrary.errors import DriverError, FailureClass, JumpstarterError
from JumpstarterLibrary.exporter import Driver

CONFIGURATION = (Path(__file__).parent / "upstream_liars.yaml").read_text()
DATA = random_bytes(300_000)
OTHER = random_bytes(300_000, seed=2)
BIG = 20_000_000
"""More than the exporter holds between stream and driver."""


@dataclass
class Lie:
    """A driver, and what is asked of it."""

    driver: Callable[[], Driver]
    ask: Callable[[Device, Path], object]
    told: str
    """What the error says."""
    kind: FailureClass = FailureClass.DEVICE


def flash(**options: object) -> Callable[[Device, Path], object]:
    return lambda device, folder: device.driver_of(FlasherClient).flash(open_source(image_file(folder)), **options)


def flash_big(device: Device, folder: Path) -> object:
    return device.driver_of(FlasherClient).flash(open_source(image_file(folder, BIG)))


def flash_tiny(device: Device, _: Path) -> object:
    return device.driver_of(FlasherClient).flash(Source.of_bytes(b"version 2", "tiny"))


def write(**options: object) -> Callable[[Device, Path], object]:
    return lambda device, folder: device.driver_of(StorageMuxClient).write(open_source(image_file(folder)), **options)


def dump(**options: object) -> Callable[[Device, Path], object]:
    return lambda device, folder: device.driver_of(FlasherClient).dump(folder / "dumped", **options)


def upload(**options: object) -> Callable[[Device, Path], object]:
    return lambda device, folder: store(device).upload(open_source(image_file(folder)), "a.bin", **options)


def download(**options: object) -> Callable[[Device, Path], object]:
    def ask(device: Device, folder: Path) -> object:
        return store(device).download("a.txt", folder / "dumped", **options)

    return ask


def with_store(act: Callable[[FileStoreClient], object]) -> Callable[[Device, Path], object]:
    return lambda device, _: act(store(device))


def store(device: Device) -> FileStoreClient:
    return device.driver_of(FileStoreClient)


FILES = {"a.txt": "some text that is long enough", "dir/b.txt": "b"}


def lying_store(**lie: object) -> Callable[[], Driver]:
    return lambda: LyingStore(files=FILES, **lie)


def lying_flasher(**lie: object) -> Callable[[], Driver]:
    return lambda: LyingFlasher(**lie)


LIES = {
    # Short reads and images that were never looked at.
    "idle": Lie(IdleFlasher, flash(), "returned as if all was well"),
    "idle, with an image that fits into the exporter's buffers": Lie(IdleFlasher, flash_tiny, "took 0 of 9 bytes"),
    "short read of a small image": Lie(lying_flasher(limit=70_000), flash(), "returned as if all was well"),
    "short read of a large image": Lie(lying_flasher(limit=1_000_000), flash_big, "returned as if all was well"),
    "short read by a mux": Lie(lambda: LyingMux(limit=70_000), write(), "connected to the dut again"),
    # What the driver itself says of it.
    "size too small": Lie(lying_flasher(answer=lambda data: {"size": len(data) - 1}), flash(), "it was 299999 bytes"),
    "size as a number": Lie(lying_flasher(answer=lambda data: len(half(data))), flash(), "it was 150000 bytes"),
    "nothing written": Lie(lying_flasher(answer=lambda _: 0), flash(), "it was 0 bytes"),
    "another hash": Lie(lying_flasher(answer=lambda _: {"sha256": sha256(OTHER)}), flash(), "the SHA-256 is"),
    "another hash as text": Lie(lying_flasher(answer=lambda _: sha256(OTHER)), flash(), "the SHA-256 is"),
    "false": Lie(lying_flasher(answer=lambda _: False), flash(), "answered False"),
    "empty answer": Lie(lying_flasher(answer=lambda _: ""), flash(), "answered ''"),
    "failure as text": Lie(lying_flasher(answer=lambda _: "Failed to flash: no device"), flash(), "Failed to flash"),
    "error as text": Lie(lying_flasher(answer=lambda _: "ERROR: timeout"), flash(), "ERROR: timeout"),
    "error as fact": Lie(lying_flasher(answer=lambda _: {"error": "no device"}), flash(), "no device"),
    "no success as fact": Lie(lying_flasher(answer=lambda _: {"success": False}), flash(), "success"),
    "bad state as fact": Lie(lying_flasher(answer=lambda _: {"status": "failed"}), flash(), "failed"),
    "exit status as fact": Lie(lying_flasher(answer=lambda _: {"returncode": 1}), flash(), "returncode"),
    # What only reading back tells.
    "success without effect": Lie(
        lying_flasher(keep=lambda _: b"", answer=lambda _: "Flashed successfully"), flash(verify=True), "0 bytes"
    ),
    "old image kept": Lie(lying_flasher(keep=lambda _: OTHER), flash(verify=True), "has the SHA-256"),
    "half written": Lie(lying_flasher(keep=half), flash(verify=True), "the device has 150000 bytes"),
    "one bit differs": Lie(lying_flasher(keep=flipped), flash(verify=True), "has the SHA-256"),
    "end is missing": Lie(lying_flasher(keep=lambda data: data[:-1]), flash(verify=True), "299999 bytes"),
    "old image kept by a mux": Lie(lambda: LyingMux(keep=lambda _: OTHER), write(verify=True), "connected to the dut again"),
    "old image kept by a mux that flashes": Lie(lambda: LyingMux(keep=lambda _: OTHER), flash(verify=True), "has the SHA-256"),
    # Dumps.
    "dump says more": Lie(lying_flasher(dumped=lambda data: {"size": len(data) + 1}), dump(), "it was 22 bytes"),
    "dump is half": Lie(lying_flasher(give=half), dump(size=21), "10 bytes"),
    "dump is something else": Lie(lying_flasher(), dump(checksum=sha256(b"other")), "has the SHA-256"),
    "dump says another hash": Lie(lying_flasher(dumped=lambda _: sha256(OTHER)), dump(), "the SHA-256 is"),
    "dump says that it failed": Lie(lying_flasher(dumped=lambda _: "Failed to read"), dump(), "Failed to read"),
    "mux reads half": Lie(
        lambda: LyingMux(give=half),
        lambda device, folder: device.driver_of(StorageMuxClient).read(folder / "dumped", size=21),
        "connected to the dut again",
    ),
    # File stores.
    "half a file": Lie(lying_store(keep=half), upload(), "the device has 150000 bytes"),
    "half a file, not verified": Lie(lying_store(keep=half), upload(verify=False), "the device has 150000 bytes"),
    "another file": Lie(lying_store(keep=flipped), upload(), "has the SHA-256"),
    "another file, and no word of it": Lie(
        lying_store(keep=flipped, lies={"hash": lambda _: sha256(DATA)}), upload(verify=True), "has the SHA-256"
    ),
    "wrong hash": Lie(lying_store(lies={"hash": lambda _: sha256(OTHER)}), upload(), "has the SHA-256"),
    "no hash": Lie(lying_store(lies={"hash": lambda _: "done"}), upload(), "gave no hash"),
    "short answer": Lie(lying_store(lies={"file_write": lambda size: size - 1}), upload(), "it was 299999 bytes"),
    "no size": Lie(lying_store(lies={"stat": lambda _: {}}), upload(), "gave no size"),
    "half a file read": Lie(lying_store(give=half), download(), "the device has 29 bytes"),
    "another file read": Lie(lying_store(give=flipped), download(), "has the SHA-256"),
    "copy not made": Lie(lying_store(deaf=("copy",)), with_store(lambda s: s.copy("a.txt", "b.txt")), "There is no file 'b.txt'"),
    "half a copy": Lie(lying_store(deaf=("copy half",)), with_store(lambda s: s.copy("a.txt", "b.txt")), "has 16 bytes"),
    "moved file still there": Lie(lying_store(deaf=("rename",)), with_store(lambda s: s.move("a.txt", "b.txt")), "still there"),
    "removed file still there": Lie(lying_store(deaf=("delete",)), with_store(lambda s: s.remove_file("a.txt")), "still there"),
    "removed directory still there": Lie(
        lying_store(deaf=("remove_all",)), with_store(lambda s: s.remove_directory("dir", recursive=True)), "still there"
    ),
    "directory not made": Lie(lying_store(deaf=("create_dir",)), with_store(lambda s: s.create_directory("new")), "no directory"),
    "presence as a sentence": Lie(
        lying_store(lies={"exists": lambda _: "it exists"}), with_store(lambda s: s.exists("a.txt")), "neither true nor false"
    ),
    "names that are none": Lie(
        lying_store(lies={"list": lambda _: 7}), with_store(lambda s: s.list_directory("dir")), "gave no path"
    ),
    # Servers.
    "server not started": Lie(LyingHttpServer, lambda device, _: device.driver_of(HttpServerClient).start(), "gave no address"),
    "server not stopped": Lie(
        StubbornHttpServer,
        lambda device, _: (device.driver_of(HttpServerClient).start(), device.driver_of(HttpServerClient).stop()),
        "still has port",
    ),
    "TFTP server not started": Lie(LyingTftpServer, lambda device, _: device.driver_of(TftpServerClient).start(), "gave port 0"),
}


@pytest.mark.parametrize("lie", [pytest.param(lie, id=name) for name, lie in LIES.items()])
def test_a_lie_is_a_failure(lie: Lie, serve: Callable[..., Device], tmp_path: Path) -> None:
    device = serve(lie.driver())

    with pytest.raises(JumpstarterError) as caught:
        lie.ask(device, tmp_path)

    assert lie.told in str(caught.value), caught.value
    assert caught.value.failure_class is lie.kind
    assert not (tmp_path / "dumped").exists(), "what is wrong has not the name of a file that is right"
    assert not [path.name for path in tmp_path.iterdir() if path.name.startswith(".")]


def test_a_failed_upload_leaves_nothing_in_the_store(serve: Callable[..., Device], tmp_path: Path) -> None:
    device = serve(LyingStore(keep=half))
    with pytest.raises(DriverError, match=r"What was written of 'a\.bin' was removed"):
        upload()(device, tmp_path)
    assert not store(device).exists("a.bin")


@pytest.mark.parametrize(
    "answer",
    [
        None,
        True,
        "Flashed 300000 bytes, 0 errors",
        "done, errors: 0",
        "no failures",
        {"status": "ok", "size": 300_000, "error": None},
        {},
    ],
)
def test_the_truth_passes(answer: object, serve: Callable[..., Device], tmp_path: Path) -> None:
    written = flash(verify=True)(serve(LyingFlasher(answer=lambda _: answer)), tmp_path)
    assert written.proven
    assert written.transfer.sha256 == sha256(DATA)


def test_only_the_image_is_compared_not_what_is_behind_it(serve: Callable[..., Device], tmp_path: Path) -> None:
    assert flash(verify=True)(serve(LyingFlasher(give=lambda data: data + bytes(40_000_000))), tmp_path).proven
    source = Source.of_bytes(b"", "nothing")
    assert serve(LyingFlasher(give=lambda _: bytes(5))).driver_of(FlasherClient).flash(source, verify=True).proven


@pytest.fixture(scope="module")
def liars() -> Iterator[Exporter]:
    """Upstream's exporter with flashers that lie."""
    with start_upstream_exporter(CONFIGURATION, env={"PYTHONPATH": str(Path(__file__).parent)}) as exporter:
        yield exporter


@pytest.mark.interop
@pytest.mark.parametrize("name", ["idle", "short", "deaf"])
@pytest.mark.parametrize("size", [9, 70_000, 6_000_000])
def test_verifying_finds_lies_behind_an_exporter_that_does_not_count(size: int, name: str, liars: Exporter) -> None:
    with connect(liars.address, timeout=20) as device, pytest.raises(JumpstarterError) as caught:
        device.driver_of(FlasherClient, name).flash(Source.of_bytes(random_bytes(size), "data"), verify=True)
    assert caught.value.failure_class is FailureClass.DEVICE


@pytest.mark.interop
@pytest.mark.parametrize("name", ["idle", "short"])
def test_what_does_not_fit_into_its_buffers_is_found_without_verifying(name: str, liars: Exporter) -> None:
    with connect(liars.address, timeout=20) as device, pytest.raises(DriverError, match="returned as if all was well"):
        device.driver_of(FlasherClient, name).flash(Source.of_bytes(random_bytes(6_000_000), "data"))
