"""Dial and the router of the double (protocol §8.6)."""

import json
import queue
import uuid
from collections.abc import Iterator
from typing import Any

import grpc
import pytest
from helpers.lab import Lab, Raw
from helpers.lab.raw import refused
from helpers.lab.tokens import _bytes
from jumpstarter_protocol import jumpstarter_pb2, router_pb2

UNKNOWN, FAILED = grpc.StatusCode.UNKNOWN, grpc.StatusCode.FAILED_PRECONDITION
DATA, GOAWAY = router_pb2.FRAME_TYPE_DATA, router_pb2.FRAME_TYPE_GOAWAY


class Bench:
    """An exporter that does what a test says."""

    def __init__(self, lab: Lab, name: str = "bench") -> None:
        lab.add_exporter(name, {"board": name})
        self.calls: list[Any] = []
        self.raw = lab.raw(name, kind="Exporter")
        report = jumpstarter_pb2.DriverInstanceReport(uuid=str(uuid.uuid4()))
        self.raw.call(self.raw.controller.Register, jumpstarter_pb2.RegisterRequest(reports=[report]))
        self.report(2)

    def report(self, status: int) -> None:
        request = jumpstarter_pb2.ReportStatusRequest(status=status)
        self.raw.call(self.raw.controller.ReportStatus, request)

    def listen(self, lease: str) -> Any:
        request = jumpstarter_pb2.ListenRequest(lease_name=lease)
        # A call that nobody holds is cancelled.
        self.calls.append(self.raw.controller.Listen(request, metadata=self.raw.metadata, timeout=30))
        return self.calls[-1]


class Frames:
    """Frames that a test sends one by one; the end of them half-closes the RPC."""

    def __init__(self) -> None:
        self._queue: queue.Queue[Any] = queue.Queue()

    def __iter__(self) -> Iterator[Any]:
        return iter(self._queue.get, None)

    def send(self, payload: bytes = b"", kind: int = DATA) -> None:
        self._queue.put(router_pb2.StreamRequest(payload=payload, frame_type=kind))

    def close(self) -> None:
        self._queue.put(None)


@pytest.fixture
def raw(lab: Lab) -> Raw:
    return lab.raw("ci")


@pytest.fixture
def bench(lab: Lab) -> Bench:
    return Bench(lab)


@pytest.fixture
def lease(lab: Lab, raw: Raw, bench: Bench) -> str:
    raw.create("board=bench", lease_id="mine")
    lab.wait_for(lambda: lab.lease("mine")["exporter"], "an exporter")
    return "mine"


def listening(lab: Lab, bench: Bench, lease: str) -> Any:
    listen = bench.listen(lease)
    lab.wait_for(lambda: lab.exporters()["bench"]["listening"], "Listen")
    return listen


