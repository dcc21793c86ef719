"""What the controller's refusals mean: gRPC status and text to our errors (protocol §8.6, §8.11).

Most errors of the controller arrive as `UNKNOWN`, and only their text tells them apart (D50).
"""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import grpc

from ..client.failures import sentence, shorten
from ..errors import (
    AccessDeniedError,
    ConfigurationError,
    ControllerError,
    JumpstarterError,
    TokenError,
)

_CODE = grpc.StatusCode
TRANSIENT = (_CODE.UNAVAILABLE, _CODE.DEADLINE_EXCEEDED, _CODE.RESOURCE_EXHAUSTED, _CODE.ABORTED, _CODE.CANCELLED)

_AWAY = re.compile(
    r"etcdserver|leader changed|context deadline exceeded|connection (refused|reset)|i/o timeout|TLS handshake timeout"
    r"|currently unable to handle|too many requests|unexpected EOF|http2: client connection",
    re.IGNORECASE,
)
"""The controller could not reach its own API server, which comes back."""
_EXPIRED = re.compile(r"token (is|has) expired", re.IGNORECASE)
_UNAUTHENTICATED = re.compile(
    r"token (signature|contains|is malformed|used before)|invalid (jwt|bearer|token)|missing (authorization|bearer)"
    r"|unauthenticated|failed to (verify|authenticate)|oidc:",
    re.IGNORECASE,
)
_DENIED = re.compile(r"permission denied|namespace mismatch|forbidden", re.IGNORECASE)
_NOT_FOUND = re.compile(r"not found", re.IGNORECASE)
_EXISTS = re.compile(r"already exists", re.IGNORECASE)
_INVALID = re.compile(r"selector|duration|(begin|end)[_ ]?time|\btags?\b|lease.?id|invalid value", re.IGNORECASE)
_RELEASED = re.compile(r"already been released", re.IGNORECASE)
_UNTRUSTED = re.compile(r"CERTIFICATE_VERIFY_FAILED|unable to get (local )?issuer|self.signed|certificate verify", re.IGNORECASE)
_WRONG_NAME = re.compile(r"hostname verification|not match.*(host|name)|peer name", re.IGNORECASE)
_NO_TLS = re.compile(r"WRONG_VERSION_NUMBER|wrong version number", re.IGNORECASE)


class NotFoundByControllerError(ControllerError):
    """The controller has no such lease or exporter."""


class ControllerAwayError(ControllerError):
    """The controller does not answer; it may come back."""

    never_asked = False
    """Whether the question has certainly not reached it."""


def code_of(error: Any) -> Any:
    """The status of a failed RPC, told by its text where the controller gives none."""
    code, text = error.code(), error.details() or ""
    if code is not _CODE.UNKNOWN:
        return code
    for pattern, meant in (
        (_AWAY, _CODE.UNAVAILABLE),
        (_EXPIRED, _CODE.UNAUTHENTICATED),
        (_UNAUTHENTICATED, _CODE.UNAUTHENTICATED),
        (_DENIED, _CODE.PERMISSION_DENIED),
        (_EXISTS, _CODE.ALREADY_EXISTS),
        (_NOT_FOUND, _CODE.NOT_FOUND),
        (_INVALID, _CODE.INVALID_ARGUMENT),
    ):
        if pattern.search(text):
            return meant
    return code


def is_transient(error: Any, unknown: bool = False) -> bool:
    """Whether it may help to ask again; `unknown` says so of failures that the controller cannot name (D50)."""
    text = error.details() or ""
    if error.code() is _CODE.UNAVAILABLE and (_UNTRUSTED.search(text) or _WRONG_NAME.search(text) or _NO_TLS.search(text)):
        return False
    return code_of(error) in TRANSIENT or (unknown and code_of(error) is _CODE.UNKNOWN)


def is_untrusted(error: Any) -> bool:
    """Whether nothing was asked, as the certificate is another one than is trusted."""
    text = error.details() or ""
    return error.code() is _CODE.UNAVAILABLE and bool(_UNTRUSTED.search(text) or _WRONG_NAME.search(text))


def is_released(error: Any) -> bool:
    """Whether a lease was not released because it is already."""
    return bool(_RELEASED.search(error.details() or ""))


def as_error(error: Any, act: str, where: str, token: str) -> JumpstarterError:
    """Turns a failed RPC into the error to raise.

    Args:
        error: the `grpc.RpcError`.
        act: what was attempted, as in "Creating a lease".
        where: the controller and the client, for people.
        token: until when the token is valid, by its own account.
    """
    code, text = code_of(error), shorten(error.details() or "")
    told = f"{act} at {where} failed: {sentence(text)}" if text else f"{act} at {where} failed, without saying why."
    makers: dict[Any, Callable[[], JumpstarterError]] = {
        _CODE.UNAUTHENTICATED: lambda: TokenError(f"{told} The controller refuses the token; {token}. Log in again: jmp login."),
        _CODE.PERMISSION_DENIED: lambda: AccessDeniedError(f"{told} The controller does not let this client do that."),
        _CODE.NOT_FOUND: lambda: NotFoundByControllerError(told),
        _CODE.INVALID_ARGUMENT: lambda: ConfigurationError(told),
        _CODE.UNIMPLEMENTED: lambda: ControllerError(f"{told} The controller is older than this."),
        _CODE.DEADLINE_EXCEEDED: lambda: ControllerAwayError(
            f"{act} at {where} failed: no answer in time. Is the lab's controller up, and the network to it?"
        ),
        _CODE.UNAVAILABLE: lambda: _unreachable(text, told),
        _CODE.UNKNOWN: lambda: ControllerError(told),
    }
    if code in makers:
        return makers[code]()
    kind = ControllerAwayError if code in TRANSIENT else ControllerError
    return kind(told.replace(" failed", f" failed ({code.name})", 1))


def without_certificate(told: str) -> JumpstarterError:
    """Makes the error for a certificate that could not be fetched, so that nothing was asked."""
    if _NO_TLS.search(told):
        return _unreachable(told, told)
    away = ControllerAwayError(told)
    away.never_asked = True
    return away


def _unreachable(text: str, told: str) -> JumpstarterError:
    if _UNTRUSTED.search(text):
        return ConfigurationError(
            f"{told} The certificate is not signed by an authority that is known here: put the lab's into tls.ca of the client "
            "configuration."
        )
    if _WRONG_NAME.search(text):
        return ConfigurationError(f"{told} The certificate is for another name: use that name in endpoint.")
    if _NO_TLS.search(text):
        return ConfigurationError(f"{told} What listens there does not speak TLS: check endpoint in the client configuration.")
    return ControllerAwayError(f"{told} Is the lab's controller up, and is its address right?")
