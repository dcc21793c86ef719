"""What the journal tells of a console: when bytes came, matches, hits, and the stages of a start, with the times of arrival."""

from __future__ import annotations

import time
from datetime import timedelta

import pytest
from console_support import BareConsole, open_console

from JumpstarterLibrary.client.console import Match, Watcher
from JumpstarterLibrary.client.console.boot import BootStages
from JumpstarterLibrary.client.console.patterns import Pattern
from JumpstarterLibrary.client.console.recording import Recorder
from JumpstarterLibrary.drivers import MockBoard
from JumpstarterLibrary.errors import ConsoleWatcherError
from JumpstarterLibrary.journal import BootStage, ConsoleHit, ConsoleMatched, ConsoleReceived, Journal

BOOT = [
    "U-Boot SPL 2024.01 (Jan 01 2024)\r\n",
    "\r\nU-Boot 2024.01 (Jan 01 2024)\r\n",
    "Starting kernel ...\r\n\r\n[    0.000000] Booting Linux on physical CPU 0x0\r\n",
    "[    0.000000] Linux version 6.6.0\r\nWelcome to Bench\r\n",
    "\r\nbench login: ",
]


class Recorded(BareConsole):
    """A console with a journal and a clock that the test moves on."""

    def __init__(self) -> None:
        super().__init__()
        self.journal = Journal()
        self.recorder = Recorder("serial", self.journal, self.transcript, lambda text: text.replace("hunter2", "<secret>"))

    def arrives(self, text: str, when: float) -> None:
        with self.transcript.changed:
            position = self.transcript.bytes_received
            finished = self.transcript.append(text.encode())
            self.transcript.last_byte = when
            stages = self.recorder.looked_at(finished)
        self.recorder.received(position, len(text.encode()), when)
        self.recorder.tell(stages)


def test_what_arrives_within_50_ms_is_one_event_with_the_time_of_its_first_byte():
    console, begin = Recorded(), time.monotonic()
    for at in (0.0, 0.02, 0.049, 0.051, 0.2):
        console.arrives("abc", begin + at)
    console.recorder.flush()
    console.recorder.flush()

    told = [(event.position, event.size, round(event.monotonic - begin, 3)) for event in console.journal.events(ConsoleReceived)]
    assert told == [(0, 9, 0.0), (9, 3, 0.051), (12, 3, 0.2)]


def test_a_flood_costs_few_events_and_little_time():
    console, begin = Recorded(), time.monotonic()
    recorder = console.recorder
    taken = time.perf_counter()
    for index in range(100_000):
        recorder.received(index, 1, begin + index * 1e-5)
    taken = time.perf_counter() - taken
    recorder.flush()

    events = console.journal.events(ConsoleReceived)
    assert len(events) <= 21
    assert sum(event.size for event in events) == 100_000
    assert taken < 1.0  # 10 µs each would be far too much on any machine


def test_the_events_of_a_real_stream_add_up_to_its_file(console, say):
    for index in range(30):
        say(f"line {index}\r\n" * 20)
    console.wait_for_line("line 29", timeout=10)
    console.wait_until_idle(timedelta(milliseconds=50), timeout=10)
    console.write_down()

    events = console.device.journal.events(ConsoleReceived)
    position = 0
    for event in events:
        assert event.position == position
        position += event.size
    assert position == console.transcript.bytes_received
    assert len(events) >= 1
    assert events[0].monotonic == pytest.approx(console.transcript.arrival(1), abs=0.001)


def test_closing_and_the_end_of_a_test_write_down_what_came(console, say):
    say("one\n")
    console.wait_for_line("one", timeout=10)
    console.end_test()
    assert sum(event.size for event in console.device.journal.events(ConsoleReceived)) == 4
    say("two\n")
    console.wait_for_line("two", timeout=10)
    console.close()
    kinds = [event.kind for event in console.device.journal.events()]
    assert sum(event.size for event in console.device.journal.events(ConsoleReceived)) == 8
    assert kinds[-1] == "console-closed"


@pytest.mark.parametrize(
    ("wait", "pattern"),
    [
        (lambda console: console.wait_for_line(r"temp=(\d+)", match=Match.REGEX, timeout=10), r"temp=(\d+)"),
        (lambda console: console.wait_for_next_line(timeout=10), "*"),
        (lambda console: console.wait_for_bytes(b"temp=", timeout=10), "temp="),
        (lambda console: console.wait_for_line("temp=", match=Match.BYTES, timeout=10), "temp="),
        (lambda console: console.wait_for_lines(["temp="], timeout=10), "temp="),
    ],
)
def test_a_match_is_told_with_the_time_of_its_arrival(console, say, wait, pattern):
    say("temp=42 hunter2\r\n")
    end = time.monotonic() + 10
    while not console.transcript.bytes_received and time.monotonic() < end:
        time.sleep(0.005)
    console.device.connection.redact.add("hunter2")
    time.sleep(0.05)
    wait(console)

    (event,) = console.device.journal.events(ConsoleMatched)
    assert event.pattern == pattern
    assert event.line.startswith("temp=")
    assert "hunter2" not in event.line
    assert event.monotonic == pytest.approx(console.transcript.last_byte, abs=0.001)
    assert event.wall == pytest.approx(time.time() - (time.monotonic() - event.monotonic), abs=0.5)


