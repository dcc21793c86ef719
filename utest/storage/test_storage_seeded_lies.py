"""Lies that a random generator makes: of any kind, at any place, for files of any size, at every act. None of them passes."""

from __future__ import annotations

import random
from collections.abc import Callable
from pathlib import Path

import pytest
from lying_drivers import LyingFlasher, LyingMux, LyingStore, sha256

from JumpstarterLibrary.client import Device, FileStoreClient, FlasherClient, StorageMuxClient
from JumpstarterLibrary.client.images import Source
from JumpstarterLibrary.errors import FailureClass, JumpstarterError
from JumpstarterLibrary.exporter import Driver

SEEDS = range(30)
SIZES = (1, 2, 15, 16, 17, 1000, 65535, 65536, 65537, 1_000_003, 4 * 1024**2 - 1, 4 * 1024**2 + 1)
OLD = b"what was there before"

Change = Callable[[bytes, int], bytes]
CHANGES: dict[str, Change] = {
    "cut": lambda data, place: data[:place],
    "beginning missing": lambda data, place: data[place + 1 :],
    "hole": lambda data, place: data[:place] + data[place + 1 :],
    "bit": lambda data, place: data[:place] + bytes([data[place] ^ 4]) + data[place + 1 :],
    "zeros": lambda data, place: data[:place] + bytes(len(data) - place),
    "twice": lambda data, place: data[: place + 1] + data[place:],
    "swapped": lambda data, place: data[place:] + data[:place],
    "old": lambda data, place: (OLD * (len(data) // len(OLD) + 1))[: len(data)],
    "nothing": lambda data, place: b"",
}


def flash(device: Device, data: bytes, folder: Path) -> object:
    return device.driver_of(FlasherClient).flash(Source.of_bytes(data, "data"), verify=True)


def write(device: Device, data: bytes, folder: Path) -> object:
    return device.driver_of(StorageMuxClient).write(Source.of_bytes(data, "data"), verify=True)


def dump(device: Device, data: bytes, folder: Path) -> object:
    return device.driver_of(FlasherClient).dump(folder / "came", checksum=sha256(data))


def upload(device: Device, data: bytes, folder: Path) -> object:
    return device.driver_of(FileStoreClient).upload(Source.of_bytes(data, "data"), "new.bin")


def read_back(device: Device, data: bytes, folder: Path) -> object:
    return device.driver_of(FileStoreClient).upload(Source.of_bytes(data, "data"), "new.bin", verify=True)


def download(device: Device, data: bytes, folder: Path) -> object:
    return device.driver_of(FileStoreClient).download("old.bin", folder / "came")


Lie = Callable[[bytes], bytes]
Act = Callable[[Device, bytes, Path], object]


def store_with(data: bytes, lie: Lie) -> LyingStore:
    store = LyingStore(give=lie)
    (store.root / "old.bin").write_bytes(data)
    return store


ACTS: dict[str, tuple[Act, Callable[[bytes, Lie], Driver]]] = {
    "flash that keeps": (flash, lambda data, lie: LyingFlasher(keep=lie)),
    "flash that gives": (flash, lambda data, lie: LyingFlasher(give=lie)),
    "write that keeps": (write, lambda data, lie: LyingMux(keep=lie)),
    "write that gives": (write, lambda data, lie: LyingMux(give=lie)),
    "dump": (dump, lambda data, lie: LyingFlasher(before=data, give=lie)),
    "upload": (upload, lambda data, lie: LyingStore(keep=lie)),
    "upload, read back": (read_back, lambda data, lie: LyingStore(give=lie)),
    "download": (download, store_with),
}


class Case:
    """What a seed makes: an act, and a lie about a file."""

    def __init__(self, seed: int) -> None:
        chance = random.Random(seed)
        self.act = list(ACTS)[seed % len(ACTS)]
        self.size = chance.choice(SIZES)
        self.data = chance.randbytes(self.size)
        while True:
            self.change = chance.choice(list(CHANGES))
            self.place = chance.choice((0, self.size - 1, chance.randrange(self.size)))
            if self.lie(self.data) != self.data and self._counts():
                return

    def lie(self, data: bytes) -> bytes:
        return CHANGES[self.change](data, self.place) if data else data

    def _counts(self) -> bool:
        # What stands behind an image on the device is not compared: it may have been there before.
        return self.act in ("dump", "upload", "download") or self.lie(self.data)[: self.size] != self.data

    def __str__(self) -> str:
        return f"{self.act}-{self.change}-{self.place}-of-{self.size}".replace(" ", "-").replace(",", "")


@pytest.mark.parametrize("seed", [pytest.param(seed, id=f"seed-{seed}-{Case(seed)}") for seed in SEEDS])
def test_no_lie_passes(seed: int, serve: Callable[..., Device], tmp_path: Path) -> None:
    case = Case(seed)
    act, make = ACTS[case.act]
    device = serve(make(case.data, case.lie))

    with pytest.raises(JumpstarterError) as caught:
        act(device, case.data, tmp_path)

    assert caught.value.failure_class is FailureClass.DEVICE, caught.value
    assert list(tmp_path.iterdir()) == [], "what is wrong has not the name of a file that is right"


@pytest.mark.parametrize("name", ACTS)
@pytest.mark.parametrize("size", [1, 65537])
def test_the_truth_passes_at_every_act(name: str, size: int, serve: Callable[..., Device], tmp_path: Path) -> None:
    act, make = ACTS[name]
    data = random.Random(size).randbytes(size)
    act(serve(make(data, bytes)), data, tmp_path)


def test_the_seeds_reach_every_kind_and_act() -> None:
    cases = [Case(seed) for seed in SEEDS]
    assert {case.act for case in cases} == set(ACTS)
    assert {case.change for case in cases} == set(CHANGES)
