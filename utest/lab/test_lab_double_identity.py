"""Who may call the double, and what it says to others (protocol §1.1, §1.5, §8.11)."""

import grpc
import pytest
from helpers.lab import Lab, Raw
from helpers.lab.raw import refused
from jumpstarter_protocol import client_pb2, jumpstarter_pb2

UNKNOWN, INVALID = grpc.StatusCode.UNKNOWN, grpc.StatusCode.INVALID_ARGUMENT
DENIED, UNAUTHENTICATED = grpc.StatusCode.PERMISSION_DENIED, grpc.StatusCode.UNAUTHENTICATED


def list_with(raw: Raw, metadata: tuple[tuple[str, str], ...], parent: str | None = None) -> None:
    raw.call(raw.client.ListLeases, client_pb2.ListLeasesRequest(parent=parent or raw.parent), metadata)


def test_every_fault_of_the_metadata_has_its_answer(lab: Lab) -> None:
    raw = lab.raw("ci")
    good = dict(raw.metadata)
    with refused(UNAUTHENTICATED, "missing authorization header"):
        list_with(raw, tuple((key, value) for key, value in good.items() if key != "authorization"))
    with refused(INVALID, "malformed authorization header"):
        list_with(raw, tuple((good | {"authorization": "Basic abc"}).items()))
    with refused(INVALID, "multiple authorization headers"):
        list_with(raw, (*raw.metadata, raw.metadata[0]))
    for key in ("jumpstarter-kind", "jumpstarter-namespace", "jumpstarter-name"):
        with refused(INVALID, f"missing metadata: {key}"):
            list_with(raw, tuple((each, value) for each, value in good.items() if each != key))
        with refused(INVALID, f"multiple metadata: {key}"):
            list_with(raw, (*raw.metadata, (key, "again")))
    with refused(INVALID, "object kind mismatch"):
        list_with(raw, tuple((good | {"jumpstarter-kind": "Exporter"}).items()))


def test_a_token_speaks_for_one_identity_only(lab: Lab) -> None:
    raw = lab.raw("ci")
    lab.add_client("other")
    with refused(DENIED, "permission denied for client lab/other"):
        list_with(raw, tuple((dict(raw.metadata) | {"jumpstarter-name": "other"}).items()))
    with refused(UNKNOWN, 'client lab/nobody: clients.jumpstarter.dev "nobody" not found'):
        list_with(raw, tuple((dict(raw.metadata) | {"jumpstarter-name": "nobody"}).items()))
    with refused(DENIED, "namespace mismatch"):
        list_with(raw, raw.metadata, "namespaces/elsewhere")


def test_an_exporters_token_opens_no_client_service(lab: Lab) -> None:
    lab.add_exporter("bench")
    raw = lab.raw("bench", kind="Exporter")
    with refused(INVALID, "object kind mismatch"):
        list_with(raw, raw.metadata)
    raw.call(raw.controller.ReportStatus, jumpstarter_pb2.ReportStatusRequest(status=2))
    assert lab.exporters()["bench"]["status"] == "AVAILABLE"


def test_expired_and_foreign_tokens_are_unknown_errors(lab: Lab) -> None:
    lab.add_client("ci")
    with refused(UNKNOWN, "token is expired"):
        lab.raw("ci", token=lab.token("ci", expires_in=-5)).list()
    for bad in ("opaque", lab.token("ci")[:-8] + "AAAAAAAA"):
        with refused(UNKNOWN, "failed to authenticate token"):
            lab.raw("ci", token=bad).list()


def test_tokens_can_be_let_expire_and_new_ones_work(lab: Lab) -> None:
    raw = lab.raw("ci")
    raw.list()
    lab.expire_tokens("ci")
    with refused(UNKNOWN, "token is expired"):
        raw.list()
    lab.raw("ci").list()


def test_the_labs_clock_decides_about_tokens(lab: Lab) -> None:
    raw = lab.raw("ci", token=None)
    lab.clock(7200)
    with refused(UNKNOWN, "token is expired"):
        raw.list()


def test_a_token_can_name_another_issuer(lab: Lab) -> None:
    lab.add_client("ci")
    lab.raw("ci", token=lab.token("ci", issuer="https://sso.example")).list()


def test_a_rotated_token_works(lab: Lab) -> None:
    raw = lab.raw("ci")
    rotated = raw.call(raw.client.RotateToken, client_pb2.RotateTokenRequest(parent=raw.parent))
    assert rotated.expiry.seconds > 0
    lab.raw("ci", token=rotated.token).list()


def test_malformed_names_are_invalid(lab: Lab) -> None:
    raw = lab.raw("ci")
    for name, text in (
        ("leases/x/y", 'invalid number of segments in identifier "leases/x/y", expecting 4, got 3'),
        ("ns/lab/leases/x", 'expecting "namespaces", got "ns"'),
        ("namespaces/lab/lease/x", 'invalid third segment in identifier "namespaces/lab/lease/x", expecting "leases"'),
    ):
        with refused(INVALID, text):
            raw.get(name)


def test_nobody_gets_in_without_the_labs_authority(lab: Lab) -> None:
    with grpc.secure_channel(lab.endpoint, grpc.ssl_channel_credentials()) as channel, pytest.raises(grpc.FutureTimeoutError):
        grpc.channel_ready_future(channel).result(timeout=1)
