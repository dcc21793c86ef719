"""A client made of nothing but gRPC's synchronous stubs, so that the session server is tested by the wire alone."""

from __future__ import annotations

import json
import queue
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import grpc
import pytest
from google.protobuf.json_format import MessageToDict, ParseDict
from google.protobuf.struct_pb2 import Value
from jumpstarter_protocol import jumpstarter_pb2 as pb
from jumpstarter_protocol import jumpstarter_pb2_grpc, router_pb2, router_pb2_grpc

DATA, RST_STREAM, PING, GOAWAY = 0, 3, 6, 7


def to_wire(value: object) -> Value:
    return ParseDict(value, Value())


class Peer:
    def __init__(self, target: str, *, passphrase: str | None = None, credentials: Any = None) -> None:
        target = f"unix:{target}" if target.startswith("/") else target
        options = [("grpc.enable_http_proxy", 0), ("grpc.use_local_subchannel_pool", 1)]
        if credentials is None:
            self.channel = grpc.insecure_channel(target, options=options)
        else:
            self.channel = grpc.secure_channel(target, credentials, options=options)
        self.metadata = (("x-jumpstarter-passphrase", passphrase),) if passphrase is not None else ()
        self.exporter = jumpstarter_pb2_grpc.ExporterServiceStub(self.channel)
        self.router = router_pb2_grpc.RouterServiceStub(self.channel)

    def __enter__(self) -> Peer:
        return self

    def __exit__(self, *_: object) -> None:
        self.channel.close()

    def report(self) -> Any:
        from google.protobuf.empty_pb2 import Empty

        return self.exporter.GetReport(Empty(), timeout=10, metadata=self.metadata)

    def uuid(self, name: str | None = None) -> str:
        """The uuid of the first row of this name; of the root unless given."""
        for row in self.report().reports:
            if name is None or row.labels.get("jumpstarter.dev/name") == name:
                return row.uuid
        raise LookupError(name)

    def call(self, method: str, *arguments: object, name: str | None = None, timeout: float = 10) -> Any:
        request = pb.DriverCallRequest(uuid=self.uuid(name), method=method, args=[to_wire(a) for a in arguments])
        return MessageToDict(self.exporter.DriverCall(request, timeout=timeout, metadata=self.metadata).result)

    def stream_call(self, method: str, *arguments: object, name: str | None = None, timeout: float = 10) -> Any:
        request = pb.StreamingDriverCallRequest(uuid=self.uuid(name), method=method, args=[to_wire(a) for a in arguments])
        return self.exporter.StreamingDriverCall(request, timeout=timeout, metadata=self.metadata)

    def items(self, method: str, *arguments: object, **options: Any) -> list[Any]:
        return [MessageToDict(answer.result) for answer in self.stream_call(method, *arguments, **options)]

    def status(self) -> Any:
        return self.exporter.GetStatus(pb.GetStatusRequest(), timeout=10, metadata=self.metadata)

    def logs(self) -> Any:
        from google.protobuf.empty_pb2 import Empty

        return self.exporter.LogStream(Empty(), metadata=self.metadata)

    def open(self, method: str = "connect", *, name: str | None = None) -> Stream:
        return Stream(self, {"kind": "driver", "uuid": self.uuid(name), "method": method})

    def open_resource(self, *, name: str | None = None) -> Stream:
        return Stream(self, {"kind": "resource", "uuid": self.uuid(name)})


class Stream:
    """One `RouterService.Stream`; frames go out when `send` is called and come in through iteration."""

    def __init__(self, peer: Peer, request: object, *, metadata: tuple[tuple[str, str], ...] | None = None) -> None:
        self._outgoing: queue.SimpleQueue[Any] = queue.SimpleQueue()
        entries = (("request", json.dumps(request)),) if metadata is None else metadata
        self.rpc = peer.router.Stream(self._frames(), timeout=20, metadata=(*entries, *peer.metadata))

    def _frames(self) -> Iterator[Any]:
        while (frame := self._outgoing.get()) is not None:
            yield frame

    def send(self, payload: bytes = b"", frame_type: int = DATA) -> None:
        self._outgoing.put(router_pb2.StreamRequest(payload=payload, frame_type=frame_type))

    def half_close(self) -> None:
        self._outgoing.put(None)

    def goaway(self) -> None:
        self.send(frame_type=GOAWAY)
        self.half_close()

    def initial(self) -> dict[str, str]:
        return dict(self.rpc.initial_metadata())

    def handle(self) -> Any:
        return json.loads(self.initial()["resource"])

    def receive(self) -> Any:
        """The next frame."""
        return next(self.rpc)

    def rest(self) -> list[Any]:
        """All frames until the RPC ends."""
        return list(self.rpc)

    def read(self, size: int) -> bytes:
        data = b""
        while len(data) < size:
            data += self.receive().payload
        return data

    def code(self) -> grpc.StatusCode:
        return self.rpc.code()

    def cancel(self) -> None:
        self.rpc.cancel()
        self.half_close()


def eventually(condition: Callable[[], object], seconds: float = 5.0) -> bool:
    end = time.monotonic() + seconds
    while time.monotonic() < end:
        if condition():
            return True
        time.sleep(0.01)
    return bool(condition())


def in_background(function: Callable[[], object]) -> Callable[[], Any]:
    """Runs a function in a thread; the result gives what it returned, or raises what it raised."""
    outcome: list[Any] = []
    failure: list[BaseException] = []

    def run() -> None:
        try:
            outcome.append(function())
        except BaseException as error:
            failure.append(error)

    thread = threading.Thread(target=run, daemon=True)
    thread.start()

    def result() -> Any:
        thread.join(15)
        assert not thread.is_alive(), "the call did not return"
        if failure:
            raise failure[0]
        return outcome[0]

    return result


def refusal(call: Callable[[], object]) -> tuple[grpc.StatusCode, str]:
    """Code and details of the error with which a call ends."""
    with pytest.raises(grpc.RpcError) as caught:
        call()
    return caught.value.code(), caught.value.details()
