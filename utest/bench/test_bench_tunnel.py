"""The way to a leased exporter: our tunnel beside upstream's, through the same controller and router double.

The client is the same one for all, in a process of its own, so that only the tunnels differ. In the first rows it is a socket,
and the router is the far end itself: that is what tunnels can do. In the others a flash and a dump go through all of the lab.
"""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from datetime import timedelta
from pathlib import Path
from typing import Any

import bench_router
import pytest
from bench_contest import HERE, Contest, Turn, row
from helpers.lab import Lab, start_lab
from helpers.lab.tunnel import open_tunnel
from helpers.processes import Process
from jumpstarter_protocol import router_pb2_grpc
from test_bench_transfers import TransferContender

from JumpstarterLibrary.lab import held
from JumpstarterLibrary.lab.wish import Wish
from JumpstarterLibrary.sessions import Sessions

SIZE = 64 * 2**20
ROUNDS = 5
SECONDS = 60
YAML = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: lab, name: bench}
export:
  flasher: {type: bench.bench_drivers.Flasher}
"""
SHOW = "import os, time; print('HOST=' + os.environ['JUMPSTARTER_HOST'], flush=True); time.sleep(600)"


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with one exporter of ours."""
    with start_lab(tmp_path_factory.mktemp("lab"), fronts=False) as running:
        running.start_session_exporter("bench", {"board": "mock"}, YAML)
        yield running


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Iterator[dict[str, str]]:
    """The sockets of three tunnels to the same session, of one lease."""
    sessions = Sessions()
    with ExitStack() as stack:
        stack.callback(held.release_all)
        stack.callback(sessions.close_all)
        config = lab.client_config("ci")
        wish = Wish(client_config=config, selector="board=mock", acquisition_timeout=timedelta(seconds=SECONDS))
        leased = sessions.open(wish=wish, timeout=SECONDS).leased
        assert leased is not None
        (lease,) = lab.leases()
        shell: Process = lab.jmp("shell", "--lease", lease["name"], "--", sys.executable, "-c", SHOW, config=config)
        stack.callback(shell.stop)
        upstream = shell.wait_for_output("HOST=", SECONDS).split("HOST=", 1)[1].strip()
        raw = lab.raw("ci")

        def stream(dialled: Any, frames: Iterator[Any]) -> Any:
            stub = router_pb2_grpc.RouterServiceStub(raw.channel(dialled.router_endpoint))
            return stub.Stream(frames, metadata=(("authorization", f"Bearer {dialled.router_token}"),))

        plain = stack.enter_context(open_tunnel(lambda: raw.dial(lease["name"]), stream))
        yield {"ours": leased.tunnel.path, "upstream": upstream, "plain": plain}


@pytest.fixture
def far_end(lab: Lab) -> Iterator[str]:
    """A router that takes and gives bytes by itself, for connections that are made now: its address."""
    folder = lab.ca_file.parent
    command = [sys.executable, str(HERE / "bench_router.py"), str(folder / "server.key"), str(folder / "server.pem")]
    with Process(command) as router:
        port = router.wait_for_output("PORT=", SECONDS).split("=")[1]
        lab.settings(router_endpoint=f"127.0.0.1:{port}")
        try:
            yield f"127.0.0.1:{port}"
        finally:
            lab.settings(router_endpoint="")


@pytest.fixture(scope="module")
def image(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("tunnel") / "image"
    with path.open("wb") as file:
        file.truncate(SIZE)
    return path


@pytest.mark.parametrize("way", ["to", "from"])
def test_what_a_tunnel_can_do(benchmark, lab, hosts, far_end, way):
    def turn(*where: str) -> Turn:
        command = [sys.executable, str(HERE / "bench_socket.py"), way, *where]
        return lambda: float(subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True, timeout=SECONDS).stdout)

    turns = {name: turn(host) for name, host in hosts.items()} | {"bare stream": turn(far_end, str(lab.ca_file))}
    contest = Contest().play(benchmark, turns, 2 * ROUNDS)
    rates = ", ".join(f"{name} {bench_router.SIZE / 1e6 / contest.median(name):,.0f} MB/s" for name in turns)
    text = f"tunnel, 256 MiB {way} a far end that costs little: ours / "
    row(benchmark, f"{text}upstream's", contest.ratios("ours", "upstream"), bar=0.5, detail=rates)
    row(benchmark, f"{text}a bare stream", contest.ratios("ours", "bare stream"), bar=None)


@pytest.mark.parametrize(("command", "way"), [("flash", "to"), ("dump", "from")])
def test_throughput(benchmark, hosts, image, command, way):
    with ExitStack() as stack:
        contenders = {name: stack.enter_context(TransferContender("raw", host, image)) for name, host in hosts.items()}
        contest = Contest().play(benchmark, {n: c.turn(command, 1, 0) for n, c in contenders.items()}, ROUNDS)
    rates = ", ".join(f"{name} {SIZE / 1e6 / contest.median(name):,.0f} MB/s" for name in contenders)
    text = f"tunnel, 64 MiB {way} the exporter through the test lab: ours / upstream's"
    row(benchmark, text, contest.ratios("ours", "upstream"), bar=None, detail=rates)


def test_latency(benchmark, hosts, contender):
    turns = {name: contender("raw", host).turn("calls", 100) for name, host in hosts.items()}
    contest = Contest().play(benchmark, turns, 20)
    text = "tunnel, a call through it: ours / upstream's"
    row(benchmark, text, contest.ratios("ours", "upstream"), bar=None, detail=contest.summary())


def test_lease(benchmark, tmp_path, contender):
    """The lab's exporter is free, and ready at once: what is left is what the clients take for it."""
    with start_lab(tmp_path, fronts=False) as lab:
        lab.start_session_exporter("bench", {"board": "mock"})
        turns = {}
        for kind in ("leased", "upstream-leased"):
            turns[kind] = contender(kind, str(lab.client_config(kind))).turn("sessions", 1, 1)
        contest = Contest().play(benchmark, turns, ROUNDS)
    text = "lease by a selector, first call, close, release: ours / upstream's"
    row(benchmark, text, contest.ratios("leased", "upstream-leased"), bar=None, detail=contest.summary("ms"))
