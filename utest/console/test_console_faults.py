"""Streams that die and come back, exporters that are killed or frozen: a wait ends in time and says what it was."""

from __future__ import annotations

import random
import signal
import threading
import time

import pytest
from console_support import BareConsole, open_console

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.console import Match, Mode, reader, wait_on_any
from JumpstarterLibrary.client.console.uboot import UBoot
from JumpstarterLibrary.client.streams import ByteStream
from JumpstarterLibrary.errors import (
    CallTimeoutError,
    ConsoleError,
    ConsoleLostError,
    ConsoleTimeoutError,
    InfrastructureError,
    SessionLostError,
)

SLACK = 1.0
"""Seconds by which no wait may outlive its deadline."""


@pytest.fixture
def exporter(start_exporter):
    return start_exporter()


@pytest.fixture
def serial(exporter):
    with connect(exporter.address, name="bench", timeout=10) as device:
        yield open_console(device, "serial")


@pytest.fixture(params=["disconnect", "abort"])
def break_stream(request, serial):
    """Breaks the stream after all that was said has arrived."""

    def act(*arguments: object) -> None:
        gaps = len(serial.transcript.gaps)
        serial.device.serial.call(request.param, *arguments)
        eventually(lambda: len(serial.transcript.gaps) > gaps)

    return act


def eventually(condition) -> None:
    end = time.monotonic() + 10
    while not condition():
        assert time.monotonic() < end
        time.sleep(0.005)


def say(serial, text: str) -> None:
    before = serial.transcript.bytes_received
    serial.device.serial.call("send", text)
    eventually(lambda: serial.transcript.bytes_received == before + len(text))


def test_a_stream_that_breaks_comes_back_with_a_gap_and_the_wait_goes_on(serial, break_stream):
    say(serial, "before ")
    found = []
    waiter = threading.Thread(target=lambda: found.append(serial.wait_for_line("login:", timeout=20)))
    waiter.start()
    break_stream()
    eventually(lambda: serial.connected)
    say(serial, "login: \n")
    waiter.join(20)
    assert found[0].line == "login: "
    assert found[0].before == "before \n"
    assert len(serial.transcript.gaps) == 1


def test_no_match_spans_a_gap(serial, break_stream):
    say(serial, "first\nlog")
    break_stream()
    eventually(lambda: serial.connected)
    say(serial, "in: second\n")
    for wait in (
        lambda: serial.wait_for_line("login:", since="session start", timeout=0.3),
        lambda: serial.wait_for_lines(["log", "in: second"], mode=Mode.BLOCK, since="session start", timeout=0.3),
        lambda: serial.wait_for_bytes(b"login:", since="session start", timeout=0.3),
    ):
        with pytest.raises(ConsoleTimeoutError, match=r"gap at|1 gap"):
            wait()
    assert serial.wait_for_lines(["first", "log"], since="session start")
    assert serial.wait_for_line("in: second", since="session start").line == "in: second"


def test_what_is_written_while_the_stream_is_broken_is_a_clear_error(serial):
    serial.device.serial.call("disconnect", 2.0)
    eventually(lambda: not serial.connected)
    with pytest.raises(InfrastructureError, match="not open now"):
        serial.write_line("hello")
    with pytest.raises(ConsoleLostError, match="stream is not open"):
        serial.wait_for_line("login:", timeout=0.3)
    begin = time.monotonic()
    eventually(lambda: serial.connected)
    assert time.monotonic() - begin < 8
    serial.write_line("hello")


def test_a_device_that_is_switched_on_gets_its_stream_at_once(exporter, monkeypatch):
    monkeypatch.setattr(reader, "FIRST_DELAY", 60.0)
    with connect(exporter.address, timeout=10) as device:
        console = open_console(device, "serial")
        device.serial.call("disconnect")
        eventually(lambda: not console.connected)
        time.sleep(0.3)
        assert not console.connected
        device.switching_on()
        eventually(lambda: console.connected)


