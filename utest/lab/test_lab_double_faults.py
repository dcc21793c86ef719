"""What a test can do to the double: refusals, delays, networks, tunnels, clocks."""

import time
import uuid
from typing import Any

import grpc
import pytest
from helpers.lab import Lab, Raw, start_lab
from helpers.lab.raw import refused, state
from jumpstarter_protocol import client_pb2, jumpstarter_pb2

UNAVAILABLE, EXPIRED = grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED


@pytest.fixture
def raw(lab: Lab) -> Raw:
    return lab.raw("ci")


@pytest.fixture
def session(lab: Lab, raw: Raw) -> Any:
    """ExporterService behind a lease called `mine`."""
    lab.start_session_exporter("bench", {"board": "mock"})
    raw.create("board=mock", lease_id="mine")
    lab.wait_for_status("bench", "LEASE_READY")
    stub = raw.session("mine")
    get_status(stub)
    return stub


def get_status(session: Any, timeout: float = 20) -> int:
    return session.GetStatus(jumpstarter_pb2.GetStatusRequest(), timeout=timeout).status


def test_a_method_is_refused_as_often_as_asked(lab: Lab, raw: Raw) -> None:
    lab.refuse("ListLeases", "RESOURCE_EXHAUSTED", "not now", times=2)
    for _ in range(2):
        with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "not now"):
            raw.list()
    raw.list()
    lab.refuse("ListLeases", times=None)
    for _ in range(3):
        with refused(UNAVAILABLE, "scripted"):
            raw.list()
    lab.refuse("ListLeases", times=0)
    raw.list()
    assert [request["code"] for request in lab.requests("ListLeases")] == [
        *["RESOURCE_EXHAUSTED"] * 2,
        "OK",
        *["UNAVAILABLE"] * 3,
        "OK",
    ]


def test_an_answer_can_get_lost(lab: Lab, raw: Raw) -> None:
    lab.refuse("CreateLease", lost_answer=True)
    with refused(UNAVAILABLE, "scripted"):
        raw.create("a=1", lease_id="mine")
    assert lab.lease("mine")["selector"] == "a=1"


def test_a_late_answer(lab: Lab, raw: Raw) -> None:
    lab.delay("ListLeases", 30, times=1)
    with refused(EXPIRED, ""):
        list_within(raw, 0.2)
    raw.list()


def list_within(raw: Raw, timeout: float) -> None:
    raw.call(raw.client.ListLeases, client_pb2.ListLeasesRequest(parent=raw.parent), timeout=timeout)


def test_a_held_lab_goes_on_by_itself(lab: Lab, raw: Raw) -> None:
    lab.start_session_exporter("bench", {"board": "mock"})
    lab.hold(0.3, reason=None)
    lease = raw.create("board=mock").name
    assert not raw.get(lease).conditions
    lab.wait_for(lambda: "Ready" in state(raw.get(lease)), "ready")


def test_the_controller_goes_down_and_comes_back_at_the_same_port(lab: Lab, raw: Raw, session: Any) -> None:
    lab.controller_down()
    with refused(UNAVAILABLE, ""):
        raw.list()
    # Tunnels do not need it.
    assert get_status(session) == 4
    lab.controller_up()
    lab.wait_for(lambda: lab.exporters()["bench"]["listening"], "Listen")
    fresh = lab.raw("ci")
    assert [lease.name for lease in fresh.list().leases] == ["namespaces/lab/leases/mine"]
    assert get_status(fresh.session("mine")) == 4


def test_a_silent_controller_says_nothing_until_it_does(lab: Lab, raw: Raw) -> None:
    raw.list()
    lab.network("controller", "silent")
    with refused(EXPIRED, ""):
        list_within(raw, 0.3)
    fresh = lab.raw("ci")
    with refused(EXPIRED, ""):
        list_within(fresh, 0.3)
    lab.network("controller")
    fresh.list()
    raw.list()


def test_a_slow_network_delays_each_answer(lab: Lab, raw: Raw) -> None:
    raw.list()
    lab.network("controller", delay=0.2)
    start = time.monotonic()
    raw.list()
    assert time.monotonic() - start >= 0.4


def test_a_thin_network_takes_its_time(lab: Lab, raw: Raw, session: Any) -> None:
    lab.network("router", rate=20_000)
    assert seconds_for_20_kilobytes(session) >= 0.9


