"""Where images come from: unpacked by content, checked, and one clear error for what cannot be sent."""

from __future__ import annotations

import bz2
import gzip
import hashlib
import http.server
import lzma
import os
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.programs import needs
from helpers.results import eventually
from transfer_support import MIB, image, nothing_left

from JumpstarterLibrary.client.images import Source, open_source, presigned
from JumpstarterLibrary.client.resources import HANDLE, upload
from JumpstarterLibrary.errors import ConfigurationError, InfrastructureError
from JumpstarterLibrary.journal import CallEnded
from JumpstarterLibrary.wire import compression
from JumpstarterLibrary.wire.abandoned import Abandoned
from JumpstarterLibrary.wire.web import secret_pieces

CONTENT = b"an image " * 50_000 + os.urandom(200_000)
PACKERS = {
    "gzip": gzip.compress,
    "xz": lzma.compress,
    "bz2": bz2.compress,
    # With a checksum, as the zstd command writes it; Python leaves it out.
    "zstd": lambda data: compression.zstd.compress(data, options={compression.zstd.CompressionParameter.checksum_flag: 1}),
}
every_encoding = pytest.mark.parametrize("encoding", PACKERS)


def unpacked(data: bytes, **options: object) -> bytes:
    return b"".join(Source.of_bytes(data, "packed", unpack=True, **options).blocks())


class TestUnpacking:
    @every_encoding
    def test_content_tells_the_encoding_and_not_the_name(self, tmp_path, encoding):
        path = tmp_path / "image.img"
        path.write_bytes(PACKERS[encoding](CONTENT))
        assert b"".join(open_source(path).blocks()) == CONTENT
        assert b"".join(open_source(path, unpack=False).blocks()) == path.read_bytes()

    def test_a_name_that_promises_an_archive_does_not_make_one(self, tmp_path):
        path = tmp_path / "image.gz"
        path.write_bytes(CONTENT)
        with pytest.raises(ConfigurationError, match=r"image\.gz': its name promises gzip, its content is none"):
            list(open_source(path).blocks())
        assert b"".join(open_source(path, unpack=False).blocks()) == CONTENT

    @pytest.mark.parametrize("size", [0, 2, 5])
    @pytest.mark.parametrize("suffix", ["gz", "xz", "bz2", "zst", "XZ"])
    def test_a_cut_archive_is_not_sent_as_it_is(self, tmp_path, suffix, size):
        path = tmp_path / f"image.{suffix}"
        path.write_bytes(b"\xfd7zXZ\x00"[:size])
        with pytest.raises(ConfigurationError, match="Cannot unpack"):
            list(open_source(path).blocks())

    @pytest.mark.parametrize("content", [4, 12, 60, 5000])
    @pytest.mark.parametrize("count", [1, 2, 6])
    def test_frames_without_data_may_come_first(self, content, count):
        skipped = b"\x50\x2a\x4d\x18" + content.to_bytes(4, "little") + bytes(content)
        assert unpacked(skipped * count + PACKERS["zstd"](CONTENT)) == CONTENT
        assert unpacked(b"\x50\x2a\x4d\x18\x04\0\0\0abcd and no frame" + CONTENT).endswith(CONTENT)

    @every_encoding
    def test_all_members_are_unpacked(self, encoding):
        pack = PACKERS[encoding]
        assert unpacked(pack(CONTENT) + pack(b"") + pack(b"second") + pack(CONTENT)) == CONTENT + b"second" + CONTENT

    @every_encoding
    def test_many_small_members_are_unpacked(self, encoding):
        assert unpacked(PACKERS[encoding](b"small") * 3000) == b"small" * 3000

    @every_encoding
    def test_padding_behind_an_archive_does_no_harm(self, encoding):
        assert unpacked(PACKERS[encoding](CONTENT) + bytes(1024)) == CONTENT

    @every_encoding
    @pytest.mark.parametrize("piece", [1, 1000, 10**9])
    def test_pieces_of_any_size_will_do(self, encoding, piece):
        data = PACKERS[encoding](CONTENT[:20_000]) * 2
        pieces = [data[start : start + piece] for start in range(0, len(data), piece)]
        found = b"".join(compression.unpack(compression.Encoding(encoding), pieces))
        assert found == CONTENT[:20_000] * 2

    @every_encoding
    def test_a_small_archive_of_much_stays_in_small_blocks(self, encoding):
        packed = PACKERS[encoding](bytes(64 * MIB))
        assert max(len(block) for block in Source.of_bytes(packed, unpack=True).blocks()) <= 2 * MIB

    @every_encoding
    def test_an_empty_archive_is_an_empty_image(self, encoding):
        assert unpacked(PACKERS[encoding](b"")) == b""

    @every_encoding
    @pytest.mark.parametrize("part", [0.3, 0.9, -1])
    @pytest.mark.parametrize("before", [0, 1])
    def test_a_truncated_archive_is_an_error(self, encoding, part, before):
        packed = PACKERS[encoding](CONTENT)
        cut = packed * before + packed[: int(len(packed) * part) if part > 0 else part]
        with pytest.raises(ConfigurationError, match=f"Cannot unpack 'packed': the {encoding} data .*truncated"):
            unpacked(cut)

    @every_encoding
    def test_a_corrupt_archive_is_an_error(self, encoding):
        packed = bytearray(PACKERS[encoding](os.urandom(300_000)))
        for place in range(1000, 1100):
            packed[place] ^= 0xFF
        with pytest.raises(ConfigurationError, match=r"Cannot unpack 'packed': .*(corrupt|truncated)"):
            unpacked(bytes(packed))

    @every_encoding
    def test_garbage_behind_an_archive_is_an_error(self, encoding):
        with pytest.raises(ConfigurationError, match="corrupt after 1 complete part"):
            unpacked(PACKERS[encoding](CONTENT) + b"this is no archive at all")

    @pytest.mark.parametrize(("package", "command"), [("gzip", "gzip"), ("xz-utils", "xz"), ("bzip2", "bzip2"), ("zstd", "zstd")])
    def test_what_the_usual_tools_pack_is_unpacked(self, tmp_path, package, command):
        needs(package, command)
        path = tmp_path / "image"
        path.write_bytes(CONTENT)
        packed = subprocess.run([command, "-c", str(path)], check=True, capture_output=True).stdout
        assert unpacked(packed) == CONTENT


