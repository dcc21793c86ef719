"""gRPC's failures to our errors: one line that says who, what and what now (protocol §3.3, §3.4)."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import grpc

from ..errors import (
    CallTimeoutError,
    DriverError,
    DriverInvalidArgumentError,
    DriverMethodNotFoundError,
    DriverNotSupportedError,
    DriverTimeoutError,
    ExporterNotReadyError,
    InfrastructureError,
    JumpstarterError,
    PassphraseError,
    SessionLostError,
    ValueNotSendableError,
    WrongArgumentsError,
)
from ..wire.deadline import in_words
from ..wire.protocol import LOG_POSITION_KEY
from .channel import LARGEST_MESSAGE

LONGEST_TEXT = 2_000
"""Characters of the other side's error text that go into a message."""

_TRANSPORT = re.compile(
    r"failed to connect|socket closed|connection (reset|refused|aborted|timed out)|broken pipe|stream removed|transport"
    r"|GOAWAY|ping timeout|keepalive|no such file|endpoint (is )?clos|recvmsg|DNS|handshak|name resolution"
    r"|too_many_pings|channel closed|cancelling all calls|backends failing",
    re.IGNORECASE,
)
_OF_GRPC = re.compile(
    r"failed to connect to (all addresses|remote host)|^socket closed|^(connection (reset|timed out)|broken pipe)\b[^:]*$|recvmsg"
    r"|sendmsg|^stream removed|GOAWAY|ping timeout|keepalive|too_many_pings|endpoint (is )?clos|channel closed"
    r"|^(dns|name) resolution|(ssl|tls) handshak|transport (is )?(clos|destroy)|^cancelling all calls|all backends failing",
    re.IGNORECASE,
)
"""What gRPC says itself. A driver may say 'failed to connect to the PDU', too."""
_TOO_LARGE = re.compile(r"(?P<side>CLIENT: |SERVER: )?\w* message larger than max \((?P<size>\d+) vs\. (?P<most>\d+)\)")
_WRONG_COUNT = re.compile(
    r"(^|[.\s])(?P<method>\w+)\(\):? (takes (no arguments|\d+ positional arguments?|from \d+ to \d+ positional arguments) but"
    r"|missing (a|\d+) required (positional )?argument|too many positional arguments)"
)
_NEVER_SENT = re.compile(r"failed to connect to all addresses|connections to all backends failing|name resolver")
_UNKNOWN_DRIVER = re.compile(r"Unexpected <class 'KeyError'>: UUID\(|no driver with uuid")


@dataclass(frozen=True, slots=True)
class Act:
    """What was attempted, on which driver of which device."""

    device: str
    driver: str
    method: str

    @property
    def place(self) -> str:
        """The driver and its device."""
        driver = f"driver '{self.driver}'" if self.driver else "the root driver"
        return f"{driver} of device '{self.device}'"

    def __str__(self) -> str:
        return f"{self.method}() on {self.place}"


@dataclass(frozen=True, slots=True)
class Attempt:
    """One RPC that failed: what it was for, how long it took and might have taken."""

    act: Act
    elapsed: float
    timeout: float


def was_never_sent(error: Any) -> bool:
    """Whether gRPC says that a call did not reach the other side; a driver behind a newer exporter may say the same of its
    hardware (D20), so there must be no connection now, either."""
    return error.code() is grpc.StatusCode.UNAVAILABLE and bool(_NEVER_SENT.search(error.details() or ""))


def as_error(  # noqa: PLR0911 - one answer per status
    error: Any,
    attempt: Attempt,
    alive: Callable[[], bool],
    redact: Callable[[str], str] = str,
    connected: Callable[[], bool] = lambda: False,
) -> JumpstarterError:
    """Turns a failed RPC into the error to raise.

    Args:
        error: the `grpc.RpcError`.
        attempt: the RPC.
        alive: asks, when called, whether the exporter answers at all.
        redact: masks secrets in the other side's text.
        connected: tells, when called, whether there is a connection now.
    """
    code, text, act = error.code(), shorten(redact(error.details() or "")), attempt.act
    if code is grpc.StatusCode.DEADLINE_EXCEEDED:
        return _timeout(attempt, text, alive)
    if code in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.CANCELLED):
        answered = _was_answered(error) or (was_never_sent(error) and connected())
        return _broken(attempt, text, alive, answered=answered)
    if code is grpc.StatusCode.FAILED_PRECONDITION:
        return ExporterNotReadyError(f"{act} was refused: {text}. The exporter takes calls when its status is LEASE_READY.")
    if code is grpc.StatusCode.UNAUTHENTICATED:
        return passphrase_error(str(act), text)
    if code is grpc.StatusCode.RESOURCE_EXHAUSTED and (size := _TOO_LARGE.search(text)):
        return _too_large(act, size)
    if _UNKNOWN_DRIVER.search(text):
        return SessionLostError(
            f"{act} failed: the exporter no longer knows this driver, so it was restarted or serves a new session. "
            "Open a new session."
        )
    if code is grpc.StatusCode.NOT_FOUND:
        return DriverMethodNotFoundError(f"{act} failed: {_not_found(text)}")
    if (count := _WRONG_COUNT.search(text)) and count["method"] == act.method:
        return WrongArgumentsError(f"{act} failed: wrong number of arguments: {sentence(text)}")
    if code is grpc.StatusCode.UNIMPLEMENTED:
        return DriverNotSupportedError(f"{act} failed: the driver does not support this{_because(text)}")
    if code is grpc.StatusCode.INVALID_ARGUMENT:
        return DriverInvalidArgumentError(f"{act} failed: the driver refused a value{_because(text)}")
    told = _because(text) if code is grpc.StatusCode.UNKNOWN else f" ({code.name}){_because(text)}"
    return DriverError(f"{act} failed: the driver raised an error{told}")


