"""Every device session that is open. Shared by Robot, pytest and plain Python."""

from __future__ import annotations

import atexit
import contextlib
import os
import sys
import time
import weakref
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from .client.channel import Security
from .client.device import DEFAULT_TIMEOUT, Device, open_device
from .errors import ConfigurationError, UnknownAliasError, UsageError
from .journal import Event, Journal, JsonLinesFile, SessionOpened
from .journal.files import own_path
from .lab.wish import Wish
from .places import WAYS, Kind, Place, locate, served
from .wire import event_loop as _event_loop  # noqa: F401 - so that it registers its end first
from .wire.deadline import Timeout
from .wire.secrets import Redactor

if TYPE_CHECKING:
    from .lab.configuration import ClientConfiguration
    from .lab.leasing import Leased
    from .lab.together import Ready

__all__ = ["WAYS", "DeviceSession", "Kind", "Place", "Sessions", "locate", "session_timeout"]

LOG_LAG = 0.06
"""Seconds by which an exporter that polls its log sends a line late (upstream: every 50 ms, protocol §5.6)."""
LOG_CATCH_UP = 0.05
"""Seconds to wait for log lines that an exporter says it has written."""


class DeviceSession:
    """An open device with its journal, and, for embedded ones, the server behind it."""

    def __init__(
        self, alias: str, place: Place, device: Device, stack: contextlib.ExitStack, leased: Leased | None = None
    ) -> None:
        self.alias = alias
        self.leased = leased
        """The lease behind it with its tunnel, if there is one."""
        self.place = place
        self.device = device
        self.console: str | None = None
        """Name of the current console."""
        self.owner = ""
        """Which test or suite opened it; whoever closes automatically sets and reads this."""
        self.shown: dict[str, int] = {}
        """Positions up to which reports have shown the consoles' output."""
        self.journal_file: Path | None = None
        """Where the whole journal is written to, if it is."""
        self.reported = 0
        """Position in the journal up to which reports have shown it."""
        self.opened_with: dict[str, Any] = {}
        """The arguments of `Sessions.open`."""
        self._stack = stack

    @property
    def journal(self) -> Journal:
        """Everything that happened in this session."""
        return self.device.journal

    def close(self) -> None:
        """Closes the device, then its server if it was embedded, then the journal's file."""
        self._stack.close()

    def start_test(self, name: str, full_name: str | None = None) -> None:
        """A test begins: consoles remember the place, and write a file of the test's own.

        Args:
            name: what the folder of these files is called.
            full_name: tells tests of the same name apart.
        """
        folder = self.device.files
        self.device.test = name if folder is None else own_path(folder, name, owner=full_name).name
        for console in self.device.consoles.values():
            console.start_test(self.device.test)

    def write_down(self) -> None:
        """Brings the journal up to date; see `Console.write_down`."""
        for console in list(self.device.consoles.values()):
            console.write_down()

    def end_test(self) -> None:
        """A test ends."""
        self.device.test = ""
        for console in self.device.consoles.values():
            console.end_test()

    def gather_logs(self, *, patient: bool = False) -> None:
        """Waits, for some milliseconds at most, for log lines that are on their way.

        Args:
            patient: also wait for exporters that do not say how many lines they wrote.
        """
        logs = self.device.logs
        if logs is None or self.device.state != "open":
            return
        logs.catch_up(LOG_CATCH_UP)
        if patient and logs.position is None and (rest := self.device.connection.last_call + LOG_LAG - time.monotonic()) > 0:
            time.sleep(rest)


