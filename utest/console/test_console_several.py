"""Waiting on several consoles, of one device or of several, and what a wait's options do there."""

from __future__ import annotations

import threading
import time
from types import SimpleNamespace

import pytest
from console_support import open_console

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.console import Match, wait_on_any
from JumpstarterLibrary.client.console.patterns import Pattern
from JumpstarterLibrary.client.console.watchers import Watcher
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.errors import CallTimeoutError, ConsoleLostError, ConsoleTimeoutError, ConsoleWatcherError, UsageError
from JumpstarterLibrary.keywords.console_base import ConsoleGroup


@pytest.fixture
def two(serve):
    """The consoles of two devices."""
    return [open_console(serve(MockConsole(loopback=False))) for _ in range(2)]


def say(console, text: str) -> None:
    console.device.root.call("send", text)


def test_whichever_says_it_first(two):
    threading.Timer(0.2, say, [two[1], "login: \n"]).start()
    begin = time.monotonic()
    found = wait_on_any(two, "login:", timeout=20)
    assert time.monotonic() - begin < 10
    assert (found.console, found.device, found.line) == (two[1].name, "bench", "login: ")
    assert two[1].last_match is found
    assert two[0].last_match is None


def test_the_earlier_one_wins_of_what_was_said_before_the_wait(two):
    say(two[1], "first login: \n")
    two[1].wait_for_line("first", timeout=5)
    say(two[0], "second login: \n")
    two[0].wait_for_line("second", timeout=5)
    assert wait_on_any(two, "login:", timeout=1, since="session start").line == "first login: "


def test_each_console_begins_at_its_own_place(two):
    say(two[0], "login: old\n")
    two[0].wait_for_line("old", timeout=5)
    with pytest.raises(ConsoleTimeoutError):
        wait_on_any(two, "login:", timeout=0.2)
    assert wait_on_any(two, "login:", timeout=0.2, since="session start").line == "login: old"


def test_nothing_from_any_of_them_says_what_each_said_last(two):
    say(two[0], "here\n")
    two[0].wait_for_line("here", timeout=5)
    with pytest.raises(ConsoleTimeoutError, match=r"consoles .* within 300 ms\.\n.*last: 'here'\n.*last: ''"):
        wait_on_any(two, "login:", timeout=0.3)


def test_silence_ends_it_early(two):
    begin = time.monotonic()
    with pytest.raises(ConsoleTimeoutError, match="within 300 ms of silence"):
        wait_on_any(two, "login:", timeout=30, idle=0.3)
    assert time.monotonic() - begin < 10


def test_who_speaks_keeps_the_others_waiting(two):
    begin = time.monotonic()
    for pause in range(1, 6):
        threading.Timer(pause * 0.2, say, [two[pause % 2], ".\n"]).start()
    with pytest.raises(ConsoleTimeoutError, match="of silence"):
        wait_on_any(two, "login:", timeout=30, idle=0.5)
    assert time.monotonic() - begin > 1.2


def test_a_watcher_of_any_of_them_ends_it(two):
    two[0].watchers.add(Watcher(Pattern("panic"), "panic"))
    threading.Timer(0.2, say, [two[0], "kernel panic\n"]).start()
    with pytest.raises(ConsoleWatcherError):
        wait_on_any(two, "login:", timeout=20)


def test_a_line_without_end_counts_when_its_own_console_is_quiet(two):
    ends = time.monotonic() + 2

    def babble() -> None:
        while time.monotonic() < ends:
            say(two[0], ".")
            time.sleep(0.02)

    thread = threading.Thread(target=babble)
    thread.start()
    say(two[1], "temp=4")
    threading.Timer(0.03, say, [two[1], "2"]).start()
    assert wait_on_any(two, r"temp=\d+", Match.REGEX, 20).match == "temp=42"
    thread.join()


def test_of_two_devices_the_one_that_nobody_hears_is_named(start_exporter, serve):
    exporter = start_exporter()
    alive = open_console(serve(MockConsole(loopback=False)))
    with connect(exporter.address, name="peer", timeout=10) as device:
        peer = open_console(device, "serial")
        exporter.freeze()
        begin = time.monotonic()
        with pytest.raises(CallTimeoutError, match=r"On none of the consoles .*'serial' of 'peer'.*frozen"):
            wait_on_any([alive, peer], "login:", timeout=0.5)
        assert time.monotonic() - begin < 1.5
        say(alive, "login: \n")
        assert wait_on_any([alive, peer], "login:", timeout=5).device == "bench"
        exporter.thaw()


def test_a_broken_stream_is_named(two):
    two[1].device.root.call("disconnect", 3.0)
    with pytest.raises(ConsoleLostError, match="the serial port is gone"):
        wait_on_any(two, "login:", timeout=0.5)


def test_bytes_on_several_consoles_are_refused(two):
    with pytest.raises(UsageError, match="one console only"):
        wait_on_any(two, "login:", Match.BYTES)


class TestBytes:
    """`match=BYTES`: one byte for each character."""

    def test_finds_what_no_line_has(self, console, say):
        say(b"boot\n\x1b[31m\xff\x00red")
        found = console.wait_for_line("\x1b[31m\xff\x00", match=Match.BYTES, timeout=5)
        assert (found.match, found.before, found.line) == ("\x1b[31m\xff\x00", "boot\n", "\x1b[31m\xff\x00")
        assert found.elapsed <= 0.5

    def test_goes_on_behind_the_last_one(self, console, say):
        say(b"a\x00b\x00")
        assert console.wait_for_line("\x00", match=Match.BYTES, timeout=5).before == "a"
        assert console.wait_for_line("\x00", match=Match.BYTES, timeout=5).before == "b"
        with pytest.raises(ConsoleTimeoutError):
            console.wait_for_line("\x00", match=Match.BYTES, timeout=0.2)

    def test_characters_that_are_no_bytes_are_refused(self, console):
        with pytest.raises(UsageError, match="below 256"):
            console.wait_for_line("€", match=Match.BYTES)


class TestWriting:
    def test_what_would_take_too_long_is_refused_before_anything_is_sent(self, serve):
        device = serve(MockConsole(loopback=False))
        console = open_console(device)
        with pytest.raises(UsageError, match=r"takes 10 s, longer than the timeout of 500 ms\. Nothing was sent"):
            console.write("x" * 100, char_delay=0.1, timeout=0.5)
        assert device.root.call("received") == ""

    def test_the_echo_has_only_what_is_left_of_the_time(self, console):
        begin = time.monotonic()
        with pytest.raises(ConsoleTimeoutError):
            console.write_line("x" * 10, char_delay=0.1, expect_echo=True, timeout=1.2)
        assert time.monotonic() - begin < 2.0


def test_the_message_says_what_is_open_and_what_to_do(serve):
    device = serve(MockConsole())
    group = ConsoleGroup(SimpleNamespace())
    with pytest.raises(UsageError, match=r"^No console of device 'bench' is open\. Open one with Open Console\.$"):
        group._console(device, None, None)
    with pytest.raises(UsageError, match=r"^No console 'uart' of device 'bench' is open; none is\. Open it with Open Console\.$"):
        group._console(device, None, "uart")
    open_console(device)
    with pytest.raises(UsageError, match=r"^No console 'uart' of device 'bench' is open; '\(root\)' is\."):
        group._console(device, None, "uart")
