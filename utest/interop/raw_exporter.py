"""An exporter of nothing but gRPC, for what neither upstream's nor ours does: old ones, newer ones, strange ones."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from google.protobuf.struct_pb2 import Value
from jumpstarter_protocol import jumpstarter_pb2 as pb

CLIENT, NAME = "jumpstarter.dev/client", "jumpstarter.dev/name"
POWER = "jumpstarter_driver_power.client.PowerClient"
COMPOSITE = "jumpstarter_driver_composite.client.CompositeClient"

# Field 1000, text: what this version of the protocol does not know.
UNKNOWN_FIELD = bytes([0xC2, 0x3E, 6]) + b"future"


def row(uuid: str, name: str | None = None, parent: str | None = None, tag: str | None = POWER, **labels: str) -> Any:
    """A row of the report; None leaves something out."""
    labels |= {CLIENT: tag} if tag is not None else {}
    labels |= {NAME: name} if name is not None else {}
    return pb.DriverInstanceReport(uuid=uuid, parent_uuid=parent, labels=labels)


@dataclass
class RawExporter:
    """What it answers, and what it was asked."""

    rows: Sequence[Any] = (row("root"),)
    missing: Sequence[str] = ()
    """RPCs that it does not have."""
    statuses: list[int] = field(default_factory=lambda: [4])
    """What GetStatus answers, one after the other; the last one for good."""
    log: Sequence[Any] = ()
    refusal: tuple[grpc.StatusCode, str] | None = None
    """How it refuses driver calls."""
    trailer: bytes = b""
    """Added to every answer."""
    calls: list[tuple[str, str]] = field(default_factory=list)
    """Driver calls that came: uuid and method."""
    asked: list[str] = field(default_factory=list)
    """RPCs that came."""
    address: str = ""

    def get_report(self, request: Any, context: Any) -> Any:
        return pb.GetReportResponse(uuid="session", reports=self.rows)

    def get_status(self, request: Any, context: Any) -> Any:
        status = self.statuses.pop(0) if len(self.statuses) > 1 else self.statuses[0]
        return pb.GetStatusResponse(status=status, status_version=7)

    def end_session(self, request: Any, context: Any) -> Any:
        return pb.EndSessionResponse(success=False)

    def driver_call(self, request: Any, context: Any) -> Any:
        self.calls.append((request.uuid, request.method))
        if self.refusal is not None:
            context.abort(*self.refusal)
        return pb.DriverCallResponse(uuid="answer", result=Value(string_value=request.uuid))

    def streaming_driver_call(self, request: Any, context: Any) -> Iterator[Any]:
        self.calls.append((request.uuid, request.method))
        if self.refusal is not None:
            context.abort(*self.refusal)
        yield pb.StreamingDriverCallResponse(uuid="answer", result=Value(string_value=request.uuid))

    def log_stream(self, request: Any, context: Any) -> Iterator[Any]:
        yield from self.log

    def handlers(self) -> dict[str, Any]:
        """The RPCs that it has."""
        unary, streaming = grpc.unary_unary_rpc_method_handler, grpc.unary_stream_rpc_method_handler
        table: dict[str, tuple[Any, Any, Any]] = {
            "GetReport": (unary, self.get_report, Empty),
            "GetStatus": (unary, self.get_status, pb.GetStatusRequest),
            "EndSession": (unary, self.end_session, pb.EndSessionRequest),
            "DriverCall": (unary, self.driver_call, pb.DriverCallRequest),
            "StreamingDriverCall": (streaming, self.streaming_driver_call, pb.StreamingDriverCallRequest),
            "LogStream": (streaming, self.log_stream, Empty),
        }
        return {
            name: kind(self._counted(name, method), request.FromString, lambda answer: answer.SerializeToString() + self.trailer)
            for name, (kind, method, request) in table.items()
            if name not in self.missing
        }

    def _counted(self, name: str, method: Callable[..., Any]) -> Callable[..., Any]:
        def counted(request: Any, context: Any) -> Any:
            self.asked.append(name)
            return method(request, context)

        return counted


@contextmanager
def serving(exporter: RawExporter) -> Iterator[RawExporter]:
    """Serves it on a loopback port."""
    server = grpc.server(ThreadPoolExecutor(8), options=[("grpc.so_reuseport", 0)])
    handler = grpc.method_handlers_generic_handler("jumpstarter.v1.ExporterService", exporter.handlers())
    server.add_generic_rpc_handlers((handler,))
    exporter.address = f"127.0.0.1:{server.add_insecure_port('127.0.0.1:0')}"
    server.start()
    try:
        yield exporter
    finally:
        server.stop(0).wait()
