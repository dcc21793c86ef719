"""Drivers that lie: they do something else than they say. All of it on our own Driver, whose exporter counts what they take."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from typing import Any

from JumpstarterLibrary.drivers import FileStore, MockFlasher, MockHttpServer, MockStorageMuxFlasher, MockTftpServer
from JumpstarterLibrary.exporter import Driver, export

PIECE = 16


async def take(stream: Any) -> bytes:
    """All that comes."""
    return b"".join([chunk async for chunk in stream])


class LyingFlasher(Driver):
    """Keeps what it is flashed, changed by the lie, and answers what the lie says.

    Args:
        keep: makes what is kept of what came.
        give: makes what is dumped of what is kept.
        answer: makes what `flash` returns of what came.
        dumped: makes what `dump` returns of what is kept.
        limit: bytes after which it stops reading and says that all is well.
    """

    tag = "jumpstarter_driver_opendal.client.FlasherClient"

    def __init__(
        self,
        *,
        keep: Callable[[bytes], bytes] = bytes,
        give: Callable[[bytes], bytes] = bytes,
        answer: Callable[[bytes], object] = lambda _: None,
        dumped: Callable[[bytes], object] = lambda _: None,
        limit: int | None = None,
        before: bytes = b"what was there before",
        **driver: Any,
    ) -> None:
        super().__init__(**driver)
        self.keep, self.give, self.answer, self.dumped, self.limit = keep, give, answer, dumped, limit
        self.kept = before
        self.side = "off"

    @classmethod
    def client(cls) -> str:
        return cls.tag

    async def _take(self, source: object) -> object:
        async with self.resource(source) as stream:
            if self.limit is None:
                data = await take(stream)
            else:
                data = b""
                while len(data) < self.limit:
                    data += await stream.receive()
        self.kept = self.keep(data)
        return self.answer(data)

    async def _give(self, target: object) -> object:
        async with self.resource(target) as stream:
            data = self.give(self.kept)
            for start in range(0, len(data), 65536):
                await stream.send(data[start : start + 65536])
        return self.dumped(self.kept)

    @export
    async def flash(self, source: object, target: str | None = None) -> object:
        return await self._take(source)

    @export
    async def dump(self, target: object, partition: str | None = None) -> object:
        return await self._give(target)


class LyingMux(LyingFlasher):
    """The same as a storage mux."""

    tag = "jumpstarter_driver_opendal.client.StorageMuxClient"

    @export
    async def host(self) -> None:
        self.side = "host"

    @export
    async def dut(self) -> None:
        self.side = "dut"

    @export
    async def write(self, source: object) -> object:
        return await self._take(source)

    @export
    async def read(self, target: object) -> object:
        return await self._give(target)


class IdleFlasher(MockFlasher):
    """Never looks at the image, and says that all is well."""

    @export
    async def flash(self, source: object, partition: str | None = None) -> str:
        return "Flashed successfully"


class LyingStore(FileStore):
    """A file store in which one method lies.

    Args:
        lies: what to return instead, by method: a function of the true answer.
        keep: makes what is kept of what came.
        give: makes what is read of what is there.
        deaf: methods that do nothing.
    """

    def __init__(
        self,
        *,
        lies: dict[str, Callable[[Any], object]] | None = None,
        keep: Callable[[bytes], bytes] = bytes,
        give: Callable[[bytes], bytes] = bytes,
        deaf: tuple[str, ...] = (),
        **driver: Any,
    ) -> None:
        super().__init__(**driver)
        self._lies, self._keep, self._give, self._deaf = lies or {}, keep, give, deaf

    def _told(self, method: str, truth: Any) -> Any:
        return self._lies.get(method, lambda value: value)(truth)

    @export
    async def file_write(self, fd: str, src: object) -> object:
        async with self.resource(src) as stream:
            data = await take(stream)
        kept = self._keep(data)
        self._handles[fd].file.write(kept)
        self._handles[fd].file.flush()
        return self._told("file_write", len(data))

    @export
    async def file_read(self, fd: str, dst: object) -> object:
        async with self.resource(dst) as stream:
            data = self._give(self._handles[fd].file.read())
            await stream.send(data)
        return self._told("file_read", None)

    @export
    def stat(self, path: str) -> object:
        return self._told("stat", super().stat(path))

    @export
    def hash(self, path: str, algo: str = "sha256") -> object:
        return self._told("hash", super().hash(path, algo))

    @export
    def exists(self, path: str) -> object:
        return self._told("exists", super().exists(path))

    @export
    def list(self, path: str) -> Any:
        for entry in super().list(path):
            yield self._told("list", entry)

    @export
    def copy(self, source: str, target: str) -> None:
        if "copy" not in self._deaf:
            super().copy(source, target)
            if "copy half" in self._deaf:
                place = self.root / target
                place.write_bytes(place.read_bytes()[:PIECE])

    @export
    def rename(self, source: str, target: str) -> None:
        if "rename" in self._deaf:
            super().copy(source, target)
        else:
            super().rename(source, target)

    @export
    def delete(self, path: str) -> None:
        if "delete" not in self._deaf:
            super().delete(path)

    @export
    def remove_all(self, path: str) -> None:
        if "remove_all" not in self._deaf:
            super().remove_all(path)

    @export
    def create_dir(self, path: str) -> None:
        if "create_dir" not in self._deaf:
            super().create_dir(path)


class LyingHttpServer(MockHttpServer):
    """Says that it started, and did not."""

    @export
    def start(self) -> str:
        return "HTTP server started"


class StubbornHttpServer(MockHttpServer):
    """Says that it stopped, and did not."""

    @export
    def stop(self) -> str:
        return "stopped"

    def close(self) -> None:
        super().stop()


class LyingTftpServer(MockTftpServer):
    """Says that it started, and did not."""

    @export
    def start(self) -> None:
        """Does nothing."""


class StuckMux(MockStorageMuxFlasher):
    """Fails while it writes, and then stays at the host."""

    @export
    async def write(self, source: object) -> None:
        raise RuntimeError("the card is broken")

    @export
    async def dut(self) -> None:
        raise RuntimeError("the relay is stuck")


def sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def half(data: bytes) -> bytes:
    return data[: len(data) // 2]


def flipped(data: bytes) -> bytes:
    """One bit differs, in the middle."""
    middle = len(data) // 2
    return data[:middle] + bytes([data[middle] ^ 1]) + data[middle + 1 :]
