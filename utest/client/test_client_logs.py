"""The log reader's patience with a log that breaks off, against a log that is made up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from helpers.results import eventually

from JumpstarterLibrary.client import logs
from JumpstarterLibrary.client.logs import LogReader
from JumpstarterLibrary.journal import Journal, LogGap, LogLine

ATTEMPTS = 3


class Broken(grpc.RpcError):
    """How a stream breaks off."""

    def code(self) -> grpc.StatusCode:
        return grpc.StatusCode.UNAVAILABLE

    def details(self) -> str:
        return "the log has hiccups"


class Hiccups:
    """A log stream that says some lines each time, and then breaks off; after the last of them it stays open and silent."""

    def __init__(self, lines_each_time: list[int]) -> None:
        self.lines_each_time = lines_each_time
        self.opened = 0
        self.ended = threading.Event()

    def open(self, *_: Any, **__: Any) -> Any:
        self.opened += 1
        return Stream(self)


class Stream:
    """One opening of it."""

    def __init__(self, log: Hiccups) -> None:
        self.log, self.number = log, log.opened

    def initial_metadata(self) -> tuple[()]:
        return ()

    def cancel(self) -> None:
        self.log.ended.set()

    def __iter__(self) -> Iterator[Any]:
        if self.number > len(self.log.lines_each_time):
            self.log.ended.wait(20)
            return
        for line in range(self.log.lines_each_time[self.number - 1]):
            yield SimpleNamespace(severity="INFO", source=1, message=f"{self.number} {line}", uuid="")
        raise Broken


def read(log: Hiccups, monkeypatch: pytest.MonkeyPatch) -> tuple[LogReader, Journal]:
    monkeypatch.setattr(logs, "FIRST_DELAY", 0.001)
    monkeypatch.setattr(logs, "LONGEST_DELAY", 0.004)
    journal = Journal()
    connection: Any = SimpleNamespace(
        name="bench",
        journal=journal,
        metadata=None,
        loss=None,
        way=None,
        is_over=False,
        redact=str,
        log_position=0,
        check_loss=lambda _: None,
        stub=SimpleNamespace(LogStream=log.open),
    )
    reader = LogReader(connection)
    reader.start()
    return reader, journal


def test_a_log_that_works_for_a_while_each_time_is_opened_again_without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Hiccups([1] * 10 * ATTEMPTS)
    reader, journal = read(log, monkeypatch)

    assert eventually(lambda: log.opened == 10 * ATTEMPTS + 1), f"it was opened {log.opened} times"
    assert [line.message for line in journal.events(LogLine)] == [f"{number} 0" for number in range(1, 10 * ATTEMPTS + 1)]
    reader.close()


def test_a_log_that_does_not_work_is_tried_for_as_long_as_the_session_lives(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Hiccups([2, *[0] * 20 * ATTEMPTS, 1])
    reader, journal = read(log, monkeypatch)

    assert eventually(lambda: log.opened == 3 + 20 * ATTEMPTS), f"it was opened {log.opened} times"
    assert len(journal.events(LogLine)) == 3
    reader.close()


def test_a_break_of_the_log_is_said_once_however_many_attempts_it_takes(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Hiccups([2, *[0] * ATTEMPTS, 1])
    reader, journal = read(log, monkeypatch)

    assert eventually(lambda: log.opened == 3 + ATTEMPTS), f"it was opened {log.opened} times"
    assert [gap.reason for gap in journal.events(LogGap)] == ["the log stream broke off; lines may be missing"] * 2
    reader.close()


def test_the_reader_ends_with_its_session(monkeypatch: pytest.MonkeyPatch) -> None:
    log = Hiccups([0] * 10_000)
    reader, _ = read(log, monkeypatch)
    reader._connection.is_over = True

    reader._thread.join(5)

    assert not reader._thread.is_alive()
