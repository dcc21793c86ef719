"""Forwarding: a port or a socket on this machine that leads to whatever a driver's byte stream leads to.

One thread listens and looks after the connections; each connection has two, one for each direction. They read only what the other
side takes, so a slow reader slows the writer down and nothing piles up here.
"""

from __future__ import annotations

import contextlib
import selectors
import shutil
import socket
import tempfile
import threading
import time
from collections import deque
from pathlib import Path
from typing import Any

from jumpstarter_protocol import jumpstarter_pb2 as pb

from ..errors import UsageError
from ..journal import ForwardingClosed, ForwardingFailed, ForwardingOpened
from ..wire.deadline import in_words
from ..wire.interruptible import SoundEvent
from .driver import DriverClient
from .failures import Act, shorten
from .forwarded import ForwardedConnection

LOOPBACK = "127.0.0.1"
MOST_CONNECTIONS = 1000
"""At once; more wait until one of these ends."""
BACKLOG = 256
TICK = 0.1
"""Seconds between two looks at open connections."""
CLOSE_BUDGET = 1.0
"""Seconds in which closing has to be done with all connections."""
SILENCE = 5.0
"""Seconds without a byte from any connection, after which the exporter is asked whether it is still there."""
KEPT_FAILURES = 100
SAME_FAILURE = 1.0
"""Seconds in which a failure that repeats itself is written down only once; tools like to try again and again."""


class Forwarding:
    """A listener on this machine; as text it is its address. It ends with `close`, at the latest with its device.

    Args:
        driver: where connections lead.
        method: the driver's stream method.
        listener: a bound and listening socket.
        path: the socket's path, if it is a Unix socket.
        folder: a folder that was made for the socket, and goes with it.
    """

    def __init__(
        self, driver: DriverClient, method: str, listener: socket.socket, path: Path | None = None, folder: Path | None = None
    ) -> None:
        self.driver = driver
        self.path = path
        """Path of the Unix socket; None for a port."""
        name = listener.getsockname()
        self.host: str = "" if path else name[0]
        self.port: int = 0 if path else name[1]
        self.connections = 0
        """How many local connections there were until now."""
        self._failures: deque[str] = deque(maxlen=KEPT_FAILURES)
        self.act = Act(driver.device.name, driver.path, method)
        self.sent = self.received = 0
        """Bytes to and from the driver over connections that have ended."""
        self._failed = 0
        self._last_failure = ("", 0.0)
        self._folder = folder
        self._device = driver.device
        self._listener = listener
        self._open: set[ForwardedConnection] = set()
        self._lock = threading.Lock()
        self._closed = self._at_once = False
        self._stopping = SoundEvent()
        self._heard = time.monotonic()
        self._probe: Any = None
        self._wake, self._woken = socket.socketpair()
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-forward-{self.address}", daemon=True)
        self._device.journal.append(ForwardingOpened(driver=driver.path, address=self.address))
        try:
            self._device.add_closer(self.close)
            self._thread.start()
        except BaseException:  # also Robot's timeout and Ctrl-C
            self.close()
            raise

    @property
    def failures(self) -> list[str]:
        """Why connections failed, the latest last."""
        return list(self._failures)

    @property
    def address(self) -> str:
        """Host and port with a colon between, or the path of the Unix socket."""
        if self.path is not None:
            return str(self.path)
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def closed(self) -> bool:
        """Whether it takes no more connections."""
        return self._closed

    @property
    def open_connections(self) -> int:
        """How many local connections there are now."""
        return len(self._open)

    def close(self, *, at_once: bool = False) -> None:
        """Takes no more connections and ends the open ones. Closing twice does no harm.

        Args:
            at_once: does not wait for the last bytes of connections that have ended on both sides to arrive; for callers who know
                that they have.
        """
        if self._closed:
            return
        self._closed = True
        self._at_once = at_once
        self._device.remove_closer(self.close)
        self._stopping.set()
        self._nudge()
        if self._thread.ident is None:  # it was interrupted before it listened
            self._stop_listening()
            self._woken.close()
        else:
            self._thread.join(CLOSE_BUDGET + TICK)
        self._wake.close()
        self._device.journal.append(
            ForwardingClosed(
                driver=self.driver.path,
                address=self.address,
                connections=self.connections,
                failed=self._failed,
                sent=self.sent,
                received=self.received,
            )
        )

    def __enter__(self) -> Forwarding:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def __str__(self) -> str:
        return self.address

    def __repr__(self) -> str:
        return f"<Forwarding {self.address} to {self.act}{' closed' if self._closed else ''}>"

    # ------------------------------------------------- what connections tell

    def ended(self, connection: ForwardedConnection, failure: str) -> None:
        """Takes note that a connection has ended.

        Args:
            connection: which.
            failure: why, unless it ended well.
        """
        with self._lock:
            self._open.discard(connection)
            self.sent += connection.sent
            self.received += connection.received
            if failure:
                self._failed += 1
                self._failures.append(failure)
                now, (last, moment) = time.monotonic(), self._last_failure
                news = failure != last or now > moment + SAME_FAILURE
                if news:
                    self._last_failure = failure, now
        if failure and news and not self._stopping.is_set():
            self._device.journal.append(ForwardingFailed(driver=self.driver.path, address=self.address, reason=shorten(failure)))
        self._nudge()

    # ---------------------------------------------------- the listening thread

    def _run(self) -> None:
        try:
            with selectors.DefaultSelector() as selector:
                selector.register(self._listener, selectors.EVENT_READ)
                selector.register(self._woken, selectors.EVENT_READ)
                while not self._stopping.is_set():
                    for key, _ in selector.select(TICK if self._open else None):
                        if key.fileobj is self._listener:
                            self._accept()
                        else:
                            self._woken.recv(4096)
                    self._look_after()
        finally:
            try:
                self._stop_listening()
            finally:
                self._end_all()
                self._woken.close()
                if self._probe is not None:
                    self._probe.cancel()

    def _stop_listening(self) -> None:
        self._listener.close()
        with contextlib.suppress(OSError):  # somebody tidied up before us
            if self.path is not None:
                self.path.unlink(missing_ok=True)
            if self._folder is not None:
                self._folder.rmdir()

    def _accept(self) -> None:
        if len(self._open) >= MOST_CONNECTIONS:
            self._stopping.wait(TICK)
            return
        try:
            local, _ = self._listener.accept()
        except OSError:  # it has gone again, or there are no more descriptors for a moment
            self._stopping.wait(TICK)
            return
        if not self._open:
            self._heard = time.monotonic()
        connection = ForwardedConnection(self, local)
        with self._lock:
            self.connections += 1
            self._open.add(connection)
        connection.start()

    def _look_after(self) -> None:
        """Ends what is over, what does not open in time, and everything if the exporter answers nothing any more."""
        limit = self._device.timeout_seconds
        with self._lock:
            connections = list(self._open)
        for connection in connections:
            self._heard = max(self._heard, connection.heard)
            connection.look_after(limit)
        if self._probe is None:
            silent = time.monotonic() - self._heard
            if connections and silent > min(SILENCE, limit / 2) and not self._device.connection.closed:
                with contextlib.suppress(ValueError):  # the channel was closed meanwhile
                    metadata = self._device.connection.metadata
                    stub = self._device.connection.stub
                    self._probe = stub.GetStatus.future(pb.GetStatusRequest(), timeout=limit, metadata=metadata)
        elif self._probe.done():
            probe, self._probe, self._heard = self._probe, None, time.monotonic()
            if not probe.cancelled() and probe.exception() is not None and probe.code().name == "DEADLINE_EXCEEDED":
                reason = f"the exporter of device '{self._device.name}' has answered nothing for {in_words(limit)}; is it frozen?"
                for connection in connections:
                    connection.abort(f"{self.act} broke: {reason}")

    def _end_all(self) -> None:
        """Ends all connections; those that are only waiting for their last bytes to arrive get a moment for it."""
        with self._lock:
            connections = list(self._open)
        end = time.monotonic() + CLOSE_BUDGET
        for connection in connections:
            if self._at_once or not connection.finished:
                connection.abort("")
        for connection in connections:
            connection.finish(end)

    def _nudge(self) -> None:
        with contextlib.suppress(OSError, ValueError):  # it is closed, so nobody waits
            self._wake.send(b"x")


