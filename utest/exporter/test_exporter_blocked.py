"""A driver that blocks the event loop holds up no end: each step of closing has a budget, and then it is left behind."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import anyio
import pytest

from JumpstarterLibrary.exporter import Driver, Session, export
from JumpstarterLibrary.exporter import session as session_module
from JumpstarterLibrary.wire import event_loop
from JumpstarterLibrary.wire.event_loop import EventLoopThread

BLOCKED = 30.0
"""Seconds that a driver blocks; far more than any budget here, so that waiting for it would show."""
BOUND = 5.0


class Blocker(Driver):
    """Blocks the event loop, as no driver should: in a call, or when it is closed."""

    def __init__(self, *, in_close: bool = False, **driver: object) -> None:
        super().__init__(**driver)
        self.in_close = in_close
        self.blocking = threading.Event()
        self.released = threading.Event()
        self.closed = 0

    @export
    async def block(self) -> None:
        self.blocking.set()
        self.released.wait(BLOCKED)

    async def close(self) -> None:
        self.closed += 1
        if self.in_close:
            await self.block()


@pytest.fixture
def blocker() -> Iterator[Blocker]:
    driver = Blocker()
    yield driver
    driver.released.set()


@pytest.fixture(autouse=True)
def short_budgets(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(session_module, "CLOSE_BUDGET", 0.3)
    monkeypatch.setattr(session_module, "STOP_BUDGET", 0.2)


def test_waiting_for_the_loop_ends_with_its_timeout(blocker: Blocker) -> None:
    event_loop.start(blocker.block)
    assert blocker.blocking.wait(5)
    begin = time.monotonic()
    with pytest.raises(TimeoutError):
        event_loop.run(anyio.sleep, 0, timeout=0.2)
    assert time.monotonic() - begin < BOUND

    blocker.released.set()
    event_loop.run(anyio.sleep, 0, timeout=5)  # and the loop goes on as before


@pytest.mark.parametrize("serving", [True, False], ids=["served", "not served"])
def test_a_session_ends_although_a_call_blocks_the_loop(
    blocker: Blocker, serving: bool, caplog: pytest.LogCaptureFixture
) -> None:
    session = Session(root_device=blocker)
    session.__enter__()
    server = session.serve_unix()
    if serving:
        server.__enter__()
    event_loop.start(blocker.block)
    assert blocker.blocking.wait(5)

    begin = time.monotonic()
    if serving:
        server.__exit__(None, None, None)
    session.__exit__(None, None, None)
    assert time.monotonic() - begin < BOUND
    assert any("close of <Blocker" in record.getMessage() for record in caplog.records), "it says what was left behind"


def test_a_driver_that_blocks_when_it_is_closed_does_not_keep_the_session(blocker: Blocker) -> None:
    blocker.in_close = True
    other = Blocker()
    with Session(root_device=Driver(children={"first": other, "second": blocker})):
        begin = time.monotonic()
    assert time.monotonic() - begin < BOUND
    assert blocker.closed == 1

    blocker.released.set()
    event_loop.run(anyio.sleep, 0, timeout=5)


def test_a_loop_that_is_blocked_is_left_behind_when_the_process_closes_it(
    blocker: Blocker, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(event_loop, "CLOSE_BUDGET", 0.2)
    loop = EventLoopThread()
    loop.start(blocker.block)
    assert blocker.blocking.wait(5)

    begin = time.monotonic()
    loop.close()
    assert time.monotonic() - begin < BOUND
    assert loop._thread.daemon, "so the process can end"

    blocker.released.set()
    loop._thread.join(5)
    assert not loop.alive
