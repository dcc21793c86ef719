"""Watchers see everything: in waits, echo checks, between them, on the open line, and in the last moment."""

from __future__ import annotations

import threading
import time

import pytest
from console_support import BareConsole, Saying, open_console

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.console import Match, Watcher
from JumpstarterLibrary.client.console.known_failures import FailureSet, watchers_for
from JumpstarterLibrary.client.console.patterns import Pattern
from JumpstarterLibrary.client.console.watchers import MOST_HITS
from JumpstarterLibrary.errors import ConsoleTimeoutError, ConsoleWatcherError, UsageError


def watch(console, text: str = "panic", match: Match = Match.CONTAINS, **options) -> None:
    console.watchers.add(Watcher(Pattern(text, match), options.pop("label", "kernel panic"), **options))


def test_a_hit_stops_a_wait_at_once(console, say):
    watch(console)
    threading.Timer(0.2, say, ["kernel panic - not syncing\n"]).start()
    begin = time.monotonic()
    with pytest.raises(ConsoleWatcherError, match=r"kernel panic.*'kernel panic - not syncing'"):
        console.wait_for_line("login:", timeout=20)
    assert time.monotonic() - begin < 5


def test_a_hit_wins_over_a_match_that_came_with_it(console, say):
    watch(console)
    for _ in range(20):
        threading.Timer(0.01, say, ["panic\nready\n"]).start()
        with pytest.raises(ConsoleWatcherError):
            console.wait_for_line("ready", timeout=20)
        console.watchers._quiet_until.clear()  # as if a second had gone by
        console.wait_for_line("ready", timeout=20)


def test_a_hit_stops_the_wait_for_an_echo(console, say):
    watch(console)
    threading.Timer(0.2, say, ["ec panic\n"]).start()
    with pytest.raises(ConsoleWatcherError):
        console.write_line("echo", expect_echo=True, timeout=20)


@pytest.mark.parametrize(
    "wait",
    [
        lambda console: console.should_not_appear("never", 20),
        lambda console: console.wait_for_bytes(b"never", timeout=20),
        lambda console: console.wait_until_idle(20, timeout=30),
        lambda console: console.wait_for_prompt("never", timeout=20),
        lambda console: console.write("x" * 5000, char_delay=0.01, timeout=60),
    ],
)
def test_a_hit_stops_every_wait(console, say, wait):
    watch(console)
    threading.Timer(0.2, say, ["panic\n"]).start()
    begin = time.monotonic()
    with pytest.raises(ConsoleWatcherError):
        wait(console)
    assert time.monotonic() - begin < 5


def test_a_hit_between_two_keywords_is_told_once(console, say):
    watch(console)
    say("panic: one\npanic: two\nready\n")
    end = time.monotonic() + 5
    while console.watchers.count < 2 and time.monotonic() < end:
        time.sleep(0.01)
    with pytest.raises(ConsoleWatcherError, match=r"'panic: one'.*1 more hit"):
        console.check_watchers()
    console.check_watchers()
    assert console.wait_for_line("ready").line == "ready"


def test_a_hit_on_the_open_line_stops_a_wait_and_is_not_told_again_when_the_line_ends(console, say):
    watch(console)
    threading.Timer(0.2, say, ["panic on CPU 0"]).start()
    with pytest.raises(ConsoleWatcherError, match="panic on CPU 0"):
        console.wait_for_line("login:", timeout=20)
    say(": reset\nready\n")
    assert console.wait_for_line("ready").line == "ready"
    console.check_watchers()
    assert console.watchers.count == 1


def test_lines_with_the_same_text_are_hits_each():
    console = BareConsole()
    watch(console)
    for chunk in ("panic", "\n", "panic", "\npanic\npan", "ic\n"):
        console.say(chunk)
    assert console.watchers.count == 4


def test_a_hit_in_the_last_10_milliseconds_counts(console, say):
    watch(console)
    watch(console, r"Oops\b", Match.REGEX, label="oops")
    said = console.transcript.bytes_received
    say("Oops")
    while console.transcript.bytes_received == said:
        time.sleep(0.0005)
    with pytest.raises(ConsoleWatcherError, match="Oops"):  # at its end it is still open, and just arrived
        console.check_watchers()


def test_a_match_that_the_rest_of_the_line_takes_back_is_none():
    for rest in (" recovered\n", " recovered"):
        console = BareConsole(settle=0.1)
        watch(console, r"error(?! recovered)", Match.REGEX)
        with Saying(console.say, [b"error", rest.encode()], 0.02):
            with pytest.raises(ConsoleTimeoutError):
                console.wait_for_line("never", timeout=0.3)
        console.check_watchers()
        assert console.watchers.count == 0


