"""Our own session behind the double: leases, tunnels, mimicked hooks and their ends (protocol §5.3 to §5.6)."""

from typing import Any

import grpc
import pytest
from google.protobuf.empty_pb2 import Empty
from helpers.lab import Lab, Raw
from helpers.lab.raw import refused, state
from jumpstarter_protocol import jumpstarter_pb2

AVAILABLE, BEFORE, READY, AFTER, BEFORE_FAILED, AFTER_FAILED = 2, 3, 4, 5, 6, 7
FAILED = grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
def raw(lab: Lab) -> Raw:
    return lab.raw("ci")


def leased(lab: Lab, raw: Raw, selector: str = "board=mock", lease_id: str = "mine") -> str:
    raw.create(selector, lease_id=lease_id)
    lab.wait_for(lambda: state(raw.get(lease_id)).get("Ready"), "ready")
    return lease_id


def call(session: Any, device: str, method: str) -> None:
    report = session.GetReport(Empty(), timeout=20)
    (uuid,) = [row.uuid for row in report.reports if row.labels.get("jumpstarter.dev/name", "") == device]
    session.DriverCall(jumpstarter_pb2.DriverCallRequest(uuid=uuid, method=method), timeout=20)


def status(session: Any) -> int:
    return session.GetStatus(jumpstarter_pb2.GetStatusRequest(), timeout=20).status


def end_session(session: Any) -> Any:
    return session.EndSession(jumpstarter_pb2.EndSessionRequest(), timeout=20)


def test_a_lease_reaches_our_session_through_the_tunnel(lab: Lab, raw: Raw) -> None:
    lab.settings(dial_wait=0)
    lab.start_session_exporter("bench", {"board": "mock"})
    name = leased(lab, raw)
    lab.wait_for_status("bench", "LEASE_READY")
    session = raw.session(name)
    assert status(session) == READY
    call(session, "power", "on")
    assert [tunnel["lease"] for tunnel in lab.tunnels()] == [name]
    raw.delete(name)
    lab.wait_until_free()
    lab.wait_for_status("bench", "AVAILABLE")
    with pytest.raises(grpc.RpcError):
        status(session)


def test_leases_follow_each_other_with_new_drivers(lab: Lab, raw: Raw) -> None:
    lab.start_session_exporter("bench", {"board": "mock"})
    uuids = set()
    for name in ("one", "two"):
        leased(lab, raw, lease_id=name)
        lab.wait_for_status("bench", "LEASE_READY")
        uuids.add(raw.session(name).GetReport(Empty(), timeout=20).reports[0].uuid)
        raw.delete(name)
        lab.wait_until_free()
    assert len(uuids) == 2


def test_two_clients_compete_for_one_exporter(lab: Lab, raw: Raw) -> None:
    lab.start_session_exporter("bench", {"board": "mock"})
    other = lab.raw("other")
    leased(lab, raw, lease_id="first")
    other.create("board=mock", lease_id="second")
    lab.wait_for(lambda: state(other.get("second")), "conditions")
    assert state(other.get("second")) == {"Pending": ("True", "NotAvailable")}
    raw.delete("first")
    lab.wait_for(lambda: "Ready" in state(other.get("second")), "the second's turn")
    lab.wait_for_status("bench", "LEASE_READY")
    call(other.session("second"), "power", "on")
    with refused(grpc.StatusCode.UNKNOWN, "permission denied"):
        raw.dial("second")


def test_two_exporters_serve_two_leases_at_once(lab: Lab, raw: Raw) -> None:
    for name in ("a", "b"):
        lab.start_session_exporter(name, {"board": "mock"})
    assert {lab.lease(leased(lab, raw, lease_id=name))["exporter"] for name in ("one", "two")} == {"a", "b"}
    for exporter, name in (("a", "one"), ("b", "two")):
        lab.wait_for_status(exporter, "LEASE_READY")
        call(raw.session(name), "power", "on")


def test_a_before_lease_hook_delays_and_is_heard(lab: Lab, raw: Raw) -> None:
    hook = {"seconds": 0.4, "output": ["warming up", "warm"]}
    lab.start_session_exporter("bench", {"board": "mock"}, before_lease=hook)
    name = leased(lab, raw)
    lab.wait_for(lambda: raw.exporter("bench").status == BEFORE, "the hook")
    # A Dial during the hook is taken, and its tunnel joined after it.
    session = raw.session(name)
    assert status(session) == READY
    logs = session.LogStream(Empty(), timeout=20)
    assert [(line.message, line.source) for line in (next(logs), next(logs))] == [("warming up", 2), ("warm", 2)]
    logs.cancel()


