"""Byte streams between clients and drivers, and that nothing is left of them."""

from __future__ import annotations

import asyncio
import random
import time
from contextlib import asynccontextmanager

import anyio
import grpc
import pytest
from anyio.streams.stapled import StapledObjectStream
from exporter_peer import DATA, GOAWAY, PING, RST_STREAM, Stream, eventually
from jumpstarter_protocol import jumpstarter_pb2 as pb
from test_exporter_resources import Store

from JumpstarterLibrary.exporter import Driver, exportstream, router
from JumpstarterLibrary.wire import event_loop

Code = grpc.StatusCode


class Echo(Driver):
    """Gives back what it gets, ends when the client ends, and counts."""

    def __init__(self, **driver):
        super().__init__(**driver)
        self.open = 0
        self.sizes: list[int] = []

    @exportstream
    @asynccontextmanager
    async def connect(self):
        send, receive = anyio.create_memory_object_stream[bytes](8)
        self.open += 1
        try:
            async with StapledObjectStream(send, receive) as stream:
                yield stream
        finally:
            self.open -= 1

    @exportstream
    @asynccontextmanager
    async def refusing(self):
        raise ConnectionRefusedError("port is busy")
        yield

    @exportstream
    @asynccontextmanager
    async def cancelling(self):
        raise asyncio.CancelledError
        yield

    @exportstream
    def no_context_manager(self):
        return 5

    @exportstream
    @asynccontextmanager
    async def breaking(self):
        class Breaking(StapledObjectStream):
            async def receive(self):
                data = await super().receive()
                raise OSError(f"cable pulled after {data!r}")

        send, receive = anyio.create_memory_object_stream[bytes](8)
        async with Breaking(send, receive) as stream:
            yield stream

    @exportstream
    @asynccontextmanager
    async def greeting(self):
        """Says something and ends, whatever the client does."""
        send, receive = anyio.create_memory_object_stream[bytes](8)
        nowhere, nobody = anyio.create_memory_object_stream[bytes](8)
        await send.send(b"hello")
        await send.aclose()
        async with StapledObjectStream(nowhere, receive) as stream, nobody:
            yield stream

    @exportstream
    @asynccontextmanager
    async def tcp(self):
        async with await anyio.connect_tcp("127.0.0.1", self.port) as stream:
            yield stream


def tasks() -> int:
    async def count():
        return len(asyncio.all_tasks())

    return event_loop.run(count)


class TestDriverStream:
    def test_bytes_come_back_and_the_finished_stream_ends_by_itself(self, peer):
        driver = Echo()
        stream = peer(driver).open()
        assert stream.initial() == {}
        stream.send(b"abc")
        assert stream.receive().payload == b"abc"
        assert driver.open == 1
        stream.goaway()
        assert [frame.frame_type for frame in stream.rest()] == [GOAWAY]
        assert stream.code() is Code.OK
        assert eventually(lambda: driver.open == 0)

    def test_goaway_without_half_close_ends_it_too(self, peer):
        stream = peer(Echo()).open()
        stream.send(frame_type=GOAWAY)
        assert [frame.frame_type for frame in stream.rest()] == [GOAWAY]
        assert stream.code() is Code.OK
        stream.half_close()

    def test_half_close_without_goaway_ends_it_at_once(self, peer):
        stream = peer(Echo()).open()
        stream.send(b"x")
        stream.half_close()
        began = time.monotonic()
        assert [(f.frame_type, f.payload) for f in stream.rest()] == [(DATA, b"x"), (GOAWAY, b"")]
        assert stream.code() is Code.OK
        assert time.monotonic() - began < router.LINGER / 2

    def test_ping_reset_unknown_and_empty_frames_are_ignored(self, peer):
        stream = peer(Echo()).open()
        for frame_type in (PING, RST_STREAM, 0x55, DATA):
            stream.send(frame_type=frame_type)
        stream.send(b"ignored", PING)
        stream.send(b"real")
        stream.goaway()
        assert [(f.frame_type, f.payload) for f in stream.rest()] == [(DATA, b"real"), (GOAWAY, b"")]

    def test_three_mebibytes_in_one_frame_come_back_whole_in_frames_below_the_limit(self, peer):
        data = random.Random(1).randbytes(3 * 2**20)
        stream = peer(Echo()).open()
        stream.send(data)
        stream.goaway()
        frames = stream.rest()
        assert b"".join(frame.payload for frame in frames) == data
        assert max(len(frame.payload) for frame in frames) <= 2**20

    def test_a_driver_that_ends_first_leaves_the_client_time_and_then_ends_the_stream(self, peer, monkeypatch):
        monkeypatch.setattr(router, "LINGER", 0.3)
        stream = peer(Echo()).open("greeting")
        assert stream.receive().payload == b"hello"
        assert stream.receive().frame_type == GOAWAY
        for _ in range(4):
            time.sleep(0.15)
            stream.send(frame_type=PING)  # not silent, so not cut off
        stream.goaway()
        assert stream.rest() == []
        assert stream.code() is Code.OK

    def test_a_client_that_half_closes_after_the_driver_ended_ends_the_stream_at_once(self, peer):
        stream = peer(Echo()).open("greeting")
        assert stream.receive().payload == b"hello"
        assert stream.receive().frame_type == GOAWAY
        began = time.monotonic()
        stream.half_close()
        assert stream.rest() == []
        assert time.monotonic() - began < router.LINGER / 2

    def test_a_silent_client_is_cut_off_after_the_driver_ended(self, peer, monkeypatch):
        monkeypatch.setattr(router, "LINGER", 0.1)
        stream = peer(Echo()).open("greeting")
        assert [frame.frame_type for frame in stream.rest()] == [DATA, GOAWAY]
        assert stream.code() is Code.OK
        stream.half_close()

    def test_two_streams_of_one_driver_do_not_mix(self, peer):
        client = peer(Echo())
        one, two = client.open(), client.open()
        one.send(b"one")
        two.send(b"two")
        assert (two.receive().payload, one.receive().payload) == (b"two", b"one")
        one.cancel()
        two.goaway()
        assert two.rest()[-1].frame_type == GOAWAY

    def test_a_tcp_connection_that_is_reset_ends_the_stream_with_a_status(self, peer):
        import socket

        with socket.create_server(("127.0.0.1", 0)) as server:
            driver = Echo()
            driver.port = server.getsockname()[1]
            stream = peer(driver).open("tcp")
            connection, _ = server.accept()
            stream.send(b"ping")
            assert connection.recv(4) == b"ping"
            connection.sendall(b"pong")
            assert stream.receive().payload == b"pong"
            connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, b"\1\0\0\0\0\0\0\0")
            connection.close()
            with pytest.raises(grpc.RpcError):
                stream.rest()
            assert stream.code() is Code.UNKNOWN
            stream.half_close()

    def test_cancelling_closes_the_driver_side(self, peer):
        driver = Echo()
        stream = peer(driver).open()
        stream.initial()
        stream.cancel()
        assert eventually(lambda: driver.open == 0)


