"""What a transfer proves: the driver's answer, and the bytes read back."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from ..errors import (
    CallTimeoutError,
    ConfigurationError,
    DriverError,
    JumpstarterError,
    SessionLostError,
    TransferMismatchError,
)
from .failures import Act
from .images import Checksum
from .transfer import Transfer

_SIZE_KEYS = ("size", "bytes", "bytes_written", "written", "length", "content_length")
_HASH_KEYS = ("sha256", "hash", "checksum", "digest")
_SHA256 = re.compile(r"(sha256:)?(?P<digits>[0-9a-fA-F]{64})")
_REFUSALS = re.compile(
    r"^error|\berrors?:|\b(failed|failure|failures|unable to|cannot|could not|aborted|incomplete)\b", re.IGNORECASE
)
_HARMLESS = re.compile(r"\b(no|0|zero|without( any)?) (errors?|failures?)\b|\b(errors?|failures?): ?0\b", re.IGNORECASE)
_BAD_STATES = {"error", "failed", "failure", "fail", "aborted", "incomplete", "timeout", "not_flashed", "refused"}
_BAD_FLAGS = ("success", "ok", "succeeded", "complete", "completed")


@dataclass(frozen=True)
class Written:
    """A transfer to a device, and what is known about its outcome."""

    transfer: Transfer
    checked: str
    """What was compared; a sentence without full stop."""
    proven: bool
    """Whether the device's side of it was compared: by hash or by reading back."""


def check_answer(act: Act, transfer: Transfer, *, sent: bool = True) -> str:
    """Holds what the driver returned against what it was sent.

    Most drivers return nothing. Where they return a number it counts bytes, and where they return a SHA-256, a mapping with one,
    or a sentence, these count as well.

    Args:
        act: the call.
        transfer: what was sent or received, and what was returned.
        sent: whether it went through us, so that size and hash are known.

    Returns:
        What the answer confirmed: `size`, `sha256`, both, or nothing.

    Raises:
        TransferMismatchError: it took, or gave, less, more or something else.
        DriverError: the answer says that it failed, although the call succeeded.
    """
    answer, confirmed = transfer.returned, []
    if answer is False or answer == "":
        raise DriverError(f"{act} failed: the driver answered {answer!r}, although its call succeeded.")
    if isinstance(answer, Mapping):
        _check_flags(act, answer)
    for size in _sizes(answer) if sent else ():
        if size != transfer.size:
            raise TransferMismatchError(
                f"{act} failed: the driver says that it was {size} bytes, and '{transfer.name}' has {transfer.size}."
            )
        confirmed.append("size")
    for digest in _digests(answer) if sent else ():
        if digest != transfer.sha256:
            raise TransferMismatchError(
                f"{act} failed: the driver says that the SHA-256 is {digest}, and that of '{transfer.name}' is {transfer.sha256}."
            )
        confirmed.append("SHA-256")
    if isinstance(answer, str):
        _check_sentence(act, answer)
    return " and ".join(dict.fromkeys(confirmed))


def check_same(act: Act, name: str, *, size: int, sha256: str, expected_size: int, expected_sha256: str | None) -> None:
    """Compares what the device has with what it should have.

    Raises:
        TransferMismatchError: they differ; the message says in what.
    """
    if size != expected_size:
        raise TransferMismatchError(f"{act}: the device has {size} bytes of '{name}' where {expected_size} are expected.")
    if expected_sha256 is not None and sha256.lower() != expected_sha256.lower():
        raise TransferMismatchError(
            f"{act}: what the device has of '{name}' has the SHA-256 {sha256}, and {expected_sha256} is expected."
        )


def expecting(act: Act, size: int | None, checksum: str | None) -> Callable[[Transfer], None]:
    """Makes the check of a download: against what the driver says of it, and against what is known of it before.

    Args:
        act: what reads it.
        size: bytes; None for any number.
        checksum: `sha256:HEX` or the digits alone; None for any.

    Raises:
        ConfigurationError: the checksum is none, or of another kind.
    """
    wanted = Checksum(checksum) if checksum is not None else None
    if wanted is not None and wanted.algorithm != "sha256":
        raise ConfigurationError(f"'{checksum}' is a checksum by {wanted.algorithm}, and what comes from a device has sha256.")

    def accept(came: Transfer) -> None:
        check_answer(act, came)
        expected = came.size if size is None else size
        digits = wanted.digits if wanted else None
        check_same(act, came.name, size=came.size, sha256=came.sha256, expected_size=expected, expected_sha256=digits)

    return accept


def is_silent(error: BaseException) -> bool:
    """Whether an error says that the exporter answers nothing any more: then asking it to tidy up only takes more time."""
    return isinstance(error, (CallTimeoutError, SessionLostError))


def add_note(error: BaseException, note: str) -> None:
    """Adds a sentence to the message of an error of ours; to one of others, such as Ctrl-C, as a note of Python's."""
    if isinstance(error, JumpstarterError) and error.args:
        error.args = (f"{error.args[0]} {note}", *error.args[1:])
    else:
        error.add_note(note)


def _check_flags(act: Act, answer: Mapping[str, object]) -> None:
    told = answer.get("error") or answer.get("errors") or answer.get("stderr_error")
    state = str(answer.get("status", answer.get("state", ""))).lower()
    code = answer.get("returncode", answer.get("exit_code", answer.get("rc", 0)))
    if told or state in _BAD_STATES or code not in (0, None) or any(answer.get(flag) is False for flag in _BAD_FLAGS):
        raise DriverError(f"{act} failed: the driver's call succeeded, and its answer says otherwise: {dict(answer)!r}"[:500])


def _check_sentence(act: Act, answer: str) -> None:
    if _REFUSALS.search(_HARMLESS.sub("", answer)):
        raise DriverError(f"{act} failed: the driver's call succeeded, and its answer says otherwise: {answer!r}"[:500])


def _sizes(answer: object) -> list[int]:
    values = [answer.get(key) for key in _SIZE_KEYS] if isinstance(answer, Mapping) else [answer]
    return [int(value) for value in values if isinstance(value, (int, float)) and not isinstance(value, bool)]


def _digests(answer: object) -> list[str]:
    values = [answer.get(key) for key in _HASH_KEYS] if isinstance(answer, Mapping) else [answer]
    found = [_SHA256.fullmatch(value.strip()) for value in values if isinstance(value, str)]
    return [match["digits"].lower() for match in found if match]
