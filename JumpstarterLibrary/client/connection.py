"""One connection to a session: calls with deadlines, errors that say what happened, nothing left behind."""

from __future__ import annotations

import time
from collections.abc import Callable, Generator, Mapping
from functools import cached_property
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty
from jumpstarter_protocol import jumpstarter_pb2 as pb
from jumpstarter_protocol import jumpstarter_pb2_grpc, router_pb2_grpc

from ..errors import (
    ConnectionFailedError,
    ExporterNotReadyError,
    JumpstarterError,
    SessionClosedError,
    SessionLostError,
    ValueNotSendableError,
)
from ..journal import CallEnded, Journal, SessionRegained
from ..wire import values
from ..wire.address import Address
from ..wire.deadline import Deadline, in_words
from ..wire.protocol import LOG_POSITION_KEY, PASSPHRASE_KEY, ExporterStatus, status_name
from ..wire.secrets import MASK, Hidden, Redactor
from .channel import close_channel, is_ready
from .failures import Act, Attempt, as_error, is_transport, passphrase_error, shorten
from .opening import innermost, no_connection
from .returning import Way
from .stream_ends import Background, Settled

PROBE_TIMEOUT = 0.5
"""Seconds for the question whether the exporter answers at all, after a call got no answer."""
STATUS_INTERVAL = 0.1
STATUS_TIMEOUT = 5.0
LONGEST_SHOWN = 200
"""Characters of arguments and results that the journal keeps."""
LONGEST_WORD, LONGEST_BEGIN = 80, 24
"""Characters of a text without blanks, such as Base64, that is shown whole; of a longer one only so many of its begin are."""
_HANDLES = {"client_stream": "the file", "presigned_request": "a request for the exporter"}
"""Resource handles, as people know them, by kind."""


