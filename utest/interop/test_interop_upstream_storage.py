"""Upstream's storage, file, network and camera clients, and its `j`, against the simulated board and our mock drivers."""

from __future__ import annotations

import gzip
import hashlib
import os
import textwrap
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from helpers.exporters import start_upstream_exporter
from interop_support import Command, Upstream, shell_variables

from JumpstarterLibrary.drivers import Composite, FileStore, MockBoard, MockFlasher, MockStorageMux, TcpNetwork
from JumpstarterLibrary.exporter import Session

pytestmark = pytest.mark.interop

SIZE = 3 * 1024 * 1024 + 17
IMAGE = b"version=2.4.1\n"

WEB_PAGE = """
def page(path, driver, timeout=20):
    import urllib.request
    from jumpstarter_driver_network.adapters import TcpPortforwardAdapter
    with TcpPortforwardAdapter(client=driver) as (host, port, *_):
        opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
        with opener.open(f"http://{host}:{port}{path}", timeout=timeout) as answer:
            return answer.status, answer.headers["Content-Type"], answer.read().decode("latin-1")
"""


class Bench(Composite):
    """The board, and the drivers that it has no child of."""

    def __init__(self, folder: Path) -> None:
        self.board, self.flasher, self.mux = MockBoard(boot_time=0.0), MockFlasher(), MockStorageMux()
        self.store = FileStore(root=str(folder / "store"))
        children = {"flasher": self.flasher, "mux": self.mux, "store": self.store}
        super().__init__(children={"board": self.board, **children, "refused": TcpNetwork(host="127.0.0.1", port=9)})


@pytest.fixture(scope="module")
def bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Bench, str]]:
    root = Bench(tmp_path_factory.mktemp("bench"))
    with Session(root_device=root) as session, session.serve_unix() as path:
        yield root, path


@pytest.fixture
def image(tmp_path: Path) -> Path:
    path = tmp_path / "system image.img"
    path.write_bytes(IMAGE + os.urandom(SIZE))
    return path


@pytest.fixture
def web_server(tmp_path: Path) -> Iterator[str]:
    """Serves the test's folder."""

    class Handler(SimpleHTTPRequestHandler):
        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Handler, directory=str(tmp_path))) as server:
        thread = threading.Thread(target=server.serve_forever, args=(0.05,), daemon=True)
        thread.start()
        yield f"http://127.0.0.1:{server.server_address[1]}"
        server.shutdown()
        thread.join()


def digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def test_the_whole_board_has_upstreams_classes(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    answers = upstream(
        bench[1],
        """
        def shown(client):
            return {name: [type(child).__name__, shown(child)] for name, child in client.children.items()}
        answers["tree"] = shown(client.board)
        """,
    )
    network = {"echo": ["NetworkClient", {}], "http": ["NetworkClient", {}]}
    assert answers["tree"] == {
        "power": ["PowerClient", {}],
        "console": ["PySerialClient", {}],
        "storage": ["StorageMuxFlasherClient", {}],
        "files": ["OpendalClient", {}],
        "network": ["CompositeClient", network],
        "video": ["UStreamerClient", {}],
    }


class TestStorage:
    def test_flashing_the_board_and_dumping_it(
        self, upstream: Upstream, bench: tuple[Bench, str], image: Path, tmp_path: Path
    ) -> None:
        root, path = bench
        answers = upstream(
            path,
            WEB_PAGE.replace("\n", "\n        ")
            + f"""
        storage = client.board.storage
        answers["flash"] = storage.flash({str(image)!r})
        answers["side"] = storage.call("get_side")
        storage.dump({str(tmp_path / "dump")!r})
        client.board.power.on()
        answers["page"] = page("/", client.board.network.http)
        client.board.power.off()
            """,
        )
        content = image.read_bytes()
        assert answers["flash"] == {"size": len(content), "sha256": digest(content)}
        assert answers["side"] == "dut"
        assert (tmp_path / "dump").read_bytes() == content
        assert answers["page"][0] == 200
        assert "<h1>SimBoard 2.4.1</h1>" in answers["page"][2]
        assert len(root.board.children["storage"].resources) == 0

    def test_mux(self, upstream: Upstream, bench: tuple[Bench, str], image: Path, tmp_path: Path) -> None:
        root, path = bench
        answers = upstream(
            path,
            f"""
            mux = client.mux
            try:
                mux.write_local_file({str(image)!r})
            except Exception as error:
                while getattr(error, "exceptions", None):
                    error = error.exceptions[0]
                answers["early"] = str(error)
            mux.host()
            mux.write_local_file({str(image)!r})
            mux.read_local_file({str(tmp_path / "copy")!r})
            mux.dut()
            answers["side"] = mux.call("get_side")
            mux.off()
            """,
        )
        assert (tmp_path / "copy").read_bytes() == image.read_bytes()
        assert "connect it to 'host' first" in answers["early"]
        assert (answers["side"], root.mux.side) == ("dut", "off")

    def test_flasher_with_partitions(self, upstream: Upstream, bench: tuple[Bench, str], image: Path, tmp_path: Path) -> None:
        root, path = bench
        (tmp_path / "empty").touch()
        upstream(
            path,
            f"""
            flasher = client.flasher
            flasher.flash({{"boot": {str(image)!r}, "empty": {str(tmp_path / "empty")!r}}})
            flasher.flash({str(image)!r})
            flasher.dump({str(tmp_path / "boot")!r}, target="boot")
            """,
        )
        assert (tmp_path / "boot").read_bytes() == image.read_bytes()
        assert {name: medium.size for name, medium in root.flasher.partitions.items()} == {
            "boot": image.stat().st_size,
            "empty": 0,
            "default": image.stat().st_size,
        }

    def test_a_compressed_image(self, upstream: Upstream, bench: tuple[Bench, str], image: Path, tmp_path: Path) -> None:
        _, path = bench
        (tmp_path / "image.gz").write_bytes(gzip.compress(image.read_bytes(), 1))
        answers = upstream(
            path,
            f"""
            from jumpstarter.streams.encoding import Compression
            answers["flash"] = client.flasher.flash({str(tmp_path / "image.gz")!r}, target="gz", compression=Compression.GZIP)
            """,
        )
        assert answers["flash"]["sha256"] == digest(image.read_bytes())

    def test_an_image_at_a_url_is_fetched_by_the_exporter(
        self, upstream: Upstream, bench: tuple[Bench, str], image: Path, web_server: str
    ) -> None:
        answers = upstream(
            bench[1],
            f"""
            answers["flash"] = client.board.storage.flash({web_server!r} + "/system%20image.img")
            """,
        )
        assert answers["flash"] == {"size": image.stat().st_size, "sha256": digest(image.read_bytes())}


# Everything that upstream's file client can do. The same statements run against upstream's own store.
FILE_SCRIPT = """
import hashlib
import os

def outcome(function, *arguments):
    try:
        result = function(*arguments)
        return sorted(result) if hasattr(result, "__next__") else result
    except Exception as error:
        inner = error
        while getattr(inner, "exceptions", None):
            inner = inner.exceptions[0]
        text = str(inner)
        known = ("NotFound", "NotADirectory", "IsADirectory", "Unsupported", "not empty")
        return "error: " + next((word for word in known if word in text), "other")

folder = FOLDER
content = bytes(range(256)) * 3000
source = os.path.join(folder, "source")
with open(source, "wb") as file:
    file.write(content)

answers["write_bytes"] = outcome(store.write_bytes, "a/one.txt", b"one")
store.write_bytes("a/b/two.txt", content)
store.write_bytes("three ünï.txt", b"")
answers["write_from_path"] = outcome(store.write_from_path, "from path", source)
answers["read_bytes"] = hashlib.sha256(store.read_bytes("from path")).hexdigest()
answers["read_empty"] = store.read_bytes("three ünï.txt").decode()
store.read_into_path("a/b/two.txt", os.path.join(folder, "target"))
with open(os.path.join(folder, "target"), "rb") as file:
    answers["read_into_path"] = file.read() == content
for path in ("/", "", "a/", "a/b/", "missing/", "three ünï.txt"):
    answers["list " + path] = outcome(store.list, path)
    answers["scan " + path] = outcome(store.scan, path)
for path in ("a/one.txt", "a/", "missing", "a", "a/one.txt/"):
    stat = outcome(store.stat, path)
    if not isinstance(stat, str):
        stat = [stat.mode.is_file(), stat.mode.is_dir(), stat.content_length if stat.mode.is_file() else 0]
    answers["stat " + path] = stat
    answers["exists " + path] = outcome(store.exists, path)
for path, algorithm in (("a/one.txt", "sha256"), ("a/b/two.txt", "md5"), ("missing", "sha256")):
    answers["hash " + path] = outcome(store.hash, path, algorithm)
for method, *arguments in (
    ("copy", "a/one.txt", "copies/one.txt"), ("copy", "missing", "x"), ("copy", "a/", "x/"),
    ("rename", "copies/one.txt", "moved/one.txt"), ("rename", "missing", "x"), ("rename", "a/one.txt", "moved/one.txt"),
    ("create_dir", "new/deep/"), ("create_dir", "new/deep/"), ("create_dir", "no slash"),
    ("delete", "moved/one.txt"), ("delete", "moved/one.txt"), ("delete", "a/"), ("delete", "new/deep/"),
    ("read_bytes", "missing"), ("read_bytes", "a/"), ("write_bytes", "a/", b"x"),
    ("remove_all", "a/"), ("remove_all", "a/"), ("remove_all", "from path"),
    ("presign_read", "three ünï.txt", 60), ("presign_write", "x", 60), ("presign_stat", "x", 60),
):
    answers[" ".join([method, *map(str, arguments)])] = outcome(getattr(store, method), *arguments)
answers["left"] = outcome(store.scan, "/")

file = store.open("parts", "wb")
answers["facts of a written file"] = [file.readable(), file.writable(), file.seekable(), file.closed]
file.write_bytes(b"01234")
file.write_bytes(b"56789")
answers["tell of a written file"] = outcome(file.tell)
file.close()
file.close()
answers["closed"] = file.closed
file = store.open("parts", "rb")
answers["facts of a read file"] = [file.readable(), file.writable(), file.seekable(), file.closed]
answers["seeks"] = [file.seek(7), file.tell(), file.read_bytes().decode(), file.tell(), file.seek(-3, 2), file.seek(1, 1)]
answers["rest"] = file.read_bytes().decode()
answers["bad seek"] = outcome(file.seek, -1)
file.close()
overwritten = store.write_bytes("parts", b"short")
answers["overwritten"] = store.read_bytes("parts").decode()
store.write_from_path("parts", source)
capability = store.capability()
names = ("stat", "read", "write", "create_dir", "delete", "copy", "rename", "list", "presign", "presign_read")
answers["capability"] = {name: getattr(capability, name) for name in names}
answers["resources"] = sorted(store.get_created_resources())
"""

UPSTREAM_STORE = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: store}
export:
  store: {type: jumpstarter_driver_opendal.driver.Opendal, config: {scheme: fs, kwargs: {root: ROOT}}}