class Sessions:
    """The open device sessions by alias; one of them is the current one. What nobody closes ends with the process."""

    def __init__(self) -> None:
        _all_sessions.add(self)
        self.redact = Redactor()
        self._owner = object()
        """Whose files these are: two libraries in one run may have sessions of one name."""
        self.prologue: Callable[[], Iterable[Event]] = tuple
        """Gives what a new journal begins with: what was already under way."""
        self._open: dict[str, DeviceSession] = {}
        self._current: str | None = None

    def open(
        self,
        target: str | None = None,
        *,
        alias: str | None = None,
        timeout: Timeout = DEFAULT_TIMEOUT,
        passphrase: str | None = None,
        security: Security = Security.AUTO,
        ca: Path | None = None,
        wish: Wish | None = None,
        progress: Callable[[str], object] = lambda _: None,
        configured: Callable[[ClientConfiguration], object] = lambda _: None,
        journal_folder: Path | None = None,
        ready: Ready | None = None,
    ) -> DeviceSession:
        """Opens a device session and makes it the current one.

        Args:
            target: see `locate`.
            alias: its name; made from the target unless given.
            timeout: for opening, and for each call.
            passphrase: as for `client.connect`.
            security: as for `client.connect`.
            ca: as for `client.connect`.
            wish: what to lease; not used where JUMPSTARTER_HOST is set.
            progress: told, in sentences, what a lease waits for.
            configured: told the client configuration before a lease is asked for.
            journal_folder: where the journal's file goes; none is written unless given.
            ready: a lease of `leased_together`.

        Raises:
            JumpstarterError: as `locate`, `client.connect` and `lab.leasing.leased`; also when the alias is taken.
        """
        place = locate(target, wish)
        name = self._free_alias(alias, place.name or "lease")  # before a lease is taken for nothing
        self.redact.add(passphrase or os.environ.get("JMP_GRPC_PASSPHRASE"))
        journal, before = Journal(), self._current
        stack = contextlib.ExitStack()
        try:
            leased = file = None
            if place.wish is not None:
                lease = _leased(place.wish, self.redact, progress, configured) if ready is None else ready
                leased = stack.enter_context(lease)
                place = replace(place, name=leased.lease.exporter, target=str(leased.lease), origin=_origin(place, leased))
                name = self._free_alias(alias, place.name)
            if journal_folder is not None:
                file = own_path(journal_folder, name, ".jsonl", owner=self._owner)
                stack.enter_context(_journal_file(journal, file, self.redact))
            for event in self.prologue():
                journal.append(event)
            if leased is not None:
                device = _open_leased(leased, stack, name=name, timeout=timeout, journal=journal, redact=self.redact)
            else:
                device = open_device(
                    stack.enter_context(served(place)),
                    timeout=timeout,
                    passphrase=passphrase,
                    security=security,
                    ca=ca,
                    name=name,
                    journal=journal,
                    logs=True,
                    origin=place.origin,
                    redact=self.redact,
                    old_logs=place.kind is not Kind.ADDRESS,  # what an embedded device said at its start is news
                    called=place.target,
                    closed_with=stack,
                )
            if journal_folder is not None:
                device.files = own_path(journal_folder, name, owner=self._owner)
            session = DeviceSession(name, place, device, stack, leased)
            session.journal_file = file
            session.opened_with = {
                "target": target,
                "alias": alias,
                "timeout": timeout,
                "passphrase": passphrase,
                "security": security,
                "ca": ca,
                "wish": wish,
                "progress": progress,
                "configured": configured,
                "journal_folder": journal_folder,
            }
            self._open[name], self._current = session, name
            return session
        except BaseException:  # also Robot's timeout and Ctrl-C
            self._open.pop(name, None)
            self._current = before
            stack.__exit__(*sys.exc_info())
            raise

    def reopen(self, session: DeviceSession) -> DeviceSession:
        """Opens a dead session anew, with the arguments with which it was opened; a new lease is asked for if it had one.

        Raises:
            JumpstarterError: as `open`.
        """
        if self._open.get(session.alias) is session:
            with contextlib.suppress(Exception):  # it is dead: what it does not give back is gone
                self.close(session.alias)
        return self.open(**session.opened_with)

    @contextlib.contextmanager
    def leased_together(
        self,
        wanted: Mapping[str, tuple[str | None, Wish]],
        *,
        progress: Callable[[str], object] = lambda _: None,
        configured: Callable[[ClientConfiguration], object] = lambda _: None,
    ) -> Iterator[Mapping[str, Ready]]:
        """Asks at the same time for the leases of several devices, all or none. In the block each is given to `open`, as `ready`.

        Args:
            wanted: target and wish as for `open`, by alias; those that need no lease are passed over.
            progress: told, in sentences that begin with an alias, what is waited for.
            configured: told the client configuration before a lease is asked for.

        Raises:
            JumpstarterError: as `open`; nothing is leased then.
        """
        places = {self._free_alias(alias, alias): locate(*what) for alias, what in wanted.items()}
        wishes = {alias: place.wish for alias, place in places.items() if place.wish is not None}
        if not wishes:
            yield {}
            return
        from .lab.together import lease_together  # late, as most sessions need no lab

        with lease_together(wishes, redact=self.redact, progress=progress, configured=configured) as ready:
            yield ready

    def _free_alias(self, asked: str | None, proposed: str) -> str:
        if asked is not None and (not asked.strip() or asked.isdigit()):
            raise UsageError(f"'{asked}' cannot be an alias: an alias is text, and no number.")
        if asked is not None and "=" in asked:
            raise UsageError(f"'{asked}' cannot be an alias. Is it a misspelt named argument?")
        name, number = asked or proposed, 2
        while name in self._open:
            if self._open[name].device.state == "lost":
                self.close(name)
            elif asked:
                raise UsageError(f"The alias '{name}' is taken by an open session; close that one, or choose another alias.")
            else:
                name, number = f"{proposed}-{number}", number + 1
        return name

    @property
    def current(self) -> DeviceSession:
        """The session that keywords act on.

        Raises:
            UnknownAliasError: none is open.
        """
        if self._current is None:
            raise UnknownAliasError("No device session is open. Open one with Open Jumpstarter Session.")
        return self._open[self._current]

    def get(self, alias: str | None = None) -> DeviceSession:
        """Returns a session by alias, or the current one.

        Raises:
            UnknownAliasError: there is none; the message lists the known ones.
        """
        if alias is None:
            return self.current
        if alias not in self._open:
            known = ", ".join(f"'{name}'" for name in self._open) or "none"
            raise UnknownAliasError(f"No open session has the alias '{alias}'. Open: {known}.")
        return self._open[alias]

    def switch(self, alias: str) -> str | None:
        """Makes another session the current one and returns the alias of the one before."""
        self.get(alias)
        before, self._current = self._current, alias
        return before

    def close(self, alias: str | None = None) -> None:
        """Closes a session, or the current one. The one opened last of those that remain becomes the current one."""
        session = self.get(alias)
        del self._open[session.alias]
        if self._current == session.alias:
            self._current = next(reversed(self._open), None)
        session.close()

    def close_all(self, owner: str | None = None) -> None:
        """Closes all sessions, or all of one owner, the newest first. Raises only after every one was closed."""
        errors: list[Exception] = []
        for session in reversed(list(self._open.values())):
            if owner is None or session.owner == owner:
                try:
                    self.close(session.alias)
                except Exception as error:  # noqa: BLE001 - the others must be closed too
                    errors.append(error)
        if errors:
            raise errors[0]

    def __iter__(self) -> Iterator[DeviceSession]:
        return iter(list(self._open.values()))

    def __len__(self) -> int:
        return len(self._open)


