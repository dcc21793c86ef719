"""What no device should say, and patterns that nobody should write: the deadline is kept, and the memory bounded."""

from __future__ import annotations

import gc
import os
import random
import threading
import time
from pathlib import Path

import pytest
from console_support import BareConsole, open_console

from JumpstarterLibrary.client.console import Match, Mode, Watcher, engine, looking
from JumpstarterLibrary.client.console.patterns import Pattern
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.errors import ConsoleTimeoutError, ConsoleWatcherError, UsageError

SLACK = 1.0
MB = 1_000_000


def resident() -> int:
    """Bytes of this process in memory."""
    gc.collect()
    return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


class Growth:
    """Follows by how much the memory grows at most."""

    def __init__(self) -> None:
        self.most, self._begin, self._ended = 0, resident(), threading.Event()
        self._thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        while not self._ended.wait(0.02):
            now = int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")
            self.most = max(self.most, now - self._begin)

    def __enter__(self) -> Growth:
        self._thread.start()
        return self

    def __exit__(self, *details: object) -> None:
        self._ended.set()
        self._thread.join()


EVIL = [
    r"(a+)+$",
    r"(.*)*x",
    r"(\w+\s?)*$x",
    r"(a|aa)+$",
    r"^(([a-z])+.)+[A-Z]([a-z])+$",
    r"(a*)*b$",
    r"(?:a|a?)+z",
    r"(\w+)*\d:",
]


@pytest.mark.parametrize("pattern", EVIL)
@pytest.mark.parametrize(
    "said", ["a" * 60_000 + "!\n", "".join("a" * length + "!\n" for length in range(15, 60)) * 20, "a" * 5000 + "! "]
)
def test_a_pattern_that_backtracks_without_end_is_a_clear_error_in_time(pattern, said):
    console = BareConsole(settle=0.01)
    console.say(said)
    begin = time.monotonic()
    with pytest.raises((UsageError, ConsoleTimeoutError)) as caught:
        console.wait_for_line(pattern, match=Match.REGEX, timeout=0.4)
    assert time.monotonic() - begin < 0.4 + SLACK
    if isinstance(caught.value, UsageError):
        assert "backtracks" in str(caught.value) or "empty text" in str(caught.value)


def test_nested_repetitions_are_named_as_the_cause():
    console = BareConsole()
    console.say("a" * 20_000 + "!\n")
    with pytest.raises(UsageError, match=r"\(a\+\)\+\$.*backtracks"):
        console.wait_for_line(r"(a+)+$", match=Match.REGEX, timeout=5)


@pytest.mark.parametrize("pattern", [r"\w+:[^;]*;", r"\[[^\]]*\] done", r"\s*login: $", r"[^x]*y", r"(\S+\s+)+END"])
def test_a_fair_pattern_is_not_taken_for_evil_in_much_output(pattern):
    console = BareConsole(settle=0.01)
    for _ in range(100):
        console.say(b"key: value [of, something and more of it\r\n" * 1500)
    console.say("a: y b; [1] done END\nlogin: ")
    begin = time.monotonic()
    console.wait_for_line(pattern, match=Match.REGEX, timeout=20)
    assert time.monotonic() - begin < 10


def test_a_flood_while_waiting_for_what_never_comes_keeps_deadline_and_memory(serve, tmp_path):
    device = serve(MockConsole())
    device.files = tmp_path
    console = open_console(device)
    console.watchers.add(Watcher(Pattern(r"never\d+", Match.REGEX), "never"))
    flood = threading.Thread(target=lambda: device.root.call("flood", 60 * MB, timeout=60), daemon=True)
    with Growth() as growth:
        flood.start()
        begin = time.monotonic()
        with pytest.raises(ConsoleTimeoutError):
            console.wait_for_line(r"never (\d+)", match=Match.REGEX, timeout=2)
        with pytest.raises(ConsoleTimeoutError):
            console.wait_for_lines(["never", "ever \0"], mode=Mode.ALL, timeout=0.5)
        taken = time.monotonic() - begin
        flood.join(60)
    assert taken < 2.5 + 2 * SLACK
    assert growth.most < 100 * MB