def test_a_hit_behind_the_last_look_at_a_long_line_counts():
    for size in (1, 10, 1000, 60_000):
        console = BareConsole(settle=0.02)
        watch(console)
        for byte in b"x" * size + b"panic":
            console.say(bytes([byte]))
        with pytest.raises(ConsoleWatcherError):
            console.check_watchers()
        assert console.watchers.count == 1


def test_a_hit_is_seen_at_any_split():
    for size in range(1, 12):
        console = BareConsole()
        watch(console)
        said = b"boot\r\n\x1b[31mkernel \x1b[1mpa\x1b[0mnic\r\nok\r\n"
        for start in range(0, len(said), size):
            console.say(said[start : start + size])
        assert console.watchers.count == 1
        assert console.watchers.hits[0].line == "kernel panic"


def test_what_a_broken_stream_cut_off_is_still_looked_at(start_exporter):
    with connect(start_exporter().address, timeout=10) as device:
        console = open_console(device, "serial")
        watch(console, r"panic", Match.REGEX)
        device.serial.call("send", "kernel panic")
        device.serial.call("disconnect")
        with pytest.raises(ConsoleWatcherError, match="kernel panic"):
            console.wait_for_line("never", timeout=10)
        assert console.watchers.count == 1


def test_an_allowed_watcher_sees_nothing_until_it_works_again():
    console = BareConsole()
    watch(console)
    console.watchers.allow("kernel panic")
    console.say("panic\n")
    console.check_watchers()
    console.watchers.allow("kernel panic", allowed=False)
    console.check_watchers()
    console.say("panic\n")
    with pytest.raises(ConsoleWatcherError):
        console.check_watchers()
    with pytest.raises(UsageError, match="'kernel panic'"):
        console.watchers.allow("kernel")


def test_watchers_of_a_scope_go_together():
    console = BareConsole()
    watch(console, "a", label="a", scope="test")
    watch(console, "b", label="b", scope="suite")
    console.watchers.remove_scope("test")
    console.say("a\nb\n")
    assert [hit.line for hit in console.watchers.hits] == ["b"]
    console.watchers.remove("b")
    console.say("b\n")
    assert console.watchers.count == 1


def test_tolerated_hits_are_counted_anew_at_each_boot():
    console = BareConsole()
    for watcher in watchers_for(FailureSet.SECOND_BOOT):
        console.watchers.add(watcher)
    for _ in range(2):
        console.watchers.new_boot()
        console.say("[    0.000000] Linux version 6.12.0\n")
    console.check_watchers()
    console.say("[    0.000000] Linux version 6.12.0\n")
    with pytest.raises(ConsoleWatcherError, match="second boot"):
        console.check_watchers()


@pytest.fixture
def no_aftermath(monkeypatch):
    monkeypatch.setattr("JumpstarterLibrary.client.console.watchers.AFTERMATH", 0.0)


def test_the_many_lines_of_one_panic_fail_one_keyword():
    console = BareConsole()
    watch(console)
    console.say("panic\n")
    with pytest.raises(ConsoleWatcherError):
        console.check_watchers()
    console.say("panic: the rest of it\n")
    console.check_watchers()
    console.watchers._quiet_until.clear()  # as if a second had gone by
    console.say("panic\n")
    with pytest.raises(ConsoleWatcherError):
        console.check_watchers()


def test_another_trouble_right_after_the_first_is_told_too():
    console = BareConsole()
    watch(console, "panic", label="first")
    watch(console, "Oops", label="second")
    console.say("Oops\n")
    with pytest.raises(ConsoleWatcherError, match=r"\(second\)"):
        console.check_watchers()
    console.say("panic\nOops\n")
    with pytest.raises(ConsoleWatcherError, match=r"\(first\).*'panic'"):
        console.check_watchers()
    console.check_watchers()


def test_a_failure_names_all_labels_that_were_hit():
    console = BareConsole()
    for label in ("first", "second", "third"):
        watch(console, f"{label} pattern", label=label)
    console.say("the second pattern\nthe first pattern\nanother second pattern\n")
    with pytest.raises(ConsoleWatcherError) as caught:
        console.check_watchers()
    lines = str(caught.value).split("\n")
    assert "(second; first)" in lines[0]
    assert "'the second pattern'" in lines[0]
    assert "1 more hits" in lines[0]
    assert lines[1:] == ["  also (first): 'the first pattern'"]


