"""Contests: several contenders take turns on the same exporter, so that whatever slows the machine slows all of them."""

from __future__ import annotations

import contextlib
import json
import os
import select
import shlex
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Self

from helpers.exporters import Exporter, start_our_exporter
from helpers.processes import clean_environment

HERE = Path(__file__).parent
ANSWER_TIMEOUT = 120
WARM_UP = 5
"""Of each turn the first calls are not counted: the process has just slept while others had the processor."""

Turn = Callable[[], float]


@contextlib.contextmanager
def serve(exporter: str, *device: str) -> Iterator[str]:
    """Runs an exporter with a MockPower as root device, `our` or `upstream's`; gives its socket.

    With `echo` upstream's has a byte stream instead, that gives back what it gets.
    """
    if exporter == "our":
        with start_our_exporter("mock:power", listen=None) as ours:
            yield ours.address
        return
    with Exporter([sys.executable, str(HERE / "bench_upstream_exporter.py"), *device]) as upstreams:
        line = upstreams.wait_for_output("export JUMPSTARTER_HOST=", 30)
        yield shlex.split(line.split("JUMPSTARTER_HOST=", 1)[1])[0]


class Contender:
    """A client in a child process; see bench_contender.py."""

    def __init__(self, kind: str, host: str) -> None:
        self.name = f"{kind} at {host}"
        self._process = subprocess.Popen(
            [sys.executable, str(HERE / "bench_contender.py"), kind, host],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            env=clean_environment(),
            text=True,
        )

    def ask(self, command: str, count: int) -> Any:
        """Lets it do something so many times; returns its answer."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        print(command, count, file=self._process.stdin, flush=True)
        end = time.monotonic() + ANSWER_TIMEOUT
        while select.select([self._process.stdout], [], [], max(0.0, end - time.monotonic()))[0]:
            line = self._process.stdout.readline()
            if line.startswith("ANSWER "):
                return json.loads(line.removeprefix("ANSWER "))
            assert line, f"{self.name} ended with {self._process.wait(10)}"
        raise AssertionError(f"{self.name} did not answer '{command} {count}'")

    def turn(self, command: str, count: int, warm_up: int = WARM_UP) -> Turn:
        """A turn of so many acts; gives the median of one in seconds."""
        return lambda: statistics.median(self.ask(command, count + warm_up)[warm_up:])

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        assert self._process.stdin is not None
        self._process.stdin.close()
        try:
            self._process.wait(5)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait(5)
        assert self._process.stdout is not None
        self._process.stdout.close()


@dataclass
class Contest:
    """What the contenders took, in seconds, turn by turn."""

    taken: dict[str, list[float]] = field(default_factory=dict)

    def play(self, benchmark: Any, turns: dict[str, Turn], rounds: int, warm_up: int = 1) -> Self:
        """Lets all take turns, A B C A B C …; pytest-benchmark's own table shows the turns of the first."""
        (first, first_turn), *others = turns.items()
        played: dict[str, list[float]] = {name: [] for name in turns}

        def play_others() -> None:
            for name, turn in others:
                played[name].append(turn())

        def play_first() -> None:
            played[first].append(first_turn())

        benchmark.pedantic(play_first, setup=play_others, rounds=rounds, warmup_rounds=warm_up)
        self.taken = {name: taken[warm_up:] for name, taken in played.items()}
        return self

    def median(self, name: str) -> float:
        """The median of a contender's turns."""
        return statistics.median(self.taken[name])

    def ratios(self, name: str, *others: str) -> list[float]:
        """One contender over the sum of others, round by round."""
        bases = zip(*(self.taken[other] for other in others), strict=True)
        return [taken / sum(base) for taken, base in zip(self.taken[name], bases, strict=True)]

    def summary(self, unit: str = "µs") -> str:
        """All medians in words."""
        scale = {"s": 1, "ms": 1e3, "µs": 1e6}[unit]
        digits = {"s": 2, "ms": 1, "µs": 0}[unit]
        return ", ".join(f"{name} {self.median(name) * scale:,.{digits}f} {unit}" for name in self.taken)


def row(benchmark: Any, text: str, values: list[float], *, bar: float | None, unit: str = "", detail: str = "") -> None:
    """Adds a row to the table that report.py writes. The median of the values counts; their quartiles say how sure it is.

    Args:
        benchmark: the fixture.
        text: what was measured.
        values: one for each round.
        bar: what the median must not exceed; None where there is no bar.
        unit: empty for ratios.
        detail: the figures behind.
    """
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    rows = benchmark.extra_info.setdefault("rows", [])
    rows.append({"text": text, "value": middle, "low": low, "high": high, "bar": bar, "unit": unit, "detail": detail})


def timed(*command: str, env: dict[str, str] | None = None) -> float:
    """Seconds that a command takes from start to end."""
    begin = time.perf_counter()
    subprocess.run(command, env=clean_environment(env), check=True, stdout=subprocess.DEVNULL, cwd=os.sep)
    return time.perf_counter() - begin
