"""The two gRPC services of a session (protocol §1.2, §1.3, §3 to §5)."""

# ruff: noqa: N802 - gRPC's generated classes fix the names of the methods

from __future__ import annotations

import hmac
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import TYPE_CHECKING, Any
from uuid import UUID, uuid4

import grpc
from jumpstarter_protocol import jumpstarter_pb2 as pb
from jumpstarter_protocol import jumpstarter_pb2_grpc, router_pb2_grpc

from ..errors import ValueNotSendableError
from ..wire import values
from ..wire.protocol import LOG_AFTER_KEY, LOG_POSITION_KEY, PASSPHRASE_KEY, TRANSFERRED_KEY, CallKind
from . import calls, router
from .calls import CallRefusedError
from .logs import current_hub
from .resources import transferred
from .transfers import used_transfers

if TYPE_CHECKING:
    from google.protobuf.struct_pb2 import Value

    from .session import Session

LARGEST_RESULT = 256 * 1024 * 1024
"""Bytes of a result that our server sends; a client takes 4 MiB unless it raised its limit (protocol §4.6)."""


class ExporterService(jumpstarter_pb2_grpc.ExporterServiceServicer):  # type: ignore[misc]  # generated without types
    """Report, calls, status and log of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def GetReport(self, request: Any, context: Any) -> Any:
        """Describes the driver tree."""
        reports = [
            pb.DriverInstanceReport(
                uuid=str(row.driver.uuid),
                parent_uuid=str(row.parent.uuid) if row.parent else None,
                labels=row.labels(),
                description=row.driver.description or None,
                methods_description=row.driver.methods_description,
            )
            for row in self._session.rows
        ]
        context.set_trailing_metadata(((LOG_POSITION_KEY, str(self._session.log.position)),))
        return pb.GetReportResponse(uuid=str(self._session.uuid), labels=self._session.labels, reports=reports)

    async def DriverCall(self, request: Any, context: Any) -> Any:
        """Runs an exported method once."""
        async with answering(self._session, context):
            driver = self._session.driver_for_call(request.uuid)
            method = calls.find_method(driver, request.method, CallKind.UNARY)
            result = await calls.call(method, [values.decode_exact(v) for v in request.args], self._session.threads)
            driver.resources.note_unused()
            return pb.DriverCallResponse(uuid=str(uuid4()), result=encode_result(result))

    async def StreamingDriverCall(self, request: Any, context: Any) -> None:
        """Runs an exported generator and sends what it yields."""
        async with answering(self._session, context):
            driver = self._session.driver_for_call(request.uuid)
            method = calls.find_method(driver, request.method, CallKind.STREAMING)
            arguments = [values.decode_exact(v) for v in request.args]
            async with aclosing(calls.stream(method, arguments, self._session.threads)) as items:
                async for item in items:
                    await context.write(pb.StreamingDriverCallResponse(uuid=str(uuid4()), result=encode_result(item)))

    async def LogStream(self, request: Any, context: Any) -> None:
        """Sends the log without end, from its kept beginning or from where the client wants it."""
        with self._session.log.reader(wanted_position(context)) as (position, lines):
            await context.send_initial_metadata(((LOG_POSITION_KEY, str(position)),))
            async for line in lines:
                await context.write(
                    pb.LogStreamResponse(
                        uuid=str(line.driver) if line.driver else "",
                        severity=line.severity,
                        message=line.message.encode(errors="replace").decode(),
                        source=int(line.source),
                    )
                )

    async def GetStatus(self, request: Any, context: Any) -> Any:
        """Tells the session's status."""
        status = self._session.status_record
        return pb.GetStatusResponse(
            status=int(status.status),
            message=status.message,
            status_version=status.version,
            previous_status=None if status.previous is None else int(status.previous),
        )

    async def EndSession(self, request: Any, context: Any) -> Any:
        """Ends the lease's session; without a lease there is nothing to end."""
        ended, message = self._session.end()
        return pb.EndSessionResponse(success=ended, message=message)

    async def Reset(self, request: Any, context: Any) -> Any:
        """Resets every driver."""
        async with answering(self._session, context):
            self._session.check_status()
            await self._session.reset_drivers()
            return pb.ResetResponse()


