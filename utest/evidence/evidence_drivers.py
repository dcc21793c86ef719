"""Drivers that fail in every way, and that say what a page must not take for HTML; for exporters in child processes."""

from __future__ import annotations

from collections.abc import AsyncGenerator

import anyio

from JumpstarterLibrary.drivers import MockFlasher, Power
from JumpstarterLibrary.exporter import Driver, export

CONFIGURATION = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: bench-7}
export:
  trouble: {type: evidence_drivers.Trouble}
  camera: {type: evidence_drivers.BlindCamera}
  power: {type: JumpstarterLibrary.drivers.MockPower}
  plug: {type: evidence_drivers.Plug}
  flasher: {type: evidence_drivers.ForgetfulFlasher}
  serial: {type: JumpstarterLibrary.drivers.MockConsole}
"""

KINDS: dict[str, type[Exception]] = {
    kind.__name__: kind for kind in (RuntimeError, ValueError, NotImplementedError, TimeoutError, OSError, KeyError)
}


class Trouble(Driver):
    """One method for each kind of trouble."""

    @export
    async def fail(self, kind: str, text: str) -> None:
        raise KINDS[kind](text)

    @export
    async def hang(self) -> None:
        await anyio.sleep(60)

    @export
    async def count(self, up_to: int) -> AsyncGenerator[int, None]:
        for number in range(up_to):
            yield number


class BlindCamera(Driver):
    """Sends no picture."""

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_video.client.VideoClient"

    @export
    async def snapshot(self) -> str:
        raise RuntimeError("<script>alert('lens')</script>")


class Plug(Power):
    """Switches, and does not measure."""

    @export
    async def on(self) -> None:
        pass

    @export
    async def off(self) -> None:
        pass

    @export
    async def read(self) -> None:
        raise NotImplementedError


class Noise:
    """A stream of something else."""

    def __init__(self) -> None:
        self._left = [b"x" * 100]

    def __aiter__(self) -> Noise:
        return self

    async def __anext__(self) -> bytes:
        if not self._left:
            raise StopAsyncIteration
        return self._left.pop()

    async def receive(self) -> bytes:
        if not self._left:
            raise anyio.EndOfStream
        return self._left.pop()


class ForgetfulFlasher(MockFlasher):
    """Says that all was written, and has something else afterwards."""

    @export
    async def flash(self, source: object, partition: str | None = None) -> None:
        await super().flash(source, partition)
        for medium in self.partitions.values():
            await medium.write(Noise())
