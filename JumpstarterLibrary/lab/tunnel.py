"""The tunnel: a private Unix socket in this process, from which each connection leads to the leased exporter (protocol §8.6)."""

from __future__ import annotations

import contextlib
import selectors
import socket
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import grpc

from ..errors import ConfigurationError, JumpstarterError
from ..wire.deadline import Deadline, in_words
from ..wire.interruptible import SoundEvent
from ..wire.socket_folder import folder_for_sockets
from .controller import Controller, Dialled
from .refusals import ControllerAwayError, code_of, is_transient
from .tunnel_connection import TunnelConnection

BACKLOG = 128
TICK = 0.1
CLOSE_BUDGET = 1.0
"""Seconds in which closing has to be done."""
FIRST_PAUSE, LONGEST_PAUSE = 0.3, 2.0
"""Seconds between two attempts to dial, as upstream's."""
LONGEST_DIAL = 35.0
"""Seconds for one attempt; the controller itself waits 30 s for an exporter."""
SILENCE, PROBE_TIMEOUT = 5.0, 10.0
"""Seconds without an answer after which the exporter is asked whether it is there, and seconds that it has to say so: a network
that loses everything and tells nobody is left that way, and the way is made anew."""
STALE = 30.0
"""Seconds after which a failure says nothing about the present any more."""

_LEASE_ENDED = ("lease not active", "permission denied", "not found")


