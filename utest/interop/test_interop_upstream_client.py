"""Upstream's Python client drives our session."""

from __future__ import annotations

import hashlib
import os
from collections.abc import Iterator
from pathlib import Path

import pytest
from interop_drivers import Bench
from interop_support import Upstream, wait_until

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.exporter import ExporterStatus, Session, export

pytestmark = pytest.mark.interop

TWO_READINGS = [[0.0, 0.0], [5.0, 2.0]]
THREE_MEGABYTES = 3 * 1024 * 1024


class RecordingPower(MockPower):
    """Remembers what was switched."""

    def __init__(self) -> None:
        super().__init__()
        self.switched: list[str] = []

    @export
    async def on(self) -> None:
        self.switched.append("on")

    @export
    async def off(self) -> None:
        self.switched.append("off")


@pytest.fixture(scope="module")
def bench() -> Iterator[tuple[Bench, str]]:
    root = Bench()
    with Session(root_device=root) as session, session.serve_unix() as path:
        yield root, path


def test_power_as_root_device(upstream: Upstream) -> None:
    power = RecordingPower()
    with Session(root_device=power) as session, session.serve_unix() as path:
        answers = upstream(
            path,
            """
            answers["class"] = f"{type(client).__module__}.{type(client).__name__}"
            answers["on"] = client.on()
            answers["read"] = [[reading.voltage, reading.current] for reading in client.read()]
            client.cycle(0.01)
            client.off()
            answers["status"] = str(client.status)
            """,
        )
    assert answers["class"] == "jumpstarter_driver_power.client.PowerClient"
    assert answers["on"] is None
    assert answers["read"] == TWO_READINGS
    assert power.switched == ["on", "off", "on", "off"]