class TestChecksums:
    @pytest.mark.parametrize("algorithm", ["md5", "sha1", "sha256", "sha512"])
    @pytest.mark.parametrize("form", ["{name}:{digits}", "{digits}", "{NAME}:{DIGITS}"])
    def test_of_the_file(self, algorithm, form):
        digits = hashlib.new(algorithm, CONTENT).hexdigest()
        text = form.format(name=algorithm, digits=digits, NAME=algorithm.upper(), DIGITS=digits.upper())
        assert b"".join(Source.of_bytes(CONTENT, checksum=text).blocks()) == CONTENT

    def test_of_the_archive_or_of_what_is_in_it(self):
        packed = gzip.compress(CONTENT)
        for data in (packed, CONTENT):
            assert unpacked(packed, checksum=hashlib.sha256(data).hexdigest()) == CONTENT

    @pytest.mark.parametrize("data", [b"", b"x", CONTENT, bytes(5 * MIB)], ids=len)
    def test_a_wrong_one_withholds_the_last_block(self, data):
        source = Source.of_bytes(data, "image", checksum="0" * 64)
        got = []
        with pytest.raises(ConfigurationError) as caught:
            got.extend(source.blocks())
        assert sum(map(len, got)) < max(len(data), 1)
        assert str(caught.value) == (
            f"The sha256 checksum of 'image' is wrong: wanted {'0' * 64}, but the file has {hashlib.sha256(data).hexdigest()}."
        )

    def test_a_wrong_one_of_an_archive_tells_both(self):
        with pytest.raises(ConfigurationError, match=r"the file has .*, its unpacked content has"):
            unpacked(gzip.compress(CONTENT), checksum="0" * 64)

    @pytest.mark.parametrize(
        "text", ["", " ", "abc", "sha256:abc", "sha256:" + "g" * 64, "nonsense:" + "0" * 64, "shake_128:00", ":"]
    )
    def test_what_is_no_checksum_is_refused(self, text):
        with pytest.raises(ConfigurationError, match="is no checksum"):
            Source.of_bytes(b"", checksum=text)