def forward_port(driver: DriverClient, host: str = LOOPBACK, port: int = 0, *, method: str = "connect") -> Forwarding:
    """Listens on a TCP port of this machine; each connection gets a byte stream of the driver.

    Args:
        driver: a network, or any other driver with a byte stream.
        host: where to listen. Only this machine reaches the default; whoever reaches the port reaches the device.
        port: 0 takes a free one.
        method: the driver's stream method.

    Raises:
        UsageError: the port is taken, or the address is none of this machine's.
    """
    driver.device.connection.check_usable(Act(driver.device.name, driver.path, method))
    try:
        family, _, _, _, address = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0]
        listener = socket.create_server(address[:2], family=family, backlog=BACKLOG)
    except (OSError, OverflowError) as error:
        raise UsageError(
            f"Cannot forward {host}:{port} to {_place(driver)}: {_reason(error)}. Take a port that is free, or 0 for any."
        ) from None
    with contextlib.ExitStack() as undo:
        undo.callback(listener.close)
        forwarding = Forwarding(driver, method, listener)
        undo.callback(forwarding.close)
        undo.pop_all()
    return forwarding


def forward_unix(driver: DriverClient, path: str | Path | None = None, *, method: str = "connect") -> Forwarding:
    """Listens on a Unix socket; each connection gets a byte stream of the driver.

    Args:
        driver: a network, or any other driver with a byte stream.
        path: of the socket, which must not exist yet; one in a folder of its own, for this user only, unless given.
        method: the driver's stream method.

    Raises:
        UsageError: there is something at that path, or no socket can be made there.
    """
    driver.device.connection.check_usable(Act(driver.device.name, driver.path, method))
    folder, place = None, Path(path or "").absolute()
    try:
        with contextlib.ExitStack() as undo:  # whatever is undone may be gone already, and must not hide why
            if path is None:
                folder = Path(tempfile.mkdtemp(prefix="jumpstarter-forward-"))
                undo.callback(shutil.rmtree, folder, ignore_errors=True)
                place = folder / "socket"
            listener = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
            undo.callback(listener.close)
            listener.bind(str(place))
            undo.callback(place.unlink, missing_ok=True)
            place.chmod(0o600)
            listener.listen(BACKLOG)
            forwarding = Forwarding(driver, method, listener, place, folder)
            undo.callback(forwarding.close)
            undo.pop_all()
            return forwarding
    except OSError as error:
        raise UsageError(f"Cannot forward the socket '{place}' to {_place(driver)}: {_reason(error)}.") from None


def _place(driver: DriverClient) -> str:
    return Act(driver.device.name, driver.path, "").place


def _reason(error: Exception) -> str:
    return (getattr(error, "strerror", None) or str(error)).lower()