class Tunnel:
    """A socket that leads to a leased exporter, for this process and for others of this user.

    Args:
        controller: whom to dial; the tunnel has connections of its own to it.
        lease: name of the lease.
        device: what messages call the exporter.
        dial_timeout: seconds that a connection may take to come about.
        on_lease_ended: told, from another thread, when the controller says that the lease is not ours any more.
    """

    def __init__(
        self,
        controller: Controller,
        lease: str,
        device: str,
        dial_timeout: float,
        on_lease_ended: Callable[[], object] = lambda: None,
    ) -> None:
        self.controller = controller.again()
        self.lease = lease
        self.device = device
        self.is_final = False
        """Whether `failure` will be the same next time."""
        self.error: JumpstarterError | None = None
        """The last failure, where it is one of ours."""
        self._over = False
        self.dials = 0
        """How often the controller was asked for a way."""
        self._dial_timeout = dial_timeout
        self._on_lease_ended = on_lease_ended
        self.tell: Callable[[str], object] = lambda _: None
        """Told, from other threads, when the tunnel breaks."""
        self.on_return: Callable[[str, float], object] = lambda *_: None
        """Told, from other threads, when it is back: why it broke, and for how many seconds it was gone."""
        self.on_connected: Callable[[], object] = lambda: None
        """Told, from other threads, when an exporter answers on a new connection; it may have begun anew."""
        self.ending = False
        """Whether the session is being ended, so that a connection that ends is nothing to tell of."""
        self.ask: Callable[[float], Any] | None = None
        """Asks the exporter for a sign of life, within so many seconds; gives the future of the RPC."""
        self.busy: Callable[[], bool] = lambda: False
        """Says whether a call is under way, which may be what keeps the exporter from answering; it has a deadline of its own."""
        self._probe: Any = None
        self._next_probe = 0.0
        self._broken_at = 0.0
        self._broken_by = ""
        self._failure = ("", 0.0)
        self._lock = threading.Lock()
        self._open: set[TunnelConnection] = set()
        self._stopping = SoundEvent()
        self._folder = _private_folder()
        self._socket = self._folder / "socket"
        self._listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-tunnel-{device}", daemon=True)
        try:
            self._listener.bind(str(self._socket))
            self._listener.listen(BACKLOG)
            self._listener.settimeout(0)
            self._thread.start()
        except BaseException:
            self._clean_up()
            raise

    @property
    def path(self) -> str:
        """The socket's path: what JUMPSTARTER_HOST takes."""
        return str(self._socket)

    @property
    def failure(self) -> str:
        """Why the last connection could not be made, if that was just now and none was made since."""
        text, moment = self._failure
        return text if text and time.monotonic() - moment < STALE else ""

    @property
    def open_connections(self) -> int:
        """How many there are now."""
        return len(self._open)

    def close(self) -> None:
        """Ends all connections and removes the socket. Closing twice does no harm."""
        if self._stopping.is_set():
            return
        self._stopping.set()
        with contextlib.suppress(OSError):
            self._wake.send(b"x")
        self._thread.join(CLOSE_BUDGET)
        self._wake.close()

    def end(self, reason: str) -> None:
        """Ends all connections and lets no new ones through, as the lease is over."""
        self.note_failure(reason, final=True)
        self._over = True
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.abort()

    # ---------------------------------------------------- for the connections

    @property
    def stopping(self) -> bool:
        """Whether it is being closed."""
        return self._stopping.is_set()

    def new_deadline(self) -> Deadline:
        """By when a connection has to come about."""
        return Deadline(self._dial_timeout)

    def dial(self, deadline: Deadline, wanted: Callable[[], bool]) -> Dialled | None:
        """Asks the controller for a way, again and again while that may help.

        Args:
            deadline: until when.
            wanted: whether somebody still waits for it.

        Returns:
            The way; None if there is none, or nobody wants it any more. Why stands in `failure`.
        """
        pause = FIRST_PAUSE
        while wanted() and not self._stopping.is_set() and not self._over:
            try:
                self.dials += 1
                return self.controller.dial(self.lease, max(min(LONGEST_DIAL, deadline.remaining), 0.001))
            except grpc.RpcError as error:
                if self._stopping.is_set():
                    return None
                text = self.controller.redact(getattr(error, "details", lambda: "")() or "")
                if not _is_worth_retrying(error):
                    self._refused(error, text)
                    return None
                self.note_failure(text or code_of(error).name)
                if deadline.remaining <= pause:
                    self.note_failure(f"{text or code_of(error).name}, for {in_words(deadline.total)}")
                    return None
            except ControllerAwayError as error:
                self.note_failure(str(error))
                if deadline.remaining <= pause:
                    break
            except JumpstarterError as error:
                self.note_failure(str(error))
                self.error = error
                return None
            self._stopping.wait(pause)
            pause = min(pause * 2, LONGEST_PAUSE)
        return None

    def note_failure(self, reason: str, *, final: bool = False) -> None:
        """Remembers why a connection could not be made.

        Args:
            reason: in words.
            final: whether another one would be refused too.
        """
        self.is_final = final
        text = f"there is no way to exporter '{self.device}' of lease '{self.lease}': {reason.removesuffix('.')}"
        self._failure = (text, time.monotonic())

    def connected(self) -> None:
        """Takes note that the exporter has answered on a connection."""
        self._failure, self.is_final, self.error = ("", 0.0), False, None
        self.on_connected()
        if self._broken_at:
            gap, self._broken_at = time.monotonic() - self._broken_at, 0.0
            self.on_return(f"the tunnel to exporter '{self.device}' broke: {self._broken_by}", gap)

    def broke(self, reason: str) -> None:
        """Takes note that a connection that had worked broke."""
        if not self._stopping.is_set() and not self._over and not self.ending and not self._broken_at:
            self._broken_at, self._broken_by = time.monotonic(), reason
            self.tell(f"The tunnel to exporter '{self.device}' broke: {reason}.")

    def ended(self, connection: TunnelConnection) -> None:
        """Takes note that a connection has ended."""
        with self._lock:
            self._open.discard(connection)

    def _refused(self, error: Any, text: str) -> None:
        if code_of(error) is grpc.StatusCode.UNAUTHENTICATED:
            self.error = self.controller.explain(error, "Dialling")
            self.note_failure(str(self.error), final=True)
            return
        self.note_failure(text or code_of(error).name, final=True)
        if any(words in text for words in _LEASE_ENDED):
            self._on_lease_ended()

    # --------------------------------------------------- the listening thread

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._listener, selectors.EVENT_READ)
                selector.register(self._woken, selectors.EVENT_READ)
                while not self._stopping.is_set():
                    for key, _ in selector.select(TICK if self._open else None):
                        if key.fileobj is self._listener:
                            self._accept()
                    with self._lock:
                        connections = list(self._open)
                    for connection in connections:
                        connection.look_after()
                    self._watch_silence(connections)
        finally:
            if self._probe is not None:
                self._probe.cancel()
            self._clean_up()

    def _watch_silence(self, connections: list[TunnelConnection]) -> None:
        """Finds connections whose other end has gone without a word, as after a router or a firewall that forgot them."""
        now = time.monotonic()
        if self._probe is None:
            silent = any(connection.silence > SILENCE for connection in connections)
            if silent and self.ask is not None and now > self._next_probe:
                with contextlib.suppress(ValueError):  # the channel was closed meanwhile
                    self._probe = self.ask(PROBE_TIMEOUT)
        elif self._probe.done():
            probe, self._probe, self._next_probe = self._probe, None, now + SILENCE
            unanswered = not probe.cancelled() and probe.exception() is not None
            if unanswered and probe.code() is grpc.StatusCode.DEADLINE_EXCEEDED and not self.busy():
                for connection in connections:
                    if connection.silence > SILENCE:
                        connection.give_up(f"the exporter has answered nothing for {in_words(round(connection.silence))}")

    def _accept(self) -> None:
        try:
            local, _ = self._listener.accept()
        except OSError:  # it has gone again, or there are no more descriptors for a moment
            self._stopping.wait(TICK)
            return
        local.settimeout(None)
        connection = TunnelConnection(self, local)
        with self._lock:
            self._open.add(connection)
        connection.start()

    def _clean_up(self) -> None:
        self._listener.close()
        with contextlib.suppress(OSError):
            self._socket.unlink()
        with contextlib.suppress(OSError):
            self._folder.rmdir()
        self.controller.close_channel()
        end = time.monotonic() + CLOSE_BUDGET / 2
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            connection.abort()
        for connection in connections:
            connection.join(max(0.0, end - time.monotonic()))
        self._woken.close()


def _is_worth_retrying(error: Any) -> bool:
    """Whether another Dial may succeed (the table of §8.6)."""
    if error.code() is grpc.StatusCode.FAILED_PRECONDITION:
        return "not ready" in (error.details() or "")
    return is_transient(error)


def _private_folder() -> Path:
    base = folder_for_sockets()
    try:
        return Path(tempfile.mkdtemp(prefix="jumpstarter-", dir=base))
    except OSError as error:
        raise ConfigurationError(f"No folder for the tunnel's socket can be made in '{base}': {error.strerror}.") from None