def test_tunnels_are_cut_and_new_ones_work(lab: Lab, raw: Raw, session: Any) -> None:
    assert lab.cut_tunnels("INTERNAL", "cut") == 1
    lab.wait_for(lambda: not lab.tunnels(), "no tunnel")
    assert {request["text"] for request in lab.requests("Stream")} == {"cut"}
    # The channel has lost its connection and dials anew.
    lab.wait_for(lambda: _answers(session), "a new tunnel")


def _answers(session: Any) -> bool:
    try:
        return get_status(session, 5) == 4
    except grpc.RpcError:
        return False


def test_a_router_that_is_down_refuses_tunnels(lab: Lab, raw: Raw, session: Any) -> None:
    lab.router_down()
    with refused(UNAVAILABLE, ""):
        get_status(session)
    lab.router_up()
    lab.wait_for(lambda: _answers(session), "a new tunnel")


def test_a_frozen_tunnel_is_open_and_dead(lab: Lab, raw: Raw, session: Any) -> None:
    lab.shape_tunnels(frozen=True)
    with refused(EXPIRED, ""):
        get_status(session, 0.3)
    assert [tunnel["joined"] for tunnel in lab.tunnels()] == [True]
    lab.shape_tunnels()
    assert get_status(session) == 4


def test_a_slow_tunnel(lab: Lab, raw: Raw, session: Any) -> None:
    lab.shape_tunnels(delay=0.2)
    start = time.monotonic()
    assert get_status(session) == 4
    assert time.monotonic() - start >= 0.4


def test_a_thin_tunnel(lab: Lab, raw: Raw, session: Any) -> None:
    lab.shape_tunnels(rate=20_000)
    assert seconds_for_20_kilobytes(session) >= 0.9


def seconds_for_20_kilobytes(session: Any) -> float:
    """An unknown driver, but that is known only when all of the request has arrived."""
    start = time.monotonic()
    request = jumpstarter_pb2.DriverCallRequest(uuid=str(uuid.uuid4()), method="x" * 20_000)
    with refused(grpc.StatusCode.NOT_FOUND, "no driver"):
        session.DriverCall(request, timeout=20)
    return time.monotonic() - start


def test_a_lease_ends_under_an_open_tunnel(lab: Lab, raw: Raw, session: Any) -> None:
    lab.settings(dial_wait=0)
    lab.expire_lease("mine")
    assert state(raw.get("mine")) == {"Ready": ("False", "Expired")}
    lab.wait_for(lambda: not lab.tunnels(), "the exporter to close its session")
    lab.wait_for_status("bench", "AVAILABLE")
    with pytest.raises(grpc.RpcError):
        get_status(session)


def test_a_deleted_lease_frees_the_exporter(lab: Lab, raw: Raw, session: Any) -> None:
    lab.delete_lease("mine")
    with refused(grpc.StatusCode.UNKNOWN, 'leases.jumpstarter.dev "mine" not found'):
        raw.get("mine")
    lab.wait_for_status("bench", "AVAILABLE")


def test_a_skewed_clock_shows_in_times(lab: Lab, raw: Raw) -> None:
    lab.clock(-1000)
    raw = lab.raw("ci")
    lab.start_session_exporter("bench", {"board": "mock"})
    raw.create("board=mock", lease_id="mine")
    lab.wait_for(lambda: "Ready" in state(raw.get("mine")), "ready")
    assert 900 < time.time() - raw.get("mine").effective_begin_time.seconds < 1100


def test_a_lab_without_fronts_works_as_well(tmp_path: Any) -> None:
    with start_lab(tmp_path, fronts=False) as lab:
        lab.start_session_exporter("bench", {"board": "mock"})
        raw = lab.raw("ci")
        raw.create("board=mock", lease_id="mine")
        lab.wait_for_status("bench", "LEASE_READY")
        assert get_status(raw.session("mine")) == 4


def test_the_double_and_its_exporters_are_gone_afterwards(tmp_path: Any) -> None:
    with start_lab(tmp_path) as lab:
        exporter = lab.start_session_exporter("bench", {"board": "mock"})
        lab.raw("ci").create("board=mock")
        process = lab.process
    assert exporter.pids() == process.pids() == []


def test_settings_start_with_the_lab(tmp_path: Any) -> None:
    with start_lab(tmp_path, dial_wait=0.5, max_tags=1) as lab:
        assert lab.settings()["dial_wait"] == 0.5
        assert lab.settings(max_tags=2)["max_tags"] == 2
