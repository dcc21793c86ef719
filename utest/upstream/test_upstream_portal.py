"""Portals whose work can be ended from outside."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import CancelledError

import anyio
import pytest
from helpers.results import eventually

from JumpstarterLibrary.wire import event_loop, task_portal
from JumpstarterLibrary.wire.task_portal import Act, OpenPortal, TaskPortal


class Task:
    """A coroutine that says what happened to it."""

    def __init__(self) -> None:
        self.state = "new"

    async def __call__(self) -> None:
        self.state = "running"
        try:
            await anyio.sleep_forever()
        except BaseException:
            self.state = "cancelled"
            raise


@pytest.fixture
def opened() -> Iterator[OpenPortal]:
    opened = OpenPortal()
    yield opened
    opened.close()


def in_thread(work: Callable[[], object]) -> tuple[Act, threading.Thread, list[BaseException]]:
    act, errors = Act(), []

    def body() -> None:
        with act:
            try:
                work()
            except BaseException as error:
                errors.append(error)

    thread = threading.Thread(target=body)
    thread.start()
    return act, thread, errors


def test_cancelling_an_act_ends_what_it_waits_for(opened: OpenPortal) -> None:
    task = Task()
    act, thread, errors = in_thread(lambda: opened.portal.call(task))
    assert eventually(lambda: task.state == "running")
    act.cancel()
    thread.join(5)
    assert not thread.is_alive()
    assert isinstance(errors[0], CancelledError)
    assert eventually(lambda: task.state == "cancelled")


def test_a_cancelled_act_starts_nothing_more(opened: OpenPortal) -> None:
    gone, task = threading.Event(), Task()

    def work() -> None:
        gone.wait(5)
        opened.portal.call(task)

    act, thread, errors = in_thread(work)
    act.cancel()
    gone.set()
    thread.join(5)
    assert isinstance(errors[0], CancelledError)
    assert task.state == "new"


def test_a_task_that_starts_while_its_act_is_cancelled_is_cancelled_too(opened: OpenPortal) -> None:
    act, task = Act(), Task()
    future = opened.portal.start_task_soon(task)
    act.cancel()
    act.add(future)
    assert eventually(future.cancelled)


def test_it_may_clean_up_but_not_for_long(opened: OpenPortal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_portal, "CLEAN_UP", 0.3)
    first, forever = Task(), Task()
    done: list[str] = []

    async def tidy() -> None:
        done.append("tidy")

    def work() -> None:
        try:
            opened.portal.call(first)
        finally:
            opened.portal.call(tidy)
            opened.portal.call(forever)

    act, thread, errors = in_thread(work)
    assert eventually(lambda: first.state == "running")
    act.cancel()
    thread.join(5)
    assert not thread.is_alive()
    assert done == ["tidy"]
    assert eventually(lambda: forever.state == "cancelled")
    assert isinstance(errors[0], CancelledError)


def test_who_swallows_the_cancellation_is_refused_in_the_end(opened: OpenPortal, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(task_portal, "CLEAN_UP", 0.2)
    tries: list[int] = []
    stop = threading.Event()

    async def act_again() -> None:
        tries.append(1)

    def stubborn() -> None:
        while not stop.is_set():
            try:
                opened.portal.call(act_again)
            except CancelledError:
                time.sleep(0.01)

    act, thread, _ = in_thread(stubborn)
    assert eventually(lambda: tries)
    act.cancel()
    assert eventually(lambda: act._over)
    time.sleep(0.05)
    before = len(tries)
    time.sleep(0.1)
    assert len(tries) == before
    stop.set()
    thread.join(5)


def test_other_threads_go_on(opened: OpenPortal) -> None:
    task = Task()
    act, thread, _ = in_thread(lambda: opened.portal.call(task))
    assert eventually(lambda: task.state == "running")
    act.cancel()
    thread.join(5)
    assert opened.portal.call(anyio.sleep, 0) is None


def test_an_interrupt_of_the_waiting_thread_ends_the_task(opened: OpenPortal) -> None:
    task = Task()

    def interrupt() -> None:
        assert eventually(lambda: task.state == "running")
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        opened.portal.call(task)
    thread.join()
    assert eventually(lambda: task.state == "cancelled")


def test_closing_ends_everything_and_leaves_the_loop_alone() -> None:
    opened, task = OpenPortal(), Task()
    assert isinstance(opened.portal, TaskPortal)
    opened.portal.start_task_soon(task)
    assert eventually(lambda: task.state == "running")
    opened.close()
    assert task.state == "cancelled"
    with pytest.raises(RuntimeError, match="not running"):
        opened.portal.call(task)
    assert event_loop.run(anyio.sleep, 0) is None
    opened.close()


def test_closing_after_the_loop_has_gone_does_no_harm() -> None:
    opened = OpenPortal()
    event_loop.close()
    opened.close()
