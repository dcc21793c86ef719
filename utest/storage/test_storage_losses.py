"""Exporters that are killed or frozen in the middle of a transfer: one clear error in time, and never a pass."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from helpers.exporters import Exporter, start_our_exporter
from slow_drivers import StillFlasher, configuration

from JumpstarterLibrary.client import Device, FileStoreClient, FlasherClient, StorageMuxClient, connect
from JumpstarterLibrary.client.images import Source
from JumpstarterLibrary.errors import CallTimeoutError, InfrastructureError, JumpstarterError

IDLE = 0.5
SLACK = 1.5
"""Seconds on top of the idle time and the second that noticing may take; the machine is busy."""
DATA = bytes(30_000_000)


@pytest.fixture
def exporter(tmp_path: Path) -> Iterator[Exporter]:
    text = re.sub(r"\{type: slow_drivers\.SlowFiles.*", "{type: slow_drivers.SlowStore}", configuration(tmp_path / "notes"))
    with start_our_exporter(text, env={"PYTHONPATH": str(Path(__file__).parent)}) as running:
        yield running
        running.kill()  # a polite end takes seconds, with a transfer that goes on


ACTS: dict[str, Callable[..., object]] = {
    "flash": lambda device, folder, **o: device.driver_of(FlasherClient, "flasher").flash(Source.of_bytes(DATA), **o),
    "dump": lambda device, folder, **o: device.driver_of(FlasherClient, "flasher").dump(folder / "dump", **o),
    "mux": lambda device, folder, **o: device.driver_of(StorageMuxClient, "mux").write(Source.of_bytes(DATA), **o),
    "upload": lambda device, folder, **o: device.driver_of(FileStoreClient, "files").upload(Source.of_bytes(DATA), "a", **o),
}
NOTES = {"mux": "The card may still be at the host.", "upload": "What was written of 'a' may still be there."}


@pytest.mark.parametrize("act", ACTS)
@pytest.mark.parametrize("trouble", ["kill", "freeze"])
def test_an_exporter_that_is_gone(act: str, trouble: str, exporter: Exporter, tmp_path: Path) -> None:
    moment = 0.0

    def progress(count: int, total: int | None) -> None:
        nonlocal moment
        if not moment:
            moment = time.monotonic()
            getattr(exporter, trouble)()

    with connect(exporter.address, name="bench", timeout=20) as device:
        with pytest.raises(InfrastructureError) as caught:
            ACTS[act](device, tmp_path, idle=IDLE, progress=progress)
        late = time.monotonic() - moment
    print(f"{act} {trouble}: {late:.2f} s: {caught.value}")  # seen with pytest -rP

    assert moment, "it moved"
    assert late < IDLE + 1 + SLACK
    if trouble == "freeze":
        assert isinstance(caught.value, CallTimeoutError)
    assert NOTES.get(act, "") in str(caught.value)
    assert not [path for path in tmp_path.iterdir() if "dump" in path.name]


def test_a_driver_that_never_reads(serve: Callable[..., Device]) -> None:
    begin = time.monotonic()
    with pytest.raises(JumpstarterError, match="stalled: nothing moved for"):
        serve(StillFlasher()).driver_of(FlasherClient).flash(Source.of_bytes(DATA), idle=IDLE)
    assert time.monotonic() - begin < IDLE + 1 + SLACK