def test_a_failed_before_lease_hook_ends_the_lease(lab: Lab, raw: Raw) -> None:
    lab.start_session_exporter("bench", {"board": "mock"}, before_lease={"output": ["broken"], "fails": "endLease"})
    raw.create("board=mock", lease_id="mine")
    lab.wait_for(lambda: raw.exporter("bench").status == BEFORE_FAILED, "the failure")
    with refused(FAILED, "exporter beforeLease hook failed"):
        raw.dial("mine")
    lab.wait_until_free()
    assert state(raw.get("mine"))["Ready"] == ("False", "Released")
    lab.wait_for_status("bench", "AVAILABLE")


def test_a_hook_that_only_warns_goes_on(lab: Lab, raw: Raw) -> None:
    lab.start_session_exporter("bench", {"board": "mock"}, before_lease={"fails": "warn"})
    leased(lab, raw)
    lab.wait_for_status("bench", "LEASE_READY")
    assert raw.exporter("bench").status_message.startswith("[HOOK_WARNING] ")


def test_a_hook_that_demands_it_ends_the_exporter(lab: Lab, raw: Raw) -> None:
    exporter = lab.start_session_exporter("bench", {"board": "mock"}, before_lease={"fails": "exit"})
    raw.create("board=mock", lease_id="mine")
    lab.wait_for(lambda: lab.exporters()["bench"]["status"] == "OFFLINE", "OFFLINE")
    # It goes when the lease is over, which it does not end itself.
    assert [lease["name"] for lease in lab.leases()] == ["mine"]
    with refused(FAILED, "exporter is offline"):
        raw.dial("mine")
    raw.delete("mine")
    assert exporter.wait(20) == 0
    assert lab.exporters()["bench"]["registered"] is False


@pytest.mark.parametrize(("fails", "final"), [(None, AVAILABLE), ("warn", AVAILABLE), ("endLease", AFTER_FAILED)])
def test_end_session_runs_the_after_lease_hook(lab: Lab, raw: Raw, fails: str | None, final: int) -> None:
    hook = {"output": ["cooling down"], "seconds": 0.2, "fails": fails}
    lab.start_session_exporter("bench", {"board": "mock"}, after_lease=hook)
    name = leased(lab, raw)
    lab.wait_for_status("bench", "LEASE_READY")
    session = raw.session(name)
    logs = session.LogStream(Empty(), timeout=20)
    assert end_session(session).success
    assert lab.wait_for(lambda: (now := status(session)) != READY and now, "another status") == AFTER
    assert next(line.message for line in logs if line.source == 3) == "cooling down"
    logs.cancel()
    lab.wait_for(lambda: raw.exporter("bench").status == final, "the end of the hook")
    # The exporter releases by itself.
    lab.wait_until_free()
    assert [request["kind"] for request in lab.requests("ReleaseLease")] == ["Exporter"]
    assert lab.requests("DeleteLease") == []


def test_without_hooks_the_exporter_leaves_the_release_to_the_client(lab: Lab, raw: Raw) -> None:
    lab.start_session_exporter("bench", {"board": "mock"})
    name = leased(lab, raw)
    lab.wait_for_status("bench", "LEASE_READY")
    assert end_session(raw.session(name)).success
    lab.wait_for(lambda: raw.exporter("bench").status == AVAILABLE, "AVAILABLE")
    assert [lease["name"] for lease in lab.leases()] == [name]
    assert lab.requests("ReleaseLease") == []


def test_an_exporter_that_dies_loses_its_tunnel_and_comes_back(lab: Lab, raw: Raw) -> None:
    exporter = lab.start_session_exporter("bench", {"board": "mock"})
    name = leased(lab, raw)
    lab.wait_for_status("bench", "LEASE_READY")
    session = raw.session(name)
    assert status(session) == READY
    exporter.kill()
    lab.wait_for(lambda: not lab.tunnels(), "no tunnel")
    lab.start_session_exporter("bench", {"board": "mock"}, wait=False)
    lab.wait_for(lambda: lab.exporters()["bench"]["listening"], "Listen")
    call(raw.session(name), "power", "on")


def test_a_configuration_can_stand_behind_the_double(lab: Lab, raw: Raw) -> None:
    text = "metadata: {namespace: lab, name: x}\nexport:\n  psu: {type: JumpstarterLibrary.drivers.MockPower}\n"
    lab.start_session_exporter("bench", {"board": "mock"}, text)
    name = leased(lab, raw)
    lab.wait_for_status("bench", "LEASE_READY")
    call(raw.session(name), "psu", "on")
