"""What is gathered when a test fails: one small bundle per failure, driven by the driver tree, within a time budget. No Robot.

Everything that is in memory already comes first; a device is asked only if its exporter answers a quick question. Each piece is
contained: what goes wrong with it is written into it.
"""

from __future__ import annotations

import importlib.metadata
import platform
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ..client.console.masking import TextMask
from ..client.driver import DriverClient
from ..client.power import PowerClient
from ..client.video import Snapshot, VideoClient
from ..journal import (
    BootStage,
    CallEnded,
    ConsoleGap,
    ConsoleHit,
    ConsoleMatched,
    Event,
    ForwardingFailed,
    LogGap,
    LogLine,
    PowerSwitched,
    Reading,
    SessionLost,
    SessionRegained,
    TransferEnded,
)
from ..sessions import DeviceSession
from ..version import __version__
from ..wire.deadline import Deadline, in_words
from ..wire.secrets import Redactor

BUDGET = 10.0
"""Seconds."""
LONGEST_SHARE = 3.0
"""Seconds that one question to a device may take."""
CONSOLE_LINES, CALLS, LOG_LINES, READINGS, HAPPENINGS = 200, 40, 200, 20, 60
"""How many of the last ones are kept; the journal's file and the consoles' files have everything."""
PACKAGES = ("robotframework", "pytest", "grpcio", "protobuf", "jumpstarter-protocol")


@dataclass(slots=True)
class Piece:
    """One part of the evidence."""

    title: str
    device: str
    text: str
    """What people read, secrets masked; of a picture, what it shows."""
    outcome: str = "ok"
    """`ok`, `skipped` or `failed`; the text says why."""
    seconds: float = 0.0
    picture: Snapshot | None = None
    file: str = ""
    """Relative to the bundle's folder, once it is written."""


@dataclass(slots=True)
class Evidence:
    """All that was gathered for one failure."""

    test: str
    message: str
    budget: float
    pieces: list[Piece] = field(default_factory=list)
    silent: list[str] = field(default_factory=list)
    """Aliases of the open sessions whose exporter does not answer."""
    seconds: float = 0.0
    """What gathering took, with the keywords of authors."""
    wall: float = field(default_factory=time.time)
    folder: Path | None = None
    archive: Path | None = None
    problem: str = ""
    """Why there are no files, if there should be some."""


Collector = Callable[[Deadline], Iterable[Piece]]


