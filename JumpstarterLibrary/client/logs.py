"""Reads the exporter's log into the journal, in one background thread per session (protocol §5.6)."""

from __future__ import annotations

import re
import threading
import time
from typing import Any

import grpc
from google.protobuf.empty_pb2 import Empty

from ..journal import LogGap, LogLine
from ..wire.interruptible import SoundCondition, SoundEvent
from ..wire.protocol import LOG_AFTER_KEY, LOG_POSITION_KEY, log_source_name
from .connection import Connection

JOIN_BUDGET = 0.5
FIRST_DELAY, LONGEST_DELAY = 0.1, 2.0
"""Seconds before a new attempt when the log breaks off: the first time, and what they grow to."""

_GAP = re.compile(r"\[(\d+) log lines lost here")


class LogReader:
    """The only LogStream of a session, as upstream's exporter gives each line to one reader only.

    Args:
        connection: the session.
        after: the last line that is older than this session, where the exporter counts them.
    """

    def __init__(self, connection: Connection, after: int = 0) -> None:
        self._after = after
        self.position: int | None = None
        """How many lines of our exporter's log have arrived; None if the exporter does not count."""
        self._shown = 0
        """The highest position that is in the journal: a new stream begins with lines that came before."""
        self._connection = connection
        self._generation = 0
        self._began = 0.0
        """When the present stream began to work, on the monotonic clock."""
        self._rpc: Any = None
        self._stopped = SoundEvent()
        self._arrived = SoundCondition()
        self._lines = 0
        self._thread = threading.Thread(target=self._run, name=f"jumpstarter-log-{connection.name}", daemon=True)

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def catch_up(self, timeout: float) -> None:
        """Waits until the lines that the exporter wrote before its last answer are here, if it counts them."""
        wanted = self._connection.log_position
        if (self.position or 0) >= wanted:
            return
        end = time.monotonic() + timeout
        with self._arrived:
            while (self.position or 0) < wanted and (rest := end - time.monotonic()) > 0 and self._thread.is_alive():
                self._arrived.wait(rest)

    def close(self) -> None:
        """Ends the stream and the thread."""
        self._stopped.set()
        if self._rpc is not None:
            self._rpc.cancel()
        if self._thread.is_alive() and self._thread is not threading.current_thread():
            self._thread.join(JOIN_BUDGET)

    def _run(self) -> None:
        delay, told = FIRST_DELAY, False
        while True:
            seen, self._began = self._lines, 0.0
            if self._read():
                return
            # It worked for a while: be as patient as at first.
            if self._lines > seen or (self._began and time.monotonic() - self._began > LONGEST_DELAY):
                delay, told = FIRST_DELAY, False
            if self.position is None and not told:
                told = True
                self._connection.journal.append(LogGap(reason="the log stream broke off; lines may be missing"))
            # Of a session that is lost somebody else finds out whether it is back.
            while self._connection.loss is not None and not self._connection.is_over and not self._stopped.is_set():
                self._stopped.wait(FIRST_DELAY)
            if self._stopped.wait(delay) or self._connection.is_over:
                return
            delay = min(delay * 2, LONGEST_DELAY)

    def _read(self) -> bool:
        """Reads until the stream ends; returns whether it is of no use to try again."""
        connection = self._connection
        try:
            if not self._look_for_another_exporter():
                return self._stopped.is_set() or connection.is_over
            metadata = ((LOG_AFTER_KEY, str(max(self._after, self._shown))), *(connection.metadata or ()))
            self._rpc = connection.stub.LogStream(Empty(), metadata=metadata)
            if self._stopped.is_set():
                self._rpc.cancel()
            initial = self._rpc.initial_metadata() or ()
            self._began = time.monotonic()
            for key, value in initial:
                if key == LOG_POSITION_KEY:
                    self._begin_at(int(value))
            for line in self._rpc:
                self._take(line)
        except grpc.RpcError as error:
            if self._stopped.is_set() or error.code() in _FINAL:
                return True
            connection.check_loss(error)
        except ValueError:  # the channel was closed before the stream began
            return True
        return self._stopped.is_set() or connection.is_over

    def _look_for_another_exporter(self) -> bool:
        """An exporter that began anew counts its lines anew, too, and has none of those that were not read yet.

        Returns:
            Whether it is known which exporter answers.
        """
        way = self._connection.way
        if way is None:
            return True
        way.uuid("")
        if way.generation != self._generation:
            self._generation = way.generation
            if self.position is not None:
                self._connection.journal.append(LogGap(reason="the exporter began anew; lines of its end may be missing"))
            self._after = self._shown = 0
            self.position = None
        return not way.is_stale

    def _begin_at(self, position: int) -> None:
        if self.position is not None and position > self._shown:
            lost = position - self._shown
            self._connection.journal.append(LogGap(reason=f"the log stream broke off, and {lost} lines are missing"))
        self.position = position

    def _take(self, line: Any) -> None:
        connection = self._connection
        self._lines += 1
        position = 0
        if self.position is not None:
            gap = _GAP.match(line.message)
            position = self.position + (int(gap[1]) if gap else 1)
        if self.position is None or position > self._shown:
            connection.journal.append(
                LogLine(
                    severity=line.severity or "INFO",
                    source=log_source_name(line.source),
                    message=connection.redact(line.message),
                    driver=connection.way.path(line.uuid) if connection.way is not None else "",
                )
            )
        if self.position is not None:
            with self._arrived:
                self.position, self._shown = position, max(position, self._shown)
                self._arrived.notify_all()


_FINAL = (grpc.StatusCode.UNIMPLEMENTED, grpc.StatusCode.UNAUTHENTICATED)
