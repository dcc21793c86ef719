"""What failures are called and whose they are, against an exporter that answers whatever a test wants."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent import futures
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import grpc
import pytest
from helpers.exporters import free_port
from jumpstarter_protocol import jumpstarter_pb2 as pb
from jumpstarter_protocol import jumpstarter_pb2_grpc

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.drivers.targets import builtin_device
from JumpstarterLibrary.errors import (
    ConnectionFailedError,
    DriverError,
    DriverMethodNotFoundError,
    FailureClass,
    InfrastructureError,
    SessionLostError,
    ValueNotSendableError,
)
from JumpstarterLibrary.exporter import Driver, Session, export

MIB = 1024 * 1024


class Answering(jumpstarter_pb2_grpc.ExporterServiceServicer):
    """An exporter with one driver, which ends its calls as it is told; like old ones of upstream it has no status."""

    def __init__(self, report: bool = True) -> None:
        self.answers: list[tuple[grpc.StatusCode, str]] = []
        self.report = report
        self.calls = 0

    def GetReport(self, request: Any, context: Any) -> Any:
        if not self.report:
            context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")
        return pb.GetReportResponse(uuid="s", reports=[pb.DriverInstanceReport(uuid="d", labels={"jumpstarter.dev/name": "pdu"})])

    def GetStatus(self, request: Any, context: Any) -> Any:
        context.abort(grpc.StatusCode.UNIMPLEMENTED, "Method not found!")

    def DriverCall(self, request: Any, context: Any) -> Any:
        self.calls += 1
        if self.answers:
            context.abort(*self.answers.pop(0))
        return pb.DriverCallResponse(uuid="c")

    def StreamingDriverCall(self, request: Any, context: Any) -> Any:
        self.calls += 1
        context.abort(*self.answers.pop(0))


@pytest.fixture
def serve() -> Iterator[Callable[..., str]]:
    """Serves an exporter of gRPC's own kind; gives its address."""
    with ExitStack() as stack:

        def start(exporter: Answering, socket: Path | None = None, **options: Any) -> str:
            server = grpc.server(futures.ThreadPoolExecutor(2), **options)
            jumpstarter_pb2_grpc.add_ExporterServiceServicer_to_server(exporter, server)
            port = server.add_insecure_port(f"unix:{socket}" if socket else "127.0.0.1:0")
            server.start()
            stack.callback(server.stop, 0)
            return f"unix:{socket}" if socket else f"127.0.0.1:{port}"

        yield start


@pytest.fixture
def exporter() -> Answering:
    return Answering()


@pytest.fixture
def device(exporter: Answering, serve: Callable[..., str]) -> Iterator[Device]:
    with connect(serve(exporter), timeout=10, name="bench") as device:
        yield device


# ------------------------------------------------------------------ UNAVAILABLE


@pytest.mark.parametrize(
    "text",
    [
        "failed to connect to PDU at 10.0.0.7",
        "PDU 3: Connection refused",
        "the relay's transport layer is not there",
        "DNS name pdu.lab is unknown",
        "[Errno 111] Connection refused",
        "broken pipe in relay 7: gone",
        "",
    ],
)
def test_a_driver_that_is_unavailable_is_no_broken_connection(device: Device, exporter: Answering, text: str) -> None:
    exporter.answers = [(grpc.StatusCode.UNAVAILABLE, text)]
    with pytest.raises(DriverError) as raised:
        device.call("on")

    assert raised.value.failure_class is FailureClass.DEVICE
    assert "the driver could not reach its hardware" in str(raised.value)
    assert text in str(raised.value)
    assert device.state == "open"
    device.call("on")


@pytest.mark.parametrize(
    "text",
    [
        "recvmsg:Connection reset by peer",
        "Connection reset by peer",
        "Socket closed",
        "Broken pipe",
        "GOAWAY received",
        "keepalive watchdog timeout",
        "Stream removed",
        "Cancelling all calls",
    ],
)
def test_a_connection_that_broke_and_is_back_is_no_failure_of_the_device(device: Device, exporter: Answering, text: str) -> None:
    exporter.answers = [(grpc.StatusCode.UNAVAILABLE, text)]
    with pytest.raises(InfrastructureError, match="outcome of the call is unknown") as raised:
        device.call("on")
    assert not isinstance(raised.value, SessionLostError)


