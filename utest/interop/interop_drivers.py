"""Drivers of ours with the type tags of upstream's clients, for sessions that upstream's clients drive."""

from __future__ import annotations

from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.stapled import StapledObjectStream

from JumpstarterLibrary.drivers import Composite, MockPower, Proxy, SyncMockPower
from JumpstarterLibrary.exporter import Driver, export, exportstream

ERRORS: dict[str, type[Exception]] = {
    kind.__name__: kind
    for kind in (
        *(NotImplementedError, ValueError, UnicodeError, TimeoutError, ConnectionError, ConnectionRefusedError, OSError),
        *(TypeError, KeyError, RuntimeError, Exception),
    )
}


class Echo(Driver):
    """Sends back what it gets."""

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_network.client.NetworkClient"

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[StapledObjectStream[bytes]]:
        send, receive = anyio.create_memory_object_stream[bytes](32)
        async with StapledObjectStream(send, receive) as stream:
            yield stream

    @export
    def address(self) -> str:
        return "tcp://192.0.2.1:7"


class Flasher(Driver):
    """Keeps what is flashed in memory, by partition."""

    def __init__(self) -> None:
        super().__init__()
        self.partitions: dict[str, bytes] = {}

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_opendal.client.FlasherClient"

    @export
    async def flash(self, source: object, partition: str | None = None) -> None:
        async with self.resource(source) as stream:
            self.partitions[partition or "default"] = b"".join([chunk async for chunk in stream])

    @export
    async def dump(self, target: object, partition: str | None = None) -> None:
        async with self.resource(target) as stream:
            await stream.send(self.partitions[partition or "default"])


class StorageMux(Driver):
    """A card that is on one side at a time."""

    def __init__(self) -> None:
        super().__init__()
        self.side = "off"
        self.content = b""
        self.received_bytes = 0
        self.writing = 0

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_opendal.client.StorageMuxClient"

    @export
    def host(self) -> None:
        self.side = "host"

    @export
    def dut(self) -> None:
        self.side = "dut"

    @export
    def off(self) -> None:
        self.side = "off"

    @export
    async def write(self, source: object) -> None:
        self.received_bytes, self.writing, content = 0, self.writing + 1, b""
        try:
            async with self.resource(source) as stream:
                async for chunk in stream:
                    content += chunk
                    self.received_bytes = len(content)
            self.content = content
        finally:
            self.writing -= 1

    @export
    def received(self) -> int:
        return self.received_bytes

    @export
    async def read(self, target: object) -> None:
        async with self.resource(target) as stream:
            await stream.send(self.content)


class Faulty(Driver):
    """Says no in every way."""

    @export
    def not_implemented(self) -> None:
        raise NotImplementedError("not on this board")

    @export
    async def bad_value(self) -> None:
        raise ValueError("no such colour")

    @export
    async def broken(self) -> None:
        raise RuntimeError("the relay is stuck")

    @export
    async def broken_stream(self) -> AsyncGenerator[int, None]:
        yield 1
        raise ValueError("then it broke")

    @export
    async def fail(self, kind: str, text: str, times: int = 1) -> None:
        raise ERRORS[kind](text * times) if text else ERRORS[kind]

    @export
    def fail_in_thread(self, kind: str, text: str) -> None:
        raise ERRORS[kind](text)

    @export
    async def fail_after_two(self, kind: str, text: str) -> AsyncGenerator[int, None]:
        yield 1
        yield 2
        raise ERRORS[kind](text)

    @export
    async def say(self, text: str) -> None:
        self.logger.warning(text)


class Values(Driver):
    """Gives values back, or makes large ones."""

    @export
    async def echo(self, value: object) -> object:
        return value

    @export
    async def text(self, size: int) -> str:
        return "x" * size

    @export
    async def texts(self, size: int) -> AsyncGenerator[str, None]:
        yield "x" * size
        yield "y" * size

    @export
    async def length(self, text: str) -> int:
        return len(text)


class Bench(Composite):
    """All of them below one root, with an alias of the power driver."""

    def __init__(self) -> None:
        self.flasher, self.mux = Flasher(), StorageMux()
        dut = Composite(
            children={
                "power": MockPower(description="The bench supply"),
                "sync_power": SyncMockPower(),
                "echo": Echo(),
                "flasher": self.flasher,
                "mux": self.mux,
                "faulty": Faulty(),
                "values": Values(),
            }
        )
        super().__init__(children={"dut": dut, "alias": Proxy(ref="dut.power")})