def test_each_status_of_the_exporter_has_its_answer(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    lab.settings(dial_wait=0.1)
    for status, text in (
        (1, "exporter is offline"),
        (2, "exporter is not ready (status: Available)"),
        (6, "exporter beforeLease hook failed"),
        (7, "exporter afterLease hook failed"),
    ):
        bench.report(status)
        with refused(FAILED, text):
            raw.dial(lease)
    for status in (0, 3, 4, 5):
        bench.report(status)
        with refused(grpc.StatusCode.UNAVAILABLE, "exporter is not listening on lease mine"):
            raw.dial(lease)


def test_dial_waits_for_an_exporter_that_is_about_to_be_ready(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    listen = listening(lab, bench, lease)
    dialled = raw.controller.Dial.future(jumpstarter_pb2.DialRequest(lease_name=lease), metadata=raw.metadata, timeout=20)
    lab.wait_for(lambda: lab.requests("Dial"), "Dial")
    assert not dialled.done()
    bench.report(4)
    assert next(listen).router_token == dialled.result().router_token


def test_wrong_leases_are_unknown_errors(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    with refused(UNKNOWN, "empty lease name"):
        raw.dial("")
    with refused(UNKNOWN, 'leases.jumpstarter.dev "nix" not found'):
        raw.dial("nix")
    with refused(UNKNOWN, "permission denied"):
        lab.raw("other").dial(lease)
    waiting = raw.create("board=bench").name
    with refused(UNKNOWN, "lease not active"):
        raw.dial(waiting)
    bench.report(4)
    lab.settings(routers=0)
    with refused(UNKNOWN, "no router available"):
        raw.dial(lease)


def test_only_the_leased_exporter_may_listen(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    other = Bench(lab, "other")
    with refused(UNKNOWN, "permission denied"):
        next(other.listen(lease))
    with refused(UNKNOWN, "empty lease name"):
        next(other.listen(""))
    with refused(FAILED, "lease mine is not held by exporter other"):
        other.raw.call(other.raw.controller.ReleaseLease, jumpstarter_pb2.ReleaseLeaseRequest(name=lease))
    with refused(grpc.StatusCode.NOT_FOUND, "lease nix not found"):
        other.raw.call(other.raw.controller.ReleaseLease, jumpstarter_pb2.ReleaseLeaseRequest(name="nix"))
    for _ in range(2):
        bench.raw.call(bench.raw.controller.ReleaseLease, jumpstarter_pb2.ReleaseLeaseRequest(name=lease))
    lab.wait_until_free()


def test_a_newer_listen_takes_the_place_of_the_older(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    bench.report(4)
    older = listening(lab, bench, lease)
    newer = bench.listen(lease)
    assert list(older) == []
    raw.dial(lease)
    assert next(newer).router_endpoint == lab.router_endpoint


def test_nine_undelivered_dials_are_too_many(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    bench.report(4)
    lab.settings(listen_frozen=1)
    listen = listening(lab, bench, lease)
    # One is on its way out already, eight wait.
    tokens = [raw.dial(lease).router_token for _ in range(9)]
    with refused(grpc.StatusCode.RESOURCE_EXHAUSTED, "listener buffer full on lease mine"):
        raw.dial(lease)
    lab.settings(listen_frozen=0)
    assert [next(listen).router_token for _ in range(9)] == tokens


def test_the_router_token_is_as_recorded(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    bench.report(4)
    listening(lab, bench, lease)
    header, claims, _ = raw.dial(lease).router_token.split(".")
    claims = json.loads(_bytes(claims))
    assert json.loads(_bytes(header))["alg"] == "HS256"
    assert claims["iss"] == "https://jumpstarter.dev/stream"
    assert claims["aud"] == ["https://jumpstarter.dev/router"]
    assert claims["exp"] - claims["iat"] == 1800
    assert uuid.UUID(claims["sub"])


def test_two_streams_with_one_token_meet(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    bench.report(4)
    listen = listening(lab, bench, lease)
    dialled = raw.dial(lease)
    to_exporter, to_client = Frames(), Frames()
    client = raw.stream(dialled, iter(to_exporter))
    to_exporter.send(b"early")
    exporter = bench.raw.stream(next(listen), iter(to_client))
    assert next(exporter).payload == b"early"
    to_client.send(b"answer")
    assert next(client).payload == b"answer"
    to_exporter.send(kind=router_pb2.FRAME_TYPE_PING)
    assert next(exporter).frame_type == router_pb2.FRAME_TYPE_PING
    (tunnel,) = lab.tunnels()
    assert (tunnel["lease"], tunnel["joined"], tunnel["bytes"]) == ("mine", True, 11)
    # Half-closed by frame and by RPC, the other way stays open.
    to_exporter.send(kind=GOAWAY)
    to_exporter.close()
    assert next(exporter).frame_type == GOAWAY
    to_client.send(b"still")
    assert next(client).payload == b"still"
    to_client.close()
    assert list(client) == []
    assert client.code() is grpc.StatusCode.OK
    lab.wait_for(lambda: not lab.tunnels(), "no tunnel")


def test_one_end_that_goes_takes_the_other_along(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    bench.report(4)
    listen = listening(lab, bench, lease)
    frames = Frames()
    client = raw.stream(raw.dial(lease), iter(frames))
    exporter = bench.raw.stream(next(listen), iter(Frames()))
    frames.send(b"x")
    assert next(exporter).payload == b"x"
    client.cancel()
    assert list(exporter) == []
    lab.wait_for(lambda: not lab.tunnels(), "no tunnel")


def test_the_first_comer_waits_and_may_leave(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    bench.report(4)
    listening(lab, bench, lease)
    client = raw.stream(raw.dial(lease), iter(Frames()))
    lab.wait_for(lambda: [tunnel["joined"] for tunnel in lab.tunnels()] == [False], "a lonely tunnel")
    client.cancel()
    lab.wait_for(lambda: not lab.tunnels(), "no tunnel")


def test_bad_router_tokens_are_refused(lab: Lab, raw: Raw, bench: Bench, lease: str) -> None:
    bench.report(4)
    listening(lab, bench, lease)
    good = raw.dial(lease)
    for token in ("nonsense", good.router_token[:-6] + "AAAAAA"):
        bad = jumpstarter_pb2.DialResponse(router_endpoint=good.router_endpoint, router_token=token)
        with refused(grpc.StatusCode.INVALID_ARGUMENT, "invalid jwt token"):
            next(raw.stream(bad, iter(Frames())))
    lab.clock(1801)
    with refused(grpc.StatusCode.INVALID_ARGUMENT, "invalid jwt token"):
        next(raw.stream(good, iter(Frames())))


def test_status_tells_the_exporter_who_leases_it(lab: Lab, raw: Raw, bench: Bench) -> None:
    status = bench.raw.controller.Status(jumpstarter_pb2.StatusRequest(), metadata=bench.raw.metadata, timeout=30)
    assert next(status).leased is False
    raw.create("board=bench", lease_id="mine")
    told = next(status)
    assert (told.leased, told.lease_name, told.client_name) == (True, "mine", "ci")
    lab.add_client("other")
    lab.transfer_lease("mine", "other")
    assert next(status).client_name == "other"
    lab.release_lease("mine")
    assert next(status).leased is False


def test_an_old_exporter_without_status_reports_can_be_leased(lab: Lab, raw: Raw, bench: Bench) -> None:
    bench.report(1)
    assert raw.exporter("bench").online is False
    status = bench.raw.controller.Status(jumpstarter_pb2.StatusRequest(), metadata=bench.raw.metadata, timeout=30)
    assert next(status).leased is False
    assert raw.exporter("bench").status == 0
    raw.create("board=bench", lease_id="mine")
    assert next(status).lease_name == "mine"


def test_labels_of_a_registration_count_only_with_the_prefix(lab: Lab, raw: Raw, bench: Bench) -> None:
    labels = {"jumpstarter.dev/name": "x", "own": "no"}
    bench.raw.call(bench.raw.controller.Register, jumpstarter_pb2.RegisterRequest(labels=labels))
    assert dict(raw.exporter("bench").labels) == {"board": "bench", "jumpstarter.dev/name": "x"}
    bench.raw.call(bench.raw.controller.Unregister, jumpstarter_pb2.UnregisterRequest(reason="test"))
    assert lab.exporters()["bench"]["registered"] is False
