"""Fixtures for simulated devices."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from drivers_support import Bench, Board

from JumpstarterLibrary.exporter import Driver


@pytest.fixture
def bench() -> Iterator[Callable[..., Bench]]:
    with ExitStack() as stack:

        def make(root: Driver) -> Bench:
            bench = Bench(root)
            stack.callback(bench.close)
            return bench

        yield make


@pytest.fixture
def board() -> Iterator[Callable[..., Board]]:
    with ExitStack() as stack:

        def make(**options: object) -> Board:
            board = Board(**options)
            stack.callback(board.close)
            return board

        yield make


@pytest.fixture(autouse=True)
def no_simulation_failed(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A task of a driver that fails writes an error; no test may see one."""
    yield
    records = caplog.get_records("call") + caplog.get_records("teardown")
    bad = [record.getMessage() for record in records if record.levelno >= logging.ERROR]
    assert not bad, bad
