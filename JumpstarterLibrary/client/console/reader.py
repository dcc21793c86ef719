"""The one reader of a console: a thread that appends what the device says, to the end of the session."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ...errors import DriverError, InfrastructureError, JumpstarterError, SessionClosedError
from ...wire.interruptible import SoundEvent
from ..connection import Connection
from ..failures import Act
from ..streams import ByteStream
from .transcript import Transcript

JOIN_BUDGET = 0.5
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0
"""Seconds between attempts to open a stream that broke off."""
PROVEN = 5.0
"""Seconds after which a stream that was opened anew counts as working; one that breaks earlier is not opened again at once."""
HURRY = 10.0
"""Seconds after power on in which a stream that is not open is tried again at the shortest interval."""


class ConsoleReader:
    """Opens the stream, reads it, and opens it anew when it breaks. It never waits for anybody.

    Args:
        connection: the session.
        act: the method to open.
        uuid: the driver's.
        timeout: seconds for opening.
        transcript: is woken when the stream is open again.
        arrived: takes every chunk, in this thread; or nothing, and why the stream broke.
        connect_later: whether it may be that the driver cannot open the stream yet.

    Raises:
        JumpstarterError: the driver cannot open the stream.
    """

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        connection: Connection,
        act: Act,
        uuid: str,
        timeout: float,
        transcript: Transcript,
        arrived: Callable[[bytes, str], None],
        *,
        connect_later: bool = False,
    ) -> None:
        self._connection, self._act, self._uuid, self._timeout = connection, act, uuid, timeout
        self._transcript, self._arrived = transcript, arrived
        self._stopped = SoundEvent()
        self._retry = SoundEvent()
        self.problem: JumpstarterError | None = None
        """Why the stream is not open now, if it is not."""
        self._stream: ByteStream | None = None
        self._hurry_until = 0.0
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-console-{act.driver}", daemon=True)
        try:
            try:
                self._stream = ByteStream(connection, act, uuid, timeout)
            except DriverError as error:
                if not connect_later:
                    raise
                self.problem = error
            self._thread.start()
        except BaseException:  # also Robot's timeout and Ctrl-C
            self.close()
            raise

    @property
    def connected(self) -> bool:
        """Whether the stream is open."""
        return self._stream is not None

    def send(self, data: bytes, timeout: float) -> None:
        """Sends bytes to the device.

        Raises:
            InfrastructureError: the stream is not open now, or takes nothing.
        """
        stream = self._stream
        if stream is None:
            raise InfrastructureError(f"Cannot send to {self._act}: the stream is not open now ({self.problem}).")
        stream.send(data, timeout)

    def retry_now(self) -> None:
        """Tries at once to open a stream that is not open, and often for a while: the device was just switched on."""
        self._hurry_until = time.monotonic() + HURRY
        self._retry.set()

    def close(self) -> None:
        """Ends the thread and the stream; may be called again where an interrupt cut it short."""
        self._stopped.set()
        self._retry.set()
        if stream := self._stream:
            stream.close()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(JOIN_BUDGET)

    def _run(self) -> None:
        delay = FIRST_DELAY
        try:
            while not self._stopped.is_set():
                if self._stream is not None:
                    began = time.monotonic()
                    self._read(self._stream)
                    delay = FIRST_DELAY if time.monotonic() - began > PROVEN else delay
                    continue
                self._retry.wait(delay)
                self._retry.clear()
                delay = FIRST_DELAY if time.monotonic() < self._hurry_until else min(delay * 2, LONGEST_DELAY)
                if self._stopped.is_set() or self._connection.is_over:
                    return
                if self._connection.loss is None:  # else whoever acts next looks whether the exporter is back
                    self._open()
        finally:
            if stream := self._stream:  # it was opened while the console was being closed
                stream.close()

    def _open(self) -> None:
        try:
            self._stream = ByteStream(self._connection, self._act, self._uuid, self._timeout)
            self.problem = None
        except JumpstarterError as error:
            self.problem = error
        except ValueError:  # the channel was closed meanwhile
            self.problem = SessionClosedError(f"{self._act} is not possible: the session was closed.")
        self._transcript.wake()

    def _read(self, stream: ByteStream) -> None:
        problem: JumpstarterError = InfrastructureError("the other side ended the stream")
        try:
            for data in stream.receive():
                self._arrived(data, "")
        except JumpstarterError as error:
            problem = error
        except Exception as error:  # noqa: BLE001 - a defect of ours must not leave waits without a word
            problem = JumpstarterError(f"a defect of this library while reading: {error!r}")
        finally:
            stream.close()
            self._stream = None
        if not self._stopped.is_set():
            self.problem = problem
            self._arrived(b"", str(problem))