@pytest.mark.parametrize("end", [b"", b"\n"])
@pytest.mark.parametrize("wipe", [b"\r\x1b[K", b"\x1b[2K\r", b"\b \b" * 1100, b"\r" + b" " * 1100 + b"\r"])
@pytest.mark.parametrize("together", [False, True])
def test_what_was_erased_before_anybody_looked_was_said_all_the_same(wipe, together, end):
    console = BareConsole()
    watch(console)
    console.say(b"x" * 1000)  # so long that a little more of it is not looked at at once
    for chunk in [b"panic" + wipe + b"fine" + end] if together else [b"panic", wipe, b"fine" + end]:
        console.say(chunk)
    assert [hit.line for hit in console.watchers.hits] == ["x" * 1000 + "panic"]
    with pytest.raises(ConsoleWatcherError):
        console.check_watchers()
    console.say("\npanic")
    assert console.watchers.count == 2


def test_a_line_that_is_erased_and_written_again_is_one_hit():
    console = BareConsole()
    watch(console)
    for chunk in ("panic 1", "\r\x1b[Kpanic 2", "\rpanic 3", "\n"):
        console.say(chunk)
    assert console.watchers.count == 1


def test_a_broken_stream_brings_no_old_hits():
    console = BareConsole()
    watch(console)
    console.say("panic\r\x1b[K")
    assert console.watchers.count == 1
    console.watchers.look(console.transcript.add_gap("cable"), console.transcript)
    console.watchers.look(console.transcript.append(b"\n"), console.transcript)
    assert console.watchers.count == 1


@pytest.mark.usefixtures("no_aftermath")
def test_an_evil_pattern_is_taken_away_and_the_reader_goes_on(console, say):
    watch(console, r"(a+)+$", Match.REGEX, label="evil")
    watch(console)
    say("a" * 5000 + "b\n" + "ready\n")
    with pytest.raises(ConsoleWatcherError, match="taken away"):
        console.wait_for_line("ready", timeout=20)
    assert [watcher.label for watcher in console.watchers.active] == ["kernel panic"]
    say("a" * 5000 + "b\npanic\n")
    with pytest.raises(ConsoleWatcherError, match="panic"):
        console.wait_for_line("never", timeout=20)


@pytest.mark.usefixtures("no_aftermath")
def test_a_device_that_says_it_all_the_time_does_not_fill_the_memory():
    console = BareConsole()
    watch(console)
    console.say("panic\n" * 50_000)
    assert (console.watchers.count, len(console.watchers.hits)) == (50_000, MOST_HITS)
    with pytest.raises(ConsoleWatcherError, match="49999 more"):
        console.check_watchers()
    console.say("panic again\n")
    with pytest.raises(ConsoleWatcherError):
        console.check_watchers()


@pytest.mark.parametrize(
    ("failures", "line"),
    [
        (FailureSet.LINUX, "[   12.345678] Kernel panic - not syncing: Attempted to kill init! exitcode=0x00000009"),
        (FailureSet.LINUX, "[    3.1] Internal error: Oops: 96000004 [#1] PREEMPT SMP"),
        (FailureSet.LINUX, "[  100.0] watchdog: BUG: soft lockup - CPU#0 stuck for 22s! [swapper:1]"),
        (FailureSet.LINUX, "[  100.0] Out of memory: Killed process 123 (java)"),
        (FailureSet.WATCHDOG, "Reset cause: WDOG"),
        (FailureSet.U_BOOT, "### ERROR ### Please RESET the board ###"),
        (FailureSet.ZEPHYR, "[00:00:00.010,000] <err> os: >>> ZEPHYR FATAL ERROR 4: Kernel panic on CPU 0"),
    ],
)
def test_what_real_systems_say_when_they_die_is_known(failures, line):
    console = BareConsole()
    for watcher in watchers_for(failures):
        console.watchers.add(watcher)
    console.say(f"[    0.0] all is well\r\n{line}\r\n")
    assert console.watchers.hits[0].line == line


def test_checking_while_the_device_talks_never_locks_up(console):
    watch(console, r"never\d", Match.REGEX)
    flood = threading.Thread(target=lambda: console.device.root.call("flood", 20_000_000, timeout=60), daemon=True)
    flood.start()
    while flood.is_alive():
        console.check_watchers()
        console.transcript.mark()
    flood.join()
    assert console.watchers.count == 0


def test_bytes_are_no_pattern_for_lines_and_are_refused_before_the_reader_stumbles_over_them():
    """It once ended the stream at the first line, again and again."""
    with pytest.raises(UsageError, match="Bytes can be waited for"):
        Pattern("foo", Match.BYTES)
