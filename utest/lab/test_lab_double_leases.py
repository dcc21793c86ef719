"""The double's leases: creation, conditions, times, tags, updates and ends (protocol §8.1 to §8.4, §8.10)."""

import time
import uuid
from typing import Any

import grpc
import pytest
from helpers.lab import Lab, Raw
from helpers.lab.clients import reconcile_times
from helpers.lab.journal import RefusedError
from helpers.lab.raw import refused, seconds, state
from jumpstarter_protocol import jumpstarter_pb2, kubernetes_pb2

UNKNOWN, INVALID = grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT
DENIED, FAILED = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.FAILED_PRECONDITION


@pytest.fixture
def raw(lab: Lab) -> Raw:
    return lab.raw("ci")


def add_available(lab: Lab, name: str, **labels: str) -> Raw:
    """An exporter that nobody runs, but that the controller believes to be there."""
    lab.add_exporter(name, labels or {"board": name})
    exporter = lab.raw(name, kind="Exporter")
    report = jumpstarter_pb2.DriverInstanceReport(uuid=str(uuid.uuid4()))
    exporter.call(exporter.controller.Register, jumpstarter_pb2.RegisterRequest(reports=[report]))
    exporter.call(exporter.controller.ReportStatus, jumpstarter_pb2.ReportStatusRequest(status=2, message="here"))
    return exporter


def settled(lab: Lab, raw: Raw, lease: Any) -> Any:
    """The lease once the controller has looked at it."""
    lab.wait_for(lambda: raw.get(lease.name).conditions, "conditions")
    return raw.get(lease.name)


# -------------------------------------------------------------------- creation


