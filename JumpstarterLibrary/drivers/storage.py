"""Storage without hardware: a card that is on one side at a time, and a flasher with partitions."""

from __future__ import annotations

import contextlib
import hashlib
import tempfile
from collections.abc import Iterator
from typing import IO, Any

from anyio import to_thread

from ..exporter.driver import Driver, export
from ..exporter.resources import ByteStream
from .pieces import PIECE, behind, gathered

DEFAULT_PARTITION = "default"


class Medium:
    """What is written on a card or into a partition: any number of bytes, in a temporary file as soon as anything is written.

    Args:
        initial: what is on it at first.
    """

    def __init__(self, initial: bytes = b"") -> None:
        self._initial = initial
        self._file: IO[bytes] | None = None
        self._act = ""
        self.size = len(initial)
        """Bytes on it."""
        self.complete = True
        """Whether all arrived of what was last written."""

    @property
    def busy(self) -> bool:
        """Whether it is being written or read."""
        return bool(self._act)

    async def write(self, stream: ByteStream) -> dict[str, object]:
        """Replaces what is on it. If the client breaks off, what came until then stays, and is not `complete`.

        Returns:
            What it took: `size` in bytes, and `sha256`.

        Raises:
            RuntimeError: it is being written or read already.
            OSError: the exporter's disk is full, or cannot be written.
            BrokenResourceError: the client broke off.
        """
        with self._only("written"):
            file = self._file = self._file or tempfile.TemporaryFile()  # noqa: SIM115 - closed by close()
            self.size, self.complete = 0, False
            await to_thread.run_sync(_empty, file)
            digest = hashlib.sha256()

            def put(piece: bytes) -> None:
                file.write(piece)
                digest.update(piece)

            async with behind(put) as push:
                async for piece in gathered(stream):
                    await push(piece)
                    self.size += len(piece)
            await to_thread.run_sync(file.flush)  # now it is seen whether the disk took it
            self.complete = True
            return {"size": self.size, "sha256": digest.hexdigest()}

    async def read(self, stream: ByteStream) -> dict[str, object]:
        """Sends what is on it.

        Returns:
            What it sent: `size` in bytes.

        Raises:
            RuntimeError: it is being written or read already.
        """
        with self._only("read"):
            position = 0
            while piece := await to_thread.run_sync(self._piece, position):
                await stream.send(piece)
                position += len(piece)
            return {"size": position}

    def beginning(self, size: int) -> bytes:
        """Returns its first bytes."""
        return self._piece(0, size)

    def close(self) -> None:
        """Forgets what was written; what was there at first is there again."""
        if self._file is not None:
            self._file.close()
            self._file = None
        self.size, self.complete = len(self._initial), True

    def _piece(self, position: int, size: int = PIECE) -> bytes:
        if self._file is None:
            return self._initial[position : position + size]
        self._file.seek(position)
        return self._file.read(size)

    @contextlib.contextmanager
    def _only(self, act: str) -> Iterator[None]:
        if self._act:
            raise RuntimeError(f"the storage is being {self._act} already")
        self._act = act
        try:
            yield
        finally:
            self._act = ""


def _empty(file: IO[bytes]) -> None:
    file.seek(0)
    file.truncate()


class MockFlasher(Driver):
    """Flashes into partitions of any name, without a device.

    Args:
        **driver: what every driver takes.
    """

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self.partitions: dict[str, Medium] = {}
        """What was flashed, by partition."""

    @classmethod
    def client(cls) -> str:
        """The type tag of flashers."""
        return "jumpstarter_driver_opendal.client.FlasherClient"

    @export
    async def flash(self, source: object, partition: str | None = None) -> dict[str, object]:
        """Writes a resource into a partition; `default` unless one is named. Returns `size` and `sha256` of what was written."""
        async with self.resource(source) as stream:
            return await self.partitions.setdefault(partition or DEFAULT_PARTITION, Medium()).write(stream)

    @export
    async def dump(self, target: object, partition: str | None = None) -> dict[str, object]:
        """Reads a partition into a resource. Returns the `size` of what was read.

        Raises:
            ValueError: nothing was flashed into it.
        """
        name = partition or DEFAULT_PARTITION
        async with self.resource(target) as stream:
            if name not in self.partitions:
                raise ValueError(f"nothing was flashed into '{name}'; there are {', '.join(self.partitions) or 'no partitions'}")
            return await self.partitions[name].read(stream)

    async def close(self) -> None:
        """Forgets what was flashed."""
        for medium in self.partitions.values():
            medium.close()
        self.partitions.clear()


