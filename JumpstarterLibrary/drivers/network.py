"""Networks: byte streams to whatever listens."""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.abc import ObjectStream
from anyio.streams.stapled import StapledObjectStream

from ..exporter.driver import Driver, export, exportstream
from ..exporter.resources import ByteStream

QUEUED_PIECES = 32
"""Pieces of data that wait in each direction of a connection inside this process."""
CONNECT_BUDGET = 10.0
"""Seconds that connecting to an address may take."""


class Network(Driver):
    """Base class of networks; subclasses export the byte stream `connect`."""

    @classmethod
    def client(cls) -> str:
        """The type tag of networks."""
        return "jumpstarter_driver_network.client.NetworkClient"


class EchoNetwork(Network):
    """Gives back what is sent."""

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        """Connects to the echo; each connection has its own."""
        send, receive = anyio.create_memory_object_stream[bytes](QUEUED_PIECES)
        async with StapledObjectStream(send, receive) as stream:
            yield stream


class TcpNetwork(Network):
    """Connects to a TCP port, as seen from the exporter.

    Args:
        host: name or address.
        port: of the server.
        enable_address: whether clients may know the address.
        **driver: what every driver takes.
    """

    def __init__(self, *, host: str, port: int, enable_address: bool = True, **driver: Any) -> None:
        super().__init__(**driver)
        self._host, self._port, self._enable_address = host, port, enable_address

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        """Connects to the port.

        Raises:
            ConnectionError: nobody listens there, or it cannot be reached.
        """
        try:
            with anyio.fail_after(CONNECT_BUDGET):
                stream = await anyio.connect_tcp(self._host, self._port)
        except (OSError, TimeoutError) as error:
            raise ConnectionError(f"{self._host}:{self._port} cannot be reached: {error or 'no answer'}") from None
        async with stream:
            yield TcpStream(stream)

    @export
    async def address(self) -> str:
        """Returns the address, such as `tcp://10.0.0.7:22`.

        Raises:
            ValueError: clients may not know it.
        """
        if not self._enable_address:
            raise ValueError("this exporter does not tell the address (enable_address is false)")
        host = f"[{self._host}]" if ":" in self._host else self._host
        return f"tcp://{host}:{self._port}"


class TcpStream(ObjectStream[bytes]):
    """A TCP connection with large pieces: each becomes a message, and messages are what costs.

    Args:
        stream: the connection.
    """

    SIZE = 256 * 1024

    def __init__(self, stream: anyio.abc.SocketStream) -> None:
        self._stream = stream

    async def receive(self) -> bytes:
        """Returns what has come."""
        return await self._stream.receive(self.SIZE)

    async def send(self, item: bytes) -> None:
        """Sends bytes."""
        await self._stream.send(item)

    async def send_eof(self) -> None:
        """Ends our side."""
        await self._stream.send_eof()

    async def aclose(self) -> None:
        """Ends both sides."""
        await self._stream.aclose()


@asynccontextmanager
async def served(server: Callable[[ByteStream], Awaitable[None]]) -> AsyncIterator[ByteStream]:
    """Connects to a server that runs in this process for this connection; gives the client's end.

    Args:
        server: serves one connection, given as its end of it. What it raises breaks the connection.
    """
    to_server, from_client = anyio.create_memory_object_stream[bytes](QUEUED_PIECES)
    to_client, from_server = anyio.create_memory_object_stream[bytes](QUEUED_PIECES)
    theirs = StapledObjectStream(to_client, from_client)

    async def run() -> None:
        async with theirs:
            await server(theirs)

    async with anyio.create_task_group() as tasks, StapledObjectStream(to_server, from_server) as ours:
        tasks.start_soon(run)
        yield ours
        tasks.cancel_scope.cancel()


async def wait_until(condition: Callable[[], bool], seconds: float, interval: float = 0.02) -> bool:
    """Asks again and again until it is so; returns whether it is, after some seconds at most."""
    with anyio.move_on_after(seconds):
        while not condition():  # noqa: ASYNC110 - asked of plain values that nobody announces
            await anyio.sleep(interval)
    return condition()