def test_a_lease_gets_an_exporter_and_tells_its_facts(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench", board="rpi")
    created = raw.create("board=rpi", duration=60)
    assert not created.conditions
    assert not created.HasField("effective_begin_time")
    assert uuid.UUID(created.name.split("/")[-1]).version == 7
    lease = settled(lab, raw, created)
    assert state(lease) == {"Ready": ("True", "Ready")}
    assert lease.conditions[0].message == "An exporter has been acquired for the client"
    assert lease.exporter == "namespaces/lab/exporters/bench"
    assert lease.client == "namespaces/lab/clients/ci"
    assert lease.duration.seconds == 60
    assert abs(lease.effective_begin_time.seconds - time.time()) < 60
    assert not lease.HasField("effective_end_time")
    assert lab.exporters()["bench"]["lease"] == created.name.split("/")[-1]


def test_an_id_is_used_once(lab: Lab, raw: Raw) -> None:
    assert raw.create("a=1", lease_id="mine").name == "namespaces/lab/leases/mine"
    with refused(UNKNOWN, 'leases.jumpstarter.dev "mine" already exists'):
        raw.create("a=1", lease_id="mine")
    with refused(UNKNOWN, "is invalid"):
        raw.create("a=1", lease_id="Not A Name")


def test_something_has_to_be_asked_for(raw: Raw) -> None:
    with refused(INVALID, "one of selector or exporter_name is required"):
        raw.create()
    with refused(UNKNOWN, "failed to parse label selector"):
        raw.create("a b")


def test_the_selector_comes_back_normalised(raw: Raw) -> None:
    assert raw.create("zone!=west, board=rpi").selector == "board=rpi,zone notin (west)"
    assert raw.create(exporter_name="x").selector == "<none>"


@pytest.mark.parametrize(
    ("given", "complete"),
    [
        ((None, None, 60.0), (None, None, 60.0)),
        ((100.0, None, 60.0), (100.0, None, 60.0)),
        ((100.0, 160.0, None), (100.0, 160.0, 60.0)),
        ((None, 160.0, 60.0), (100.0, 160.0, 60.0)),
        ((100.0, 160.0, 60.0), (100.0, 160.0, 60.0)),
        ((100.0, 160.0, 50.0), "duration conflicts with begin_time and end_time"),
        ((None, None, None), "duration is required (must specify Duration, or both BeginTime and EndTime)"),
        ((100.0, None, None), "duration is required"),
        ((None, 160.0, None), "duration is required"),
        ((None, None, 0.0), "duration must be positive"),
        ((160.0, 100.0, None), "duration must be positive"),
    ],
)
def test_the_three_times_of_a_lease(given: Any, complete: Any) -> None:
    if isinstance(complete, tuple):
        assert reconcile_times(*given) == complete
        return
    with pytest.raises(RefusedError) as raised:
        reconcile_times(*given)
    assert raised.value.code is UNKNOWN
    assert complete in raised.value.text


def test_a_scheduled_lease_waits_without_conditions(lab: Lab, raw: Raw) -> None:
    exporter = add_available(lab, "bench", board="rpi")
    later = raw.create("board=rpi", duration=60, begin_time=time.time() + 1000)
    now = raw.create("board=rpi", duration=60)
    assert state(settled(lab, raw, now)) == {"Ready": ("True", "Ready")}
    assert not raw.get(later.name).conditions
    raw.delete(now.name)
    lab.clock(1000.5)
    # A sign of life by the new clock, or it would count as offline.
    exporter.call(exporter.controller.ReportStatus, jumpstarter_pb2.ReportStatusRequest(status=2))
    lab.wait_for(lambda: "Ready" in state(raw.get(later.name)), "ready")
    assert state(settled(lab, raw, later))["Ready"] == ("True", "Ready")


def test_tags_are_checked(raw: Raw) -> None:
    for tags, text in (
        ({str(number): "x" for number in range(11)}, "too many tags: 11 (maximum 10)"),
        ({"jumpstarter.dev/x": "1"}, 'tag key "jumpstarter.dev/x" must not use reserved prefix'),
        ({"a/b": "1"}, "tag key \"a/b\" must not contain '/'"),
        ({"-a": "1"}, 'tag key "-a" is not a valid label key'),
        ({"a": "with space"}, 'tag value for key "a" is not a valid label value'),
    ):
        with refused(INVALID, f"invalid lease tags: {text}"):
            raw.create("a=1", tags=tags)


def test_a_held_lab_assigns_nothing_until_it_is_let_go(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench", board="rpi")
    lab.hold()
    lease = settled(lab, raw, raw.create("board=rpi"))
    assert state(lease) == {"Pending": ("True", "NotAvailable")}
    lab.unhold()
    lab.wait_for(lambda: "Ready" in state(raw.get(lease.name)), "ready")
    # Conditions are never cleared.
    assert list(state(raw.get(lease.name)).items()) == [("Pending", ("True", "NotAvailable")), ("Ready", ("True", "Ready"))]


# -------------------------------------------------------------------- who gets what


def test_pending_says_why(lab: Lab, raw: Raw) -> None:
    lab.add_exporter("bench", {"board": "rpi"})
    lease = settled(lab, raw, raw.create("board=rpi"))
    assert state(lease) == {"Pending": ("True", "Offline")}
    assert lease.conditions[0].message == "While there are 1 available exporters (i.e. bench), none of them are online"
    exporter = add_available(lab, "bench", board="rpi")
    lab.wait_for(lambda: "Ready" in state(raw.get(lease.name)), "ready")
    second = settled(lab, raw, raw.create("board=rpi"))
    assert state(second) == {"Pending": ("True", "NotAvailable")}
    assert second.conditions[0].message == ("There are 1 approved exporters, (i.e. bench) but all of them are already leased")
    exporter.call(exporter.controller.ReportStatus, jumpstarter_pb2.ReportStatusRequest(status=5))
    raw.delete(lease.name)
    lab.wait_for(lambda: state(raw.get(second.name)) == {"Pending": ("True", "NotReady")}, "not ready")
    exporter.call(exporter.controller.ReportStatus, jumpstarter_pb2.ReportStatusRequest(status=2))
    lab.wait_for(lambda: "Ready" in state(raw.get(second.name)), "ready")


def test_what_cannot_be_had_ends_the_lease(lab: Lab, raw: Raw) -> None:
    add_available(lab, "on", board="on")
    lab.add_exporter("off", {"board": "off"}, enabled=False)
    for asked, reason, text in (
        ({"exporter_name": "nowhere"}, "ExporterNotFound", "Requested exporter nowhere was not found"),
        (
            {"exporter_name": "on", "selector": "board=x"},
            "SelectorMismatch",
            "Requested exporter on does not match selector board=x",
        ),
        ({"exporter_name": "off"}, "ExporterDisabled", "Requested exporter off is disabled."),
        ({"selector": "board=off"}, "AllDisabled", "All 1 exporters matching the selector are disabled"),
        ({"selector": "board=none"}, "NoAccess", "While there are 0 exporters matching the selector"),
    ):
        lease = settled(lab, raw, raw.create(**asked))
        assert state(lease) == {"Unsatisfiable": ("True", reason)}
        assert text in lease.conditions[0].message
        # It never began, so it shows no end either.
        assert not lease.HasField("effective_end_time")
    assert lab.leases() == []


def test_a_disabled_exporter_can_be_had_by_name(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    lab.set_exporter("bench", enabled=False)
    assert raw.exporter("bench").enabled is False
    lease = settled(lab, raw, raw.create(exporter_name="bench", allow_disabled=True))
    assert state(lease) == {"Ready": ("True", "Ready")}


def test_the_first_name_wins_unless_a_policy_says_otherwise(lab: Lab, raw: Raw) -> None:
    for name in ("b", "a", "c"):
        add_available(lab, name, pool="x")
    assert settled(lab, raw, raw.create("pool=x")).exporter.endswith("/a")
    lab.policies([{"exporters": "pool=x", "priority": 1}, {"exporters": "board=c,pool=x", "priority": 9}])
    lab.set_exporter("c", labels={"pool": "x", "board": "c"})
    assert settled(lab, raw, raw.create("pool=x")).exporter.endswith("/c")
    assert settled(lab, raw, raw.create("pool=x")).exporter.endswith("/b")


def test_policies_refuse(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench", board="rpi")
    lab.add_client("ci", {"team": "red"})
    lab.policies([{"exporters": "board=rpi", "clients": "team=blue", "description": "blue team only"}])
    lease = settled(lab, raw, raw.create("board=rpi"))
    assert state(lease) == {"Unsatisfiable": ("True", "NoAccess")}
    assert lease.conditions[0].message.endswith("Matching policies: blue team only")
    lab.policies([{"clients": "team=red", "max_duration": 60}])
    assert state(settled(lab, raw, raw.create("board=rpi", duration=61))) == {"Unsatisfiable": ("True", "NoAccess")}
    lab.policies([{"spot": True}])
    assert state(settled(lab, raw, raw.create("board=rpi", duration=61))) == {"Unsatisfiable": ("True", "SpotAccess")}
    lab.policies([{"clients": "team=red", "max_duration": 60}])
    assert state(settled(lab, raw, raw.create("board=rpi", duration=60))) == {"Ready": ("True", "Ready")}


def test_a_silent_exporter_goes_offline(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    assert raw.exporter("bench").online is True
    lab.settings(offline_after=0.1)
    lab.wait_for(lambda: raw.exporter("bench").status == 1, "offline")
    assert raw.exporter("bench").online is False
    assert raw.exporter("bench").status_message == "Connection lost - last seen more than 1 minute ago"


# -------------------------------------------------------------------- lists


def test_exporters_are_listed_by_selector_and_in_pages(lab: Lab, raw: Raw) -> None:
    for name in ("a", "b", "c"):
        lab.add_exporter(name, {"pool": "x", "name": name})
    names = [exporter.name.split("/")[-1] for exporter in raw.list_exporters(filter="name in (c,a)").exporters]
    assert names == ["a", "c"]
    first = raw.list_exporters(page_size=2)
    assert len(first.exporters) == 2
    rest = raw.list_exporters(page_size=2, page_token=first.next_page_token)
    assert [exporter.labels["name"] for exporter in rest.exporters] == ["c"]
    assert rest.next_page_token == ""
    with refused(UNKNOWN, "unable to parse"):
        raw.list_exporters(filter="a b")
    with refused(UNKNOWN, 'exporters.jumpstarter.dev "d" not found'):
        raw.exporter("d")


def test_leases_of_all_clients_are_listed_by_plain_terms_and_tags(lab: Lab, raw: Raw) -> None:
    lab.add_exporter("x", {"pool": "x"})
    one = raw.create("pool=x,zone!=west", lease_id="one", tags={"job": "7"})
    lab.raw("other").create("pool=y", lease_id="two")
    lab.hold(reason=None)
    raw.create("pool=x", lease_id="three")
    raw.delete("three")
    lab.wait_for(lambda: lab.lease("three")["ended"], "ended")

    def names(**asked: Any) -> list[str]:
        return [lease.name.split("/")[-1] for lease in raw.list(**asked).leases]

    lab.wait_for(lambda: names() == ["one"], "two to be unsatisfiable")
    assert names(only_active=False) == ["one", "three", "two"]
    assert names(filter="pool=x", only_active=False) == ["one", "three"]
    # Expressions of the selector are no labels of the lease.
    assert names(filter="zone", only_active=False) == []
    assert names(tag_filter="job=7") == ["one"]
    assert names(tag_filter="job!=7") == []
    assert dict(one.tags) == {"job": "7"}
    with refused(INVALID, "invalid tag_filter"):
        names(tag_filter="a b")


# -------------------------------------------------------------------- updates and ends


def test_extending_sets_the_new_total(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    lease = settled(lab, raw, raw.create("board=bench", duration=60))
    assert raw.update(lease.name, duration=seconds(90)).duration.seconds == 90
    with refused(DENIED, "UpdateLease permission denied"):
        lab.raw("other").update(lease.name, duration=seconds(90))
    with refused(UNKNOWN, "duration is required"):
        raw.update(lease.name, end_time=lease.effective_begin_time)
    with refused(FAILED, "cannot update BeginTime: lease has already started"):
        raw.update(lease.name, begin_time=lease.effective_begin_time, duration=seconds(5))
    lab.expire_lease(lease.name.split("/")[-1])
    with refused(FAILED, "lease has already ended"):
        raw.update(lease.name, duration=seconds(120))


def test_an_active_lease_can_be_given_away(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    waiting = raw.create("board=bench", begin_time=time.time() + 3600)
    with refused(FAILED, "cannot transfer lease: lease has not started yet"):
        raw.update(waiting.name, client="namespaces/lab/clients/other")
    lease = settled(lab, raw, raw.create("board=bench"))
    with refused(INVALID, 'target client "other" not found'):
        raw.update(lease.name, client="namespaces/lab/clients/other")
    lab.add_client("other")
    with refused(INVALID, "cannot transfer lease to client in different namespace"):
        raw.update(lease.name, client="namespaces/else/clients/other")
    assert raw.update(lease.name, client="namespaces/lab/clients/other").client.endswith("/other")
    with refused(UNKNOWN, "DeleteLease permission denied"):
        raw.delete(lease.name)
    lab.raw("other").delete(lease.name)


def test_a_release_shows_and_is_not_repeated(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    lease = settled(lab, raw, raw.create("board=bench"))
    raw.delete(lease.name)
    lab.wait_for(lambda: not lab.leases(), "released")
    ended = raw.get(lease.name)
    assert state(ended) == {"Ready": ("False", "Released")}
    assert ended.conditions[0].message == "The lease was marked for release"
    assert ended.HasField("effective_end_time")
    with refused(FAILED, f'lease "{lease.name}" has already been released'):
        raw.delete(lease.name)
    with refused(UNKNOWN, 'leases.jumpstarter.dev "nix" not found'):
        raw.delete("nix")


def test_a_lease_expires_by_the_clock(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    lease = raw.create("board=bench", duration=0.2)
    lab.wait_for(lambda: raw.get(lease.name).HasField("effective_end_time"), "the end")
    ended = raw.get(lease.name)
    assert state(ended) == {"Ready": ("False", "Expired")}
    assert ended.conditions[0].message == "The lease has expired"
    assert lab.exporters()["bench"]["lease"] is None


def test_an_end_time_decides_when_a_lease_is_over(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    now = time.time()
    lease = raw.create("board=bench", duration=3600, end_time=now + 3600)
    lab.wait_for(lambda: raw.get(lease.name).HasField("effective_begin_time"), "the begin")
    assert abs(lab.lease(lease.name.split("/")[-1])["begin_time"] - now) < 1
    # Skewed by an hour it is over, though it began only now.
    lab.clock(3599.9)
    lab.wait_for(lambda: not lab.leases(), "expired")


def test_hands_of_the_tester(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    lab.condition("Unsatisfiable", "NoAccess", "because")
    first = settled(lab, raw, raw.create("board=bench"))
    assert state(first) == {"Unsatisfiable": ("True", "NoAccess")}
    second = settled(lab, raw, raw.create("board=bench", lease_id="second"))
    lab.transfer_lease("second", "ci")
    lab.condition("Invalid", "InvalidSelector", lease="second")
    lab.wait_for(lambda: raw.get(second.name).HasField("effective_end_time"), "the end")
    raw.create("board=bench", lease_id="third")
    lab.release_lease("third")
    lab.wait_for(lambda: state(raw.get("third")).get("Ready") == ("False", "Released"), "released")
    lab.delete_lease("third")
    with refused(UNKNOWN, 'leases.jumpstarter.dev "third" not found'):
        raw.get("third")


def test_the_old_way_to_lease(lab: Lab, raw: Raw) -> None:
    add_available(lab, "bench")
    call, stub = raw.call, raw.controller
    selector = kubernetes_pb2.LabelSelector(match_labels={"board": "bench"})
    request = jumpstarter_pb2.RequestLeaseRequest(duration=seconds(60), selector=selector)
    name = call(stub.RequestLease, request).name
    lab.wait_for(lambda: call(stub.GetLease, jumpstarter_pb2.GetLeaseRequest(name=name)).exporter_uuid, "an exporter")
    assert list(call(stub.ListLeases, jumpstarter_pb2.ListLeasesRequest()).names) == [name]
    with refused(UNKNOWN, "GetLease permission denied"):
        lab.raw("other").controller.GetLease(jumpstarter_pb2.GetLeaseRequest(name=name), metadata=lab.raw("other").metadata)
    call(stub.ReleaseLease, jumpstarter_pb2.ReleaseLeaseRequest(name=name))
    lab.wait_for(lambda: not lab.leases(), "released")


def test_a_lease_without_selector_is_invalid(lab: Lab, raw: Raw) -> None:
    name = raw.call(raw.controller.RequestLease, jumpstarter_pb2.RequestLeaseRequest(duration=seconds(60))).name
    lab.wait_for(lambda: lab.lease(name)["ended"], "the end")
    assert state(raw.get(name)) == {"Invalid": ("True", "InvalidSelector")}


def test_requests_are_recorded_with_their_answers(lab: Lab, raw: Raw) -> None:
    with refused(UNKNOWN, "not found"):
        raw.get("nix")
    lab.clear_requests()
    raw.create("a=1", lease_id="x")
    (request,) = lab.requests("CreateLease")
    assert (request["kind"], request["name"], request["code"]) == ("Client", "ci", "OK")
    assert request["request"]["lease"]["selector"] == "a=1"
    assert [request["method"] for request in lab.requests()] == ["CreateLease"]