class Connection:
    """Calls to one session over one channel; usable from any thread."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        name: str,
        address: Address,
        channel: Any,
        passphrase: str | None,
        journal: Journal,
        redact: Redactor | None = None,
    ) -> None:
        self.name = name
        self.address = address
        self.journal = journal
        self.redact = Redactor() if redact is None else redact
        """Masks secrets before a text is cut or goes anywhere."""
        self.redact.add(passphrase)
        self.metadata = ((PASSPHRASE_KEY, passphrase),) if passphrase else None
        self.stub = jumpstarter_pb2_grpc.ExporterServiceStub(channel)
        self.log_position = 0
        """How many log lines the exporter had written when it last answered, where it says so."""
        self.loss: SessionLostError | None = None
        """Why the session is lost, once it is."""
        self.closed = False
        self.last_call = 0.0
        """When the last call ended, on the monotonic clock."""
        self.under_way: set[float] = set()
        """When each call began that has not ended; those of recordings in the background do not count."""
        self.on_loss: Callable[[SessionLostError], None] = lambda _: None
        self.way: Way | None = None
        """Finds exporter and drivers again after a break; set once the tree is known."""
        self._lost_at = 0.0
        self._channel = channel

    def close(self) -> None:
        """Cancels what is under way and closes the channel."""
        self.closed = True
        close_channel(self._channel)

    # ----------------------------------------------------------------- opening

    def wait_until_ready(self, deadline: Deadline) -> None:
        """Waits until the exporter's status is LEASE_READY (protocol §5.5). Old exporters have no status: they are ready.

        Raises:
            ConnectionFailedError: it cannot be reached, or does not answer.
            ExporterNotReadyError: its status is final, or not LEASE_READY within the deadline.
            PassphraseError: it wants another passphrase.
        """
        while True:
            try:
                answer = self._open_rpc(self.stub.GetStatus, pb.GetStatusRequest(), deadline)
            except grpc.RpcError as error:
                if error.code() is grpc.StatusCode.UNIMPLEMENTED:
                    return
                raise
            status = answer.status
            if status == ExporterStatus.LEASE_READY:
                return
            told = status_name(status) + (f", {shorten(self.redact(answer.message))}" if answer.message else "")
            if status in _FINAL:
                raise ExporterNotReadyError(f"Device '{self.name}' will not become ready: the exporter's status is {told}.")
            if deadline.remaining <= STATUS_INTERVAL:
                raise ExporterNotReadyError(
                    f"Device '{self.name}' is not ready: the exporter's status is still {told} after "
                    f"{in_words(deadline.total)}, and calls need LEASE_READY."
                )
            time.sleep(STATUS_INTERVAL)

    def get_report(self, deadline: Deadline) -> Any:
        """Fetches the description of the driver tree.

        Raises:
            ConnectionFailedError: what answers is no exporter, or nothing answers.
        """
        try:
            return self._open_rpc(self.stub.GetReport, Empty(), deadline)
        except grpc.RpcError:
            raise ConnectionFailedError(
                f"Cannot open device '{self.name}': a gRPC server answers at {self.address}, but it is no exporter."
            ) from None

    def _open_rpc(self, rpc: Any, request: Any, deadline: Deadline) -> Any:
        try:
            answer, call = rpc.with_call(request, timeout=max(deadline.remaining, 0.001), metadata=self.metadata)
            self.note_log_position(call)
            return answer
        except grpc.RpcError as error:
            code, text = error.code(), shorten(self.redact(error.details() or ""))
            where = f"device '{self.name}'" + (f" at {self.address}" if str(self.address) != self.name else "")
            if code is grpc.StatusCode.UNIMPLEMENTED:
                raise
            if code is grpc.StatusCode.UNAUTHENTICATED:
                raise passphrase_error(f"Opening {where}", text) from None
            if code is grpc.StatusCode.DEADLINE_EXCEEDED:
                raise ConnectionFailedError(
                    f"Cannot open {where}: no answer within {in_words(deadline.total)}. Something listens there or the "
                    "packets are dropped: is the exporter frozen, still starting, or behind a firewall?"
                ) from None
            raise ConnectionFailedError(
                f"Cannot open {where}: {no_connection(text, local=self.address.is_unix)}\ngRPC said: {innermost(text)}"
            ) from None

    # ------------------------------------------------------------------- calls

    def call(self, act: Act, uuid: str, arguments: tuple[object, ...], timeout: float, *, secret_result: bool = False) -> object:
        """Calls a unary method and returns its result, which the journal does not show if it is a secret.

        Raises:
            JumpstarterError: see `JumpstarterLibrary.errors`; the call is never repeated.
        """
        self.check_usable(act)
        request = pb.DriverCallRequest(uuid=uuid, method=act.method, args=encode_arguments(act, arguments))
        begin, outcome, detail = time.monotonic(), "interrupted", ""
        try:
            self.under_way.add(begin)
            if self.way is None:
                response, rpc = self.stub.DriverCall.with_call(request, timeout=timeout, metadata=self.metadata)
            else:
                response, rpc = self.way.send(self.stub.DriverCall, request, uuid, timeout)
            self.note_log_position(rpc)
            result = values.decode(response.result)
            outcome, detail = "ok", MASK if secret_result else self.shown(result)
            return result
        except grpc.RpcError as error:
            failure = self.failure(error, Attempt(act, time.monotonic() - begin, timeout))
            outcome, detail = type(failure).__name__, shorten(str(failure))
            raise failure from None
        finally:
            self.write_down(act, arguments, begin, outcome, detail, streaming=False)

    def stream(
        self,
        act: Act,
        uuid: str,
        arguments: tuple[object, ...],
        timeout: float,
        settle: float | None = None,
        *,
        background: Background | None = None,
    ) -> Generator[object, None, None]:
        """Calls a streaming method; gives its values as they come. Leaving the loop cancels the call on the exporter.

        Args:
            act: what it is for.
            uuid: the driver's.
            arguments: positional.
            timeout: seconds for the whole stream.
            settle: ends the stream this many seconds after its first value.
            background: lets another thread end the stream, which does not stand in the journal then.

        Raises:
            JumpstarterError: as `call`, after the values that came before.
        """
        self.check_usable(act)
        request = pb.StreamingDriverCallRequest(uuid=uuid, method=act.method, args=encode_arguments(act, arguments))
        begin, outcome, detail, count = time.monotonic(), "interrupted", "", 0
        rpc, settled, deadline, ending = None, None, Deadline(timeout), background or Background()
        try:
            self.under_way.update(() if background else (begin,))
            while True:
                request.uuid = self.uuid(uuid, deadline.remaining)
                rpc = self.stub.StreamingDriverCall(request, timeout=max(deadline.remaining, 0.001), metadata=self.metadata)
                ending.ends(rpc.cancel)
                try:
                    for response in rpc:
                        count += 1
                        if settle is not None and settled is None:
                            settled = Settled(settle, rpc.cancel)
                        yield values.decode(response.result)
                    break
                except grpc.RpcError as error:
                    if (
                        count
                        or ending.over
                        or self.way is None
                        or not self.way.may_send_again(error, uuid, request.uuid, deadline)
                    ):
                        raise
            outcome = "ok"
        except GeneratorExit:
            outcome = "ok"  # the caller has all it wants
            raise
        except grpc.RpcError as error:
            if ending.over or (settled is not None and settled.over):
                outcome = "ok"
                return
            failure = self.failure(error, Attempt(act, time.monotonic() - begin, timeout))
            outcome, detail = type(failure).__name__, shorten(str(failure))
            raise failure from None
        finally:
            if rpc is not None:
                rpc.cancel()
            if settled is not None:
                settled.cancel()
            detail = detail or f"{count} values"
            if background is None:
                self.write_down(act, arguments, begin, outcome, detail, streaming=True)

    def note_log_position(self, call: Any) -> None:
        """Takes down how far the exporter's log had come when it answered."""
        for key, value in call.trailing_metadata() or ():
            if key == LOG_POSITION_KEY:
                self.log_position = int(value)

    @cached_property
    def router(self) -> Any:
        """The stub for byte streams."""
        return router_pb2_grpc.RouterServiceStub(self._channel)

    def check_usable(self, act: Act) -> None:
        """Refuses an act on a session that is closed or lost.

        Raises:
            SessionClosedError: it was closed.
            SessionLostError: it is lost.
        """
        if self.closed:
            raise SessionClosedError(f"{act} is not possible: the session was closed.")
        if (loss := self.loss) is not None and not self.regained():
            raise SessionLostError(f"{act} is not possible: {loss}")

    def uuid(self, uuid: str, limit: float = PROBE_TIMEOUT * 4) -> str:
        """Returns what a driver's uuid is now: another one than in the tree, if the exporter has begun anew meanwhile."""
        return uuid if self.way is None else self.way.uuid(uuid, limit)

    @property
    def is_over(self) -> bool:
        """Whether the session will not come back: it was closed, or its lease is over."""
        return self.closed or (self.loss is not None and (self.way is None or self.way.why_lost is not None))

    def regained(self) -> bool:
        """Whether an exporter that was gone is there again with the same drivers, after a quick look. Nothing was lost: it is."""
        loss = self.loss
        if loss is None:
            return True
        if self.way is None or self.is_over or not self.way.is_back():
            return False
        self.loss = None
        self.journal.append(SessionRegained(alias=self.name, reason=str(loss), seconds=time.monotonic() - self._lost_at))
        return True

    def failure(self, error: Any, attempt: Attempt) -> JumpstarterError:
        """Turns a failed RPC into the error to raise, and remembers it if the session is lost by it."""
        if self.closed:
            return SessionClosedError(f"{attempt.act} was cancelled: the session was closed.")
        failure = as_error(error, attempt, self.alive, self.redact, self.is_connected)
        if self.way is not None:
            return self.way.failure(failure, error, attempt)
        if isinstance(failure, SessionLostError):
            self.lose(failure)
        return failure

    def is_connected(self) -> bool:
        """Whether gRPC has a connection now."""
        return is_ready(self._channel)

    def alive(self) -> bool:
        """Whether the exporter answers anything at all, asked with a short deadline."""
        try:
            self.stub.GetStatus(pb.GetStatusRequest(), timeout=PROBE_TIMEOUT, metadata=self.metadata)
        except grpc.RpcError as error:
            return error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED)
        except ValueError:  # the channel was closed meanwhile
            return False
        return True

    def lose(self, failure: SessionLostError) -> None:
        """Remembers, once, that the session is lost."""
        if self.loss is None and not self.closed:
            self._lost_at = time.monotonic()
            self.loss = failure
            self.on_loss(failure)

    def check_loss(self, error: Any) -> None:
        """Looks at an RPC that ended by itself in the background: is the exporter gone?"""
        if self.way is not None:
            self.way.broke()
            if self.way.may_return():  # whoever watches the lease says when it will not
                return
        text = error.details() or ""
        code = error.code()
        # An exporter that stops cancels its streams, if it has the time.
        broken = code is grpc.StatusCode.CANCELLED or (code is grpc.StatusCode.UNAVAILABLE and is_transport(text))
        if broken and not self.closed and not self.alive():
            self.lose(
                SessionLostError(
                    f"the connection to the exporter of device '{self.name}' was lost ({shorten(self.redact(text))}). "
                    "Is the exporter still running? Open a new session."
                )
            )

    def shown(self, value: object) -> str:
        """A value as the journal shows it: short, and without secrets."""
        if isinstance(value, Mapping) and value.get("kind") in _HANDLES:
            return _HANDLES[value["kind"]]
        text = MASK if isinstance(value, Hidden) else self.redact(repr(value))
        if isinstance(value, str) and len(text) > LONGEST_WORD and not any(map(str.isspace, value)):
            return f"{text[:LONGEST_BEGIN]}…' ({len(value)} characters)"  # Base64 and the like, which nobody reads
        return text if len(text) <= LONGEST_SHOWN else f"{text[:LONGEST_SHOWN]}…"

    def write_down(
        self, act: Act, arguments: tuple[object, ...], begin: float, outcome: str, detail: str, *, streaming: bool
    ) -> None:
        """Puts a call that has ended into the journal."""
        self.under_way.discard(begin)
        self.last_call = time.monotonic()
        self.journal.append(
            CallEnded(
                driver=act.driver,
                method=act.method,
                arguments=", ".join(self.shown(argument) for argument in arguments),
                seconds=self.last_call - begin,
                outcome=outcome,
                detail=detail,
                streaming=streaming,
            )
        )


_FINAL = [status for status in ExporterStatus if status.is_final]


def encode_arguments(act: Act, arguments: tuple[object, ...]) -> list[Any]:
    """Encodes the arguments of a call.

    Raises:
        ValueNotSendableError: one of them would arrive altered; the message says which.
    """
    encoded = []
    for index, argument in enumerate(arguments, 1):
        try:
            encoded.append(values.encode(argument))
        except ValueNotSendableError as error:
            raise ValueNotSendableError(f"{act} was not sent: argument {index}: {error}.") from None
    return encoded
