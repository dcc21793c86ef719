"""Files of 256 MiB to and from drivers, over a Unix socket. A row's ratio is one of times: below 1 the first is faster."""

from __future__ import annotations

import os
import shlex
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from bench_contest import HERE, Contender, Contest, row
from helpers.exporters import Exporter
from helpers.processes import clean_environment
from helpers.programs import needs

SIZE = 256 * 2**20
ROUNDS = 5
EVERY = ("ours", "upstream", "raw")


class TransferContender(Contender):
    def __init__(self, kind: str, host: str, file: Path, *options: str) -> None:
        self.name = f"{kind} at {host}"
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "bench_transfer_contender.py"), kind, host, str(file), *options],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(),
            text=True,
        )


@contextmanager
def serve(kind: str, folder: Path) -> Iterator[str]:
    with Exporter([sys.executable, str(HERE / "bench_transfer_exporter.py"), kind, str(folder)]) as exporter:
        line = exporter.wait_for_output("export JUMPSTARTER_HOST=", 30)
        yield shlex.split(line.split("JUMPSTARTER_HOST=", 1)[1])[0]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """In memory where that is possible, so that the disk is not what is measured."""
    memory = Path("/dev/shm")
    if not os.access(memory, os.W_OK):
        yield tmp_path_factory.mktemp("transfers")
        return
    with tempfile.TemporaryDirectory(dir=memory) as name:
        yield Path(name)


@pytest.fixture(scope="module")
def image(folder: Path) -> Path:
    path = folder / "image"
    block = os.urandom(2**20)
    with path.open("wb") as file:
        for _ in range(SIZE // len(block)):
            file.write(block)
    return path


@pytest.fixture(scope="module")
def upstream_files(folder: Path) -> Iterator[str]:
    (folder / "store").mkdir()
    with serve("upstream", folder / "store") as host:
        yield host


@pytest.fixture(scope="module")
def our_flasher(folder: Path) -> Iterator[str]:
    with serve("ours", folder) as host:
        yield host


@pytest.fixture
def start() -> Iterator[Callable[..., TransferContender]]:
    with ExitStack() as stack:
        yield lambda *arguments: stack.enter_context(TransferContender(*arguments))


def rates(contest: Contest) -> str:
    return ", ".join(f"{name} {SIZE / 1e6 / contest.median(name):,.0f} MB/s" for name in contest.taken)


def test_flash_to_upstreams_exporter(benchmark, start, upstream_files, image):
    contenders = {kind: start(kind, upstream_files, image) for kind in EVERY}
    turns = {kind: contender.turn("flash", 1, 0) for kind, contender in contenders.items()}
    before = contenders["ours"].ask("peak", 0)
    contest = Contest().play(benchmark, turns, ROUNDS)
    detail = rates(contest)
    row(benchmark, "flash 256 MiB: ours / upstream's client", contest.ratios("ours", "upstream"), bar=0.167, detail=detail)
    row(
        benchmark, "flash 256 MiB: ours / raw stream with the same frames", contest.ratios("ours", "raw"), bar=1.25, detail=detail
    )
    grown = (contenders["ours"].ask("peak", 0) - before) / 2**20
    row(benchmark, "flash 256 MiB: memory that our client grows by", [grown], bar=64, unit="MiB")


@pytest.mark.parametrize(("command", "bar"), [("write", 0.25), ("read", 0.5)])
def test_file_store_of_upstreams_exporter(benchmark, start, upstream_files, image, command, bar):
    kinds = EVERY if command == "read" else EVERY[:2]
    contenders = {kind: start(kind, upstream_files, image) for kind in kinds}
    contenders["upstream"].ask("write", 1)
    contest = Contest().play(benchmark, {k: c.turn(command, 1, 0) for k, c in contenders.items()}, ROUNDS)
    text = f"{command} a file of 256 MiB in upstream's store: ours / upstream's client"
    row(benchmark, text, contest.ratios("ours", "upstream"), bar=bar, detail=rates(contest))
    if command == "read":
        text = "read a file of 256 MiB in upstream's store: ours / raw stream, whose frames are upstream's exporter's"
        row(benchmark, text, contest.ratios("ours", "raw"), bar=None, detail=rates(contest))


@pytest.mark.parametrize(("command", "bar"), [("flash", 1.25), ("dump", 1.67)])
def test_our_exporter(benchmark, start, our_flasher, image, command, bar):
    turns = {kind: start(kind, our_flasher, image).turn(command, 1, 0) for kind in ("ours", "raw")}
    contest = Contest().play(benchmark, turns, ROUNDS)
    row(
        benchmark,
        f"{command} 256 MiB at our exporter: ours / raw stream",
        contest.ratios("ours", "raw"),
        bar=bar,
        detail=rates(contest),
    )


@pytest.mark.parametrize("frame", [64, 256, 1024, 3072])
def test_frames(benchmark, start, upstream_files, image, frame):
    turns = {"raw": start("raw", upstream_files, image, str(frame * 1024)).turn("flash", 1, 0)}
    contest = Contest().play(benchmark, turns, ROUNDS)
    row(benchmark, f"flash 256 MiB raw, frames of {frame} KiB", contest.taken["raw"], bar=None, unit="s", detail=rates(contest))


@pytest.mark.parametrize(("package", "command"), [("zstd", "zstd"), ("xz-utils", "xz")])
def test_packed_images(benchmark, start, our_flasher, folder, package, command):
    tool = needs(package, command)
    plain, packed = folder / "text", folder / f"text.{command}"
    words = os.urandom(4096).hex().encode()
    with plain.open("wb") as file:  # a hundredth as large when packed
        for number in range(SIZE // 2**20):
            file.write((words * 128)[: 2**20 - 8 * 2**10] + os.urandom(8 * 2**10 - 4) + number.to_bytes(4, "big"))
    with packed.open("wb") as file:
        subprocess.run([tool, "-q", "-1", "-c", str(plain)], check=True, stdout=file)
    contender, other = start("ours", our_flasher, packed), start("ours", our_flasher, plain)
    turns = {
        "packed": contender.turn("flash", 1, 0),
        "unpacking alone": contender.turn("unpack", 1, 0),
        "plain": other.turn("flash", 1, 0),
    }
    contest = Contest().play(benchmark, turns, ROUNDS)
    slower = [max(pair) for pair in zip(contest.taken["unpacking alone"], contest.taken["plain"], strict=True)]
    ratios = [taken / base for taken, base in zip(contest.taken["packed"], slower, strict=True)]
    text = f"flash 256 MiB packed with {command} / the slower of unpacking alone and flashing it plain"
    row(benchmark, text, ratios, bar=1.25, detail=rates(contest))
