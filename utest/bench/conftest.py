"""The benchmarks: `make bench` runs them, and writes docs/benchmarks.md from what they found."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from bench_contest import Contender, serve


def pytest_ignore_collect(collection_path: Path, config: pytest.Config) -> bool | None:
    """`make test` does not even start the exporters that the benchmarks need."""
    return True if config.getoption("benchmark_skip") else None


@pytest.fixture(scope="session")
def upstream_host() -> Iterator[str]:
    """Upstream's exporter with a MockPower as root device: its socket."""
    with serve("upstream's") as host:
        yield host


@pytest.fixture(scope="session")
def upstream_echo_host() -> Iterator[str]:
    """Upstream's exporter with a byte stream that gives back what it gets as root device: its socket."""
    with serve("upstream's", "echo") as host:
        yield host


@pytest.fixture(scope="session")
def our_host() -> Iterator[str]:
    """Our exporter with the same device: its socket."""
    with serve("our") as host:
        yield host


@pytest.fixture
def contender() -> Iterator[Callable[[str, str], Contender]]:
    """Starts clients, `contender(kind, host)`, which end with the test."""
    with ExitStack() as stack:
        yield lambda kind, host: stack.enter_context(Contender(kind, host))
