"""The one reader of a console: a thread that appends what the device says, to the end of the session."""

from __future__ import annotations

import threading
from collections.abc import Callable

from ...errors import InfrastructureError, JumpstarterError
from ..connection import Connection
from ..failures import Act
from ..streams import ByteStream
from .transcript import Transcript

JOIN_BUDGET = 0.5
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0
"""Seconds between attempts to open a stream that broke off."""


class ConsoleReader:
    """Opens the stream, reads it into the transcript, and opens it anew when it breaks. It never waits for anybody.

    Args:
        connection: the session.
        act: the method to open.
        uuid: the driver's.
        timeout: seconds for opening.
        transcript: where the bytes go.
        arrived: is shown every chunk, in this thread.

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
    ) -> None:
        self._connection, self._act, self._uuid, self._timeout = connection, act, uuid, timeout
        self._transcript, self._arrived = transcript, arrived
        self._stopped = threading.Event()
        self._retry = threading.Event()
        self.problem: JumpstarterError | None = None
        """Why the stream is not open now, if it is not."""
        self._stream: ByteStream | None = ByteStream(connection, act, uuid, timeout)
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-console-{act.driver}", daemon=True)
        self._thread.start()

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
        """Tries at once to open a broken stream: the device was just switched on."""
        self._retry.set()

    def close(self) -> None:
        """Ends the thread and the stream."""
        self._stopped.set()
        self._retry.set()
        if stream := self._stream:
            stream.close()
        if self._thread is not threading.current_thread():
            self._thread.join(JOIN_BUDGET)

    def _run(self) -> None:
        delay = FIRST_DELAY
        while not self._stopped.is_set():
            if self._stream is not None:
                self._read(self._stream)
                delay = FIRST_DELAY
                continue
            self._retry.wait(delay)
            self._retry.clear()
            delay = min(delay * 2, LONGEST_DELAY)
            if self._stopped.is_set() or self._connection.loss is not None or self._connection.closed:
                return
            try:
                self._stream = ByteStream(self._connection, self._act, self._uuid, self._timeout)
                self.problem = None
            except JumpstarterError as error:
                self.problem = error
            self._transcript.wake()

    def _read(self, stream: ByteStream) -> None:
        problem: JumpstarterError = InfrastructureError("the other side ended the stream")
        try:
            for data in stream.receive():
                self._arrived(data, self._transcript.append(data))
        except JumpstarterError as error:
            problem = error
        finally:
            stream.close()
            self._stream = None
        if not self._stopped.is_set():
            self.problem = problem
            self._transcript.add_gap(str(problem))
