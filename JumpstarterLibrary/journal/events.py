"""The kinds of events, each with a monotonic and a wall-clock time in seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field
from typing import ClassVar


@dataclass(slots=True, kw_only=True)
class Event:
    """One thing that happened."""

    kind: ClassVar[str] = "event"
    monotonic: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)


@dataclass(slots=True)
class SessionOpened(Event):
    """A device session was opened."""

    kind: ClassVar[str] = "session-opened"
    alias: str
    target: str
    origin: str
    """Which rule of "where a session comes from" chose the target."""
    drivers: int


@dataclass(slots=True)
class SessionLost(Event):
    """The connection broke while the session was open."""

    kind: ClassVar[str] = "session-lost"
    alias: str
    reason: str


@dataclass(slots=True)
class SessionClosed(Event):
    """The session was closed on purpose."""

    kind: ClassVar[str] = "session-closed"
    alias: str


@dataclass(slots=True)
class CallEnded(Event):
    """A driver call came back, or failed, or was given up; its times are those of its end."""

    kind: ClassVar[str] = "call"
    driver: str
    method: str
    arguments: str
    """The arguments as text, secrets masked."""
    seconds: float
    outcome: str
    """`ok`, `interrupted`, or the class of the error."""
    detail: str = ""
    """The result or the error text, shortened, secrets masked."""
    streaming: bool = False


@dataclass(slots=True)
class TransferEnded(Event):
    """A file went to or came from a driver, or did not; its times are those of its end."""

    kind: ClassVar[str] = "transfer"
    driver: str
    method: str
    direction: str
    """`upload` or `download`."""
    name: str
    """The local file, or the web address it came from."""
    size: int
    """Bytes that moved."""
    seconds: float
    sha256: str
    """Hex digits; empty if it did not end well."""
    status: str
    """`ok`, `interrupted`, or the class of the error."""


@dataclass(slots=True)
class ForwardingOpened(Event):
    """A port or socket of this machine leads to a driver from now on."""

    kind: ClassVar[str] = "forwarding-opened"
    driver: str
    address: str


@dataclass(slots=True)
class ForwardingFailed(Event):
    """A connection through a forwarding was refused or broke; the forwarding goes on."""

    kind: ClassVar[str] = "forwarding-failed"
    driver: str
    address: str
    reason: str


@dataclass(slots=True)
class ForwardingClosed(Event):
    """A forwarding was ended."""

    kind: ClassVar[str] = "forwarding-closed"
    driver: str
    address: str
    connections: int
    failed: int
    """How many of the connections."""
    sent: int
    """Bytes to the driver."""
    received: int


@dataclass(slots=True)
class Reading(Event):
    """One power reading."""

    kind: ClassVar[str] = "reading"
    driver: str
    voltage: float
    """Volts."""
    current: float
    """Amperes."""


@dataclass(slots=True)
class LogLine(Event):
    """One line of the exporter's log; its times are those of its arrival."""

    kind: ClassVar[str] = "log"
    severity: str
    source: str
    message: str
    driver: str = ""
    """Path of the driver that wrote it, where the exporter says so (ours does)."""


@dataclass(slots=True)
class LogGap(Event):
    """Lines of the exporter's log are missing here."""

    kind: ClassVar[str] = "log-gap"
    reason: str


@dataclass(slots=True)
class ConsoleOpened(Event):
    """A console was opened; what it says is in its transcript and its file, with the same clock."""

    kind: ClassVar[str] = "console-opened"
    console: str


@dataclass(slots=True)
class ConsoleSent(Event):
    """Something was sent to a console."""

    kind: ClassVar[str] = "console-sent"
    console: str
    text: str
    """What was sent, shortened, secrets masked."""


@dataclass(slots=True)
class ConsoleGap(Event):
    """The stream of a console broke; what the device says until it is open again is not known."""

    kind: ClassVar[str] = "console-gap"
    console: str
    reason: str


@dataclass(slots=True)
class ConsoleClosed(Event):
    """A console was closed."""

    kind: ClassVar[str] = "console-closed"
    console: str
    received: int
    """Bytes."""


@dataclass(slots=True)
class TestStarted(Event):
    """A test began."""

    kind: ClassVar[str] = "test-started"
    __test__: ClassVar[bool] = False  # not a test class, whatever its name makes pytest think
    name: str


@dataclass(slots=True)
class TestEnded(Event):
    """A test ended."""

    kind: ClassVar[str] = "test-ended"
    __test__: ClassVar[bool] = False
    name: str
    status: str


@dataclass(slots=True)
class KeywordStarted(Event):
    """A keyword of this library began."""

    kind: ClassVar[str] = "keyword-started"
    name: str


@dataclass(slots=True)
class KeywordEnded(Event):
    """A keyword of this library ended."""

    kind: ClassVar[str] = "keyword-ended"
    name: str
    status: str
