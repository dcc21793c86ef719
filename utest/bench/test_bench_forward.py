"""Forwarded ports: throughput and latency beside upstream's TcpPortforwardAdapter, through upstream's exporter."""

from __future__ import annotations

import contextlib
import socket
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from bench_contest import Contest, Turn, row
from helpers.exporters import start_upstream_exporter
from helpers.processes import clean_environment

HERE = Path(__file__).parent
MIB = 1024 * 1024
AMOUNT = 96
"""MiB of each turn."""
ECHOES, WARM_UP = 200, 50
CONNECTIONS = 50
YAML = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {{namespace: default, name: bench}}
export:
  tcp: {{type: jumpstarter_driver_network.driver.TcpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}
"""


@contextlib.contextmanager
def program(name: str, *arguments: str) -> Iterator[int]:
    """Runs one of the programs beside this file; gives the port that it prints."""
    process = subprocess.Popen(
        [sys.executable, str(HERE / name), *arguments],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=clean_environment(),
        text=True,
    )
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        yield int(process.stdout.readline())
    finally:
        process.stdin.close()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(2)
        process.kill()
        process.wait()
        process.stdout.close()


@pytest.fixture(scope="module")
def ports() -> Iterator[dict[str, int]]:
    """The ports of both contenders, and the server's own."""
    with program("bench_tcp_server.py") as port, start_upstream_exporter(YAML.format(port=port)) as exporter:
        with program("bench_forwarder.py", "ours", exporter.address) as ours:
            with program("bench_forwarder.py", "upstream", exporter.address) as upstream:
                yield {"ours": ours, "upstream": upstream, "without any": port}


def dial(port: int, purpose: bytes) -> socket.socket:
    connection = socket.create_connection(("127.0.0.1", port))
    connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    connection.sendall(purpose)
    return connection


def to_device(port: int) -> Turn:
    def turn() -> float:
        piece = bytes(MIB)
        begin = time.perf_counter()
        with dial(port, b"u") as connection:
            for _ in range(AMOUNT):
                connection.sendall(piece)
            connection.shutdown(socket.SHUT_WR)
            assert int(connection.recv(20)) == AMOUNT * MIB
        return time.perf_counter() - begin

    return turn


def from_device(port: int) -> Turn:
    def turn() -> float:
        buffer, count = bytearray(MIB), 0
        begin = time.perf_counter()
        with dial(port, b"d") as connection:
            time.sleep(0.02)  # so that the number comes by itself
            connection.sendall(str(AMOUNT).encode())
            while taken := connection.recv_into(buffer):
                count += taken
        assert count == AMOUNT * MIB
        return time.perf_counter() - begin - 0.02

    return turn


def echo(port: int) -> Turn:
    def turn() -> float:
        taken = []
        with dial(port, b"e") as connection:
            for _ in range(WARM_UP + ECHOES):
                begin = time.perf_counter()
                connection.sendall(b"x")
                assert connection.recv(10) == b"x"
                taken.append(time.perf_counter() - begin)
        return statistics.median(taken[WARM_UP:])

    return turn


def opening(port: int) -> Turn:
    def turn() -> float:
        begin = time.perf_counter()
        for _ in range(CONNECTIONS):
            with dial(port, b"ex") as connection:
                assert connection.recv(1) == b"x"
        return (time.perf_counter() - begin) / CONNECTIONS

    return turn


@pytest.mark.parametrize(
    ("text", "act", "bar", "rounds"),
    [
        ("forward, bytes to the device: ours / upstream's", to_device, 0.5, 10),
        ("forward, bytes from the device: ours / upstream's (the exporter sends 64 KiB at a time)", from_device, 0.5, 10),
        ("forward, echo of one byte: ours / upstream's", echo, 0.8, 20),
        ("forward, a new connection and a byte through it: ours / upstream's", opening, None, 10),
    ],
    ids=["to device", "from device", "latency", "opening"],
)
def test_forward(benchmark, ports, text, act, bar, rounds):
    turns = {name: act(port) for name, port in ports.items()}

    contest = Contest().play(benchmark, turns, rounds)

    rate = ""
    if act in (to_device, from_device):
        rate = "; " + ", ".join(f"{name} {AMOUNT * MIB / 1e6 / contest.median(name):.0f} MB/s" for name in turns)
    row(benchmark, text, contest.ratios("ours", "upstream"), bar=bar, detail=contest.summary("ms") + rate)
