"""Resource streams: what goes to and from drivers through handles."""

from __future__ import annotations

import hashlib
import json
import os
import threading

import grpc
import pytest
from exporter_peer import GOAWAY, in_background

from JumpstarterLibrary.exporter import Driver, export

Code = grpc.StatusCode


class Store(Driver):
    """Takes an upload, gives a download."""

    def __init__(self, **driver):
        super().__init__(**driver)
        self.got = 0
        self.outcome = None
        self.reading = threading.Event()

    @export
    async def write(self, handle):
        digest = hashlib.sha256()
        self.got = 0
        try:
            async with self.resource(handle) as stream:
                async for chunk in stream:
                    self.got += len(chunk)
                    digest.update(chunk)
                    self.reading.set()
        except BaseException as error:
            self.outcome = error
            raise
        self.outcome = "complete"
        return digest.hexdigest()

    @export
    async def write_first_chunk(self, handle):
        async with self.resource(handle) as stream:
            return len(await stream.receive())

    @export
    async def read(self, handle, size: int):
        async with self.resource(handle) as stream:
            await stream.send(b"r" * size)

    @export
    async def ignore(self, handle):
        return "ignored"


class TestResources:
    @pytest.mark.parametrize("frame", [64 * 1024, 3 * 2**20])
    @pytest.mark.parametrize("goodbye", ["goaway", "half_close"])
    def test_an_upload_arrives_whole(self, peer, frame, goodbye):
        data = os.urandom(4 * 2**20 + 17)
        client = peer(Store())
        stream = client.open_resource()
        assert "x_jmp_accept_encoding" not in stream.initial()
        handle = stream.handle()
        assert handle["kind"] == "client_stream"
        assert handle["x_jmp_content_encoding"] is None
        result = in_background(lambda: client.call("write", handle))
        for start in range(0, len(data), frame):
            stream.send(data[start : start + frame])
        getattr(stream, goodbye)()
        assert result() == hashlib.sha256(data).hexdigest()
        assert stream.rest()[-1].frame_type == GOAWAY
        assert stream.code() is Code.OK

    def test_an_empty_frame_is_no_end(self, peer):
        client = peer(Store())
        stream = client.open_resource()
        result = in_background(lambda: client.call("write", stream.handle()))
        for payload in (b"a", b"", b"b"):
            stream.send(payload)
        stream.goaway()
        assert result() == hashlib.sha256(b"ab").hexdigest()

    def test_a_download_arrives_whole_and_ends(self, peer):
        client = peer(Store())
        stream = client.open_resource()
        handle = stream.handle()
        result = in_background(lambda: client.call("read", handle, 5 * 2**20))
        assert stream.read(5 * 2**20) == b"r" * 5 * 2**20
        assert stream.receive().frame_type == GOAWAY
        result()
        stream.goaway()
        assert stream.rest() == []
        assert stream.code() is Code.OK

    def test_an_upload_that_the_client_breaks_off_is_an_error_every_time(self, peer):
        for attempt in range(40):
            driver = Store()
            client = peer(driver)
            stream = client.open_resource()
            handle = stream.handle()
            result = in_background(lambda client=client, handle=handle: client.call("write", handle))
            stream.send(b"half of it")
            assert driver.reading.wait(5)
            stream.cancel() if attempt % 2 else stream.rpc.cancel()
            with pytest.raises(grpc.RpcError) as caught:
                result()
            assert caught.value.details() == "the client broke off the transfer"
            assert driver.outcome != "complete"
            stream.half_close()

    def test_an_upload_whose_connection_dies_is_an_error(self, serve):
        from exporter_peer import Peer

        driver = Store()
        session, client = serve(driver)
        with session.serve_unix() as path:
            other = Peer(path)
            stream = other.open_resource()
            handle = stream.handle()
            result = in_background(lambda: client.call("write", handle))
            stream.send(b"half of it")
            assert driver.reading.wait(5)
            other.channel.close()
            with pytest.raises(grpc.RpcError):
                result()
            stream.half_close()
        assert driver.outcome != "complete"

    def test_a_driver_that_stops_reading_ends_the_upload(self, peer):
        client = peer(Store())
        stream = client.open_resource()
        handle = stream.handle()
        result = in_background(lambda: client.call("write_first_chunk", handle))
        for _ in range(100):
            stream.send(b"x" * 100_000)
        assert result() == 100_000
        assert stream.rest()[-1].frame_type == GOAWAY
        stream.half_close()

    @pytest.mark.parametrize(
        "handle",
        [None, 5, "text", [], {}, {"uuid": "x"}, {"kind": "client_stream", "uuid": None},
         {"kind": "client_stream", "uuid": "12345678-1234-5678-1234-567812345678"},
         {"kind": "presigned_request", "url": "file:///etc/hosts", "method": "GET", "headers": {}},
         {"kind": "presigned_request", "url": "http://127.0.0.1/", "method": "POST", "headers": {}}],
        ids=str,
    )  # fmt: skip
    def test_a_wrong_handle_is_an_invalid_argument(self, peer, handle):
        with pytest.raises(grpc.RpcError) as caught:
            peer(Store()).call("write", handle)
        assert caught.value.code() is Code.INVALID_ARGUMENT

    def test_a_handle_can_be_used_once_and_only_on_its_driver(self, peer):
        client = peer(Store(children={"other": Store()}))
        stream = client.open_resource()
        handle = stream.handle()
        with pytest.raises(grpc.RpcError) as caught:
            client.call("write", handle, name="other")
        assert "unknown or was already used" in caught.value.details()
        stream.goaway()
        client.call("write", handle)
        with pytest.raises(grpc.RpcError) as caught:
            client.call("write", handle)
        assert caught.value.code() is Code.INVALID_ARGUMENT

    def test_the_report_of_a_resource_is_json_that_goes_back_as_it_is(self, peer):
        stream = peer(Store()).open_resource()
        assert json.loads(stream.initial()["resource"])["uuid"]
        stream.cancel()