def test_our_exporter_is_known_by_its_answer_whatever_the_text_is(monkeypatch: pytest.MonkeyPatch) -> None:
    from JumpstarterLibrary.exporter import calls

    class Unavailable(Driver):
        @export
        async def on(self) -> None:
            raise calls.CallRefusedError(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    with Session(root_device=Unavailable()) as session, session.serve_unix() as path, connect(path, timeout=10) as device:
        with pytest.raises(DriverError, match=r"could not reach its hardware: Socket closed\."):
            device.call("on")


# ----------------------------------------------------------- RESOURCE_EXHAUSTED


def test_arguments_that_are_too_large_are_the_tests_failure(serve: Callable[..., str]) -> None:
    with connect(serve(Answering()), timeout=10, name="bench") as device:
        with pytest.raises(ValueNotSendableError, match="was not called: its arguments are larger") as raised:
            device.call("on", "x" * 5 * MIB)
    assert raised.value.failure_class is FailureClass.TEST
    assert "4,194,304 are the most" in str(raised.value)


@pytest.mark.parametrize(
    "text",
    [
        "Stream removed (CLIENT: Received message larger than max (300000005 vs. 268435456))",
        "Received message larger than max (300000005 vs. 268435456)",  # as older versions of gRPC say it
    ],
)
def test_a_result_that_is_too_large_says_that_the_call_has_run(device: Device, exporter: Answering, text: str) -> None:
    exporter.answers = [(grpc.StatusCode.RESOURCE_EXHAUSTED, text)]
    with pytest.raises(DriverError, match=r"on\(\) on the root driver .* has run, but its result is too large") as raised:
        device.call("on")
    assert raised.value.failure_class is FailureClass.DEVICE
    assert "300,000,005 bytes" in str(raised.value)


def test_an_old_server_that_takes_no_more_is_the_tests_failure(device: Device, exporter: Answering) -> None:
    exporter.answers = [(grpc.StatusCode.RESOURCE_EXHAUSTED, "Received message larger than max (5000005 vs. 4194304)")]
    with pytest.raises(ValueNotSendableError):
        device.call("on")


def test_what_else_is_exhausted_is_the_devices_failure(device: Device, exporter: Answering) -> None:
    exporter.answers = [(grpc.StatusCode.RESOURCE_EXHAUSTED, "no more relays")]
    with pytest.raises(DriverError, match=r"\(RESOURCE_EXHAUSTED\): no more relays\.") as raised:
        device.call("on")
    assert raised.value.failure_class is FailureClass.DEVICE


# ---------------------------------------------------------------------- opening


def test_a_server_that_is_no_exporter_is_named(serve: Callable[..., str]) -> None:
    address = serve(Answering(report=False))
    with pytest.raises(ConnectionFailedError, match=f"a gRPC server answers at {address}, but it is no exporter") as raised:
        connect(address, timeout=10, name="bench").__enter__()
    assert raised.value.failure_class is FailureClass.INFRASTRUCTURE


def test_a_refused_connection_is_told_in_words_and_grpcs_own_come_last() -> None:
    address = f"127.0.0.1:{free_port()}"
    with pytest.raises(ConnectionFailedError) as raised:
        connect(address, timeout=10).__enter__()

    first, rest = str(raised.value).split("\n")
    assert first == (
        f"Cannot open device '{address}': nobody listens there. Is the exporter running, and are host and port right?"
    )
    assert rest.startswith("gRPC said: ")
    assert "refused" in rest
    assert "failed to connect to all addresses" not in rest
    assert len(rest) < 250


@pytest.mark.parametrize(
    ("said", "told"),
    [
        ("DNS resolution failed for no.such.lab: Domain name not found", "the name of the host is not known here"),
        ("Ssl handshake failed: SSL_ERROR_SSL: WRONG_VERSION_NUMBER", "no protected connection came about"),
        ("Hostname Verification Check failed.", "its certificate is for another name"),
        ("recvmsg:Connection reset by peer (104)", "something listens there, and ended the connection at once"),
        ("connect: Network is unreachable", "there is no way to this host"),
        ("something new", "no connection to an exporter came about"),
    ],
)
def test_each_reason_has_its_words(said: str, told: str) -> None:
    from JumpstarterLibrary.client.opening import no_connection

    assert no_connection(said, local=False).startswith(told)
    assert no_connection(said, local=True).endswith("that made it still run?")


# ---------------------------------------------------------------------- methods


def test_a_method_that_is_not_exported_says_which_are() -> None:
    with Session(root_device=MockPower()) as session, session.serve_unix() as path, connect(path, timeout=10) as device:
        with pytest.raises(
            DriverMethodNotFoundError, match=r"does not export this method .*; MockPower exports off, on, read"
        ) as raised:
            device.call("close")
        assert "unary method" not in str(raised.value)
        with pytest.raises(DriverMethodNotFoundError, match=r"did you mean read\?"):
            device.call("raed")
        with pytest.raises(DriverMethodNotFoundError, match="MockPower exports off, on, read"):
            device.call("zzz")


def test_a_key_or_a_single_word_has_the_type_of_its_error() -> None:
    class Keys(Driver):
        @export
        async def get(self, name: str) -> None:
            raise {"KeyError": KeyError("port"), "two words": RuntimeError("two words"), "one": RuntimeError("3")}[name]

    with Session(root_device=Keys()) as session, session.serve_unix() as path, connect(path, timeout=10) as device:
        for name, told in {"KeyError": "KeyError: 'port'.", "two words": "error: two words.", "one": "RuntimeError: 3."}.items():
            with pytest.raises(DriverError) as raised:
                device.call("get", name)
            assert str(raised.value).endswith(told)


def test_a_driver_of_another_family_is_refused_before_it_is_called() -> None:
    from JumpstarterLibrary.client import PowerClient
    from JumpstarterLibrary.errors import DriverNotFoundError

    board = builtin_device("mock")
    assert board is not None
    with Session(root_device=board) as session, session.serve_unix() as path, connect(path, timeout=10, name="bench") as device:
        with pytest.raises(DriverNotFoundError) as raised:
            device.driver_of(PowerClient, "console")
        assert (
            str(raised.value) == "'console' of device 'bench' is a console driver, no power driver. Its power drivers: 'power'."
        )
        assert raised.value.failure_class is FailureClass.CONFIGURATION
        with pytest.raises(DriverNotFoundError, match=r"'storage' .* is a storage mux driver"):
            device.driver_of(PowerClient, "storage")  # whose off() does something else
        device.driver_of(PowerClient, "power").on()


UNREACHABLE = [
    "failed to connect to all addresses; last error: UNKNOWN: ipv4:10.0.0.9:50051: Connection refused",
    "name resolver error: empty address list",
]


@pytest.mark.parametrize("text", UNREACHABLE)
@pytest.mark.parametrize("act", ["call", "stream"])
def test_a_driver_that_cannot_reach_its_hardware_by_grpc_is_not_called_again(
    serve: Callable[..., str], exporter: Answering, tmp_path: Path, act: str, text: str
) -> None:
    """It says what gRPC says of a call that was not sent; through the socket of a `jmp shell` such a call would be sent again."""
    exporter.answers = [(grpc.StatusCode.UNAVAILABLE, text)] * 5
    with connect(serve(exporter, tmp_path / "socket"), timeout=2) as device:
        with pytest.raises(DriverError, match="could not reach its hardware"):
            device.root.call("toggle") if act == "call" else list(device.root.stream_call("read"))

        assert exporter.calls == 1
        assert device.state == "open"