def test_a_stream_that_breaks_again_and_again_leaves_one_gap_and_is_not_opened_all_the_time(serial):
    opened, end = 0, time.monotonic() + 1.5
    while time.monotonic() < end:
        if serial.connected:
            opened += 1
            serial.device.serial.call("disconnect")
            eventually(lambda: not serial.connected)
        time.sleep(0.001)
    assert opened <= 8
    assert len(serial.transcript.gaps) == 1


def test_an_exporter_that_is_killed_ends_the_wait_at_once(exporter, serial):
    threading.Timer(0.3, exporter.kill).start()
    begin = time.monotonic()
    with pytest.raises(SessionLostError, match="lost"):
        serial.wait_for_line("login:", timeout=60)
    assert time.monotonic() - begin < 10


@pytest.mark.parametrize(
    "wait",
    [
        lambda serial: serial.wait_for_line("login:", timeout=0.5),
        lambda serial: serial.wait_for_bytes(b"login:", timeout=0.5),
        lambda serial: serial.wait_for_line("login:", timeout=30, idle=0.5),
        lambda serial: serial.should_not_appear("panic", 0.5),
        lambda serial: serial.should_be_idle(0.5),
        lambda serial: serial.wait_until_idle(0.5),
        lambda serial: serial.write_line("hello", expect_echo=True, timeout=0.5),
        lambda serial: serial.wait_for_line("login:", match=Match.BYTES, timeout=0.5),
        lambda serial: serial.wait_for_prompt("login:", timeout=30, idle=0.5),
        lambda serial: serial.wait_for_next_line(timeout=0.5, since="now"),
        lambda serial: wait_on_any([serial], "login:", timeout=0.5),
        lambda serial: wait_on_any([serial], "login:", timeout=30, idle=0.5),
        lambda serial: UBoot(serial).execute("version", timeout=0.5),
        lambda serial: UBoot(serial).boot(lambda: None, timeout=0.5),
        lambda serial: serial.execute("true", timeout=0.5),
        lambda serial: serial.login("root", timeout=0.5),
    ],
)
def test_a_frozen_exporter_is_told_from_a_silent_device(exporter, serial, wait):
    say(serial, "last words\n")
    exporter.freeze()
    begin = time.monotonic()
    with pytest.raises(CallTimeoutError, match=r"frozen(.|\n)*last words"):
        wait(serial)
    assert time.monotonic() - begin < 0.5 + SLACK
    exporter.thaw()
    say(serial, "awake again\n")
    assert serial.wait_for_line("awake again")


def test_sending_to_a_driver_that_takes_nothing_ends_with_its_deadline(exporter):
    with connect(exporter.address, timeout=10) as device:
        console = open_console(device, "deaf")
        begin = time.monotonic()
        with pytest.raises(CallTimeoutError, match="stalled"):
            console.write(b"x" * 50_000_000, timeout=1)
        assert time.monotonic() - begin < 1 + SLACK
        console.close()


def test_sending_to_a_stream_that_ends_meanwhile_ends_too(exporter):
    with connect(exporter.address, timeout=10) as device:
        console = open_console(device, "deaf")
        threading.Timer(0.5, exporter.kill).start()
        begin = time.monotonic()
        with pytest.raises(InfrastructureError, match="it has ended"):
            console.write(b"x" * 50_000_000, timeout=60)
        assert time.monotonic() - begin < 10


def test_a_closed_console_leaves_no_stream_at_the_exporter(serial):
    def streams() -> int:
        return serial.device.serial.call("clients")

    assert streams() == 1
    serial.close()
    eventually(lambda: streams() == 0)