class Gathering:
    """Gathers the evidence of one failure.

    Args:
        evidence: where it goes.
        sessions: those that the test has used, also closed ones.
        redact: masks secrets.
        since: what happened from this moment on, monotonic, is the test's.
    """

    def __init__(self, evidence: Evidence, sessions: Sequence[DeviceSession], redact: Redactor, since: float) -> None:
        self._evidence = evidence
        closed = {session for session in sessions if session.device.state == "closed"}
        opened = {session.alias for session in sessions if session not in closed}
        # What was closed is told last, and not at all if another one has taken its name.
        self._sessions = [
            *(session for session in sessions if session not in closed),
            *(session for session in sessions if session in closed and session.alias not in opened),
        ]
        self._redact = redact
        self._mask = TextMask(redact.known)
        self._since = since
        self._begin = time.monotonic()
        self._deadline = Deadline(evidence.budget)

    def run(self, collectors: Collector | None = None) -> Evidence:
        """Gathers everything. Never raises because of a device, a driver or an exporter."""
        answers = [session for session in self._sessions if self._answers(session)]
        for session in self._sessions:
            if session in answers:
                session.gather_logs()
            self._remember(session)
        self._add("versions", "", versions)
        self._ask([(session, client) for session in answers for client in _askable(session)])
        for session in self._sessions:
            if session not in answers and session.device.state != "closed":
                for client in _askable(session):
                    state = "does not answer" if session.alias in self._evidence.silent else f"is {session.device.state}"
                    late = "Not asked: no time is left."
                    text = late if state == "is open" else f"Not asked, as session '{session.alias}' {state}."
                    self._evidence.pieces.append(Piece(_title(client), session.alias, self._clean(text), "skipped"))
        if collectors is not None:
            for piece in collectors(self._deadline):
                piece.text = self._clean(piece.text)
                self._evidence.pieces.append(piece)
        self._evidence.seconds = time.monotonic() - self._begin
        return self._evidence

    def _answers(self, session: DeviceSession) -> bool:
        """Whether there is somebody to ask."""
        if session.device.state != "open" or self._deadline.remaining < self._evidence.budget / 4:
            return False  # each of many frozen ones takes half a second
        try:
            if session.device.connection.alive():
                return True
        except Exception:  # noqa: BLE001 - then it does not answer
            pass
        self._evidence.silent.append(session.alias)
        return False

    def _remember(self, session: DeviceSession) -> None:
        alias = session.alias
        for console in session.device.consoles.values():
            self._add(f"console {console.name}", alias, lambda console=console: self._tail(console))  # type: ignore[misc]
        events: list[Event] = session.journal.events()
        self._add("what happened", alias, lambda: happenings(events, self._since))
        self._add("last calls", alias, lambda: calls(events))
        self._add("power", alias, lambda: readings(events))
        self._add("exporter log", alias, lambda: log_lines(events))
        self._add("session and lease", alias, lambda: about_session(session))
        self._add("driver tree", alias, lambda: tree(session))

    def _ask(self, asked: list[tuple[DeviceSession, DriverClient]]) -> None:
        """Asks drivers, each with its share of the time that is left."""
        for index, (session, client) in enumerate(asked):
            share = min(LONGEST_SHARE, self._deadline.remaining / (len(asked) - index + 1))
            piece = Piece(_title(client), session.alias, "")
            begin = time.monotonic()
            try:
                if share < 0.01 or session.device.state != "open":
                    piece.outcome, piece.text = "skipped", "Not asked: no time is left, or the session was lost meanwhile."
                elif isinstance(client, VideoClient):
                    piece.picture = client.snapshot(timeout=share)
                    piece.text = f"Snapshot of '{client.path or '(root)'}' at {clock(time.time())}"
                elif isinstance(client, PowerClient):
                    piece.text = f"{clock(time.time())}  {client.latest(timeout=share)}"
            except Exception as error:  # noqa: BLE001 - evidence never changes the verdict
                piece.outcome, piece.text = "failed", f"{type(error).__name__}: {error}"
            piece.text, piece.seconds = self._clean(piece.text), time.monotonic() - begin
            self._evidence.pieces.append(piece)

    def _add(self, title: str, device: str, make: Callable[[], str]) -> None:
        begin, outcome = time.monotonic(), "ok"
        try:
            text = make()
        except Exception as error:  # noqa: BLE001 - evidence never changes the verdict
            outcome, text = "failed", f"{type(error).__name__}: {error}"
        if text:
            self._evidence.pieces.append(Piece(title, device, self._clean(text), outcome, time.monotonic() - begin))

    def _tail(self, console: object) -> str:
        """The last lines of a console, each with its time, as far as masking leaves the lines in place."""
        from ..client.console import Console

        assert isinstance(console, Console)
        offset = time.time() - time.monotonic()
        lines = console.transcript.lines_with_times(CONSOLE_LINES)
        if not lines:
            return "(nothing yet)"
        masked = self._mask("\n".join(text for _, text in lines)).split("\n")
        if len(masked) != len(lines):
            return "(without times, as a secret reached over a line's end)\n" + "\n".join(masked)
        gaps = [f"{clock(gap.time + offset)}  [gap: {gap.reason}]" for gap in console.transcript.gaps[-5:]]
        said = [f"{clock(moment + offset)}  {text}" for (moment, _), text in zip(lines, masked, strict=True)]
        return "\n".join(sorted([*said, *gaps], key=lambda line: line[:12]) if gaps else said)

    def _clean(self, text: str) -> str:
        return self._redact(self._mask(text))


def _askable(session: DeviceSession) -> list[DriverClient]:
    """The drivers that tell something without being changed by it: cameras, and meters of power; a proxy once."""
    found: dict[str, DriverClient] = {}
    for node in session.device.tree.walk():
        if issubclass(DriverClient.class_for(node), (VideoClient, PowerClient)):
            found.setdefault(node.uuid, session.device.client_for(node))
    return sorted(found.values(), key=lambda client: isinstance(client, PowerClient))


def _title(client: DriverClient) -> str:
    return f"{'snapshot' if isinstance(client, VideoClient) else 'present power'} {client.path or '(root)'}"


# ---------------------------------------------------------------------- texts


def clock(wall: float) -> str:
    """Returns a moment in local time, to the millisecond, as Robot's log has it."""
    return time.strftime("%H:%M:%S", time.localtime(wall)) + f".{int(wall % 1 * 1000):03d}"


