"""Consoles: how long an echo takes, how soon a line is matched, and how fast much output is searched."""

from __future__ import annotations

import itertools
import random
import statistics
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_contest import Contest, row, timed
from helpers.exporters import start_our_exporter

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.console.patterns import Match, Pattern
from JumpstarterLibrary.client.console.searches import SingleSearch
from JumpstarterLibrary.client.console.transcript import Transcript
from JumpstarterLibrary.client.serial import SerialClient

ROUNDS = 60
ECHOES = 50
MB = 1_000_000
YAML = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: bench}
export:
  serial: {type: JumpstarterLibrary.drivers.console.MockConsole}
"""


@pytest.fixture(scope="module")
def our_console_host() -> Iterator[str]:
    """Our exporter with a console that gives back what it gets."""
    with start_our_exporter(YAML, listen=None) as exporter:
        yield exporter.address


@pytest.fixture(scope="module")
def other_console_host() -> Iterator[str]:
    """Another one: all clients of one console see what comes back to any of them."""
    with start_our_exporter(YAML, listen=None) as exporter:
        yield exporter.address


def test_echo_of_one_byte(benchmark, contender, upstream_echo_host, our_console_host, other_console_host):
    turns = {
        "our client, our exporter": contender("console", our_console_host).turn("calls", ECHOES),
        "our client, upstream's exporter": contender("console", upstream_echo_host).turn("calls", ECHOES),
        "upstream": contender("upstream-stream", upstream_echo_host).turn("calls", ECHOES),
        "raw, our exporter": contender("raw-stream", other_console_host).turn("calls", ECHOES),
        "raw, upstream's exporter": contender("raw-stream", upstream_echo_host).turn("calls", ECHOES),
    }

    contest = Contest().play(benchmark, turns, ROUNDS)

    detail = contest.summary()
    text = "echo of one byte, upstream's exporter: our console / upstream's stream"
    row(benchmark, text, contest.ratios("our client, upstream's exporter", "upstream"), bar=0.8, detail=detail)
    text = "echo of one byte: our console and exporter / upstream's stream and exporter"
    row(benchmark, text, contest.ratios("our client, our exporter", "upstream"), bar=0.65, detail=detail)


def test_line_is_matched(benchmark, our_console_host):
    taken: list[float] = []
    with connect(our_console_host) as device:
        console = device.driver_of(SerialClient, "serial").open_console()

        def say() -> None:
            time.sleep(0.02)
            console.device.serial.call("send", f"line {time.perf_counter()}\r\n")

        def wait() -> None:
            stamp = console.wait_for_line(r"line ([\d.]+)", match=Match.REGEX)[1]
            taken.append((time.perf_counter() - float(stamp)) * 1e3)

        benchmark.pedantic(wait, setup=lambda: threading.Thread(target=say).start(), rounds=100, warmup_rounds=5)

    row(benchmark, "a line, from the call that says it to the end of the wait", taken[5:], bar=5, unit="ms")


def boot_log(size: int) -> bytes:
    """Lines as a kernel writes them, with the CR LF of a terminal."""
    source = random.Random(1)
    words = ["usb", "1-1.2:", "new high-speed device", "number", "eth0:", "link up", "using", "xhci-hcd", "mmc0:", "0x1f"]
    lines = (f"[{at / 50:12.6f}] {' '.join(source.choices(words, k=source.randint(3, 9)))}\r\n" for at in itertools.count())
    block = "".join(itertools.islice(lines, 20_000)).encode()
    return (block * (size // len(block) + 1))[:size]


def search(said: bytes, pattern: Pattern, chunk: int = 65536) -> float:
    """Seconds to take in all output and to find the pattern at its end, looking after each chunk."""
    transcript, wanted = Transcript(), SingleSearch(pattern, 0)
    begin = time.perf_counter()
    for start in range(0, len(said), chunk):
        transcript.append(said[start : start + chunk])
        if wanted.in_lines(transcript.view(wanted.position)):
            return time.perf_counter() - begin
    raise AssertionError("not found")


@pytest.mark.parametrize("pattern", [Pattern("board login: root"), Pattern(r"login: (\w+)$", Match.REGEX)], ids=str)
def test_search_in_much_output(benchmark, pattern):
    end = b"\r\nboard login: root\r\n"
    half, whole = boot_log(50 * MB) + end, boot_log(100 * MB) + end
    turns = {"100 MB": lambda: search(whole, pattern), "50 MB": lambda: search(half, pattern)}

    contest = Contest().play(benchmark, turns, rounds=5)

    detail = f"{contest.summary('ms')}; {100 / contest.median('100 MB'):.0f} MB/s"
    row(
        benchmark,
        f"find {pattern} behind 100 MB, for each 50 MB",
        [t / 2 for t in contest.taken["100 MB"]],
        bar=1,
        unit="s",
        detail=detail,
    )
    row(benchmark, f"find {pattern}: 100 MB / twice 50 MB", [r / 2 for r in contest.ratios("100 MB", "50 MB")], bar=1.2)


def test_search_beside_pexpect(benchmark):
    import re

    from pexpect.spawnbase import SpawnBase

    said = boot_log(10 * MB) + b"\r\nboard login: root\r\n"
    chunks = [said[start : start + 65536] for start in range(0, len(said), 65536)]

    def pexpect() -> float:
        spawn, rest = SpawnBase(timeout=60), iter(chunks)
        spawn.read_nonblocking = lambda size=1, timeout=None: next(rest)
        begin = time.perf_counter()
        assert spawn.expect(re.compile(rb"login: (\w+)\r\n")) == 0
        return time.perf_counter() - begin

    pattern = Pattern(r"login: (\w+)$", Match.REGEX)
    contest = Contest().play(benchmark, {"ours": lambda: search(said, pattern), "pexpect": pexpect}, rounds=5)

    row(
        benchmark,
        "find a pattern behind 10 MB: ours / pexpect",
        contest.ratios("ours", "pexpect"),
        bar=1,
        detail=contest.summary("ms"),
    )


def test_search_in_coloured_output(benchmark):
    said = boot_log(20 * MB).replace(b"usb", b"\x1b[1;32musb\x1b[0m") + b"\r\nboard login: root\r\n"
    pattern = Pattern("board login:")
    taken = [search(said, pattern) / len(said) * 50 * MB for _ in range(5)]

    benchmark.pedantic(lambda: search(said, pattern), rounds=1)

    row(
        benchmark,
        "find a text behind coloured output, for each 50 MB",
        taken,
        bar=None,
        unit="s",
        detail=f"{50 / statistics.median(taken):.0f} MB/s",
    )


FLOOD = """
*** Settings ***
Library    JumpstarterLibrary