def test_a_console_that_is_closed_while_its_stream_is_opened_leaves_none(serial, monkeypatch):
    opening = threading.Event()

    class Slow(ByteStream):
        def __init__(self, *arguments):
            super().__init__(*arguments)
            opening.set()
            time.sleep(0.8)  # longer than closing waits

    monkeypatch.setattr(reader, "ByteStream", Slow)
    serial.device.serial.call("disconnect")
    assert opening.wait(10)
    serial.close()
    eventually(lambda: serial.device.serial.call("clients") == 0)


class TestABrokenStream:
    """What was not said is known only of a stream that was open all the time."""

    @pytest.mark.parametrize(
        "look",
        [
            lambda serial: serial.should_not_appear("panic", 0.3),
            lambda serial: serial.should_be_idle(0.3),
            lambda serial: serial.wait_until_idle(0.3, timeout=2),
        ],
    )
    def test_silence_on_a_broken_stream_is_no_silence_of_the_device(self, serial, look):
        serial.device.serial.call("disconnect", 3.0)
        eventually(lambda: not serial.connected)
        with pytest.raises(ConsoleLostError, match=r"its stream is not open .*the serial port is gone"):
            look(serial)

    def test_a_stream_that_was_broken_meanwhile_may_have_lost_what_must_not_be_said(self, serial):
        threading.Timer(0.1, serial.device.serial.call, ["disconnect"]).start()
        with pytest.raises(ConsoleLostError, match="was broken meanwhile"):
            serial.should_not_appear("panic", 1.0)

    def test_what_was_said_before_the_cable_was_pulled_still_fails(self, serial):
        say(serial, "kernel panic\n")
        serial.device.serial.call("disconnect", 3.0)
        eventually(lambda: not serial.connected)
        with pytest.raises(ConsoleError, match="said what it should not"):
            serial.should_not_appear("panic", 0.2, since="session start")

    def test_a_console_that_comes_and_goes_with_the_device_may_be_away(self, exporter):
        with connect(exporter.address, name="bench", timeout=10) as device:
            console = device.serial.open_console(connect_later=True)
            device.serial.call("disconnect", 3.0)
            eventually(lambda: not console.connected)
            console.should_be_idle(0.2)
            console.should_not_appear("panic", 0.2)
            with pytest.raises(ConsoleTimeoutError, match=r"\A[^\n]*the stream is not open \([^\n]*the serial port is gone"):
                console.wait_for_line("login:", timeout=0.3)


class TestLogin:
    def test_an_exporter_that_stands_still_for_a_while_is_no_reason_to_give_up(self, exporter, serial):
        """Not asked before the deadline: the first prompt is looked for in slices, and each could have asked."""
        exporter.freeze()
        threading.Timer(4.0, exporter.thaw).start()
        threading.Timer(4.2, serial.device.serial.call, ["send", "bench login: "]).start()
        threading.Timer(4.6, serial.device.serial.call, ["send", "\n# "]).start()
        serial.login("root", timeout=20)
        assert serial.device.serial.call("received") == "root\n"


class Interrupted(BaseException):
    """What Robot's timeouts and Ctrl-C are: raised anywhere in the main thread."""


def test_hundreds_of_interrupted_waits_leave_the_reader_alive_and_nobody_following():
    console, ended = BareConsole(settle=0.0), threading.Event()

    def talk() -> None:
        while not ended.is_set():
            console.say("line\n")

    def interrupt(*_: object) -> None:
        raise Interrupted

    before = signal.signal(signal.SIGALRM, interrupt)
    thread = threading.Thread(target=talk, daemon=True)
    thread.start()
    source, count = random.Random(1), 0
    try:
        for _ in range(400):
            try:
                signal.setitimer(signal.ITIMER_REAL, source.uniform(0.0005, 0.004))
                console.wait_for_line("never", timeout=5, since="now")
            except Interrupted:
                count += 1
            said = console.transcript.bytes_received
            eventually(lambda said=said: console.transcript.bytes_received > said)
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
        ended.set()
        thread.join(10)
    assert count == 400
    assert not thread.is_alive()
    assert console.transcript._followers == []
