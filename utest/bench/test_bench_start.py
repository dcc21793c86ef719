"""What it takes to begin: importing the client, opening a session."""

import sys

from bench_contest import Contest, row, timed


def test_open_first_call_close(benchmark, contender, upstream_host):
    turns = {kind: contender(kind, upstream_host).turn("sessions", 10, 1) for kind in ("ours", "upstream", "raw")}

    contest = Contest().play(benchmark, turns, 30)

    text = "open, first call and close: ours / upstream's `env()`"
    row(benchmark, text, contest.ratios("ours", "upstream"), bar=0.6, detail=contest.summary())


def test_import(benchmark):
    statements = {
        "ours": "import JumpstarterLibrary.client",
        "upstream": "import jumpstarter.client",
        "grpc and the protocol's messages": "import grpc, jumpstarter_protocol",
        "bare": "pass",
    }
    turns = {name: lambda s=statement: timed(sys.executable, "-c", s) for name, statement in statements.items()}

    contest = Contest().play(benchmark, turns, 15, warm_up=2)

    for name in ("ours", "upstream", "grpc and the protocol's messages"):
        contest.taken[name] = [taken - bare for taken, bare in zip(contest.taken[name], contest.taken["bare"], strict=True)]
    text = "import of the client, bare Python taken off: ours / upstream's"
    row(benchmark, text, contest.ratios("ours", "upstream"), bar=0.5, detail=contest.summary("ms"))