_all_sessions: weakref.WeakSet[Sessions] = weakref.WeakSet()


@atexit.register  # after the event loop has registered, and so before it ends
def _close_forgotten() -> None:
    for sessions in list(_all_sessions):
        with contextlib.suppress(Exception):  # nobody is there to hear
            sessions.close_all()


def _leased(
    wish: Wish, redact: Redactor, progress: Callable[[str], object], configured: Callable[[ClientConfiguration], object]
) -> contextlib.AbstractContextManager[Leased]:
    from .lab.leasing import leased  # late, as most sessions need no lab

    return leased(wish, redact=redact, progress=progress, configured=configured)


def _open_leased(leased: Leased, stack: contextlib.ExitStack, **arguments: Any) -> Device:
    from .lab.device import open_leased

    return open_leased(leased, closed_with=stack, **arguments)


def _origin(place: Place, leased: Leased) -> str:
    made = f"leased as {place.target}" if leased.lease.created else f"existing lease, {place.origin}"
    return f"{made}; client configuration: {leased.configuration.source}"


@contextlib.contextmanager
def _journal_file(journal: Journal, path: Path, redact: Redactor) -> Iterator[None]:
    """Writes the journal to a file too, until the end of the block."""
    file = None
    try:
        file = JsonLinesFile(path, redact)
        journal.subscribe(file.append)
        yield
    except OSError as error:
        if file is not None:
            raise
        raise ConfigurationError(f"Cannot write the journal '{path}': {error.strerror}.") from None
    finally:
        if file is not None:
            journal.unsubscribe(file.append)
            file.close()
            if not journal.events(SessionOpened):  # it could not be opened
                path.unlink(missing_ok=True)


def session_timeout(value: Timeout) -> timedelta:
    """Checks a timeout.

    Raises:
        UsageError: it is not positive.
    """
    length = value if isinstance(value, timedelta) else timedelta(seconds=value)
    if length <= timedelta(0):
        raise UsageError(f"A timeout must be longer than nothing, not {length.total_seconds():g} s.")
    return length
