"""Getting leases, against the lab double (protocol §8)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta

import pytest
from lab_support import SOON, Bench, Stopwatch, bench_with_exporter

from JumpstarterLibrary.errors import (
    AccessDeniedError,
    ConfigurationError,
    ControllerError,
    FailureClass,
    LeaseError,
    LeaseTimeoutError,
    LeaseUnsatisfiableError,
    TokenError,
    UsageError,
)
from JumpstarterLibrary.lab import lease as lease_module
from JumpstarterLibrary.lab import leases as leases_module
from JumpstarterLibrary.lab import leasing as leasing_module


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


# ------------------------------------------------------------------- happy paths


@pytest.mark.parametrize(
    "wish",
    [
        {"selector": "board=mock"},
        {"exporter_name": "bench-1"},
        {"selector": "board in (mock, other)", "exporter_name": "bench-1"},
    ],
    ids=["selector", "name", "both"],
)
def test_a_lease_is_taken_used_and_given_back(bench: Bench, wish: dict[str, str]) -> None:
    session = bench.open(tags={"suite": "smoke"}, **wish)

    session.device.power.on()
    (lease,) = bench.lab.leases()
    assert (lease["client"], lease["exporter"], lease["tags"], lease["duration"]) == ("ci", "bench-1", {"suite": "smoke"}, 600.0)
    assert (session.alias, session.leased.lease.labels) == ("bench-1", {"board": "mock"})
    assert session.leased.lease.remaining > timedelta(minutes=9)

    bench.sessions.close_all()
    assert bench.lab.leases() == []
    assert len(bench.asked("DeleteLease")) == 1


def test_an_existing_lease_is_used_and_never_given_back(bench: Bench) -> None:
    made = bench.open(alias="made").leased.lease
    # The text of the selector is another one than the controller's, and nobody compares them (D46).
    session = bench.open(alias="used", lease=made.name, selector="  board  =  mock ")

    session.device.power.on()
    bench.sessions.close("used")

    assert [lease["name"] for lease in bench.lab.leases()] == [made.name]
    assert len(bench.asked("CreateLease")) == 1
    assert bench.asked("DeleteLease") == []
    assert made.auto_extend
    assert not session.leased.lease.auto_extend


def test_the_lease_of_the_environment_is_used(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    made = bench.open(alias="made").leased.lease
    monkeypatch.setenv("JMP_LEASE", made.name)

    session = bench.open(selector="board=other")

    assert session.leased.lease.name == made.name
    assert "an exporter with board=other is not leased" in session.place.note


def test_a_scheduled_lease_is_waited_for(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "QUIET", 0.0)
    begin = datetime.now(UTC) + timedelta(seconds=1.5)

    session = bench.open(begin_time=begin)

    assert datetime.now(UTC) >= begin
    assert any("the lease is scheduled for" in text for text in bench.told)
    session.device.power.on()


def test_several_leases_at_once(bench: Bench) -> None:
    with_second = bench.lab.start_session_exporter("bench-2", {"board": "second"})
    try:
        dut, peer = bench.open(alias="dut"), bench.open(alias="peer", selector="board=second")
        dut.device.power.on()
        assert peer.device.power.latest().volt == 0
        assert {lease["exporter"] for lease in bench.lab.leases()} == {"bench-1", "bench-2"}
    finally:
        bench.sessions.close_all()
        with_second.stop()
    assert bench.lab.leases() == []


# ---------------------------------------------------------------- what is final


@pytest.mark.parametrize(
    ("kind", "reason", "error"),
    [
        ("Unsatisfiable", "NoAccess", LeaseUnsatisfiableError),
        ("Unsatisfiable", "ExporterNotFound", LeaseUnsatisfiableError),
        ("Unsatisfiable", "SelectorMismatch", LeaseUnsatisfiableError),
        ("Unsatisfiable", "SpotAccess", LeaseUnsatisfiableError),
        ("Unsatisfiable", "ExporterDisabled", LeaseError),
        ("Unsatisfiable", "AllDisabled", LeaseError),
        ("Invalid", "InvalidSelector", ConfigurationError),
        # What a newer controller may say.
        ("Unsatisfiable", "SomethingNew", LeaseError),
        ("Invalid", "SomethingNew", ConfigurationError),
    ],
)
def test_a_final_condition_stops_at_once_with_the_controllers_words(
    bench: Bench, kind: str, reason: str, error: type[Exception]
) -> None:
    bench.lab.condition(kind, reason, "the controller's own words")
    watch = Stopwatch()

    with pytest.raises(error, match=f"No lease on an exporter with board=mock: the controller's own words .{reason}") as raised:
        bench.open()

    expected = FailureClass.INFRASTRUCTURE if error is LeaseError else FailureClass.CONFIGURATION
    assert raised.value.failure_class is expected
    assert watch.seconds < SOON
    assert bench.lab.leases() == []


def test_a_final_condition_without_words_is_named_by_its_reason(bench: Bench) -> None:
    bench.lab.condition("Unsatisfiable", "NoAccess", "")

    with pytest.raises(LeaseUnsatisfiableError, match=r"No lease on an exporter with board=mock: NoAccess \(NoAccess\)\."):
        bench.open()


def test_an_old_controllers_no_exporter_is_asked_again_under_a_fresh_name(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "RECREATE_PAUSE", 0.1)
    bench.lab.condition("Unsatisfiable", "NoExporter", "none yet", times=2)

    bench.open().device.power.on()

    names = [request["request"]["lease_id"] for request in bench.asked("CreateLease")]
    assert len(set(names)) == 3  # D47


@pytest.mark.parametrize(
    ("code", "text", "error"),
    [
        ("UNAUTHENTICATED", "missing authorization header", TokenError),
        ("UNKNOWN", "oidc: verify token: oidc: token is expired (Token Expiry: …)", TokenError),
        ("UNKNOWN", "failed to authenticate token", TokenError),
        ("PERMISSION_DENIED", "namespace mismatch", AccessDeniedError),
        ("UNKNOWN", "permission denied", AccessDeniedError),
        ("INVALID_ARGUMENT", "resource name mismatch", ConfigurationError),
        ("UNKNOWN", "unable to parse requirement: found '>'", ControllerError),
        ("UNKNOWN", "failed to parse label selector: found '>'", ConfigurationError),
        ("UNIMPLEMENTED", "unknown service", ControllerError),
    ],
)
@pytest.mark.parametrize("method", ["CreateLease", "GetLease"])
def test_a_refusal_stops_at_once(bench: Bench, method: str, code: str, text: str, error: type[Exception]) -> None:
    """Also while the lease is waited for: upstream goes on for two hours (D44)."""
    bench.lab.hold()
    bench.lab.refuse(method, code, text, times=None)
    watch = Stopwatch()

    with pytest.raises(error) as raised:
        bench.open(acquisition_timeout=timedelta(minutes=5))

    assert text in str(raised.value)
    assert f"the controller {bench.lab.endpoint} (client 'ci' of {bench.config})" in str(raised.value)
    assert watch.seconds < SOON
    bench.lab.refuse(method, times=0)
    assert bench.lab.leases() == []


def test_a_refused_token_says_until_when_it_is_valid(bench: Bench) -> None:
    bench.lab.expire_tokens("ci")

    with pytest.raises(TokenError, match=r"the token is valid until 20.* from now\. Log in again: jmp login"):
        bench.open()


@pytest.mark.parametrize("how", ["expire_lease", "release_lease", "delete_lease"])
def test_a_lease_that_ends_while_it_waits_is_an_error_at_once(bench: Bench, how: str) -> None:
    bench.lab.hold()
    end = threading.Thread(target=lambda: getattr(bench.lab, how)(bench.lab.wait_for(bench.lab.leases, "a lease")[0]["name"]))
    end.start()

    with pytest.raises(LeaseError, match=r"it expired|it was released|somebody deleted"):
        bench.open(acquisition_timeout=timedelta(minutes=5))

    end.join()
    assert bench.lab.leases() == []


def test_pending_that_was_never_cleared_does_not_hide_ready(bench: Bench) -> None:
    bench.lab.hold(2.0)

    session = bench.open()

    kinds = [condition["type"] for condition in bench.lab.lease(session.leased.lease.name)["conditions"]]
    assert kinds == ["Pending", "Ready"]


# -------------------------------------------------------------- waiting in words


def test_waiting_is_told_with_who_holds_what_and_ends_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leases_module, "QUIET", 0.2)
    holder = bench.lab.client_config("colleague")
    from JumpstarterLibrary.lab.wish import Wish

    bench.sessions.open(wish=Wish(selector="board=mock", client_config=holder), alias="theirs")
    watch = Stopwatch()

    with pytest.raises(LeaseTimeoutError, match=r"within 1.5 s: the exporters .* leased \('bench-1' is held by 'colleague'"):
        bench.open(acquisition_timeout=timedelta(seconds=1.5))

    assert 1.4 < watch.seconds < SOON
    assert "Waiting for an exporter with board=mock" in bench.told[0]
    assert "'bench-1' is held by 'colleague' until" in bench.told[0]
    assert [lease["client"] for lease in bench.lab.leases()] == ["colleague"]


@pytest.mark.parametrize(
    ("reason", "words"),
    [
        ("Offline", "are offline"),
        ("NotAvailable", "are leased"),
        ("NotReady", "are not ready yet"),
        ("SomethingNew", r"There are 1 approved exporters, \(i.e. held\)"),
        (None, "not decided yet"),
    ],
)
def test_why_a_lease_is_pending_is_said_in_words(bench: Bench, reason: str | None, words: str) -> None:
    bench.lab.hold(reason=reason)

    with pytest.raises(LeaseTimeoutError, match=words) as raised:
        bench.open(acquisition_timeout=timedelta(seconds=0.5))

    assert raised.value.failure_class is FailureClass.INFRASTRUCTURE


def test_a_controller_that_comes_back_is_no_failure(bench: Bench) -> None:
    bench.lab.hold()
    back = threading.Timer(1.0, lambda: (bench.lab.controller_up(), bench.lab.unhold()))
    away = threading.Timer(0.3, bench.lab.controller_down)
    away.start()
    back.start()

    bench.open(acquisition_timeout=timedelta(seconds=30)).device.power.on()


def test_a_controller_that_is_away_is_an_error_in_time(bench: Bench) -> None:
    bench.lab.controller_down()
    watch = Stopwatch()

    with pytest.raises(ControllerError, match="Is the lab's controller up"):
        bench.open(acquisition_timeout=timedelta(seconds=1))

    # Nothing was made, so there is nothing to give back, and nobody waits for that.
    assert watch.seconds < SOON


def test_a_controller_that_is_silent_is_an_error_in_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(leasing_module, "HURRIED_RELEASE", 0.5)
    monkeypatch.setattr(leases_module, "CONTACT_TIMEOUT", 1.0)
    bench.lab.network("controller", "silent")
    watch = Stopwatch()

    with pytest.raises(ControllerError, match="no answer in time"):
        bench.open()

    assert watch.seconds < SOON


def test_an_answer_that_is_lost_makes_no_second_lease(bench: Bench) -> None:
    bench.lab.refuse("CreateLease", "UNAVAILABLE", "the answer is lost", lost_answer=True)

    bench.open().device.power.on()

    assert len(bench.lab.leases(active=False)) == 1 or len(bench.lab.leases()) == 1
    assert len({request["request"]["lease_id"] for request in bench.asked("CreateLease")}) == 1


# --------------------------------------------------------------- the other ways


def test_a_lease_that_is_not_there_is_named(bench: Bench) -> None:
    with pytest.raises(ConfigurationError, match="There is no lease 'nowhere' at the controller"):
        bench.open(lease="nowhere")


def test_somebody_elses_lease_is_refused(bench: Bench) -> None:
    bench.lab.add_client("colleague")
    made = bench.open(alias="made").leased.lease
    bench.lab.transfer_lease(made.name, "colleague")

    with pytest.raises(AccessDeniedError, match="belongs to client 'colleague', not to 'ci'"):
        bench.open(lease=made.name)


def test_a_lease_that_is_over_is_refused(bench: Bench) -> None:
    name = bench.open(alias="made").leased.lease.name
    bench.sessions.close_all()

    with pytest.raises(LeaseError, match=f"The lease '{name}' of exporter 'bench-1' is over: somebody released it"):
        bench.open(lease=name)


@pytest.mark.parametrize(
    ("wish", "words"),
    [({"duration": timedelta(0)}, "longer than nothing"), ({"tags": {str(n): "x" for n in range(11)}}, "at most 10 tags")],
)
def test_what_cannot_be_is_refused_before_anybody_is_asked(bench: Bench, wish: dict[str, object], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        bench.open(**wish)

    assert bench.asked("CreateLease") == []


def test_a_taken_alias_is_refused_before_a_lease_is_asked_for(bench: Bench) -> None:
    bench.open(alias="dut")
    with pytest.raises(UsageError, match="'dut' is taken"):
        bench.open(alias="dut")

    assert len(bench.asked("CreateLease")) == 1