class TestFiles:
    def test_a_missing_file(self, tmp_path):
        with pytest.raises(ConfigurationError, match=r"There is no file '.*/none'"):
            open_source(tmp_path / "none")

    def test_a_directory(self, tmp_path):
        with pytest.raises(ConfigurationError, match="it is a directory"):
            open_source(tmp_path)

    def test_an_unreadable_file(self, tmp_path):
        path = tmp_path / "secret"
        path.write_bytes(b"x")
        path.chmod(0)
        # Root reads everything: so another user tries.
        program = (
            "import os, sys\n"
            "from JumpstarterLibrary.client.images import open_source\n"
            "os.geteuid() or (os.setgid(65534), os.setuid(65534))\n"
            "try: open_source(sys.argv[1])\n"
            "except Exception as error: print(type(error).__name__, error)"
        )
        for folder in (tmp_path, *tmp_path.parents):
            if folder.owner() == Path("/proc/self").owner() and folder.is_relative_to("/tmp") and folder != Path("/tmp"):
                folder.chmod(0o755)
        command = [sys.executable, "-c", program, str(path)]
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        assert done.stdout == f"ConfigurationError Cannot read '{path}': Permission denied.\n"

    def test_an_empty_file(self, tmp_path):
        (tmp_path / "empty").touch()
        assert list(open_source(tmp_path / "empty").blocks()) == []

    def test_a_pipe_gives_what_is_written_into_it(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        source = open_source(tmp_path / "pipe")
        writer = threading.Thread(target=lambda: (tmp_path / "pipe").write_bytes(gzip.compress(CONTENT)))
        writer.start()
        assert b"".join(source.blocks()) == CONTENT
        writer.join(5)

    def test_a_pipe_into_which_nobody_writes_can_be_abandoned(self, tmp_path):
        os.mkfifo(tmp_path / "pipe")
        source, abandoned = open_source(tmp_path / "pipe"), Abandoned()
        reader = threading.Thread(target=lambda: list(source.blocks(abandoned)))
        reader.start()
        abandoned.set()
        reader.join(5)
        assert not reader.is_alive()

    def test_a_file_that_changes_while_it_is_read_is_an_error(self, tmp_path):
        path = image(tmp_path / "image", 4 * MIB)
        blocks = open_source(path).blocks()
        next(blocks)
        with path.open("ab") as file:
            file.write(b"more")
        with pytest.raises(ConfigurationError, match="changed while it was read"):
            list(blocks)


class Server:
    """A web server that serves what the test puts there."""

    def __init__(self) -> None:
        self.pages: dict[str, bytes] = {}
        self.asked: list[tuple[str, dict[str, str]]] = []
        self.hang = threading.Event()
        self.status = 200
        outer = self

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                outer.asked.append((self.path, dict(self.headers)))
                if self.path.startswith("/to/"):
                    self.send_response(302)
                    self.send_header("Location", self.path[3:])
                    self.end_headers()
                elif (data := outer.pages.get(self.path.partition("?")[0])) is None:
                    self.send_error(404)
                else:
                    self.send_response(outer.status)
                    self.send_header("Content-Length", str(len(data) + (1000 if "short" in self.path else 0)))
                    self.end_headers()
                    if "hang" in self.path:
                        self.wfile.write(data[: len(data) // 2])
                        self.wfile.flush()
                        outer.hang.wait(20)
                    else:
                        self.wfile.write(data)

            def log_message(self, *_: object) -> None:
                pass

        self._server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self._server.server_port}"
        threading.Thread(target=self._server.serve_forever, args=(0.02,), daemon=True).start()

    def close(self) -> None:
        self.hang.set()
        self._server.shutdown()
        self._server.server_close()


@pytest.fixture
def server() -> Iterator[Server]:
    found = Server()
    yield found
    found.close()


class TestWeb:
    @pytest.mark.parametrize("way", ["", "/to", "/to/to"])
    def test_an_address_is_fetched_and_unpacked(self, our_device, server, way):
        server.pages["/image"] = gzip.compress(CONTENT)
        transfer = upload(our_device["store"], "write", open_source(f"{server.url}{way}/image?token=secret"))
        assert transfer.sha256 == hashlib.sha256(CONTENT).hexdigest()
        assert transfer.name == f"{server.url}{way}/image"

    def test_what_is_not_there_never_reaches_the_driver(self, our_device, server):
        with pytest.raises(ConfigurationError, match="the server answers 404 Not Found"):
            upload(our_device["store"], "write", open_source(f"{server.url}/none"))
        assert not our_device.journal.events()[1:-1]

    @pytest.mark.parametrize("status", [201, 203, 204, 206])
    def test_only_a_whole_file_will_do(self, server, status):
        server.pages["/image"], server.status = b"a part", status
        with pytest.raises(ConfigurationError, match=f"the server answers {status} .*only 200 is a whole file"):
            list(open_source(f"{server.url}/image").blocks())

    @pytest.mark.parametrize(
        "place",
        [
            "user:S3CRET@127.0.0.1:1/x", "user:S3/CRET@host/x", "127.0.0.1:1/x?token=S3CRET x", "127.0.0.1:99999/x?token=S3CRET",
            "[::1/x?token=S3CRET", "127.0.0.1:port/x?token=S3CRET", "127.0.0.1:1/\xe9?token=S3CRET", "/x?token=S3CRET",
        ],
    )  # fmt: skip
    def test_no_secret_of_an_address_gets_into_an_error(self, place):
        with pytest.raises((ConfigurationError, InfrastructureError)) as caught:
            list(open_source(f"http://{place}").blocks())
        assert str(caught.value).startswith("Cannot fetch from http://")
        assert "CRET" not in str(caught.value)

    def test_the_words_of_a_server_do_not_get_into_an_error(self):
        with socket.create_server(("127.0.0.1", 0)) as listener:

            def answer() -> None:
                client, _ = listener.accept()
                with client:
                    client.recv(4096)
                    client.sendall(b"HTTP/1.1 xyz S3CRET\r\n\r\n")

            thread = threading.Thread(target=answer)
            thread.start()
            with pytest.raises(InfrastructureError, match="answer is malformed") as caught:
                list(open_source(f"http://127.0.0.1:{listener.getsockname()[1]}/x").blocks())
            thread.join(5)
        assert "S3CRET" not in str(caught.value)

    def test_pieces_of_a_secret_address_are_known(self):
        pieces = secret_pieces("https://user:password@host/a/path?token=T0KEN-1&n=1")
        assert pieces == ["https://host/a/path", "user:password", "password", "/a/path", "token=T0KEN-1&n=1", "T0KEN-1"]
        assert secret_pieces("/a/file") == secret_pieces("http://[::1/x") == []

    def test_a_server_that_is_not_there(self, our_device):
        with pytest.raises(InfrastructureError, match="Connection refused"):
            upload(our_device["store"], "write", open_source("http://127.0.0.1:9/image"))

    def test_a_server_that_breaks_off(self, our_device, server):
        server.pages["/short"] = bytes(3 * MIB)
        with nothing_left(), pytest.raises(InfrastructureError, match=f"the server broke off after {3 * MIB} of"):
            upload(our_device["store"], "write", open_source(f"{server.url}/short"))

    def test_a_server_that_falls_silent(self, our_device, server, tmp_path):
        server.pages["/hang"] = bytes(4 * MIB)
        begin = time.monotonic()
        with nothing_left(), pytest.raises(InfrastructureError, match=r"hang' gave nothing more for 500 ms"):
            upload(our_device["store"], "write", open_source(f"{server.url}/hang"), idle=0.5)
        assert time.monotonic() - begin < 5

    def test_presigned_handles(self):
        assert presigned("https://host/x?y", headers={"A": "b"}) == {
            "kind": "presigned_request", "url": "https://host/x?y", "method": "GET", "headers": {"A": "b"},
        }  # fmt: skip
        with pytest.raises(ConfigurationError, match="no http or https address"):
            presigned("ftp://host/x")


class TestUploads:
    """A bad image never becomes a good upload, and the driver sees an error."""

    @pytest.mark.parametrize("pause", [0, 0.02])
    @pytest.mark.parametrize("fault", ["truncated", "corrupt", "checksum"])
    def test_a_bad_image(self, device, tmp_path, fault, pause):
        packed = gzip.compress(os.urandom(3 * MIB), 1)
        checksum = None
        if fault == "truncated":
            packed = packed[:-1000]
        elif fault == "corrupt":
            packed = packed[: 2 * MIB] + b"\0" * 1000 + packed[2 * MIB + 1000 :]
        else:
            checksum = "0" * 64
        (tmp_path / "image").write_bytes(packed)
        note = tmp_path / "note"
        with nothing_left(), pytest.raises(ConfigurationError, match="image'"):
            upload(
                device["store"], "write_slowly", open_source(tmp_path / "image", checksum=checksum), (HANDLE, str(note), pause)
            )
        if not device.journal.events(CallEnded):
            return  # the fault was found so early that the driver was not even called
        assert eventually(lambda: note.exists() and "took" not in note.read_text())
        assert note.read_text().startswith("error")

    @pytest.mark.parametrize("pack", [bytes, gzip.compress], ids=["plain", "packed"])
    def test_a_file_with_a_wrong_checksum_reaches_no_driver_however_large(self, device, tmp_path, pack):
        (tmp_path / "image").write_bytes(pack(os.urandom(5 * MIB)))
        with pytest.raises(ConfigurationError, match="is wrong"):
            upload(device["store"], "write", open_source(tmp_path / "image", checksum="0" * 64))
        assert not device.journal.events(CallEnded)

    def test_comparing_the_checksum_is_not_taken_for_a_stall(self, device, tmp_path):
        content = os.urandom(2 * MIB)

        def slowly(abandoned):
            for start in range(0, len(content), MIB // 2):
                time.sleep(0.2)
                yield content[start : start + MIB // 2]

        checksum = hashlib.sha256(content).hexdigest()
        source = Source("image", slowly, len(content), checksum=checksum, unpack=False, rereadable=True)
        assert upload(device["store"], "write", source, idle=0.5).size == len(content)

    def test_an_image_that_breaks_off_says_how_much_of_it_is_out(self, device, tmp_path):
        (tmp_path / "image").write_bytes(gzip.compress(os.urandom(20 * MIB), 1)[:-5])
        with pytest.raises(ConfigurationError, match=r"\d{7,8} bytes of it had gone to the driver by then: "):
            upload(device["store"], "write", open_source(tmp_path / "image"))

    def test_a_wrong_checksum_of_a_small_image_reaches_no_driver(self, device, tmp_path):
        with pytest.raises(ConfigurationError, match="is wrong"):
            upload(device["store"], "write", Source.of_bytes(b"small", checksum="0" * 64))
