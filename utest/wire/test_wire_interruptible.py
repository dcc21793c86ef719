"""Locks that an interrupt cannot leave held."""

from __future__ import annotations

import sys
import threading
from types import FrameType
from typing import Any

import grpc._channel
import grpc._utilities
import pytest
from grpc._cython import cygrpc

from JumpstarterLibrary.client import connect  # makes gRPC's conditions sound
from JumpstarterLibrary.client.channel import make_grpc_sound
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.exporter import Session
from JumpstarterLibrary.wire.interruptible import SoundCondition, SoundEvent


class Interruption(BaseException):
    """Stands for Robot's timeout or Ctrl-C."""


def interrupted_while_it_is_entered(condition: threading.Condition) -> bool:
    """Enters a condition, and raises where Python code that enters it returns. Returns whether that happened."""

    def trace(frame: FrameType, event: str, argument: Any) -> Any:
        if event == "return" and frame.f_code.co_name == "__enter__":
            raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        with condition:
            pass
    except Interruption:
        return True
    finally:
        sys.settrace(before)
    return False


def is_free(condition: threading.Condition) -> bool:
    """Whether another thread can enter it."""
    free = []
    thread = threading.Thread(target=lambda: free.append(condition.acquire(timeout=0.2)))
    thread.start()
    thread.join()
    return free == [True]


def test_pythons_own_condition_stays_held_which_is_why_there_is_another() -> None:
    condition = threading.Condition()
    assert interrupted_while_it_is_entered(condition)
    assert not is_free(condition)


def test_ours_is_not_interrupted_while_it_is_entered() -> None:
    condition = SoundCondition()
    assert not interrupted_while_it_is_entered(condition)
    assert is_free(condition)


def test_it_waits_and_notifies_as_any_condition() -> None:
    condition, told = SoundCondition(), []

    def tell() -> None:
        with condition:
            told.append("it")
            condition.notify_all()

    with condition:
        threading.Timer(0.05, tell).start()
        assert condition.wait_for(lambda: told, timeout=5)
        assert not condition.wait(0.01)


@pytest.mark.parametrize("module", [cygrpc, grpc._channel, grpc._utilities])
def test_channels_and_calls_have_such_conditions(module: Any) -> None:
    make_grpc_sound()  # a second time does no harm
    assert module.threading.Condition is SoundCondition
    assert module.threading.Lock is threading.Lock


def test_a_call_has_one() -> None:
    with grpc.insecure_channel("unix:/nowhere") as channel:
        call = channel.unary_unary("/none/none").future(b"", timeout=0.1)
        assert type(call._state.condition) is SoundCondition
        assert call.exception(timeout=5) is not None


def test_an_event_that_is_interrupted_while_it_is_set_can_be_set_and_waited_for_by_others() -> None:
    event = SoundEvent()

    def trace(frame: FrameType, happening: str, argument: Any) -> Any:
        if happening == "return" and frame.f_code.co_name == "__enter__":
            raise Interruption
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        event.set()
    finally:
        sys.settrace(before)
    assert event.wait(5)
    assert is_free(event._cond)  # last, as it does not give back what it takes


def test_what_reads_consoles_and_streams_has_such_events() -> None:
    with Session(root_device=MockConsole()) as session, session.serve_unix() as path, connect(path) as device:
        reader = device.root.open_console()._reader
        assert {type(event) for event in (reader._stopped, reader._retry, reader._stream._drained)} == {SoundEvent}
