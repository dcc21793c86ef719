"""Upstream's own clients on our connection, against upstream's exporter and against ours."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from helpers.exporters import Exporter, free_port, start_our_exporter, start_upstream_exporter
from helpers.results import eventually
from upstream_support import DRIVERS, ONE_SUPPLY, Tagged, opened, self_signed, tagged

from JumpstarterLibrary.client.device import Device, connect
from JumpstarterLibrary.client.upstream import upstream_clients
from JumpstarterLibrary.drivers.board import MockBoard
from JumpstarterLibrary.errors import (
    CallTimeoutError,
    ConfigurationError,
    DriverError,
    DriverInvalidArgumentError,
    DriverMethodNotFoundError,
    DriverNotSupportedError,
    DriverTimeoutError,
    InfrastructureError,
    SessionClosedError,
    SessionLostError,
    UsageError,
    WrongArgumentsError,
)
from JumpstarterLibrary.exporter import Session, export

pytestmark = pytest.mark.interop

POWER = "jumpstarter_driver_power.client.PowerClient"


@pytest.fixture(scope="module")
def smoke(upstream_smoke: Exporter) -> Iterator[Device]:
    with connect(upstream_smoke.address, timeout=20) as device:
        yield device


@pytest.fixture(scope="module")
def board() -> Iterator[Device]:
    with Session(root_device=MockBoard()) as session, session.serve_unix() as path, connect(path, timeout=20) as device:
        yield device


def client(device: Device, path: str) -> Any:
    return upstream_clients(device).client(device.driver(path), DRIVERS)


def call(device: Device, path: str, method: str, *arguments: object, **options: Any) -> Any:
    client(device, path)
    return upstream_clients(device).call(device.driver(path), method, arguments, **options)


# ------------------------------------------------------------------ what works


def test_it_is_upstreams_class_and_always_the_same_object(smoke: Device) -> None:
    found = client(smoke, "dut.power")
    assert f"{type(found).__module__}.{type(found).__name__}" == POWER
    assert client(smoke, "dut.power") is found
    assert str(found.uuid) == smoke.driver("dut.power").node.uuid


@pytest.mark.parametrize("where", ["smoke", "board"])
def test_power(where: str, request: pytest.FixtureRequest) -> None:
    device: Device = request.getfixturevalue(where)
    path = "dut.power" if where == "smoke" else "power"
    assert call(device, path, "on") is None
    call(device, path, "cycle", named={"wait": 0})
    assert client(device, path).call("off") is None


def test_the_values_of_a_generator_are_a_list(smoke: Device) -> None:
    readings = call(smoke, "dut.power", "read")
    assert [(reading.voltage, reading.current) for reading in readings] == [(0, 0), (5, 2)]


def test_an_alias_has_a_client_of_its_own_place(smoke: Device) -> None:
    assert client(smoke, "alias") is not client(smoke, "dut.power")
    assert call(smoke, "alias", "on") is None


def test_files_of_upstream_and_ours(smoke: Device, tmp_path: Path) -> None:
    data = bytes(range(256)) * 1000
    call(smoke, "dut.files", "write_bytes", "there.bin", data)
    assert call(smoke, "dut.files", "read_bytes", "there.bin") == data
    assert call(smoke, "dut.files", "stat", "there.bin").content_length == len(data)


@pytest.mark.parametrize("where", ["smoke", "board"])
def test_flashing(where: str, request: pytest.FixtureRequest, tmp_path: Path) -> None:
    device: Device = request.getfixturevalue(where)
    path = "dut.mux" if where == "smoke" else "storage"
    if where == "board" and path not in device.tree.children:
        pytest.skip("the board has no storage yet")
    image = tmp_path / "image.bin"
    image.write_bytes(b"JUMPSTARTER" * 30_000)
    call(device, path, "flash", str(image))
    call(device, path, "dump", str(tmp_path / "dumped"))
    assert (tmp_path / "dumped").read_bytes()[: image.stat().st_size] == image.read_bytes()


def test_forwarding_a_port(smoke: Device) -> None:
    import socket

    from jumpstarter_driver_network.adapters import TcpPortforwardAdapter

    with TcpPortforwardAdapter(client=client(smoke, "dut.echo")) as address, socket.create_connection(address, 10) as peer:
        peer.settimeout(10)
        peer.sendall(b"hello through upstream")
        assert peer.recv(100) == b"hello through upstream"


def test_the_expect_adapter_of_serial_consoles(smoke: Device) -> None:
    with client(smoke, "dut.serial").pexpect() as console:
        console.sendline("ready")
        assert console.expect_exact("ready", timeout=10) == 0


def test_a_method_that_only_the_object_knows(smoke: Device, capsys: pytest.CaptureFixture[str]) -> None:
    assert call(smoke, "dut.shell", "greet", "you") == 0
    assert "hello you" in capsys.readouterr().out


def test_a_property(smoke: Device) -> None:
    assert "=>" in call(smoke, "dut.uboot", "prompt")
    with pytest.raises(UsageError, match="takes no arguments"):
        call(smoke, "dut.uboot", "prompt", 1)


def test_a_coroutine_method(smoke: Device) -> None:
    assert call(smoke, "dut.power", "call_async", "on") is None


def test_the_root_and_its_children(smoke: Device) -> None:
    root = client(smoke, "")
    assert list(root.children) == ["dut", "alias"]
    assert root.dut.power.on() is None


def test_every_call_is_in_the_journal() -> None:
    with opened(tagged(POWER)) as device:
        device.connection.redact.add("hush")
        call(device, "", "on")
        with pytest.raises(DriverMethodNotFoundError):
            call(device, "", "call", "hush")
        calls = [event for event in device.journal.events() if event.kind == "call"]
    assert [(event.method, event.outcome) for event in calls] == [
        ("PowerClient.on", "ok"),
        ("PowerClient.call", "DriverMethodNotFoundError"),
    ]
    assert "hush" not in str(calls)


def test_a_passphrase_goes_along() -> None:
    with (
        start_upstream_exporter(ONE_SUPPLY, passphrase="hush!") as exporter,
        connect(exporter.address, passphrase="hush!", timeout=20) as device,
    ):
        assert call(device, "power", "on") is None
        assert len(call(device, "power", "read")) == 2


def test_tls_with_a_passphrase(tmp_path: Path) -> None:
    tls = self_signed()
    (tmp_path / "ca.pem").write_bytes(tls.certificate)
    with (
        Session(root_device=tagged(POWER)) as session,
        session.serve_tcp(tls=tls, passphrase="hush!") as address,
        connect(f"localhost:{address.rpartition(':')[2]}", ca=tmp_path / "ca.pem", passphrase="hush!") as device,
    ):
        assert call(device, "", "on") is None


# --------------------------------------------------------------- what does not


@pytest.mark.parametrize(
    ("path", "method", "arguments", "expected", "told"),
    [
        ("dut.power", "onn", (), DriverMethodNotFoundError, "no method 'onn'. Did you mean on"),
        ("dut.power", "cycle", (1, 2, 3), WrongArgumentsError, "too many positional"),
        ("dut.power", "rescue", (), DriverMethodNotFoundError, "PowerClient.rescue"),
        ("dut.power", "call", ("read",), DriverMethodNotFoundError, "unary"),
        ("dut.files", "stat", ("missing",), DriverError, "NotFound"),
        ("dut.memory", "copy", ("a", "b"), DriverError, "driver raised an error"),
        ("dut.files", "hash", ("x", "nope"), WrongArgumentsError, "'md5' or 'sha256'"),
        ("dut.files", "call", ("hash", "x", "nope"), DriverInvalidArgumentError, "refused a value"),
        ("dut.flasher", "flash", ("/no/such/file",), DriverError, "no/such/file"),
    ],
)
def test_an_error_has_our_class_and_says_what_was_attempted(
    smoke: Device, path: str, method: str, arguments: tuple[object, ...], expected: type[Exception], told: str
) -> None:
    with pytest.raises(expected, match=told) as failure:
        call(smoke, path, method, *arguments)
    assert f"on driver '{path}' of device" in str(failure.value)


def test_not_supported() -> None:
    class Weak(Tagged):
        @classmethod
        def client(cls) -> str:
            return POWER

        @export
        async def rescue(self) -> None:
            raise NotImplementedError("no such relay")

    with opened(Weak(tag=POWER)) as device, pytest.raises(DriverNotSupportedError, match="no such relay"):
        call(device, "", "rescue")


def test_a_method_without_end_is_cancelled_at_the_deadline() -> None:
    root = tagged(POWER)
    with opened(root) as device:
        client(device, "")
        with pytest.raises(DriverTimeoutError, match=r"PowerClient.rescue\(\) .* did not return within 300 ms and was cancelled"):
            call(device, "", "rescue", timeout=0.3)
        assert eventually(lambda: "cancelled" in root.asked), "the exporter was told"
        assert call(device, "", "on") is None, "the session is as good as before"


def test_what_was_given_up_does_not_go_on() -> None:
    root = tagged(POWER)
    with opened(root) as device:
        client(device, "")
        with pytest.raises(DriverTimeoutError):
            call(device, "", "cycle", 1.0, timeout=0.3)  # sleeps between off and on
        ended = eventually(lambda: not [t for t in threading.enumerate() if t.name == "jumpstarter-upstream"])
        assert ended
        assert root.asked == ["off"]


def test_a_frozen_exporter(tmp_path: Path) -> None:
    with start_upstream_exporter(ONE_SUPPLY) as exporter:
        with connect(exporter.address, timeout=20) as device:
            client(device, "power")
            exporter.freeze()
            begin = time.monotonic()
            with pytest.raises(CallTimeoutError, match="answers nothing else"):
                call(device, "power", "on", timeout=0.5)
            assert time.monotonic() - begin < 5
            exporter.thaw()
            assert call(device, "power", "on") is None
            exporter.kill()
            with pytest.raises((SessionLostError, InfrastructureError)):
                call(device, "power", "on", timeout=5)


def test_a_closed_session_ends_its_portal_and_what_ran_through_it() -> None:
    root = tagged(POWER)
    with opened(root) as device:
        client(device, "")
        portal = upstream_clients(device)._link.portal
        errors: list[BaseException] = []

        def forever() -> None:
            try:
                call(device, "", "rescue", timeout=60)
            except BaseException as error:
                errors.append(error)

        thread = threading.Thread(target=forever)
        thread.start()
        assert eventually(lambda: "rescue" in root.asked)
        device.close()
        thread.join(5)
        assert not thread.is_alive()
        with pytest.raises(RuntimeError, match="not running"):
            portal.call(lambda: None)
    assert isinstance(errors[0], SessionClosedError)


def test_nothing_is_asked_of_a_closed_session() -> None:
    with opened(tagged(POWER)) as device:
        device.close()
        with pytest.raises(SessionClosedError):
            client(device, "")


# ------------------------------------------------------- what may be imported


def test_nothing_is_allowed_unless_somebody_says_so(smoke: Device) -> None:
    with connect(str(smoke.connection.address)) as device, pytest.raises(ConfigurationError) as failure:
        upstream_clients(device).client(device.driver("dut.power"))
    assert "'jumpstarter_driver_power.client.PowerClient'" in str(failure.value)
    assert "allow=jumpstarter_driver_power.*" in str(failure.value)
    assert "JMP_DRIVERS_ALLOW=jumpstarter_driver_power.*" in str(failure.value)


def test_what_is_allowed_for_one_driver_is_not_allowed_for_another() -> None:
    with opened(MockBoard()) as device:
        clients = upstream_clients(device)
        clients.client(device.driver("power"), ["*"])
        assert clients.client(device.driver("power")) is not None
        with pytest.raises(ConfigurationError, match="not allowed"):
            clients.client(device.driver("console"))


def test_children_that_are_not_allowed_are_stand_ins_that_say_so() -> None:
    with opened(MockBoard()) as device:
        root = upstream_clients(device).client(device.driver(""), ["jumpstarter_driver_composite.*"])
        assert type(root.children["power"]).__name__ == "StubDriverClient"
        assert upstream_clients(device).client(device.driver("")) is root
        full = upstream_clients(device).client(device.driver("power"), ["jumpstarter_driver_power.*"])
        assert type(full).__name__ == "PowerClient"
        wider = upstream_clients(device).client(device.driver(""))
        assert type(wider.children["power"]).__name__ == "PowerClient", "what is allowed by now counts"
        assert wider.children["power"].on() is None


def test_an_exporter_that_began_anew_is_found_by_upstreams_clients_too() -> None:
    listen = f"127.0.0.1:{free_port()}"
    with ExitStack() as stack:
        first = stack.enter_context(start_our_exporter("mock:power", listen=listen))
        device = stack.enter_context(connect(listen, name="bench", timeout=20))
        clients = upstream_clients(device)
        before = clients.client(device.root, ["UNSAFE"])
        clients.call(device.root, "on")

        first.kill()
        stack.enter_context(start_our_exporter("mock:power", listen=listen))
        device.root.call("on")
        clients.call(device.root, "off")

        after = clients.client(device.root)
        assert after.uuid != before.uuid
        assert clients.client(device.root) is after
