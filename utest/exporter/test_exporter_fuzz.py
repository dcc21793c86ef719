"""Random and mutated requests: never a crash, never an unexported call, and the next good call is answered."""

from __future__ import annotations

import json
import uuid
from contextlib import asynccontextmanager

import anyio
import grpc
import pytest
from anyio.streams.stapled import StapledObjectStream
from exporter_peer import Peer, Stream, to_wire
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jumpstarter_protocol import jumpstarter_pb2 as pb

from JumpstarterLibrary.exporter import Driver, Session, export, exportstream

EXPECTED = {
    grpc.StatusCode.OK,
    grpc.StatusCode.NOT_FOUND,
    grpc.StatusCode.INVALID_ARGUMENT,
    grpc.StatusCode.UNKNOWN,
}
MARK = "the driver's own error"


class Trapped(Driver):
    """Three exported methods; whatever else is called is written down."""

    def __init__(self, **driver):
        super().__init__(**driver)
        self.trapped: list[str] = []
        self.armed = False

    @export
    def good(self, number: int = 0, *rest):
        return number + 1 if isinstance(number, (int, float)) else None

    @export
    async def failing(self, *values):
        raise RuntimeError(MARK)

    @export
    def stream(self, *values):
        yield from values

    @exportstream
    @asynccontextmanager
    async def connect(self):
        send, receive = anyio.create_memory_object_stream[bytes](1)
        async with StapledObjectStream(send, receive) as stream:
            yield stream

    def _trap(self, name):
        if self.armed:
            self.trapped.append(name)

    def hidden(self, *values):
        self._trap("hidden")

    def _private(self, *values):
        self._trap("_private")

    def __call__(self, *values):
        self._trap("__call__")

    def reset(self, *values):
        self._trap("reset")

    def close(self, *values):
        self._trap("close")

    def resource(self, *values):
        self._trap("resource")
        return super().resource(*values)


NAMES = ["good", "failing", "stream", "connect", "hidden", "_private", "__call__", "__class__", "__init__", "__dict__", "reset",
         "close", "client", "resource", "resources", "logger", "exports", "extra_labels", "children", "uuid", "good ", "Good",
         "good.__call__", "__getattribute__", "armed", "trapped", "", "\x00", "../good", "good\n"]  # fmt: skip
values = st.recursive(
    st.none()
    | st.booleans()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.integers(-(2**53), 2**53)
    | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=12,
)
methods = st.sampled_from(NAMES) | st.text(max_size=30)
uuids = st.just("right") | st.sampled_from(["wrong", "braces", "upper", "urn"]) | st.text(max_size=40)


@pytest.fixture(scope="module")
def served():
    driver = Trapped()
    with Session(root_device=driver) as session, session.serve_unix() as path, Peer(path) as client:
        right = client.uuid()
        driver.armed = True
        yield driver, client, right
        driver.armed = False


def spell(choice: str, right: str) -> str:
    spelled = {"right": right, "wrong": str(uuid.UUID(int=1)), "braces": f"{{{right}}}", "upper": right.upper()}
    return spelled.get(choice, f"urn:uuid:{right}" if choice == "urn" else choice)


def code_of(rpc) -> tuple[grpc.StatusCode, str]:
    try:
        rpc()
    except grpc.RpcError as error:
        return error.code(), error.details()
    return grpc.StatusCode.OK, ""


def check(driver, client, right, code, details):
    assert code in EXPECTED, (code, details)
    assert code is not grpc.StatusCode.UNKNOWN or details == MARK
    assert driver.trapped == []
    request = pb.DriverCallRequest(uuid=right, method="good", args=[to_wire(41)])
    assert client.exporter.DriverCall(request, timeout=5).result.number_value == 42


# Without a database of examples the requests are new ones in every run, and the folder stays clean.
quickly = settings(max_examples=1000, deadline=None, database=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
less = settings(quickly, max_examples=300)


@quickly
@given(choice=uuids, method=methods, arguments=st.lists(values, max_size=4), streaming=st.booleans())
def test_a_thousand_random_calls(served, choice, method, arguments, streaming):
    driver, client, right = served
    kind = pb.StreamingDriverCallRequest if streaming else pb.DriverCallRequest
    request = kind(uuid=spell(choice, right), method=method, args=[to_wire(value) for value in arguments])
    if streaming:
        code, details = code_of(lambda: list(client.exporter.StreamingDriverCall(request, timeout=5)))
    else:
        code, details = code_of(lambda: client.exporter.DriverCall(request, timeout=5))
    if code is grpc.StatusCode.OK:
        assert (method, streaming) in (("good", False), ("stream", True))
    check(driver, client, right, code, details)


@less
@given(data=st.binary(max_size=200), position=st.integers(0, 60), streaming=st.booleans())
def test_mutated_messages(served, data, position, streaming):
    driver, client, right = served
    good = pb.DriverCallRequest(uuid=right, method="failing", args=[to_wire([1, {"a": "b"}])]).SerializeToString()
    mutated = good[:position] + data + good[position + len(data) // 2 :]
    path = "/jumpstarter.v1.ExporterService/" + ("StreamingDriverCall" if streaming else "DriverCall")
    if streaming:
        code, details = code_of(lambda: list(client.channel.unary_stream(path)(mutated, timeout=5)))
    else:
        code, details = code_of(lambda: client.channel.unary_unary(path)(mutated, timeout=5))
    # What is no message at all is answered by gRPC itself, before our code.
    if code not in (grpc.StatusCode.INTERNAL, grpc.StatusCode.UNKNOWN):
        check(driver, client, right, code, details)
    assert driver.trapped == []


@less
@given(
    request=st.fixed_dictionaries(
        {},
        optional={
            "kind": st.sampled_from(["driver", "resource", "", "Driver"]) | values,
            "uuid": uuids | values,
            "method": methods | values,
            "x_jmp_content_encoding": values,
        },
    ),
    frames=st.lists(st.tuples(st.binary(max_size=50), st.integers(0, 255)), max_size=4),
)
def test_random_streams(served, request, frames):
    driver, client, right = served
    if isinstance(request.get("uuid"), str):
        request["uuid"] = spell(request["uuid"], right)
    stream = Stream(client, None, metadata=(("request", json.dumps(request)),))
    for payload, frame_type in frames:
        stream.send(payload, frame_type)
    stream.goaway()
    if request.get("kind") == "resource":
        stream.initial()
        stream.cancel()
        code, details = grpc.StatusCode.OK, ""
    else:
        code, details = code_of(stream.rest)
    check(driver, client, right, code, details)
