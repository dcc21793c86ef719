"""The kinds of events, each with a monotonic and a wall-clock time in seconds."""

from __future__ import annotations

import time
from dataclasses import dataclass, field, fields
from typing import ClassVar


@dataclass(slots=True, kw_only=True, eq=False, repr=False)
class Event:
    """One thing that happened. Representation and comparison stand here: made for each kind, they took a third of this import."""

    kind: ClassVar[str] = "event"
    monotonic: float = field(default_factory=time.monotonic)
    wall: float = field(default_factory=time.time)

    def __repr__(self) -> str:
        values = (f"{its.name}={getattr(self, its.name)!r}" for its in fields(self))
        return f"{type(self).__name__}({', '.join(values)})"

    def __eq__(self, other: object) -> bool:
        return type(other) is type(self) and all(getattr(self, its.name) == getattr(other, its.name) for its in fields(self))

    __hash__ = None  # type: ignore[assignment]  # what can be changed has no hash


@dataclass(slots=True, eq=False, repr=False)
class SessionOpened(Event):
    """A device session was opened."""

    kind: ClassVar[str] = "session-opened"
    alias: str
    target: str
    origin: str
    """Which rule of "where a session comes from" chose the target."""
    drivers: int


@dataclass(slots=True, eq=False, repr=False)
class SessionLost(Event):
    """The connection broke while the session was open."""

    kind: ClassVar[str] = "session-lost"
    alias: str
    reason: str


@dataclass(slots=True, eq=False, repr=False)
class SessionRegained(Event):
    """The connection is there again after a break that was not the session's end."""

    kind: ClassVar[str] = "session-regained"
    alias: str
    reason: str
    """Why it was gone."""
    seconds: float
    """How long it was gone."""


@dataclass(slots=True, eq=False, repr=False)
class SessionClosed(Event):
    """The session was closed on purpose."""

    kind: ClassVar[str] = "session-closed"
    alias: str


@dataclass(slots=True, eq=False, repr=False)
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


@dataclass(slots=True, eq=False, repr=False)
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


@dataclass(slots=True, eq=False, repr=False)
class ForwardingOpened(Event):
    """A port or socket of this machine leads to a driver from now on."""

    kind: ClassVar[str] = "forwarding-opened"
    driver: str
    address: str


@dataclass(slots=True, eq=False, repr=False)
class ForwardingFailed(Event):
    """A connection through a forwarding was refused or broke; the forwarding goes on."""

    kind: ClassVar[str] = "forwarding-failed"
    driver: str
    address: str
    reason: str


@dataclass(slots=True, eq=False, repr=False)
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


@dataclass(slots=True, eq=False, repr=False)
class PowerSwitched(Event):
    """A power driver was told to switch, and said that it did."""

    kind: ClassVar[str] = "power"
    driver: str
    state: str
    """`on`, `off` or `rescue`."""


@dataclass(slots=True, eq=False, repr=False)
class Reading(Event):
    """One power reading."""

    kind: ClassVar[str] = "reading"
    driver: str
    voltage: float
    """Volts."""
    current: float
    """Amperes."""


@dataclass(slots=True, eq=False, repr=False)
class LogLine(Event):
    """One line of the exporter's log; its times are those of its arrival."""

    kind: ClassVar[str] = "log"
    severity: str
    source: str
    message: str
    driver: str = ""
    """Path of the driver that wrote it, where the exporter says so (ours does)."""


@dataclass(slots=True, eq=False, repr=False)
class LogGap(Event):
    """Lines of the exporter's log are missing here."""

    kind: ClassVar[str] = "log-gap"
    reason: str


@dataclass(slots=True, eq=False, repr=False)
class ConsoleOpened(Event):
    """A console was opened; what it says is in its transcript and its file, with the same clock."""

    kind: ClassVar[str] = "console-opened"
    console: str


@dataclass(slots=True, eq=False, repr=False)
class ConsoleSent(Event):
    """Something was sent to a console."""

    kind: ClassVar[str] = "console-sent"
    console: str
    text: str
    """What was sent, shortened, secrets masked."""


@dataclass(slots=True, eq=False, repr=False)
class ConsoleReceived(Event):
    """The device said something; its times are those of the arrival of the first byte.

    What arrives within some milliseconds is one event. The bytes themselves are in the console's file, at `position`.
    """

    kind: ClassVar[str] = "console-received"
    console: str
    position: int
    """Bytes that had come before, since the console was opened."""
    size: int
    """Bytes."""


@dataclass(slots=True, eq=False, repr=False)
class ConsoleMatched(Event):
    """A wait found what it waited for; its times are those of the arrival of what it found."""

    kind: ClassVar[str] = "console-matched"
    console: str
    pattern: str
    line: str
    """Shortened, secrets masked."""


@dataclass(slots=True, eq=False, repr=False)
class ConsoleHit(Event):
    """A watcher saw what must not appear; its times are those of the arrival."""

    kind: ClassVar[str] = "console-hit"
    console: str
    label: str
    line: str
    """Shortened, secrets masked."""


@dataclass(slots=True, eq=False, repr=False)
class BootStage(Event):
    """The device reached a stage of its start; its times are those of the arrival of what shows it."""

    kind: ClassVar[str] = "boot-stage"
    console: str
    stage: str
    """`first byte`, `loader`, `kernel`, `login`, or a name of the suite's."""
    since_power_on: float
    """Seconds since the device was told to switch on."""


@dataclass(slots=True, eq=False, repr=False)
class ConsoleGap(Event):
    """The stream of a console broke; what the device says until it is open again is not known."""

    kind: ClassVar[str] = "console-gap"
    console: str
    reason: str


@dataclass(slots=True, eq=False, repr=False)
class ConsoleClosed(Event):
    """A console was closed."""

    kind: ClassVar[str] = "console-closed"
    console: str
    received: int
    """Bytes."""


@dataclass(slots=True, eq=False, repr=False)
class Measured(Event):
    """The suite recorded a measurement."""

    kind: ClassVar[str] = "measurement"
    name: str
    value: float
    unit: str
    limit: str
    """As it was given; empty if there was none."""
    passed: bool
    """True as well where there is no limit."""


@dataclass(slots=True, eq=False, repr=False)
class TestStarted(Event):
    """A test began."""

    kind: ClassVar[str] = "test-started"
    __test__: ClassVar[bool] = False  # not a test class, whatever its name makes pytest think
    name: str


@dataclass(slots=True, eq=False, repr=False)
class TestEnded(Event):
    """A test ended."""

    kind: ClassVar[str] = "test-ended"
    __test__: ClassVar[bool] = False
    name: str
    status: str


@dataclass(slots=True, eq=False, repr=False)
class KeywordStarted(Event):
    """A keyword of this library began."""

    kind: ClassVar[str] = "keyword-started"
    name: str


@dataclass(slots=True, eq=False, repr=False)
class KeywordEnded(Event):
    """A keyword of this library ended."""

    kind: ClassVar[str] = "keyword-ended"
    name: str
    status: str
