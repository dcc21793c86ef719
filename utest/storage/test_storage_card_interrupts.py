"""A card whose transfer is interrupted at any line, by Robot's timeout or Ctrl-C: it is at the device then, or it is said."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest
from helpers.interrupting import Interruption, every_interruption
from lying_drivers import LyingMux, StuckMux

from JumpstarterLibrary.client import Device, StorageMuxClient, storage
from JumpstarterLibrary.client.images import Source
from JumpstarterLibrary.errors import JumpstarterError
from JumpstarterLibrary.exporter import export

STEPS = (StorageMuxClient._at_host, StorageMuxClient._return_card, StorageMuxClient._give_back)
DATA = b"an image" * 1000


class BusyMux(LyingMux):
    """Refuses to give its card away once after each transfer."""

    busy = False

    @export
    async def host(self) -> None:
        self.side, self.busy = "host", True

    @export
    async def dut(self) -> None:
        if self.busy:
            self.busy = False
            raise RuntimeError("the card is being written")
        self.side = "dut"


def write(client: StorageMuxClient, _: Path) -> object:
    return client.write(Source.of_bytes(DATA))


def read(client: StorageMuxClient, folder: Path) -> object:
    return client.read(folder / "card")


@pytest.mark.parametrize("act", [write, read])
@pytest.mark.parametrize("driver", [LyingMux, BusyMux])
def test_after_a_good_transfer(act: Callable[..., object], driver: type[LyingMux], serve: Callable[..., Device], tmp_path: Path):
    mux = driver()
    client = serve(mux).driver_of(StorageMuxClient)
    for interrupter in every_interruption(*STEPS, StorageMuxClient.write, StorageMuxClient.read):
        mux.side = "dut"
        try:
            with interrupter:
                act(client, tmp_path)
        except Interruption:
            pass
        assert mux.side == "dut", interrupter.place


def test_after_a_failed_transfer(serve: Callable[..., Device]) -> None:
    mux = BusyMux(keep=lambda _: b"", give=lambda _: b"")
    client = serve(mux).driver_of(StorageMuxClient)
    for interrupter in every_interruption(*STEPS):
        mux.side = "dut"
        try:
            with interrupter:
                client.write(Source.of_bytes(DATA), verify=True)
        except (Interruption, JumpstarterError):
            pass
        assert mux.side == "dut", interrupter.place


def test_a_card_that_cannot_be_given_back_is_said_so(
    serve: Callable[..., Device], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setattr(storage, "PAUSES", (0.001, 0.001))
    mux = StuckMux()
    client = serve(mux).driver_of(StorageMuxClient)
    for interrupter in every_interruption(*STEPS):
        mux.connect_to("dut")
        with pytest.raises((Interruption, JumpstarterError)) as caught, interrupter:
            client.read(tmp_path / "card")
        assert mux.side == "dut" or "card may still be at the host" in told(caught.value), interrupter.place


def told(error: BaseException | None) -> str:
    """All that Python shows of an error: what it says, its notes, and those of the error that it interrupted."""
    if error is None:
        return ""
    return "\n".join([str(error), *getattr(error, "__notes__", ()), told(error.__context__)])