def test_bytes_of_noise_and_a_line_without_end_keep_memory_and_deadline():
    console = BareConsole(settle=0.05)
    console.watchers.add(Watcher(Pattern("never\n".strip()), "never"))
    noise = random.Random(1).randbytes(MB)
    with Growth() as growth:
        for _ in range(20):
            console.say(noise)
        for _ in range(120):
            console.say(b"x" * MB)
            console.say(b"\0\xff\xfe\xc3\x28")
        begin = time.monotonic()
        with pytest.raises(ConsoleTimeoutError):
            console.wait_for_line(r"ne+ver", match=Match.REGEX, timeout=0.5)
        assert time.monotonic() - begin < 0.5 + SLACK
    assert growth.most < 100 * MB
    console.say("\nlogin: ")
    assert console.wait_for_prompt("login: ").match == "login: "


def test_an_open_line_that_grows_byte_by_byte_is_not_looked_at_for_each_byte():
    console, looks = BareConsole(settle=5), 0

    class Counted(Pattern):
        def find(self, line, column=0):
            nonlocal looks
            looks += 1
            return super().find(line, column)

    console.watchers.add(Watcher(Counted(r"never (\w+)", Match.REGEX), "never"))
    found: list[str | None] = []
    pattern = Counted(r"end (\d+)", Match.REGEX)
    waiter = threading.Thread(target=lambda: found.append(console.wait_for_line(pattern, timeout=60)[1]), daemon=True)
    waiter.start()
    for _ in range(64 * 1024):
        console.say(b"x")
    assert looks < 500
    console.say("\nend 7\n")
    waiter.join(30)
    assert found == ["7"]


def test_a_watcher_that_is_hit_by_a_flood_keeps_memory(serve):
    console = open_console(serve(MockConsole()))
    console.watchers.add(Watcher(Pattern("e"), "letter"))
    with Growth() as growth:
        console.device.root.call("flood", 20 * MB, timeout=60)
        with pytest.raises(ConsoleWatcherError):
            console.wait_for_line("never", timeout=5)
    assert growth.most < 100 * MB


def test_many_gaps_keep_memory():
    console = BareConsole()
    for _ in range(100_000):
        console.transcript.add_gap("cable pulled")
    assert len(console.transcript.gaps) == 1


@pytest.mark.parametrize("missing", ["gin:", "login: root and a long pattern to compare with"])
def test_a_failed_wait_explains_itself_in_time_whatever_was_said(console, say, missing):
    for line in (
        "lo gin" * 10_000,
        "\n".join("nigol" * 80 for _ in range(600)),
        "\n".join("login" * 70 for _ in range(600)),
        "\x1b[31m\xff\0" * 1000,
    ):
        say(f"{line}\n")
    begin = time.monotonic()
    with pytest.raises(ConsoleTimeoutError) as caught:
        console.wait_for_line(missing, timeout=0.5)
    assert time.monotonic() - begin < 0.5 + SLACK
    assert len(str(caught.value).encode()) <= 4096


SLOW = r"PANIC(?= here)"
"""Looked for line by line, as what it looks ahead to may not be on the next line."""


def test_what_could_not_be_searched_in_time_is_not_said_to_be_missing(monkeypatch):
    """It takes longer than `during`, and the moment of grace behind it."""
    console = BareConsole()
    for number in range(100):
        console.say(f"{number}\n" * 1_000)
    console.say("PANIC here\n")
    monkeypatch.setattr(looking, "MOST_AT_ONCE", 1_000)
    monkeypatch.setattr(engine, "GRACE", 0.0)
    with pytest.raises(UsageError, match="took longer"):
        console.should_not_appear(SLOW, 0.001, match=Match.REGEX, since="session start")
    console.should_not_appear("never", 1, since="session start")


def test_what_left_memory_before_it_was_searched_is_not_said_to_be_missing(monkeypatch):
    """The device talks faster than a slow pattern is looked for, so memory forgets what was not looked at yet."""
    console = BareConsole()
    console.transcript._limit = 100_000
    monkeypatch.setattr(looking, "MOST_AT_ONCE", 10_000)
    poll = console.poll

    def slow_poll(search):
        found = poll(search)
        if console.transcript.bytes_received < 1_000_000:
            for number in range(20):
                console.say("x" * 9_999 + "\n" + ("PANIC here\n" if number == 9 else ""))
        return found

    console.poll = slow_poll
    with pytest.raises(UsageError, match="left memory"):
        console.should_not_appear(SLOW, 0.3, match=Match.REGEX)
