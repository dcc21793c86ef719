"""What upstream's clients raise, to our errors. Their classes are known by name, as their package may not be there."""

from __future__ import annotations

from typing import TYPE_CHECKING

import grpc

from ..errors import (
    CallTimeoutError,
    ConfigurationError,
    DriverError,
    DriverInvalidArgumentError,
    DriverNotSupportedError,
    DriverTimeoutError,
    ExporterNotReadyError,
    JumpstarterError,
    SessionClosedError,
    SessionLostError,
    UsageError,
    WrongArgumentsError,
)
from ..wire.deadline import in_words
from .failures import Attempt, sentence, shorten

if TYPE_CHECKING:
    from .connection import Connection

_BY_NAME: dict[str, type[JumpstarterError]] = {
    "ExporterNotReady": ExporterNotReadyError,
    "DriverInvalidArgument": DriverInvalidArgumentError,
    "DriverMethodNotImplemented": DriverNotSupportedError,
    "TimeoutError": DriverTimeoutError,
}
_STREAM_ENDS = frozenset({"BrokenResourceError", "ClosedResourceError", "EndOfStream"})


def as_our_error(error: BaseException, attempt: Attempt, connection: Connection) -> JumpstarterError:
    """Turns what a method of upstream's client raised into the error to raise."""
    error = _single(error)
    if isinstance(error, JumpstarterError):
        return error
    rpc = _rpc_error(error)
    if rpc is not None:
        return connection.failure(rpc, attempt)
    if connection.closed:
        return SessionClosedError(f"{attempt.act} was cancelled: the session was closed.")
    names = {kind.__name__ for kind in type(error).__mro__}
    if (names & _STREAM_ENDS) and not connection.alive():
        lost = SessionLostError(f"{attempt.act} failed: the connection to the exporter was lost. Open a new session.")
        connection.lose(lost)
        return lost
    told = shorten(connection.redact(str(error)))
    text = sentence(f"upstream's client raised {type(error).__name__}" + (f": {told}" if told else ""))
    kind = next((ours for name, ours in _BY_NAME.items() if name in names), DriverError)
    if isinstance(error, (FileNotFoundError, IsADirectoryError, PermissionError)) and error.filename is not None:
        kind = UsageError
    elif isinstance(error, ImportError):
        kind = ConfigurationError
    elif getattr(error, "title", None) == attempt.act.method:  # pydantic's, about the arguments of the method itself
        kind = WrongArgumentsError
    return kind(f"{attempt.act} failed: {text}")


def out_of_time(attempt: Attempt, connection: Connection) -> JumpstarterError:
    """The error for a method of upstream's client that did not return in time."""
    act, length = attempt.act, in_words(attempt.timeout)
    if connection.alive():
        return DriverTimeoutError(
            f"{act} did not return within {length} and was cancelled. The exporter answers, so the driver or the device hangs, "
            "or needs a longer timeout (Set Jumpstarter Timeout)."
        )
    return CallTimeoutError(
        f"{act} did not return within {length}, and the exporter answers nothing else either. Is it frozen, or the network to "
        "it gone? The outcome is unknown."
    )


def _single(error: BaseException) -> BaseException:
    """Unpacks groups that hold one error only, as task groups make them."""
    while isinstance(error, BaseExceptionGroup) and len(error.exceptions) == 1:
        error = error.exceptions[0]
    return error


def _rpc_error(error: BaseException) -> grpc.RpcError | None:
    """The gRPC failure behind an error of upstream's; it stays there also where upstream hides it from tracebacks."""
    if isinstance(error, grpc.RpcError):
        return error
    if "JumpstarterException" not in {kind.__name__ for kind in type(error).__mro__}:
        return None
    behind = error.__cause__ or error.__context__
    return behind if isinstance(behind, grpc.RpcError) else None
