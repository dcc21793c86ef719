"""A hundred sessions open at once in one client process."""

import pytest
from bench_contest import Contest, row, serve

SESSIONS = 100
ROUNDS = 5


@pytest.mark.parametrize("exporter", ["our", "upstream's"])
def test_hundred_sessions(benchmark, contender, exporter):
    found = []

    def turn():
        found.append(contender("ours", host).ask("many", SESSIONS))  # each time in a new process
        return found[-1]["open"]

    # An exporter of its own, with a short log: our exporter begins with up to 1,000 lines that were written before.
    with serve(exporter) as host:
        Contest().play(benchmark, {"ours": turn}, ROUNDS)

    del found[0]  # the warm-up
    values = {name: [each[name] for each in found] for name in found[0]}
    closing = sorted(values["close"])[len(values["close"]) // 2]
    python_threads = max(values["python threads"])
    text = f"{SESSIONS} sessions to {exporter} exporter"
    row(benchmark, f"{text}: to open", values["open"], bar=2, unit="s", detail=f"to close {closing:.2f} s")
    row(benchmark, f"{text}: threads each", values["threads"], bar=3, detail=f"of which Python's {python_threads:.2f}")
    row(benchmark, f"{text}: memory each", [each / 1e6 for each in values["bytes"]], bar=1, unit="MB")
