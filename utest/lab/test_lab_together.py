"""Several leases at once: asked for at the same time, all or none, and given back whatever ends the waiting."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from lab_support import SOON, Bench, Stopwatch, bench_with_exporter

from JumpstarterLibrary.errors import LeaseError, LeaseTimeoutError, LeaseUnsatisfiableError, UsageError
from JumpstarterLibrary.lab import leases as leases_module
from JumpstarterLibrary.lab.wish import Wish


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lab for all tests of this file, with two exporters."""
    with bench_with_exporter(tmp_path_factory.mktemp("together")) as bench:
        bench.lab.start_session_exporter("bench-2", {"board": "second"})
        yield bench


@pytest.fixture
def bench(shared_bench: Bench) -> Iterator[Bench]:
    """The lab, in order before and after each test."""
    for _ in shared_bench.tidy(), shared_bench.lab.wait_for_status("bench-2", "AVAILABLE"):
        pass
    yield shared_bench
    shared_bench.tidy()
    assert [thread for thread in threading.enumerate() if thread.name.startswith("jumpstarter-leas")] == []


def both(bench: Bench, **wish: Any) -> dict[str, tuple[str | None, Wish]]:
    common = {"client_config": bench.config, "acquisition_timeout": timedelta(seconds=20), **wish}
    return {"dut": (None, Wish(selector="board=mock", **common)), "peer": (None, Wish(selector="board=second", **common))}


def open_both(bench: Bench, wanted: dict[str, tuple[str | None, Wish]]) -> None:
    with bench.sessions.leased_together(wanted, progress=bench.told.append) as ready:
        for alias, (target, wish) in wanted.items():
            bench.sessions.open(target, alias=alias, wish=wish, timeout=10, ready=ready.get(alias))


@contextmanager
def interrupted(bench: Bench, leases: int) -> Iterator[None]:
    """Ctrl-C as soon as there are so many leases."""

    def interrupt() -> None:
        bench.lab.wait_for(lambda: len(bench.lab.leases()) == leases, "the leases")
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    try:
        yield
    finally:
        waiting.join()


def test_leases_are_asked_for_at_the_same_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "QUIET", 0.1)
    bench.lab.hold()
    # Held until both were asked for: one after the other would wait for ever.
    release = threading.Thread(
        target=lambda: (
            bench.lab.wait_for(lambda: len(bench.lab.leases()) == 2, "two leases"),
            bench.lab.wait_for(lambda: len({text.partition(":")[0] for text in bench.told}) == 2, "news of both"),
            bench.lab.unhold(),
        )
    )
    release.start()

    open_both(bench, both(bench))

    release.join()
    assert [session.alias for session in bench.sessions] == ["dut", "peer"]
    for session in bench.sessions:
        session.device.power.on()
    assert {text.partition(": Waiting for")[0] for text in bench.told} == {"dut", "peer"}
    bench.sessions.close("dut")
    assert [lease["exporter"] for lease in bench.lab.leases()] == ["bench-2"], "each is given back with its own session"
    bench.sessions.close_all()
    assert bench.lab.leases() == []


def test_the_failure_of_one_gives_the_others_back_at_once(bench: Bench) -> None:
    wanted = both(bench, acquisition_timeout=timedelta(minutes=5))
    wanted["third"] = (None, Wish(selector="board=none", client_config=bench.config))
    bench.lab.hold()
    bench.lab.condition("Unsatisfiable", "NoAccess", "no access to that")
    watch = Stopwatch()

    with pytest.raises(LeaseUnsatisfiableError, match=r"no access to that[\s\S]*This was for '(dut|peer|third)'; the others"):
        open_both(bench, wanted)

    assert watch.seconds < SOON
    assert bench.lab.leases() == []
    assert len(bench.sessions) == 0


def test_what_has_come_already_is_given_back_when_another_does_not_come(bench: Bench) -> None:
    bench.lab.set_exporter("bench-2", enabled=False)
    try:
        wanted = both(bench)
        wanted["peer"] = (None, Wish(selector="board=second", client_config=bench.config))
        with pytest.raises(LeaseError, match=r"AllDisabled[\s\S]*This was for 'peer'"):
            open_both(bench, wanted)
    finally:
        bench.lab.set_exporter("bench-2", enabled=True)

    assert bench.lab.leases() == []


def test_a_timeout_of_all_gives_all_back(bench: Bench) -> None:
    bench.lab.hold()
    watch = Stopwatch()

    with pytest.raises(LeaseTimeoutError, match="within 500 ms"):
        open_both(bench, both(bench, acquisition_timeout=timedelta(seconds=0.5)))

    assert watch.seconds < SOON
    assert bench.lab.leases() == []


@pytest.mark.parametrize("held", [True, False], ids=["while waiting", "while opening"])
def test_an_interrupt_gives_all_back(bench: Bench, held: bool) -> None:
    if held:
        bench.lab.hold()
    else:
        bench.lab.delay("Dial", 5)
    watch = Stopwatch()

    with interrupted(bench, 2), pytest.raises(KeyboardInterrupt):
        open_both(bench, both(bench))

    assert watch.seconds < SOON
    bench.lab.wait_until_free()
    assert len(bench.sessions) <= 1  # the keyword closes what was opened before


def test_an_interrupt_ends_a_request_that_gets_no_answer(bench: Bench) -> None:
    bench.lab.delay("GetLease", 30)
    bench.lab.hold()
    watch = Stopwatch()

    with interrupted(bench, 2), pytest.raises(KeyboardInterrupt):
        open_both(bench, both(bench))

    assert watch.seconds < SOON
    bench.lab.delay("GetLease", 0)
    bench.lab.wait_until_free()


def test_a_taken_alias_is_refused_before_any_lease_is_asked_for(bench: Bench) -> None:
    bench.sessions.open("mock", alias="peer")

    with pytest.raises(UsageError, match="'peer' is taken"):
        open_both(bench, both(bench))

    assert bench.asked("CreateLease") == []


def test_targets_that_need_no_lease_need_no_lab(bench: Bench) -> None:
    open_both(bench, {"dut": ("mock", Wish(client_config="nowhere")), "desk": ("mock:power", Wish())})

    assert [session.alias for session in bench.sessions] == ["dut", "desk"]
