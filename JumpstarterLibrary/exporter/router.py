"""Byte streams between clients and drivers: `RouterService.Stream` at a session (protocol §4)."""

from __future__ import annotations

import json
import time
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import anyio
import grpc
from anyio.streams.stapled import StapledObjectStream
from jumpstarter_protocol import router_pb2

from ..wire import frames
from ..wire.compression import Encoding
from ..wire.protocol import ACCEPT_ENCODING_KEY, REQUEST_KEY, RESOURCE_KEY, CallKind
from .calls import CallRefusedError, find_method, fit, task_is_cancelled
from .driver import Driver
from .resources import encoding_named, handle_for
from .transfers import ByteStream, Transfer

QUEUED_FRAMES = 32
"""Frames that wait between a client and a driver, per direction (protocol §4.3); then gRPC's flow control applies."""
LINGER = 5.0
"""Seconds of silence that a client has to finish its side after the driver finished; then the stream ends."""
SETTLE = 0.25
"""Seconds in which a cancellation follows the end of a client's messages, if it was no real end."""


class StreamRequest:
    """The `request` entry of a stream's metadata (protocol §4.1)."""

    def __init__(self, metadata: list[tuple[str, str | bytes]]) -> None:
        found = [value for key, value in metadata if key == REQUEST_KEY]
        try:
            if len(found) != 1:
                raise ValueError(f"{len(found)} entries")
            request = json.loads(found[0])
            self.kind = request["kind"]
            self.uuid = str(request["uuid"])
            self.method = str(request.get("method", "connect"))
            self.encoding = encoding_named(request.get("x_jmp_content_encoding"))
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError) as error:
            raise CallRefusedError(
                grpc.StatusCode.INVALID_ARGUMENT, f"the stream needs one metadata entry '{REQUEST_KEY}': {error}"
            ) from None
        if self.kind not in ("driver", "resource"):
            raise CallRefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"unknown kind of stream {self.kind!r}"[:200])


def open_driver_stream(driver: Driver, method: str) -> AbstractAsyncContextManager[ByteStream]:
    """Opens the byte stream that a driver exports."""
    function = find_method(driver, method, CallKind.BYTE_STREAM)
    fit(function, [])
    opened = function()
    if not isinstance(opened, AbstractAsyncContextManager):
        raise CallRefusedError(grpc.StatusCode.UNKNOWN, f"{method} gave no async context manager, but {type(opened)}")
    return opened


@asynccontextmanager
async def open_resource(driver: Driver, encoding: Encoding | None) -> AsyncIterator[tuple[ByteStream, str, Transfer]]:
    """Registers a resource stream with a driver; gives our end, the handle, and the driver's end."""
    to_driver, from_client = anyio.create_memory_object_stream[bytes](QUEUED_FRAMES)
    to_client, from_driver = anyio.create_memory_object_stream[bytes](QUEUED_FRAMES)
    transfer = Transfer(StapledObjectStream(to_client, from_client), encoding)
    identity = driver.resources.add(transfer)
    ours = StapledObjectStream(to_driver, from_driver)
    try:
        yield ours, handle_for(identity, encoding), transfer
    finally:
        with anyio.CancelScope(shield=True):
            if driver.resources.drop(identity):
                transfer.failed = True  # nothing to finish: no call took it, so nobody else will close it
                await transfer.aclose()
            await ours.aclose()


async def serve_stream(request: StreamRequest, driver: Driver, incoming: AsyncIterator[Any], context: Any) -> None:
    """Bridges one RPC and one stream until both directions are finished; then the RPC ends by itself (D4)."""
    try:
        if request.kind == "resource":
            async with open_resource(driver, request.encoding) as (ours, handle, transfer):
                # Left out, not empty, where it is not taken: only so do upstream's clients notice (D8).
                accepted = ((ACCEPT_ENCODING_KEY, request.encoding.value),) if request.encoding else ()
                await context.send_initial_metadata(((RESOURCE_KEY, handle), *accepted))
                await _Bridge(ours, context, transfer).run(incoming)
        else:
            async with open_driver_stream(driver, request.method) as stream:
                await context.send_initial_metadata(())
                await _Bridge(stream, context, None).run(incoming)
    except BaseExceptionGroup as group:
        if task_is_cancelled():
            raise
        raise _innermost(group) from group


class _Bridge:
    """Carries frames between one RPC and one stream."""

    def __init__(self, stream: ByteStream, context: Any, transfer: Transfer | None) -> None:
        self._stream = stream
        self._context = context
        self._transfer = transfer
        self._heard = 0.0
        """When the client's last frame came, on the monotonic clock: silence is what ends a lingering stream."""
        self._client_ended = anyio.Event()

    async def run(self, incoming: AsyncIterator[Any]) -> None:
        """Carries until both sides are finished, or the client lingers in silence after the driver finished."""
        async with anyio.create_task_group() as tasks:
            tasks.start_soon(self._from_client, incoming)
            await self._from_driver()
            silent_from = time.monotonic()
            while (left := max(silent_from, self._heard) + LINGER - time.monotonic()) > 0:
                with anyio.move_on_after(left):
                    await self._client_ended.wait()
                    break
            tasks.cancel_scope.cancel()

    async def _from_driver(self) -> None:
        try:
            while True:
                data = await self._stream.receive()
                for part in frames.split(data):
                    await self._context.write(router_pb2.StreamResponse(payload=part))
        except (anyio.EndOfStream, anyio.ClosedResourceError):
            if self._transfer is not None and self._transfer.failed and self._transfer.given:
                # What came so far is no whole file, and must not look like one.
                raise CallRefusedError(grpc.StatusCode.ABORTED, "the driver broke off the transfer") from None
            await self._context.write(router_pb2.StreamResponse(frame_type=frames.GOAWAY))

    async def _from_client(self, incoming: AsyncIterator[Any]) -> None:
        try:
            goodbye = await self._pump(incoming)
            if self._transfer is not None:
                if not goodbye:
                    # A client that breaks off looks for a moment like one that is finished; then we are cancelled.
                    await anyio.sleep(SETTLE)
                self._transfer.complete = True
            await self._stream.send_eof()
        except (anyio.BrokenResourceError, anyio.ClosedResourceError, NotImplementedError):
            pass  # the driver takes no more: what it has to say comes through the other direction
        finally:
            self._client_ended.set()

    async def _pump(self, incoming: AsyncIterator[Any]) -> bool:
        """Carries the client's data; returns whether it said that it was finished."""
        async for frame in incoming:
            self._heard = time.monotonic()
            if frame.frame_type == frames.GOAWAY:
                return True
            if frame.frame_type == frames.DATA and frame.payload:
                await self._stream.send(frame.payload)
        return False


def _innermost(error: BaseException) -> BaseException:
    while isinstance(error, BaseExceptionGroup) and error.exceptions:
        error = error.exceptions[0]
    return error
