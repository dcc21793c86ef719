"""Waits: never half a value, nothing lost between them, and what they return."""

from __future__ import annotations

import random
import re
import signal
import threading
import time
from datetime import timedelta

import pytest
from console_support import BareConsole, Saying, open_console

from JumpstarterLibrary.client.console import Match, Mode
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.errors import ConsoleError, ConsoleTimeoutError, SessionClosedError, UsageError
from JumpstarterLibrary.journal import PowerSwitched


class TestNeverHalfAValue:
    def test_a_number_that_comes_in_pieces_is_never_cut_off(self):
        source = random.Random(7)
        for _ in range(6):
            console, number = BareConsole(settle=0.4), source.randrange(10**8, 10**12)
            pieces = [b"boot\r\ntemp=", *(str(digit).encode() for digit in str(number))]
            with Saying(console.say, pieces, 0.005):
                assert console.wait_for_line(r"temp=(\d+)", match=Match.REGEX).groups == (str(number),)

    def test_neither_when_its_line_ends_nor_when_a_prompt_follows(self):
        for rest in (b" C\r\n", b"\r\n# "):
            console = BareConsole(settle=0.2)
            with Saying(console.say, [b"temp=1", b"2", b"3", rest], 0.02):
                assert console.wait_for_line(r"temp=(\d+)", match=Match.REGEX).groups == ("123",)

    def test_nor_when_the_deadline_comes_in_the_middle_of_it(self):
        console = BareConsole(settle=0.15)
        with Saying(console.say, [b"temp=1", b"2", b"3", b"4", b"5"], 0.04):
            assert console.wait_for_line(r"temp=(\d+)", match=Match.REGEX, timeout=0.1).groups == ("12345",)

    def test_nor_when_looking_takes_longer_than_the_stream_has_to_be_quiet(self, monkeypatch):
        console = BareConsole(settle=0.05)
        console.say("temp=1")

        class SlowSearch:
            position = 0

            def in_lines(self, view):
                time.sleep(0.1)  # meanwhile more may have come, which this view does not have
                return

            def in_open_line(self, view):
                looked.append(view.open_line)
                return

        looked: list[str] = []
        time.sleep(0.01)
        console.poll(SlowSearch())
        assert not looked

    def test_a_prompt_counts_only_when_nothing_follows_it(self):
        console = BareConsole(settle=0.15)
        with Saying(console.say, [b"$ ", b"echo hi\r\n", b"hi\r\n", b"$ "], 0.03):
            assert console.wait_for_prompt().before == "$ echo hi\nhi\n"


class TestPlaces:
    def test_what_was_said_before_the_wait_is_found(self, console, say):
        say("one\ntwo\nthree\n")
        assert console.wait_for_line("one").line == "one"
        time.sleep(0.05)
        assert console.wait_for_line("three").elapsed < 0

    def test_a_wait_goes_on_behind_the_last_match_in_the_same_line(self, console, say):
        say("a=1 a=2\na=3\n")
        values = [console.wait_for_line(r"a=(\d)", match=Match.REGEX)[1] for _ in range(3)]
        assert values == ["1", "2", "3"]

    def test_since_looks_from_elsewhere_and_clears_nothing(self, console, say):
        say("one\n")
        console.wait_for_line("one")
        middle = console.mark("middle")
        say("two\n")
        console.wait_for_line("two")
        assert console.wait_for_line("one", since="session start").line == "one"
        assert console.wait_for_line("two", since="middle").line == "two"
        assert console.wait_for_line("two", since=middle).line == "two"
        assert (console.text(), console.text("middle"), console.text("now")) == ("one\ntwo\n", "two\n", "")
        with pytest.raises(ConsoleTimeoutError):
            console.wait_for_line("two", since="now", timeout=0.2)
        with pytest.raises(UsageError, match="'middle'"):
            console.wait_for_line("x", since="midle")

    def test_after_all_patterns_the_place_is_behind_the_last_of_them(self, console, say):
        say("b\na\nc\n")
        console.wait_for_lines(["a", "b"], mode=Mode.ALL)
        assert console.wait_for_next_line().line == "c"

    def test_power_on_is_a_place(self, console, say):
        say("old boot\n")
        console.wait_for_line("old boot")
        console.device.switching_on()
        say("new boot\n")
        match = console.wait_for_line("boot", since="power on")
        assert (match.line, match.since_power_on > 0) == ("new boot", True)


