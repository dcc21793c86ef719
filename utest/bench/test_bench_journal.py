"""An append to the journal, with the making of the event."""

import time

import pytest
from bench_contest import row

from JumpstarterLibrary.journal import CallEnded, Journal, JsonLinesFile

BURST = 100
ROUNDS = 300


@pytest.mark.parametrize("views", ["no subscriber", "a JSON-lines file"])
def test_append(benchmark, tmp_path, views):
    journal = Journal()
    taken = []

    def burst():
        begin = time.perf_counter()
        for _ in range(BURST):
            journal.append(CallEnded(driver="dut.power", method="on", arguments="", seconds=0.0004, outcome="ok", detail="None"))
        taken.append((time.perf_counter() - begin) / BURST * 1e6)

    file = JsonLinesFile(tmp_path / "journal.jsonl") if views == "a JSON-lines file" else None
    if file is not None:
        journal.subscribe(file.append)
    # The pause is not timed; it lets the file's writer come in between, now and then also within a burst.
    benchmark.pedantic(burst, setup=lambda: time.sleep(0.01), rounds=ROUNDS, warmup_rounds=10)
    if file is not None:
        file.close()

    row(benchmark, f"append to the journal, {views}", taken[10:], bar=10, unit="µs", detail=f"bursts of {BURST}")