def calls(events: Sequence[Event]) -> str:
    """Returns the last driver calls and transfers, one a line, the latest last."""
    found = [event for event in events if isinstance(event, (CallEnded, TransferEnded))][-CALLS:]
    lines = []
    for event in found:
        if isinstance(event, CallEnded):
            name = f"{event.driver + '.' if event.driver else ''}{event.method}({event.arguments})"
            told = "" if event.detail in ("", "None") else f" \u2192 {event.detail}"
            lines.append(f"{clock(event.wall)}  {in_words(event.seconds):>8}  {event.outcome}  {name}{told}")
        else:
            lines.append(
                f"{clock(event.wall)}  {in_words(event.seconds):>8}  {event.status}  {event.direction} {event.name} "
                f"({event.size} bytes) by {event.driver}.{event.method}"
            )
    return "\n".join(lines)


def readings(events: Sequence[Event]) -> str:
    """Returns the last switchings and readings of power, the latest last."""
    found = [event for event in events if isinstance(event, (Reading, PowerSwitched))][-READINGS:]
    return "\n".join(
        f"{clock(event.wall)}  {event.driver or '(root)'}  "
        + (
            f"switched {event.state}"
            if isinstance(event, PowerSwitched)
            else f"{event.voltage:.3f} V, {event.current:.3f} A, {event.voltage * event.current:.3f} W"
        )
        for event in found
    )


def log_lines(events: Sequence[Event]) -> str:
    """Returns the last lines of the exporter's log."""
    found = [event for event in events if isinstance(event, (LogLine, LogGap))][-LOG_LINES:]
    return "\n".join(
        f"{clock(event.wall)}  "
        + (
            f"{event.severity:<8} {' '.join(filter(None, (event.source, event.driver)))}  {event.message}"
            if isinstance(event, LogLine)
            else f"[{event.reason}]"
        )
        for event in found
    )


def happenings(events: Sequence[Event], since: float) -> str:
    """Returns what else happened in the test: breaks, matches, hits of watchers, boot stages."""
    lines = [f"{clock(event.wall)}  {text}" for event in events if event.monotonic >= since and (text := _happening(event))]
    return "\n".join(lines[-HAPPENINGS:])


def _happening(event: Event) -> str:  # noqa: PLR0911 - one line for each kind
    if isinstance(event, SessionLost):
        return f"session '{event.alias}' was lost: {event.reason}"
    if isinstance(event, SessionRegained):
        return f"session '{event.alias}' is there again after {in_words(event.seconds)}"
    if isinstance(event, ConsoleGap):
        return f"console '{event.console}' broke: {event.reason}"
    if isinstance(event, ConsoleHit):
        return f"watcher '{event.label}' was hit on console '{event.console}': {event.line}"
    if isinstance(event, ConsoleMatched):
        return f"console '{event.console}' matched '{event.pattern}': {event.line}"
    if isinstance(event, BootStage):
        return f"console '{event.console}' reached {event.stage}, {in_words(event.since_power_on)} after power-on"
    if isinstance(event, ForwardingFailed):
        return f"a connection from {event.address} to '{event.driver}' failed: {event.reason}"
    return ""


def about_session(session: DeviceSession) -> str:
    """Returns where the session comes from, which exporter and lease it has, and how it is."""
    device, place = session.device, session.place
    lines = [f"session   {session.alias}, {device.state}", f"target    {place.target} ({place.origin})"]
    if device.connection.loss is not None:
        lines.append(f"lost      {device.connection.loss}")
    if session.leased is not None:
        lease = session.leased.lease
        labels = ", ".join(f"{key}={value}" for key, value in sorted(lease.labels.items()))
        left = lease.remaining
        lines += [
            f"lease     {lease.name}, {f'ended: {lease.ended}' if lease.ended else 'in force'}",
            f"exporter  {lease.exporter}" + (f" ({labels})" if labels else ""),
            "ends      " + ("not told" if left is None else f"in {in_words(left)}"),
        ]
    lines.append(f"root      uuid {device.tree.uuid}, {device.tree.type_tag}")
    lines += [f"label     {key}={value}" for key, value in sorted(device.tree.labels.items())]
    return "\n".join(lines)


def tree(session: DeviceSession) -> str:
    """Returns the driver tree, one driver a line."""
    return "\n".join(
        f"{'  ' * (node.path.count('.') + 1 if node.path else 0)}{node.name or session.alias}  {node.type_tag}"
        + (f"  {node.description}" if node.description else "")
        for node in session.device.tree.walk()
    )


def versions() -> str:
    """Returns the versions of what ran."""
    found = [f"JumpstarterLibrary {__version__}", f"Python {platform.python_version()} on {platform.platform()}"]
    for package in PACKAGES:
        try:
            found.append(f"{package} {importlib.metadata.version(package)}")
        except importlib.metadata.PackageNotFoundError:
            continue
    return "\n".join(found)
