"""Byte transfers written on the bare protocol, so that these tests do not lean on the client that other tests prove."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from typing import Any

from drivers_support import eventually
from jumpstarter_protocol import router_pb2

from JumpstarterLibrary.client import Device
from JumpstarterLibrary.client.failures import Act
from JumpstarterLibrary.client.streams import ByteStream
from JumpstarterLibrary.wire import frames
from JumpstarterLibrary.wire.protocol import REQUEST_KEY


@contextmanager
def resource(device: Device, path: str, outgoing: Iterable[Any] = ()) -> Iterator[tuple[Any, Any]]:
    """Opens a resource stream; gives the RPC and the handle."""
    request = json.dumps({"kind": "resource", "uuid": device[path].node.uuid})
    rpc = device.connection.router.Stream(iter(outgoing), metadata=((REQUEST_KEY, request),))
    try:
        yield rpc, json.loads(dict(rpc.initial_metadata())["resource"])
    finally:
        rpc.cancel()


def data(*chunks: bytes, complete: bool = True) -> Iterator[Any]:
    """The frames of an upload."""
    for chunk in chunks:
        yield router_pb2.StreamRequest(payload=chunk)
    if complete:
        yield router_pb2.StreamRequest(frame_type=frames.GOAWAY)


def upload(device: Device, path: str, method: str, content: bytes | Iterable[bytes], *before: object) -> Any:
    """Calls a method with a handle behind its other arguments and sends it bytes; returns the answer."""
    chunks = [content] if isinstance(content, bytes) else content
    with resource(device, path, data(*chunks)) as (_, handle):
        return device[path].call(method, *before, handle)


def download(device: Device, path: str, method: str, *before: object) -> bytes:
    """Calls a method with a handle behind its other arguments and returns what it sends."""
    with resource(device, path, data()) as (rpc, handle):
        device[path].call(method, *before, handle)
        received = b""
        for frame in rpc:
            if frame.frame_type == frames.GOAWAY:
                break
            received += frame.payload
        return received


@contextmanager
def connected(device: Device, path: str) -> Iterator[ByteStream]:
    stream = ByteStream(device.connection, Act(device.name, path, "connect"), device[path].node.uuid, 10)
    try:
        yield stream
    finally:
        stream.close()


def fetch(device: Device, path: str, url: str = "/", method: str = "GET") -> tuple[str, str, bytes]:
    """One HTTP request through a driver's stream: status line, head, body."""
    with connected(device, path) as stream:
        stream.send(f"{method} {url} HTTP/1.1\r\nHost: board\r\n\r\n".encode(), 5)
        head, _, body = b"".join(stream.receive()).partition(b"\r\n\r\n")
    status, _, rest = head.decode().partition("\r\n")
    return status, rest, body


class Unfinished:
    """An upload that has begun, in a thread of its own, and ends when it is told to."""

    def __init__(
        self, device: Device, path: str, method: str, content: bytes, *before: object, begun: Callable[[], object]
    ) -> None:
        self.error: Exception | None = None
        self.rpc: Any = None
        self._go = threading.Event()
        self._thread = threading.Thread(target=self._run, args=(device, path, method, content, before), daemon=True)
        self._thread.start()
        assert eventually(lambda: begun() and self.rpc is not None)

    def _run(self, device: Device, path: str, method: str, content: bytes, before: tuple[object, ...]) -> None:
        def chunks() -> Iterator[Any]:
            yield from data(*frames.split(content), complete=False)
            self._go.wait(10)
            yield from data()

        try:
            with resource(device, path, chunks()) as (self.rpc, handle):
                device[path].call(method, *before, handle)
        except Exception as error:
            self.error = error

    def end(self) -> Exception | None:
        """Ends it, unless it was broken off; returns what its call raised."""
        self._go.set()
        self._thread.join(10)
        assert not self._thread.is_alive()
        return self.error
