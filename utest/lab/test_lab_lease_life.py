"""Keeping leases, their end, and giving them back, against the lab double (protocol §8)."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from lab_support import SOON, Bench, bench_with_exporter

from JumpstarterLibrary.errors import (
    FailureClass,
    LeaseError,
    LeaseLostError,
    SessionLostError,
)
from JumpstarterLibrary.lab import lease as lease_module


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lab for all tests of this file."""
    with bench_with_exporter(tmp_path_factory.mktemp("leases")) as bench:
        yield bench


@pytest.fixture
def bench(shared_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The lab, in order before and after each test; what is watched is looked at often."""
    monkeypatch.setattr(lease_module, "WATCH_INTERVAL", 0.2)
    shared_bench.tidy()
    yield shared_bench
    shared_bench.tidy()


# ------------------------------------------------------------------- its end


@pytest.mark.parametrize(
    ("how", "words"),
    [
        ("expire_lease", "it expired at"),
        ("release_lease", "somebody released it at"),
        ("delete_lease", "somebody deleted it"),
        ("transfer", "it was transferred to client 'colleague'"),
    ],
)
def test_the_end_of_a_lease_is_noticed_and_named_in_every_later_error(bench: Bench, how: str, words: str) -> None:
    bench.lab.add_client("colleague")
    session = bench.open()
    lost = threading.Event()
    session.device.connection.on_loss = lambda _: lost.set()
    name = session.leased.lease.name
    if how == "transfer":
        bench.lab.transfer_lease(name, "colleague")
    else:
        getattr(bench.lab, how)(name)

    assert lost.wait(SOON)
    for _ in range(2):
        with pytest.raises(SessionLostError, match=words) as raised:
            session.device.power.on()
        assert raised.value.failure_class is FailureClass.INFRASTRUCTURE
    assert session.device.state == "lost"
    bench.sessions.close_all()
    assert bench.asked("DeleteLease") == []


def test_a_call_that_hits_the_end_of_the_lease_names_it(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "WATCH_INTERVAL", 60.0)
    session = bench.open()
    bench.lab.expire_lease(session.leased.lease.name)
    bench.lab.wait_for_status("bench-1", "AVAILABLE")

    with pytest.raises(LeaseLostError, match=r"failed: the lease .* is over: it expired"):
        session.device.power.call("on", timeout=1)


# ------------------------------------------------------------------- more time


def test_a_lease_is_extended_while_it_is_used(bench: Bench) -> None:
    lease = bench.open(duration=timedelta(seconds=2)).leased.lease

    bench.lab.wait_for(lambda: bench.lab.lease(lease.name)["duration"] > 3, "an extension")

    assert lease.ended == ""


def test_a_lease_is_not_extended_where_that_is_switched_off(bench: Bench) -> None:
    session = bench.open(duration=timedelta(seconds=4), auto_extend=False)

    bench.lab.wait_for(lambda: session.leased.lease.ended, "the end")

    assert bench.asked("UpdateLease") == []
    with pytest.raises(SessionLostError, match="it expired"):
        session.device.power.on()


def test_a_lease_is_long_enough_or_the_error_has_the_figures(bench: Bench) -> None:
    lease = bench.open(duration=timedelta(seconds=30)).leased.lease
    lease.ensure(timedelta(seconds=10), 5, "this")
    assert bench.asked("UpdateLease") == []

    lease.ensure(timedelta(minutes=5), 5, "this")
    assert lease.remaining > timedelta(minutes=5)

    bench.lab.refuse("UpdateLease", "UNKNOWN", "no more of that", times=None)
    with pytest.raises(LeaseError, match=r"60 min are needed for test 'x', and 5 min .* are left; .*no more of that"):
        lease.ensure(timedelta(minutes=60), 5, "test 'x'")


def test_a_lease_is_extended_while_the_exporters_hook_runs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "WATCH_INTERVAL", 0.2)
    with bench_with_exporter(tmp_path) as bench:
        bench.lab.start_session_exporter("slow", {"board": "slow"}, before_lease={"seconds": 5})

        session = bench.open(selector="board=slow", duration=timedelta(seconds=3))

        assert session.device.state == "open"
        assert bench.asked("UpdateLease")
        bench.sessions.close_all()


def test_two_extensions_at_a_time_never_make_a_lease_shorter(bench: Bench) -> None:
    lease = bench.open(duration=timedelta(minutes=10)).leased.lease
    bench.lab.delay("UpdateLease", 0.5, times=1)
    short = threading.Thread(target=lease.extend, args=(timedelta(minutes=15), 10))
    short.start()
    bench.lab.wait_for(lambda: bench.asked("UpdateLease"), "the first extension")

    lease.extend(timedelta(hours=2), 10)

    short.join()
    assert lease.remaining > timedelta(minutes=119)
    assert bench.lab.lease(lease.name)["duration"] > 119 * 60


def test_a_lease_with_a_fixed_end_is_extended_too(bench: Bench) -> None:
    end = round(time.time()) + 300.0  # Kubernetes keeps whole seconds
    other = bench.lab.raw("ci").create("board=mock", duration=600, end_time=end)
    lease = bench.open(lease=other.name).leased.lease

    left = lease.extend(timedelta(minutes=20), 5)

    assert timedelta(minutes=19) < left <= timedelta(minutes=20, seconds=1)


def test_a_controller_that_gives_less_than_was_asked_for_is_told(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    lease = bench.open(duration=timedelta(seconds=30)).leased.lease
    monkeypatch.setattr(lease.controller, "extend_lease", lambda *_, **__: lease.state)

    with pytest.raises(LeaseError, match=r"The controller gave the lease .* and 5 min were asked for"):
        lease.extend(timedelta(minutes=5), 5)


def test_a_lease_whose_end_nobody_confirms_is_released_all_the_same(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """An extension whose answer was lost makes it longer than we know."""
    lease = bench.open(duration=timedelta(seconds=20)).leased.lease
    monkeypatch.setattr(type(lease), "remaining", timedelta())
    bench.lab.controller_down()
    bench.lab.wait_for(lambda: lease.ended, "the end by our clock")
    bench.lab.controller_up()

    bench.sessions.close_all()

    assert bench.lab.lease(lease.name)["released"]


def test_extending_counts_from_now(bench: Bench) -> None:
    lease = bench.open(duration=timedelta(seconds=30)).leased.lease

    left = lease.extend(timedelta(minutes=3), 5)

    assert timedelta(minutes=2, seconds=55) < left <= timedelta(minutes=3, seconds=1)


def test_a_clock_that_is_wrong_does_no_harm(tmp_path: Path) -> None:
    with bench_with_exporter(tmp_path) as bench:
        bench.lab.clock(1800)  # less than the tokens live
        bench.config = bench.lab.client_config("ci")
        lease = bench.open(duration=timedelta(minutes=10)).leased.lease
        assert timedelta(minutes=9) < lease.remaining <= timedelta(minutes=10)
        bench.sessions.close_all()


# -------------------------------------------------------------------- release


def test_a_release_is_sent_even_if_nothing_else_answers(bench: Bench) -> None:
    bench.open()
    bench.lab.refuse("GetLease", "UNAVAILABLE", times=None)  # D43

    bench.sessions.close_all()

    assert bench.lab.leases() == []


def test_a_release_that_failed_says_what_to_do(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lease_module, "RELEASE_TIMEOUT", 0.5)
    lease = bench.open().leased.lease
    monkeypatch.setattr(lease_module.Lease.release, "__defaults__", (0.5,))
    bench.lab.controller_down()

    with pytest.raises(LeaseError, match=rf"could not be released, .* by itself at .* by hand: jmp delete leases {lease.name}"):
        bench.sessions.close_all()

    bench.lab.controller_up()
    lease.release()  # as the end of the process does it
    assert bench.lab.leases() == []


def test_a_lease_that_the_controller_has_released_is_as_good(bench: Bench) -> None:
    bench.open()
    bench.lab.refuse("DeleteLease", "FAILED_PRECONDITION", 'lease "x" has already been released')

    bench.sessions.close_all()


@pytest.mark.parametrize(
    ("method", "times"), [("CreateLease", 2), ("GetLease", 7), ("GetExporter", 7), ("UpdateLease", 2), ("DeleteLease", 2)]
)
@pytest.mark.parametrize("text", ["etcdserver: leader changed", "something odd"])
def test_a_controller_that_stumbles_is_asked_again(bench: Bench, method: str, times: int, text: str) -> None:
    """Failures that it cannot name arrive as UNKNOWN (D50); those of its own API server are waited for longer."""
    bench.lab.refuse(method, "UNKNOWN", text, times=times if "etcd" in text else 2)

    lease = bench.open().leased.lease
    lease.extend(timedelta(minutes=40), 5)
    bench.sessions.close_all()

    assert bench.lab.lease(lease.name)["released"]


def test_an_opening_that_fails_gives_the_lease_back(bench: Bench) -> None:
    bench.lab.refuse("Dial", "FAILED_PRECONDITION", "exporter is offline", times=None)

    with pytest.raises(Exception, match="exporter is offline"):
        bench.open()

    assert bench.lab.leases() == []


def test_an_interrupted_opening_gives_back_a_lease_that_is_made_after_that(bench: Bench) -> None:
    """The controller had handed the request on when the caller hung up."""
    bench.lab.delay("CreateLease", 1, times=1, regardless=True)

    interrupt_opening(bench, "CreateLease")

    time.sleep(1.5)
    (asked,) = bench.asked("CreateLease")
    assert bench.lab.lease(asked["request"]["lease_id"])["released"]


@pytest.mark.parametrize("where", ["CreateLease", "GetLease", "GetExporter", "Dial"])
def test_an_interrupted_opening_gives_the_lease_back(bench: Bench, where: str) -> None:
    bench.lab.delay(where, 5, times=1)

    interrupt_opening(bench, where)

    bench.lab.wait_until_free()


def interrupt_opening(bench: Bench, where: str) -> None:
    """Opens a session and presses Ctrl-C when a request has arrived."""

    def interrupt() -> None:
        bench.lab.wait_for(lambda: bench.asked(where), where)
        signal.pthread_kill(threading.main_thread().ident, signal.SIGINT)

    waiting = threading.Thread(target=interrupt)
    waiting.start()
    with pytest.raises(KeyboardInterrupt):
        bench.open()
    waiting.join()