"""


class TestFiles:
    def test_every_method_answers_as_upstreams_own_store_does(
        self, upstream: Upstream, bench: tuple[Bench, str], tmp_path: Path
    ) -> None:
        ours = self.answers(upstream, bench[1], "client.store", tmp_path / "ours")
        with start_upstream_exporter(UPSTREAM_STORE.replace("ROOT", str(tmp_path / "root"))) as exporter:
            env = {"JUMPSTARTER_GRPC_INSECURE": "1"}
            theirs = self.answers(upstream, exporter.address, "client.store", tmp_path / "theirs", env=env)
        # Upstream's remembers what was below a folder that is gone.
        assert set(ours.pop("resources")) <= set(theirs.pop("resources"))
        assert ours == theirs

    def answers(self, upstream: Upstream, host: str, store: str, folder: Path, **options: Any) -> dict[str, Any]:
        folder.mkdir()
        script = FILE_SCRIPT.replace("FOLDER", repr(str(folder)))
        return upstream(host, f"store = {store}\n{textwrap.dedent(script)}", **options)

    def test_nothing_leads_out_of_the_store(self, upstream: Upstream, bench: tuple[Bench, str]) -> None:
        answers = upstream(
            bench[1],
            """
            for path in ("../secret", "/../../etc/passwd", "a/../../secret"):
                for method in ("read_bytes", "stat", "delete", "exists"):
                    try:
                        getattr(client.store, method)(path)
                        answers[f"{method} {path}"] = "no error"
                    except Exception as error:
                        answers[f"{method} {path}"] = "out of the store" in str(error)
            """,
        )
        assert set(answers.values()) == {True}
        assert len(answers) == 12


class TestNetwork:
    def test_a_page_through_a_forward_and_a_board_that_is_off(self, upstream: Upstream, bench: tuple[Bench, str]) -> None:
        answers = upstream(
            bench[1],
            WEB_PAGE.replace("\n", "\n        ")
            + """
        import json
        http = client.board.network.http
        client.board.power.off()
        try:
            answers["off"] = page("/", http)
        except Exception as error:
            answers["off"] = "refused"
        client.board.power.on()
        answers["on"] = [page("/status", http)[:2] for _ in range(3)]
        answers["facts"] = json.loads(page("/status", http)[2])
        client.board.power.off()
            """,
        )
        assert answers["off"] == "refused"
        assert answers["on"] == [[200, "application/json"]] * 3
        assert answers["facts"]["power"] == "on"

    def test_echo_over_tcp_and_unix_forwards(self, upstream: Upstream, bench: tuple[Bench, str]) -> None:
        answers = upstream(
            bench[1],
            """
            import socket
            from jumpstarter_driver_network.adapters import TcpPortforwardAdapter, UnixPortforwardAdapter

            def through(connection):
                with connection:
                    connection.sendall(b"x" * 100_000)
                    connection.shutdown(socket.SHUT_WR)
                    total = 0
                    while data := connection.recv(65536):
                        total += len(data)
                    return total

            echo = client.board.network.echo
            with TcpPortforwardAdapter(client=echo) as address:
                answers["tcp"] = through(socket.create_connection(address[:2], 10))
            with UnixPortforwardAdapter(client=echo) as path:
                local = socket.socket(socket.AF_UNIX)
                local.settimeout(10)
                local.connect(str(path))
                answers["unix"] = through(local)
            answers["address"] = client.refused.address()
            """,
        )
        assert answers == {"tcp": 100_000, "unix": 100_000, "address": "tcp://127.0.0.1:9"}


class TestVideo:
    def test_state_and_snapshot(self, upstream: Upstream, bench: tuple[Bench, str]) -> None:
        answers = upstream(
            bench[1],
            """
            video = client.board.video
            client.board.power.off()
            answers["off"] = video.state().result.source.online
            client.board.power.on()
            state = video.state()
            answers["on"] = state.result.source.online
            answers["size"] = [state.result.source.resolution.width, state.result.source.resolution.height]
            picture = video.snapshot()
            answers["picture"] = [picture.format, list(picture.size), list(picture.convert("RGB").getpixel((34, 210)))]
            client.board.power.off()
            """,
        )
        assert answers == {"off": False, "on": True, "size": [320, 240], "picture": ["PNG", [320, 240], [60, 200, 90]]}


class TestCommandLine:
    def test_flash_dump_and_switch(self, command: Command, bench: tuple[Bench, str], image: Path, tmp_path: Path) -> None:
        root, path = bench
        storage = root.board.children["storage"]
        self.j(command, path, "board", "storage", "flash", str(image))
        assert (storage.medium.size, storage.side) == (image.stat().st_size, "dut")
        self.j(command, path, "board", "storage", "dump", str(tmp_path / "dump"))
        assert (tmp_path / "dump").read_bytes() == image.read_bytes()
        for side in ("off", "host"):
            self.j(command, path, "board", "storage", side)
            assert storage.side == side
        self.j(command, path, "board", "storage", "dut")
        assert storage.side == "dut"

    def test_files_have_a_group_without_commands(self, command: Command, bench: tuple[Bench, str]) -> None:
        """Upstream's 0.9.0 loses the commands of its file client, in front of its own exporter, too; the group is left."""
        assert "Files beside the board" in self.j(command, bench[1], "board", "files", "--help")

    def test_network_address(self, command: Command, bench: tuple[Bench, str]) -> None:
        assert "127.0.0.1:9" in self.j(command, bench[1], "refused", "address")

    def j(self, command: Command, path: str, *arguments: str) -> str:
        code, output = command("j", *arguments, env=shell_variables(path))
        assert code == 0, output
        return output
