"""Names and numbers of the protocol that both sides use: labels, metadata keys, statuses, log sources."""

from __future__ import annotations

from enum import Enum, IntEnum

CLIENT_LABEL = "jumpstarter.dev/client"
NAME_LABEL = "jumpstarter.dev/name"
PASSPHRASE_KEY = "x-jumpstarter-passphrase"  # noqa: S105 - the name of the metadata entry, not a passphrase
REQUEST_KEY = "request"
RESOURCE_KEY = "resource"
ACCEPT_ENCODING_KEY = "x_jmp_accept_encoding"
LOG_POSITION_KEY = "x-jumpstarter-log-position"
"""Ours: how many log lines the session had written when it answered. Upstream neither sends nor minds it."""
LOG_AFTER_KEY = "x-jumpstarter-log-after"
"""Ours: after which line of the log a reader wants to begin. Upstream does not mind it and sends what it has kept."""
TRANSFERRED_KEY = "x-jumpstarter-transferred"
"""Ours: what a call's driver took from and gave to its resource streams, as JSON `{uuid: [taken, given]}` in bytes."""
MESSAGE_LIMIT = 4 * 1024 * 1024
"""Bytes that an exporter takes in one message unless it was told otherwise (protocol §4.6)."""


class ExporterStatus(IntEnum):
    """The exporter's status (protocol §5.1)."""

    UNSPECIFIED = 0
    OFFLINE = 1
    AVAILABLE = 2
    BEFORE_LEASE_HOOK = 3
    LEASE_READY = 4
    AFTER_LEASE_HOOK = 5
    BEFORE_LEASE_HOOK_FAILED = 6
    AFTER_LEASE_HOOK_FAILED = 7

    @property
    def allows_calls(self) -> bool:
        """Whether driver calls and streams are allowed: in a lease, and for the hooks' own commands."""
        return self in (self.BEFORE_LEASE_HOOK, self.LEASE_READY, self.AFTER_LEASE_HOOK)

    @property
    def is_final(self) -> bool:
        """Whether waiting for LEASE_READY is in vain."""
        return self in (self.OFFLINE, self.BEFORE_LEASE_HOOK_FAILED, self.AFTER_LEASE_HOOK_FAILED)


def status_name(number: int) -> str:
    """Names a status; numbers of a newer exporter are told as they are (protocol §1.6)."""
    try:
        return ExporterStatus(number).name
    except ValueError:
        return f"status {number}"


class LogSource(IntEnum):
    """Where a log line of the exporter comes from (protocol §5.6)."""

    UNSPECIFIED = 0
    DRIVER = 1
    BEFORE_LEASE_HOOK = 2
    AFTER_LEASE_HOOK = 3
    SYSTEM = 4


def log_source_name(number: int) -> str:
    """Names a log source in lower case; unknown numbers count as the exporter itself."""
    try:
        return (LogSource(number) or LogSource.SYSTEM).name.lower()
    except ValueError:
        return LogSource.SYSTEM.name.lower()


class CallKind(Enum):
    """The three exclusive kinds of exported methods (protocol §3.2)."""

    UNARY = "drivercall"
    STREAMING = "streamingdrivercall"
    BYTE_STREAM = "streamcall"