class TestResults:
    def test_a_match_has_everything(self, console, say):
        say("U-Boot 2026\r\nMAC \x1b[1m02:AB\x1b[0m ready\r\n")
        match = console.wait_for_line(r"MAC (?P<mac>[0-9A-F:]+)", match=Match.REGEX)
        assert (match.line, match.match, match.before, match.after) == ("MAC 02:AB ready", "MAC 02:AB", "U-Boot 2026\n", " ready")
        assert (match.groups, match.mac, match["mac"], match[1], match.text) == (
            ("02:AB",), "02:AB", "02:AB", "02:AB", "U-Boot 2026\nMAC 02:AB",
        )  # fmt: skip
        assert (str(match), match.console, match.since_power_on) == ("MAC 02:AB ready", console.name, None)
        assert abs(match.time - time.time()) < 10

    def test_bytes_are_found_whatever_lines_are(self, console, say):
        say(b"\x00\xff\x1b[31m\r\n\x7fEND\x01\x02\x03rest")
        assert console.wait_for_bytes(b"\x01\x02\x03") == b"\x00\xff\x1b[31m\r\n\x7fEND\x01\x02\x03"
        assert console.wait_for_bytes(b"st") == b"rest"

    def test_bytes_are_found_that_come_in_pieces(self):
        console = BareConsole()
        with Saying(console.say, [b"ab\x01", b"\x02", b"\x03cd"], 0.03):
            assert console.wait_for_bytes(b"\x01\x02\x03") == b"ab\x01\x02\x03"

    def test_bytes_are_found_after_more_than_memory_holds(self):
        console = BareConsole()
        for _ in range(12):
            console.say(b"x" * 1024 * 1024)
        console.say(b"END")
        assert console.wait_for_bytes(b"END").endswith(b"xEND")
        console.say(b"more END")
        assert console.wait_for_bytes(b"END") == b"more END"

    def test_groups_are_returned_in_all_modes(self, console, say):
        say("cpu 1\ncpu 2\n")
        for mode in (Mode.BLOCK, Mode.ORDERED, Mode.ALL):
            found = console.wait_for_lines([r"cpu (1)", r"cpu (2)"], mode=mode, match=Match.REGEX, since="session start")
            assert [match[1] for match in found] == ["1", "2"], mode


