"""MockConsole: one device and any number of clients."""

from __future__ import annotations

import hashlib
import threading
import time

import pytest
from drivers_support import eventually, tasks

from JumpstarterLibrary.client.console.patterns import Match
from JumpstarterLibrary.client.console.searches import Mode
from JumpstarterLibrary.drivers import MockConsole
from JumpstarterLibrary.errors import ConfigurationError, JumpstarterError


class Reader:
    """Hashes what one client sees, in a thread."""

    def __init__(self, bench, size):
        self._console = bench.open()
        self._size = size

    @property
    def digest(self):
        assert eventually(lambda: self._console.transcript.bytes_received >= self._size, 20)
        return hashlib.sha256(self._console.raw()).hexdigest()


class TestLoopback:
    def test_what_is_written_comes_back_to_every_client(self, bench):
        bench = bench(MockConsole())
        one, two = bench.open(), bench.open()
        one.write_line("from one")
        two.write_line("from two")
        for console in (one, two):
            console.wait_for_lines(["from one", "from two"], mode=Mode.ALL, timeout=5)  # two clients have no common order

    def test_all_bytes_come_back_unchanged(self, bench):
        console = bench(MockConsole()).open()
        data = bytes(range(256)) * 4000
        console.write(data)
        assert eventually(lambda: console.transcript.bytes_received >= len(data))
        assert console.raw() == data

    def test_several_writers_make_one_input(self, bench):
        bench = bench(MockConsole(loopback=False))
        one, two = bench.open(), bench.open()
        one.write("a" * 500)
        two.write("b" * 500)
        assert eventually(lambda: len(bench.call("received")) == 1000)
        assert sorted(bench.call("received")) == sorted("a" * 500 + "b" * 500)

    def test_a_client_sees_what_is_said_from_then_on(self, bench):
        bench = bench(MockConsole())
        bench.call("send", "nobody hears this\n")
        console = bench.open()
        bench.call("send", "hello\n")
        console.wait_for_line("hello", timeout=5)
        assert console.text() == "hello\n"


class TestFanOut:
    def test_three_readers_of_a_flood_see_what_was_sent(self, bench):
        size = 2_000_000
        bench = bench(MockConsole())
        readers = [Reader(bench, size) for _ in range(3)]
        sent = bench.call("flood", size, 7, 4096)
        assert [reader.digest for reader in readers] == [sent] * 3

    def test_a_flood_is_that_of_its_seed(self, bench):
        bench = bench(MockConsole())
        assert bench.call("flood", 5000, 1) == bench.call("flood", 5000, 1) != bench.call("flood", 5000, 2)

    def test_a_flood_is_printable_lines(self, bench):
        bench = bench(MockConsole())
        console = bench.open()
        bench.call("flood", 50_001, 3, 100)
        assert eventually(lambda: console.transcript.bytes_received == 50_001)
        text = console.raw().decode("ascii")
        assert text.endswith("\n")
        assert all(line.isprintable() for line in text.split("\n"))
        assert 10 < 50_001 / text.count("\n") < 200

    def test_a_flood_may_be_one_line_without_end(self, bench):
        bench = bench(MockConsole())
        console = bench.open()
        bench.call("flood", 50_000, 3, 100, False)  # noqa: FBT003 - the wire knows no names
        assert eventually(lambda: console.transcript.bytes_received == 50_000)
        assert console.raw().decode("ascii").isprintable()

    def test_a_client_that_takes_nothing_is_cut_off_and_the_others_lose_nothing(self, bench):
        size = 24_000_000
        bench = bench(MockConsole(backlog=2_000_000))
        stalled = bench.open()
        release = threading.Event()
        stalled._arrived = stalled._reader._arrived = lambda data, finished: release.wait(20)
        try:
            reader = Reader(bench, 1)
            digest = bench.driver.call("flood", size, 1, 65536, timeout=30)
            reader._size = size
            assert eventually(lambda: reader._console.transcript.bytes_received == size, 20)
            assert len(digest) == 64
        finally:
            release.set()
        assert eventually(lambda: stalled._reader.problem is not None)
        assert "bytes behind" in str(stalled._reader.problem)

    @pytest.mark.parametrize(("size", "chunk"), [(-1, 1), (10, 0)])
    def test_a_flood_without_sense_is_refused(self, bench, size, chunk):
        bench = bench(MockConsole())
        with pytest.raises(JumpstarterError, match="a flood has"):
            bench.call("flood", size, 1, chunk)