*** Test Cases ***
Flood
    Open Jumpstarter Session    {rig}    consoles=uart
    FOR    ${{seed}}    IN RANGE    100
        Call Driver Method    flood    ${{1_000_000}}    ${{seed}}    ${{4096}}    driver=uart    timeout=60s
    END
    Call Driver Method    send    \\nthe end\\n    driver=uart
    Wait For Line On Console    the end    timeout=60s
"""


def test_log_after_much_output(benchmark, tmp_path):
    rig = Path(__file__).parents[2] / "atest" / "50_console" / "rig.yaml"
    suite = tmp_path / "flood.robot"
    suite.write_text(FLOOD.format(rig=rig))
    taken: list[float] = []

    def run() -> None:
        taken.append(timed(sys.executable, "-m", "robot", "--outputdir", str(tmp_path), str(suite)))

    benchmark.pedantic(run, rounds=2)

    assert (tmp_path / "jumpstarter" / "rig" / "uart.log").stat().st_size > 100 * MB
    sizes = [(tmp_path / name).stat().st_size / 1e6 for name in ("log.html", "output.xml")]
    detail = f"output.xml {sizes[1]:.2f} MB; the run {statistics.median(taken):.1f} s, with 100 keywords"
    row(
        benchmark,
        "log.html after 100 MB of console, 1 MB during each of 100 keywords",
        sizes[:1],
        bar=5,
        unit="MB",
        detail=detail,
    )