class TestEnds:
    def test_a_failed_wait_says_all(self, console, say):
        say("\n".join(f"line {number}" for number in range(200)) + "\nraspberrypi logn: ")
        console.wait_for_line("line 199")
        with pytest.raises(ConsoleTimeoutError) as caught:
            console.wait_for_line("login:", timeout=0.3)
        first, *rest = str(caught.value).splitlines()
        assert "no line matching 'login:' within 300 ms" in first
        assert console.device.name in first
        assert any("nearest" in line and "raspberrypi logn:" in line for line in rest)
        assert "line 199" in str(caught.value)
        assert "line 100\n" not in str(caught.value)
        assert len(str(caught.value).encode()) < 4096

    @pytest.mark.parametrize(
        ("pattern", "is_lost"), [("temp=(d+)", True), ("(?<v>S+)$", True), (r"temp=(\d+)", False), ("pass+", False)]
    )
    def test_a_backslash_that_robot_took_away_is_told(self, console, pattern, is_lost):
        with pytest.raises(ConsoleTimeoutError) as caught:
            console.wait_for_line(pattern, match=Match.REGEX, timeout=0.05)
        assert ("In Robot data that is written with two backslashes" in str(caught.value)) is is_lost

    def test_a_failed_wait_knows_of_power_that_was_switched_before_the_console_was_opened(self, console):
        journal = console.device.journal
        told = {}
        for state in ("", "on", "off"):
            if state:
                journal.append(PowerSwitched(driver="power", state=state))
            with pytest.raises(ConsoleTimeoutError) as caught:
                console.wait_for_line("never", timeout=0.1)
            told[state] = str(caught.value)
        assert "device: not switched in this session;" in told[""]
        assert re.search(r"device: switched on 0\.\d s ago;", told["on"])
        assert re.search(r"device: switched off 0\.\d s ago;", told["off"])

    def test_silence_ends_a_wait_early(self, console, say):
        say("last words\n")
        begin = time.monotonic()
        with pytest.raises(ConsoleTimeoutError, match="of silence"):
            console.wait_for_line("login:", timeout=20, idle=0.3)
        assert time.monotonic() - begin < 5

    def test_text_that_should_not_appear_is_seen_on_the_open_line_in_the_last_moment(self):
        console = BareConsole(settle=0.2)
        console.say("\n")
        with Saying(console.say, [b"panic", *[b"."] * 40], 0.02), pytest.raises(ConsoleError, match="panic"):
            console.should_not_appear("panic", 0.1)
        BareConsole(settle=0).should_not_appear("panic", 0.01)

    def test_idle_is_idle(self, console, say):
        say("x")
        console.wait_for_prompt("x")
        console.should_be_idle(0.2)
        console.wait_until_idle(0.1, timeout=5)
        threading.Timer(0.1, say, ["noise"]).start()
        with pytest.raises(ConsoleError, match="noise"):
            console.should_be_idle(2)

    def test_what_is_never_idle_is_a_failure(self, serve):
        noisy = open_console(serve(MockConsole(noise=5_000)))
        with pytest.raises(ConsoleTimeoutError, match="never quiet"):
            noisy.wait_until_idle(1, timeout=1.5)

    def test_another_thread_that_closes_the_console_ends_the_wait(self, console):
        threading.Timer(0.2, console.close).start()
        begin = time.monotonic()
        with pytest.raises(SessionClosedError, match="closed"):
            console.wait_for_line("never", timeout=20)
        assert time.monotonic() - begin < 5

    def test_another_thread_that_closes_the_session_ends_the_wait(self, console):
        threading.Timer(0.2, console.device.close).start()
        begin = time.monotonic()
        with pytest.raises(SessionClosedError, match="closed"):
            console.wait_for_line("never", timeout=20)
        assert time.monotonic() - begin < 5

    @pytest.mark.parametrize(
        "wait",
        [
            lambda console: console.wait_for_line("never"),
            lambda console: console.wait_for_lines(["never", "ever"], mode=Mode.ALL),
            lambda console: console.wait_for_bytes(b"never"),
            lambda console: console.wait_for_prompt("never"),
            lambda console: console.wait_for_next_line(),
            lambda console: console.should_not_appear("never", 20),
            lambda console: console.should_be_idle(20),
            lambda console: console.wait_until_idle(20),
            lambda console: console.write("x" * 5000, char_delay=0.01, timeout=60),
        ],
    )
    def test_an_interrupt_ends_each_wait_at_once_and_the_console_stays_usable(self, console, say, wait):
        def interrupt(*details: object) -> None:
            raise KeyboardInterrupt

        before = signal.signal(signal.SIGALRM, interrupt)
        try:
            signal.setitimer(signal.ITIMER_REAL, 0.2)
            begin = time.monotonic()
            with pytest.raises(KeyboardInterrupt):
                wait(console)
            assert time.monotonic() - begin < 2
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
            signal.signal(signal.SIGALRM, before)
        say("still here\n")
        assert console.wait_for_line("still here").line == "still here"


def test_a_written_line_comes_back_and_its_echo_is_checked(serve):
    console = open_console(serve(MockConsole()))
    console.write_line("hello", expect_echo=True)
    assert console.wait_for_next_line(since="session start").line == "hello"
    deaf = open_console(serve(MockConsole(loopback=False)))
    with pytest.raises(ConsoleTimeoutError, match="hello"):
        deaf.write_line("hello", expect_echo=True, timeout=0.3)


def test_one_megabyte_written_comes_back_whole(serve):
    console, data = open_console(serve(MockConsole())), random.Random(3).randbytes(3_000_000)
    console.write(data)
    assert console.wait_for_bytes(data[-20:], timeout=30)[-1_000_000:] == data[-1_000_000:]
    assert console.transcript.bytes_received == len(data)


def test_settle_is_an_option(console, say):
    console.configure(settle=timedelta(seconds=1))
    say("open")
    begin = time.monotonic()
    console.wait_for_line("open")
    assert time.monotonic() - begin > 0.8
