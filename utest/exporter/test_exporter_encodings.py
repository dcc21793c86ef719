"""Packed resource streams and presigned requests at our exporter."""

from __future__ import annotations

import bz2
import gzip
import http.server
import json
import lzma
import os
import threading
from collections.abc import Iterator

import anyio
import grpc
import pytest
from exporter_peer import GOAWAY, Stream, eventually, in_background

from JumpstarterLibrary.exporter import Driver, export
from JumpstarterLibrary.wire.compression import Encoding, unpack, zstd

Code = grpc.StatusCode
PACKERS = {"gzip": gzip.compress, "xz": lzma.compress, "bz2": bz2.compress, "zstd": zstd.compress}
CONTENT = b"an image " * 100_000 + os.urandom(300_000)
every_encoding = pytest.mark.parametrize("encoding", PACKERS)


class Store(Driver):
    def __init__(self, **driver):
        super().__init__(**driver)
        self.content = b""
        self.errors = []

    @export
    async def write(self, handle):
        self.content = b""
        try:
            async with self.resource(handle) as stream:
                async for chunk in stream:
                    self.content += chunk
        except BaseException as error:
            self.errors.append(type(error).__name__)
            raise
        return len(self.content)

    @export
    async def write_stubbornly(self, handle):
        async with self.resource(handle) as stream:
            for _ in range(3):
                try:
                    async for chunk in stream:
                        self.content += chunk
                    return "complete"
                except (ValueError, anyio.BrokenResourceError) as error:
                    self.errors.append(type(error).__name__)
            raise RuntimeError("gave up")

    @export
    async def read(self, handle, size: int, fail: str = ""):
        async with self.resource(handle) as stream:
            for _ in range(size // 100_000):
                await stream.send(b"r" * 100_000)
            await stream.send(b"r" * (size % 100_000))
            if fail:
                raise RuntimeError("the card is broken")


def open_packed(client, encoding):
    return Stream(client, {"kind": "resource", "uuid": client.uuid(), "x_jmp_content_encoding": encoding})


def send_all(stream, data):
    for start in range(0, len(data), 50_000):
        stream.send(data[start : start + 50_000])
    stream.goaway()


class TestEncodings:
    @every_encoding
    def test_the_driver_gets_all_members_unpacked(self, peer, encoding):
        store = Store()
        client = peer(store)
        stream = open_packed(client, encoding)
        assert stream.initial()["x_jmp_accept_encoding"] == encoding
        assert stream.handle()["x_jmp_content_encoding"] == encoding
        result = in_background(lambda: client.call("write", stream.handle()))
        send_all(stream, PACKERS[encoding](CONTENT) + PACKERS[encoding](b"second"))
        assert result() == len(CONTENT) + 6
        assert store.content == CONTENT + b"second"

    @every_encoding
    @pytest.mark.parametrize("fault", ["truncated", "garbage"])
    def test_a_bad_archive_is_an_error(self, peer, encoding, fault):
        store = Store()
        client = peer(store)
        packed = PACKERS[encoding](CONTENT)
        for method in ("write", "write_stubbornly"):
            stream = open_packed(client, encoding)
            result = in_background(lambda stream=stream, method=method: client.call(method, stream.handle()))
            send_all(stream, packed[:-20] if fault == "truncated" else packed + b"no archive")
            with pytest.raises(grpc.RpcError) as caught:
                result()
            if method == "write":
                assert caught.value.code() is Code.INVALID_ARGUMENT
                assert f"the {encoding} data" in caught.value.details()
        assert store.errors == ["CompressionError"] * 4

    @every_encoding
    @pytest.mark.parametrize("size", [0, 1, 3_000_000])
    def test_a_download_is_packed_and_complete(self, peer, encoding, size):
        client = peer(Store())
        stream = open_packed(client, encoding)
        result = in_background(lambda: client.call("read", stream.handle(), size))
        packed = b""
        while (frame := stream.receive()).frame_type != GOAWAY:
            packed += frame.payload
        result()
        stream.goaway()
        assert b"".join(unpack(Encoding(encoding), [packed])) == b"r" * size

    @pytest.mark.parametrize("encoding", ["lz4", "", 5, None, ["gzip"]])
    def test_what_is_not_taken_is_left_out_of_answer_and_handle(self, peer, encoding):
        client = peer(Store())
        stream = open_packed(client, encoding)
        assert "x_jmp_accept_encoding" not in stream.initial()
        assert stream.handle()["x_jmp_content_encoding"] is None
        result = in_background(lambda: client.call("write", stream.handle()))
        send_all(stream, b"plain")
        assert result() == 5


class TestTransfers:
    def test_a_call_tells_what_it_took_and_gave(self, peer):
        client = peer(Store())
        stream, other = client.open_resource(), client.open_resource()
        other.initial()
        from exporter_peer import to_wire
        from jumpstarter_protocol import jumpstarter_pb2 as pb

        request = pb.DriverCallRequest(uuid=client.uuid(), method="write", args=[to_wire(stream.handle())])
        send_all(stream, b"x" * 123_456)
        _, call = client.exporter.DriverCall.with_call(request, timeout=10)
        told = json.loads(dict(call.trailing_metadata())["x-jumpstarter-transferred"])
        assert told == {stream.handle()["uuid"]: [123_456, 0], other.handle()["uuid"]: [0, 0]}
        other.cancel()

    def test_a_call_without_resources_tells_nothing(self, peer):
        client = peer(Store())
        from jumpstarter_protocol import jumpstarter_pb2 as pb

        request = pb.DriverCallRequest(uuid=client.uuid(), method="read", args=[])
        with pytest.raises(grpc.RpcError) as caught:
            client.exporter.DriverCall(request, timeout=10)
        assert "x-jumpstarter-transferred" not in dict(caught.value.trailing_metadata())

    def test_a_driver_that_fails_in_the_middle_gives_no_whole_file(self, peer):
        client = peer(Store())
        stream = client.open_resource()
        result = in_background(lambda: client.call("read", stream.handle(), 300_000, "fail"))
        with pytest.raises(grpc.RpcError, match="the card is broken"):
            result()
        with pytest.raises(grpc.RpcError) as caught:
            stream.rest()
        assert caught.value.code() is Code.ABORTED
        stream.half_close()


class Web:
    """A web server that remembers what it was asked and given."""

    def __init__(self) -> None:
        self.asked: list[tuple[str, str, dict[str, str]]] = []
        self.stored: dict[str, bytes] = {}
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def answer(self, code: int, data: bytes = b"", **headers: str) -> None:
                self.send_response(code)
                for name, value in {"Content-Length": str(len(data)), **headers}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def do_GET(self) -> None:
                outer.asked.append(("GET", self.path, {k.lower(): v for k, v in self.headers.items()}))
                if self.path.startswith("/to?"):
                    self.answer(302, Location=self.path[4:])
                elif self.path == "/loop":
                    self.answer(302, Location="/loop")
                elif self.path == "/short":
                    self.answer(200, b"x" * 10, **{"Content-Length": "1000"})
                    self.close_connection = True
                elif self.path == "/none":
                    self.answer(403)
                else:
                    self.answer(200, CONTENT)

            def do_PUT(self) -> None:
                outer.asked.append(("PUT", self.path, {k.lower(): v for k, v in self.headers.items()}))
                data = self.rfile.read(int(self.headers["Content-Length"]))
                if self.path.startswith("/to?"):
                    self.answer(307, Location=self.path[4:])
                elif self.path == "/none":
                    self.answer(403)
                else:
                    outer.stored[self.path] = data
                    self.answer(201)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        self._thread = threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True)
        self._thread.start()

    def close(self) -> None:
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def web() -> Iterator[Web]:
    found = Web()
    yield found
    found.close()