class MockStorageMux(Driver):
    """A card that is connected to the host, to the device, or to neither. Only the host can write and read it.

    Args:
        **driver: what every driver takes.
    """

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self.medium = Medium()
        """What is on the card."""
        self.side = "off"

    @classmethod
    def client(cls) -> str:
        """The type tag of storage multiplexers."""
        return "jumpstarter_driver_opendal.client.StorageMuxClient"

    @export
    async def host(self) -> None:
        """Connects the card to the host."""
        self.connect_to("host")

    @export
    async def dut(self) -> None:
        """Connects the card to the device."""
        self.connect_to("dut")

    @export
    async def off(self) -> None:
        """Disconnects the card from both."""
        self.connect_to("off")

    @export
    async def get_side(self) -> str:
        """Returns where the card is: `host`, `dut` or `off`."""
        return self.side

    @export
    async def write(self, source: object) -> dict[str, object]:
        """Writes a resource to the card. Returns `size` and `sha256` of what was written.

        Raises:
            ValueError: the card is not at the host.
        """
        async with self.resource(source) as stream:
            self._check_host()
            return await self.medium.write(stream)

    @export
    async def read(self, target: object) -> dict[str, object]:
        """Reads the card into a resource. Returns the `size` of what was read.

        Raises:
            ValueError: the card is not at the host.
        """
        async with self.resource(target) as stream:
            self._check_host()
            return await self.medium.read(stream)

    def connect_to(self, side: str) -> None:
        """Moves the card.

        Raises:
            RuntimeError: it is being written or read, and goes to another side.
        """
        if side != self.side:
            if self.medium.busy:
                raise RuntimeError(f"the card cannot go to '{side}' now: it is being written or read")
            self.logger.info(f"storage: {self.side} → {side}")
            self.side = side

    async def reset(self) -> None:
        """Disconnects the card."""
        self.side = "off"

    async def close(self) -> None:
        """Forgets what is on the card."""
        self.medium.close()

    def _check_host(self) -> None:
        if self.side != "host":
            raise ValueError(f"the card is connected to '{self.side}'; connect it to 'host' first")


class MockStorageMuxFlasher(MockStorageMux):
    """The same with the methods of a flasher, which move the card to the host and afterwards to the device."""

    @classmethod
    def client(cls) -> str:
        """The type tag of storage multiplexers that flash."""
        return "jumpstarter_driver_opendal.client.StorageMuxFlasherClient"

    @export
    async def flash(self, source: object, target: str | None = None) -> dict[str, object]:
        """Writes a resource to the card, with the card at the host meanwhile and at the device afterwards.

        Raises:
            ValueError: a target is named, and a card has none.
        """
        async with self.resource(source) as stream:
            self._take(target)
            try:
                return await self.medium.write(stream)
            finally:
                self.connect_to("dut")

    @export
    async def dump(self, source: object, target: str | None = None) -> dict[str, object]:
        """Reads the card into a resource, with the card at the host meanwhile and at the device afterwards.

        Raises:
            ValueError: a target is named, and a card has none.
        """
        async with self.resource(source) as stream:
            self._take(target)
            try:
                return await self.medium.read(stream)
            finally:
                self.connect_to("dut")

    def _take(self, target: str | None) -> None:
        if target is not None:
            raise ValueError(f"'{target}' cannot be flashed or dumped alone: this is one card without partitions")
        if self.medium.busy:
            raise RuntimeError("the card is being written or read already")
        self.connect_to("host")