def test_tree_with_proxy(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    root, path = bench
    answers = upstream(
        path,
        """
        answers["children"] = sorted(client.children)
        answers["below"] = sorted(client.dut.children)
        client.dut.power.on()
        answers["alias"] = [[reading.voltage, reading.current] for reading in client.alias.read()]
        answers["sync"] = [[reading.voltage, reading.current] for reading in client.dut.sync_power.read()]
        answers["same"] = client.alias.uuid == client.dut.power.uuid
        answers["names"] = [client.alias.name, client.dut.power.name]
        answers["description"] = client.dut.power.description
        """,
    )
    assert answers["children"] == ["alias", "dut"]
    assert answers["below"] == sorted(root.children["dut"].children)
    assert answers["alias"] == answers["sync"] == TWO_READINGS
    assert answers["same"] is True
    assert answers["names"] == ["alias", "power"]
    assert answers["description"] == "The bench supply"


def test_byte_streams_and_port_forwarding(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    answers = upstream(
        bench[1],
        """
        import socket
        from jumpstarter_driver_network.adapters import TcpPortforwardAdapter, UnixPortforwardAdapter

        echo = client.dut.echo
        answers["address"] = echo.address()
        with echo.stream() as stream:
            stream.send(b"hello")
            answers["stream"] = stream.receive().decode()

        def through(connection):
            with connection:
                connection.sendall(b"x" * 200_000)
                connection.shutdown(socket.SHUT_WR)
                total = 0
                while data := connection.recv(65536):
                    total += len(data)
                return total

        with TcpPortforwardAdapter(client=echo) as address:
            answers["tcp"] = [through(socket.create_connection(address[:2], 10)) for _ in range(2)]
        with UnixPortforwardAdapter(client=echo) as path:
            local = socket.socket(socket.AF_UNIX)
            local.settimeout(10)
            local.connect(str(path))
            answers["unix"] = through(local)
        """,
    )
    assert answers["address"] == "tcp://192.0.2.1:7"
    assert answers["stream"] == "hello"
    # All bytes came back, and our side ended after the client's half-close.
    assert answers["tcp"] == [200_000, 200_000]
    assert answers["unix"] == 200_000


def test_flashing_and_dumping(upstream: Upstream, bench: tuple[Bench, str], tmp_path: Path) -> None:
    root, path = bench
    content = os.urandom(THREE_MEGABYTES)
    (tmp_path / "image").write_bytes(content)
    answers = upstream(
        path,
        f"""
        from pathlib import Path
        folder = Path({str(tmp_path)!r})
        flasher = client.dut.flasher
        flasher.flash(folder / "image")
        flasher.flash({{"boot": folder / "image"}})
        flasher.dump(folder / "dumped", target="boot")
        """,
    )
    assert answers == {}
    assert {name: _digest(data) for name, data in root.flasher.partitions.items()} == {
        "default": _digest(content),
        "boot": _digest(content),
    }
    assert _digest((tmp_path / "dumped").read_bytes()) == _digest(content)
    assert len(root.flasher.resources) == 0


def test_storage_mux(upstream: Upstream, bench: tuple[Bench, str], tmp_path: Path) -> None:
    root, path = bench
    content = os.urandom(THREE_MEGABYTES)
    (tmp_path / "image").write_bytes(content)
    upstream(
        path,
        f"""
        mux = client.dut.mux
        mux.host()
        mux.write_local_file({str(tmp_path / "image")!r})
        mux.read_local_file({str(tmp_path / "copy")!r})
        mux.dut()
        """,
    )
    assert root.mux.side == "dut"
    assert _digest(root.mux.content) == _digest((tmp_path / "copy").read_bytes()) == _digest(content)


def test_compressed_image_arrives_unpacked(upstream: Upstream, bench: tuple[Bench, str], tmp_path: Path) -> None:
    """We say that we take the encoding, upon which upstream's client sends the archive as it is (protocol §4.5)."""
    root, path = bench
    content = b"a compressible image " * 5_000
    (tmp_path / "image").write_bytes(content)
    upstream(
        path,
        f"""
        import gzip
        from pathlib import Path
        from jumpstarter.streams.encoding import Compression
        packed = Path({str(tmp_path)!r}) / "image.gz"
        packed.write_bytes(gzip.compress(Path({str(tmp_path)!r}, "image").read_bytes()))
        client.dut.flasher.flash(packed, target="unpacked", compression=Compression.GZIP)
        """,
    )
    assert root.flasher.partitions["unpacked"] == content


def test_error_classes(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    answers = upstream(
        bench[1],
        """
        def outcome(function, *arguments):
            try:
                return ["no error", str(function(*arguments))]
            except Exception as error:
                return [type(error).__name__, str(error)]

        faulty = client.dut.faulty
        for method in ("not_implemented", "bad_value", "broken", "unheard_of", "broken_stream"):
            answers[method] = outcome(faulty.call, method)
        answers["arguments"] = outcome(faulty.call, "broken", 1, 2)
        answers["rescue"] = outcome(client.dut.power.rescue)
        items = faulty.streamingcall("broken_stream")
        answers["first item"] = next(items)
        answers["then"] = outcome(next, items)
        answers["still usable"] = client.dut.values.call("echo", "yes")
        """,
    )
    kinds = {name: answer[0] for name, answer in answers.items() if isinstance(answer, list)}
    assert kinds == {
        "not_implemented": "DriverMethodNotImplemented",
        "bad_value": "DriverInvalidArgument",
        "broken": "DriverError",
        "unheard_of": "DriverMethodNotImplemented",
        "broken_stream": "DriverMethodNotImplemented",  # a unary call of a streaming method
        "arguments": "DriverInvalidArgument",
        "rescue": "DriverMethodNotImplemented",
        "then": "DriverInvalidArgument",
    }
    assert "not on this board" in answers["not_implemented"][1]
    assert "no such colour" in answers["bad_value"][1]
    assert "the relay is stuck" in answers["broken"][1]
    assert answers["first item"] == 1
    assert answers["still usable"] == "yes"


@pytest.mark.parametrize(
    "status",
    [
        ExporterStatus.UNSPECIFIED,
        ExporterStatus.OFFLINE,
        ExporterStatus.AVAILABLE,
        ExporterStatus.BEFORE_LEASE_HOOK_FAILED,
        ExporterStatus.AFTER_LEASE_HOOK_FAILED,
    ],
    ids=lambda status: status.name,
)
def test_refuses_calls_and_streams_when_not_ready(upstream: Upstream, status: ExporterStatus) -> None:
    with Session(root_device=Bench()) as session, session.serve_unix() as path:
        session.update_status(status)
        answers = upstream(
            path,
            """
            def outcome(function, *arguments):
                try:
                    return ["no error", str(function(*arguments))]
                except Exception as error:
                    return [type(error).__name__, str(error)]

            answers["status"] = client.status and client.status.name
            answers["call"] = outcome(client.dut.power.on)
            answers["stream"] = outcome(lambda: list(client.dut.power.read()))
            with client.dut.echo.stream() as stream:
                answers["bytes"] = outcome(stream.receive)
            """,
        )
    assert answers["call"][0] == answers["stream"][0] == "ExporterNotReady"
    assert f"Exporter not ready for driver calls (status: {status.name})" in answers["call"][1]
    assert answers["bytes"][0] != "no error"


def test_values_survive(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    answers = upstream(
        bench[1],
        """
        values = [None, True, 1, -2.5, "text äöü €", [], {}, [1, [2, {"three": None}]], {"a": {"b": [1, 2]}}, 2**53]
        answers["back"] = [client.dut.values.call("echo", value) == value for value in values]
        answers["large argument"] = client.dut.values.call("length", "x" * (5 * 1024 * 1024))
        """,
    )
    assert all(answers["back"])
    # Upstream's own exporter takes 4 MiB at most.
    assert answers["large argument"] == 5 * 1024 * 1024


def test_log_stream(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    answers = upstream(
        bench[1],
        """
        import logging
        import time

        lines = []

        class Collect(logging.Handler):
            def emit(self, record):
                lines.append([record.name, record.levelname, record.getMessage()])

        logging.getLogger().setLevel(logging.INFO)
        logging.getLogger().addHandler(Collect())
        with client.log_stream():
            client.dut.faulty.call("say", "a line for the log")
            end = time.monotonic() + 10
            while not any("a line for the log" in line[2] for line in lines) and time.monotonic() < end:
                time.sleep(0.01)
        answers["lines"] = [line for line in lines if "a line for the log" in line[2]]
        """,
    )
    assert answers["lines"] == [["exporter:driver", "WARNING", "a line for the log"]]


@pytest.fixture(scope="module")
def guarded() -> Iterator[str]:
    with Session(root_device=MockPower()) as session, session.serve_tcp(passphrase="open sesame") as address:
        yield address


def test_passphrase_over_tcp(upstream: Upstream, guarded: str) -> None:
    answers = upstream(
        guarded,
        'answers["read"] = [[reading.voltage, reading.current] for reading in client.read()]',
        env={"JMP_GRPC_PASSPHRASE": "open sesame", "JMP_GRPC_INSECURE": "1"},
    )
    assert answers["read"] == TWO_READINGS


@pytest.mark.parametrize("passphrase", ["open barley", ""], ids=["wrong", "missing"])
def test_wrong_passphrase_over_tcp(upstream: Upstream, guarded: str, passphrase: str) -> None:
    with pytest.raises(AssertionError, match="UNAUTHENTICATED"):
        upstream(guarded, "pass", env={"JMP_GRPC_PASSPHRASE": passphrase, "JMP_GRPC_INSECURE": "1"})


def test_many_calls_from_threads(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    answers = upstream(
        bench[1],
        """
        from concurrent.futures import ThreadPoolExecutor

        with ThreadPoolExecutor(16) as pool:
            answers["results"] = list(pool.map(lambda number: client.dut.values.call("echo", number), range(200)))
        """,
    )
    assert answers["results"] == list(range(200))


def test_client_that_dies_during_an_upload_leaves_nothing(upstream: Upstream, bench: tuple[Bench, str]) -> None:
    root, path = bench
    before = root.mux.content
    upstream(
        path,
        """
        import os
        import threading
        import time
        from jumpstarter.streams.common import create_memory_stream

        mux = client.dut.mux
        local, far = create_memory_stream()
        with client.portal.wrap_async_context_manager(mux.resource_async(far)) as handle:
            threading.Thread(target=mux.write, args=(handle,), daemon=True).start()
            client.portal.call(local.send, b"only a part")
            end = time.monotonic() + 10
            while mux.call("received") < 11 and time.monotonic() < end:
                time.sleep(0.01)
            print("ANSWERS {}", flush=True)
            os._exit(0)
        """,
    )
    assert root.mux.received_bytes == 11
    wait_until(lambda: root.mux.writing == 0)
    assert root.mux.content == before
    assert len(root.mux.resources) == 0


def _digest(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