class TestStreamRefusals:
    @pytest.mark.parametrize(
        ("method", "code", "text"),
        [
            ("refusing", Code.UNKNOWN, "port is busy"),
            ("cancelling", Code.UNKNOWN, "CancelledError"),
            ("no_context_manager", Code.UNKNOWN, "no async context manager"),
            ("nothing", Code.NOT_FOUND, "method nothing not found"),
            ("\ud800", Code.NOT_FOUND, "method ? not found"),
            ("reset", Code.NOT_FOUND, "marker_streamcall"),
            ("__class__", Code.NOT_FOUND, "not found"),
        ],
    )
    def test_a_stream_that_cannot_open_ends_with_a_status(self, peer, method, code, text):
        stream = peer(Echo()).open(method)
        with pytest.raises(grpc.RpcError) as caught:
            stream.receive()
        assert caught.value.code() is code
        assert text in caught.value.details()
        stream.half_close()

    def test_an_exported_call_is_no_stream(self, peer):
        stream = peer(Store()).open("write")
        with pytest.raises(grpc.RpcError) as caught:
            stream.receive()
        assert caught.value.code() is Code.NOT_FOUND
        stream.half_close()

    def test_a_stream_that_breaks_ends_with_the_driver_error(self, peer):
        stream = peer(Echo()).open("breaking")
        stream.send(b"data")
        with pytest.raises(grpc.RpcError) as caught:
            stream.rest()
        assert (caught.value.code(), caught.value.details()) == (Code.UNKNOWN, "cable pulled after b'data'")
        stream.half_close()

    @pytest.mark.parametrize(
        "metadata",
        [
            (),
            (("request", "no json"),),
            (("request", "[]"),),
            (("request", "null"),),
            (("request", "5"),),
            (("request", "{}"),),
            (("request", '{"kind": "driver"}'),),
            (("request", '{"kind": "other", "uuid": "x"}'),),
            (("request", '{"kind": ["driver"], "uuid": "x"}'),),
            (("request", '{"kind": "driver", "uuid": "x"}'),),
            (("request", '{"kind": "driver", "uuid": {"a": 1}}'),),
            (("request", "[" * 20_000),),
            (("request", "1" * 8_000),),
            (("request", "{}"), ("request", "{}")),
        ],
        ids=str,
    )
    def test_malformed_metadata_is_an_invalid_argument(self, peer, metadata):
        client = peer(Echo())
        stream = Stream(client, None, metadata=metadata)
        with pytest.raises(grpc.RpcError) as caught:
            stream.receive()
        assert caught.value.code() is Code.INVALID_ARGUMENT
        stream.half_close()

    def test_an_unknown_uuid_is_not_found(self, peer):
        request = {"kind": "resource", "uuid": "12345678-1234-5678-1234-567812345678"}
        stream = Stream(peer(Echo()), request)
        with pytest.raises(grpc.RpcError) as caught:
            stream.receive()
        assert caught.value.code() is Code.NOT_FOUND
        stream.half_close()


class TestNothingIsLeft:
    def test_of_two_hundred_streams(self, serve):
        driver = Echo(children={"store": Store()})
        session, client = serve(driver)
        store = driver.children["store"]
        client.report()
        before = tasks()
        for _ in range(50):
            ended = client.open()
            ended.send(b"x")
            ended.goaway()
            assert ended.rest()[-1].frame_type == GOAWAY
            cancelled = client.open()
            cancelled.initial()
            cancelled.cancel()
            unused = client.open_resource(name="store")
            unused.handle()
            unused.cancel()
            refused = client.open("refusing")
            refused.initial()
            refused.half_close()
        assert eventually(lambda: driver.open == 0)
        assert eventually(lambda: len(store.resources) == 0)
        assert eventually(lambda: tasks() <= before)
        assert session.log.readers == 0

    def test_of_streams_open_when_the_session_ends(self, serve):
        from JumpstarterLibrary.exporter import Session

        driver = Echo()
        before = tasks()
        with Session(root_device=driver) as session, session.serve_unix() as path:
            from exporter_peer import Peer

            with Peer(path) as client:
                stream = client.open()
                stream.initial()
                reset = pb.ResetRequest()
                client.exporter.Reset(reset, timeout=5)
                assert driver.open == 1
        assert eventually(lambda: driver.open == 0)
        assert eventually(lambda: tasks() <= before)
        stream.half_close()