class TestModes:
    def test_a_script_answers_in_order(self, bench):
        script = [
            {"reply": "ready> "},
            {"expect": "hello\n", "reply": "who is there?\n"},
            {"expect": "me", "reply": "go away\n", "delay": 0.1},
        ]
        bench = bench(MockConsole(script=script))
        console = bench.open()
        console.wait_for_prompt("ready> ", match=Match.CONTAINS, timeout=5)
        console.write("hel")
        console.write_line("lo")
        console.wait_for_line("who is there?", timeout=5)
        before = time.monotonic()
        console.write_line("it is me")
        console.wait_for_line("go away", timeout=5)
        assert time.monotonic() - before >= 0.1
        assert bench.call("received") == "hello\nit is me\n"

    @pytest.mark.parametrize("script", [[5], [{"except": "x"}]])
    def test_a_script_that_cannot_be_read_is_an_error(self, script):
        with pytest.raises(ConfigurationError, match="has the keys expect, reply and delay"):
            MockConsole(script=script)

    def test_noise_is_bytes_of_all_values(self, bench):
        console = bench(MockConsole(noise=200_000)).open()
        assert eventually(lambda: console.transcript.bytes_received > 20_000)
        assert len(set(console.raw())) == 256

    def test_slow_output_keeps_its_rate_and_its_order(self, bench):
        bench = bench(MockConsole(cps=500))
        console = bench.open()
        before = time.monotonic()
        bench.call("send", "".join(f"{number:04d}" for number in range(50)))
        assert eventually(lambda: console.transcript.bytes_received == 200)
        assert time.monotonic() - before > 0.3
        assert console.raw() == b"".join(b"%04d" % number for number in range(50))

    def test_it_says_bytes(self, bench):
        bench = bench(MockConsole())
        console = bench.open()
        bench.call("send_hex", "00 ff 1b5b")
        assert console.wait_for_bytes(b"\x1b[", timeout=5) == b"\x00\xff\x1b["
        with pytest.raises(JumpstarterError, match="hexadecimal"):
            bench.call("send_hex", "0")

    def test_control_lines_are_remembered_until_reset(self, bench):
        bench = bench(MockConsole())
        bench.call("set_dtr", True)  # noqa: FBT003 - the wire's own signature
        assert bench.call("control_lines") == {"dtr": True, "rts": False}
        bench.call("set_rts", True)  # noqa: FBT003
        bench.call("set_dtr", False)  # noqa: FBT003
        assert bench.call("control_lines") == {"dtr": False, "rts": True}


class TestCable:
    def test_a_pulled_cable_ends_every_stream_and_it_can_be_put_back(self, bench):
        bench = bench(MockConsole())
        consoles = [bench.open(), bench.open()]
        bench.call("disconnect", 0.3)
        assert all(eventually(lambda console=console: not console.connected) for console in consoles)
        assert bench.root.uart.connected == 0
        with pytest.raises(JumpstarterError, match="the serial port is gone"):
            bench.open()
        assert all(eventually(lambda console=console: console.connected) for console in consoles)
        bench.call("send", "back again\n")
        for console in consoles:
            console.wait_for_line("back again", timeout=5)

    def test_what_was_said_before_still_arrives(self, bench):
        bench = bench(MockConsole())
        console = bench.open()
        bench.call("send", "the last words")
        bench.call("disconnect", 10)
        assert eventually(lambda: not console.connected)
        assert console.text().startswith("the last words")


class TestEnd:
    def test_nothing_is_left(self, bench):
        before = tasks()
        bench = bench(MockConsole(script=[{"expect": "never"}], noise=1000, cps=100))
        console = bench.open()
        console.write("x")
        assert eventually(lambda: console.transcript.bytes_received > 0)
        assert tasks() > before
        bench.close()
        assert eventually(lambda: tasks() == before)
        assert bench.root.uart.connected == 0

    def test_a_client_that_goes_is_forgotten(self, bench):
        bench = bench(MockConsole())
        console = bench.open()
        assert bench.root.uart.connected == 1
        console.close()
        assert eventually(lambda: bench.root.uart.connected == 0)


def test_a_break_is_a_nul_to_a_device_that_does_not_know_breaks(bench):
    bench = bench(MockConsole(loopback=False))
    bench.call("send_break")
    assert bench.call("received") == "\0"