def test_a_failed_wait_is_no_match(console, say):
    say("something\n")
    with pytest.raises(Exception, match="never"):
        console.wait_for_line("never", timeout=0.05)
    assert console.device.journal.events(ConsoleMatched) == []


def test_the_first_hit_of_each_label_is_told_in_each_test(console, say):
    console.watchers.add(Watcher(Pattern("panic"), "kernel panic"))
    console.watchers.add(Watcher(Pattern("Oops"), "oops"))
    say("panic 1\npanic 2\nOops\n")
    with pytest.raises(ConsoleWatcherError):
        console.wait_for_line("never", timeout=10)
    console.start_test("another")
    say("panic 3\n")
    with pytest.raises(ConsoleWatcherError):
        console.wait_for_line("never", timeout=10)

    told = [(event.label, event.line) for event in console.device.journal.events(ConsoleHit)]
    assert told == [("kernel panic", "panic 1"), ("oops", "Oops"), ("kernel panic", "panic 3")]


def test_the_stages_of_a_start_are_told_once_with_their_times():
    console, begin = Recorded(), time.monotonic()
    console.arrives("noise of before\r\nU-Boot 2024.01\r\n", begin - 2)
    console.recorder.power_on(begin)
    for index, text in enumerate(["\0", *BOOT, "root\r\nPassword: ", "\r\nLast login: never\r\n# ", *BOOT]):
        console.arrives(text, begin + 1 + index)

    told = [(event.stage, event.since_power_on) for event in console.journal.events(BootStage)]
    assert told == [("first byte", 1.0), ("loader", 2.0), ("kernel", 4.0), ("login", 6.0)]
    assert console.journal.events(BootStage)[-1].monotonic == begin + 6
    assert console.recorder.boot_stages() == dict(told)


def test_each_start_has_its_own_stages():
    console, begin = Recorded(), time.monotonic()
    for start in (begin, begin + 100):
        console.recorder.power_on(start)
        console.arrives("*** Booting Zephyr OS build v3.7.0 ***\r\n", start + 0.5)
    assert [event.stage for event in console.journal.events(BootStage)] == ["first byte", "kernel"] * 2
    assert console.recorder.boot_stages() == {"first byte": 0.5, "kernel": 0.5}


@pytest.mark.parametrize("noise", ["", "\0", "ro"])
def test_the_prompt_of_the_start_before_is_no_stage_of_this_one(noise):
    console, begin = Recorded(), time.monotonic() - 10
    console.arrives("bench login: ", begin - 2)
    console.recorder.power_on(begin)
    if noise:
        console.arrives(noise, begin + 0.5)
        assert console.recorder.boot_stages() == {"first byte": 0.5}
    console.arrives("\r\nU-Boot 2024.01\r\n", begin + 1)
    assert "login" not in console.recorder.boot_stages()
    console.arrives("[    0.000000] Linux version 6.6.0\r\nbench login: ", begin + 4)
    assert console.recorder.boot_stages() == {"first byte": 0.5 if noise else 1.0, "loader": 1.0, "kernel": 4.0, "login": 4.0}


def test_a_prompt_after_a_stream_that_broke_at_one_is_a_stage():
    console, begin = Recorded(), time.monotonic()
    console.arrives("bench login: ", begin - 12)
    console.recorder.power_on(begin - 10)
    with console.transcript.changed:
        console.transcript.add_gap("unplugged")
        console.recorder.broken()
    console.arrives("bench login: ", begin - 5)
    assert console.recorder.boot_stages() == {"first byte": 5.0, "login": 5.0}


def test_a_prompt_that_goes_on_is_none_and_one_that_stands_is():
    console, begin = Recorded(), time.monotonic()
    console.recorder.power_on(begin - 10)
    console.arrives("bench login:", begin - 9)
    console.arrives(" failures are counted\r\nbench login: ", begin - 8.95)
    console.arrives("forbidden to strangers\r\n", begin - 8.9)
    console.recorder.flush()
    assert [event.stage for event in console.journal.events(BootStage)] == ["first byte"]
    console.arrives("bench login: ", begin - 8)
    assert console.recorder.boot_stages() == {"first byte": 1.0, "login": 2.0}
    console.recorder.flush()
    assert [event.stage for event in console.journal.events(BootStage)] == ["first byte", "login"]


def test_a_prompt_with_a_kernel_line_behind_it_counts():
    console, begin = Recorded(), time.monotonic()
    console.recorder.power_on(begin)
    console.arrives("bench login: [   12.345678] eth0: link up\r\n", begin + 3)
    assert console.recorder.boot_stages()["login"] == 3.0


def test_nothing_is_looked_for_long_after_the_start():
    stages = BootStages()
    assert not stages.looking
    stages.power_on(0.0)
    assert stages.looking
    assert stages.look("U-Boot 2024.01\n", "", 700.0) == []
    assert not stages.looking


def test_the_simulated_board_tells_its_stages(serve):
    device = serve(MockBoard())
    console = open_console(device, "console")
    assert console.boot_stages() == {}
    device.power.on()
    console.wait_for_prompt(r"login:\s*$", timeout=20)
    stages = console.boot_stages()
    assert list(stages) == ["first byte", "loader", "kernel", "login"]
    assert list(stages.values()) == sorted(stages.values())
    assert [event.stage for event in device.journal.events(BootStage)] == list(stages)