def passphrase_error(act: str, text: str) -> PassphraseError:
    """The exporter wants a passphrase, or another one."""
    return PassphraseError(
        f"{act} was refused: {text or 'not authenticated'}. Give the exporter's passphrase as passphrase=, or in "
        "JMP_GRPC_PASSPHRASE."
    )


def is_transport(text: str) -> bool:
    """Whether an UNAVAILABLE comes from the connection; newer exporters send it for a driver's errors too (D20)."""
    # Python writes its own errors this way, gRPC never: a driver could not connect to its hardware.
    return not text.startswith("[Errno") and bool(_TRANSPORT.search(text))


def shorten(text: str) -> str:
    """Cuts a text, with a note; blank lines around it, as drivers like to send them, say nothing."""
    text = text.strip()
    if len(text) <= LONGEST_TEXT:
        return text
    return f"{text[:LONGEST_TEXT]} [… {len(text) - LONGEST_TEXT} characters cut]"


def _because(text: str) -> str:
    return f": {sentence(text)}" if text.strip("'\" \n") else ", without saying why."


def sentence(text: str) -> str:
    """Ends a text with a full stop, if it does not end in some mark already."""
    return text if text.endswith((".", "!", "?", "]", ")")) else f"{text}."


def _timeout(attempt: Attempt, text: str, alive: Any) -> JumpstarterError:
    if attempt.elapsed < attempt.timeout * 0.95:
        return DriverTimeoutError(f"{attempt.act} failed: time ran out inside the driver{_because(text)}")
    length = in_words(attempt.timeout)
    if alive():
        return DriverTimeoutError(
            f"{attempt.act} did not return within {length}. The exporter answers, so the driver or the device hangs, "
            "or needs a longer timeout."
        )
    return CallTimeoutError(
        f"{attempt.act} got no answer within {length}, and the exporter answers nothing else either. "
        "Is it frozen, or the network to it gone? The outcome of the call is unknown."
    )


def _too_large(act: Act, size: re.Match[str]) -> JumpstarterError:
    told = f"{int(size['size']):,} bytes, and {int(size['most']):,} are the most"
    # Old versions of gRPC do not say which side it was; our own limit tells.
    if size["side"] == "CLIENT: " or (size["side"] is None and int(size["most"]) == LARGEST_MESSAGE):
        return DriverError(f"{act} has run, but its result is too large to be received ({told}).")
    return ValueNotSendableError(f"{act} was not called: its arguments are larger than the exporter takes ({told}).")


def _was_answered(error: Any) -> bool:
    """Whether our exporter wrote this status, and not gRPC on the way; upstream's exporter does not let us know."""
    return any(key == LOG_POSITION_KEY for key, _ in error.trailing_metadata() or ())


def _broken(attempt: Attempt, text: str, alive: Any, *, answered: bool) -> JumpstarterError:
    # Newer exporters send UNAVAILABLE also when a driver cannot reach its hardware.
    if (answered or not is_transport(text) or not _OF_GRPC.search(text)) and alive():
        return DriverError(f"{attempt.act} failed: the driver could not reach its hardware{_because(text)}")
    after = f"after {in_words(attempt.elapsed)}"
    if alive():
        return InfrastructureError(
            f"{attempt.act} failed: the connection broke {after} ({text}) and is back. The outcome of the call is unknown."
        )
    return SessionLostError(
        f"{attempt.act} failed: the connection to the exporter was lost {after} ({text}). The outcome of the call is "
        "unknown. Is the exporter still running? Open a new session."
    )


def _not_found(text: str) -> str:
    if "it is not exported" in text:
        return sentence(f"the driver does not export this method ({text})")
    if "missing marker marker_drivercall" in text:
        return f"it is not a unary method of the driver ({text}). If it yields values, use Stream Driver Method / stream_call."
    if "missing marker marker_streamingdrivercall" in text:
        return f"it is not a streaming method of the driver ({text}). If it returns one value, use Call Driver Method / call."
    return sentence(text)