@pytest.fixture
def other_web() -> Iterator[Web]:
    found = Web()
    yield found
    found.close()


def presigned(url, method="GET", **headers):
    return {"kind": "presigned_request", "url": url, "method": method, "headers": headers}


class TestPresigned:
    @pytest.mark.parametrize("way", ["/image", "/to?/image", "/to?/to?/image"])
    def test_a_file_is_fetched(self, peer, web, way):
        store = Store()
        client = peer(store)
        assert client.call("write", presigned(web.url + way, Authorization="secret")) == len(CONTENT)
        assert store.content == CONTENT
        assert all(headers["authorization"] == "secret" for _, _, headers in web.asked)

    def test_secrets_do_not_follow_to_another_server(self, peer, web, other_web):
        client = peer(Store())
        url = f"{web.url}/to?{other_web.url}/image"
        client.call(
            "write", presigned(url, Authorization="secret", Accept="image/*", **{"X-Token": "secret", "Cookie": "secret"})
        )
        assert "secret" in web.asked[0][2].values()
        assert "secret" not in other_web.asked[0][2].values()
        assert other_web.asked[0][2]["accept"] == "image/*"

    @pytest.mark.parametrize(
        ("path", "says"),
        [("/none", "answers 403 Forbidden"), ("/loop", "answers 302"), ("/short", "broke off after 10 of 1000"),
         ("/to?file:///etc/hostname", "no http or https"), ("/to?ftp://127.0.0.1/x", "no http or https")],
    )  # fmt: skip
    def test_what_cannot_be_fetched_is_an_error_of_the_call(self, peer, web, path, says):
        store = Store()
        client = peer(store)
        with pytest.raises(grpc.RpcError) as caught:
            client.call("write", presigned(web.url + path))
        assert says in caught.value.details()
        assert store.errors == ["OSError"]

    def test_nobody_there(self, peer):
        with pytest.raises(grpc.RpcError) as caught:
            peer(Store()).call("write", presigned("http://user:pass@127.0.0.1:9/x?key=hidden"))
        assert "'http://127.0.0.1:9/x'" in caught.value.details()
        assert "hidden" not in caught.value.details()

    @pytest.mark.parametrize("size", [0, 5, 20_000_000])
    @pytest.mark.parametrize("way", ["/dump", "/to?/dump"])
    def test_a_file_is_stored(self, peer, web, size, way):
        peer(Store()).call("read", presigned(web.url + way, "PUT"), size)
        assert web.stored == {"/dump": b"r" * size}

    def test_what_the_driver_did_not_finish_is_not_stored(self, peer, web):
        with pytest.raises(grpc.RpcError, match="the card is broken"):
            peer(Store()).call("read", presigned(f"{web.url}/dump", "PUT"), 5, "fail")
        assert not web.asked

    def test_a_server_that_does_not_store_is_an_error(self, peer, web):
        with pytest.raises(grpc.RpcError, match="answers 403"):
            peer(Store()).call("read", presigned(f"{web.url}/none", "PUT"), 5)

    @pytest.mark.parametrize(
        "change", [{"url": 5}, {"url": "x"}, {"method": "DELETE"}, {"headers": None}, {"headers": {"A": 5}}], ids=str
    )
    def test_a_malformed_request_is_an_invalid_argument(self, peer, change):
        with pytest.raises(grpc.RpcError) as caught:
            peer(Store()).call("write", presigned("http://127.0.0.1:9/") | change)
        assert caught.value.code() is Code.INVALID_ARGUMENT

    def test_a_cancelled_call_ends_the_fetching(self, peer):
        import socket

        store = Store()
        client = peer(store)
        with socket.create_server(("127.0.0.1", 0)) as silent:
            with pytest.raises(grpc.RpcError) as caught:
                client.call("write", presigned(f"http://127.0.0.1:{silent.getsockname()[1]}/"), timeout=0.3)
            assert caught.value.code() is Code.DEADLINE_EXCEEDED
            assert eventually(lambda: store.errors == ["CancelledError"])
            connection, _ = silent.accept()
            connection.settimeout(5)
            while connection.recv(4096):
                pass
            connection.close()