class RouterService(router_pb2_grpc.RouterServiceServicer):  # type: ignore[misc]  # generated without types
    """Byte streams of one session."""

    def __init__(self, session: Session) -> None:
        self._session = session

    async def Stream(self, request_iterator: Any, context: Any) -> None:
        """Opens a driver's byte stream, or a resource stream to a driver."""
        async with answering(self._session, context):
            request = router.StreamRequest(list(context.invocation_metadata() or ()))
            driver = self._session.driver_for_call(request.uuid)
            await router.serve_stream(request, driver, request_iterator, context)


class answering:  # noqa: N801 - used like the function that it would be if that were not twice as slow
    """Runs the body for a session: what it logs goes to the session's log, and what it raises becomes the status.

    The answer, good or bad, says how far the log had come, and a good one what moved through resource streams.
    """

    def __init__(self, session: Session, context: Any) -> None:
        self._session = session
        self._context = context

    async def __aenter__(self) -> None:
        current_hub.set(self._session.log)
        used_transfers.set({})

    async def __aexit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        position = (LOG_POSITION_KEY, str(self._session.log.position))
        if error is None:
            moved = transferred()
            self._context.set_trailing_metadata((position, (TRANSFERRED_KEY, moved)) if moved else (position,))
        elif not (isinstance(error, GeneratorExit) or (calls.task_is_cancelled() and not isinstance(error, CallRefusedError))):
            refusal = calls.as_refusal(error)
            await self._context.abort(refusal.code, calls.shorten(refusal.details), (position,))


def wanted_position(context: Any) -> int:
    """After which line of the log the client wants to begin; from the first, unless it says so properly."""
    given = [value for key, value in context.invocation_metadata() or () if key == LOG_AFTER_KEY]
    return int(given[0]) if given and str(given[0]).isdecimal() else 0


def encode_result(result: object) -> Value:
    """Encodes what a driver returned; a value without wire form is `INVALID_ARGUMENT`, as upstream answers."""
    try:
        encoded = values.encode(result)
    except ValueNotSendableError as error:
        raise CallRefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"the driver's result cannot be sent: {error}") from None
    if (size := encoded.ByteSize()) > LARGEST_RESULT:
        raise CallRefusedError(grpc.StatusCode.RESOURCE_EXHAUSTED, f"the driver's result has {size} bytes")
    return encoded


def parse_uuid(text: str) -> UUID:
    """Reads a driver's uuid.

    Raises:
        CallRefusedError: `INVALID_ARGUMENT`, it is not one (D3).
    """
    try:
        return UUID(text)
    except ValueError:
        raise CallRefusedError(grpc.StatusCode.INVALID_ARGUMENT, f"malformed driver uuid {text[:80]!r}") from None


class PassphraseGuard(grpc.aio.ServerInterceptor):  # type: ignore[misc]  # grpc has no types
    """Refuses every RPC that does not carry the passphrase (protocol §6.4)."""

    def __init__(self, passphrase: str) -> None:
        self._passphrase = passphrase.encode()

        async def refuse(request: Any, context: Any) -> None:
            await context.abort(grpc.StatusCode.UNAUTHENTICATED, "invalid or missing passphrase")

        self._refuse = refuse

    async def intercept_service(self, continuation: Callable[[Any], Awaitable[Any]], details: Any) -> Any:
        """Lets an RPC pass, or puts a refusal in its place."""
        given = [value for key, value in details.invocation_metadata if key == PASSPHRASE_KEY]
        handler = await continuation(details)
        if (len(given) == 1 and hmac.compare_digest(given[0].encode(), self._passphrase)) or handler is None:
            return handler
        if handler.request_streaming:
            return grpc.stream_stream_rpc_method_handler(self._refuse, handler.request_deserializer, handler.response_serializer)
        if handler.response_streaming:
            return grpc.unary_stream_rpc_method_handler(self._refuse, handler.request_deserializer, handler.response_serializer)
        return grpc.unary_unary_rpc_method_handler(self._refuse, handler.request_deserializer, handler.response_serializer)
