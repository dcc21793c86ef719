"""Run Driver Command: upstream's `j` against a session of ours."""

from __future__ import annotations

import signal
import threading
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from helpers.exporters import Exporter, start_upstream_exporter
from helpers.processes import clean_environment
from helpers.results import eventually
from upstream_support import DRIVERS, ONE_SUPPLY, StuckPower, opened, tagged

from JumpstarterLibrary.client import driver_command
from JumpstarterLibrary.client.allow_list import AllowList
from JumpstarterLibrary.client.channel import Security
from JumpstarterLibrary.client.device import Device, connect
from JumpstarterLibrary.client.driver_command import host_environment, run_driver_command
from JumpstarterLibrary.client.processes import CommandOutcome
from JumpstarterLibrary.drivers import Composite
from JumpstarterLibrary.drivers.board import MockBoard
from JumpstarterLibrary.errors import ConfigurationError, DriverError, DriverTimeoutError, InfrastructureError, UsageError
from JumpstarterLibrary.wire.address import Address

pytestmark = pytest.mark.interop

POWER = "jumpstarter_driver_power.client.PowerClient"


def j(device: Device, path: str, *arguments: str, **options: object) -> CommandOutcome:
    return run_driver_command(device, device.driver(path), arguments, allow=DRIVERS, **options)  # type: ignore[arg-type]


def test_a_command_on_our_exporter() -> None:
    root = tagged(POWER)
    with opened(root) as device:
        outcome = j(device, "", "on")
    assert outcome.rc == 0
    assert root.asked == ["on"]


def test_a_command_of_a_driver_deep_in_upstreams_tree(upstream_smoke: Exporter) -> None:
    with connect(upstream_smoke.address, timeout=30) as device:
        outcome = j(device, "dut.shell", "greet", "you")
        assert outcome.stdout.strip() == "hello you"
        with pytest.raises(DriverError, match="ended with exit status 3, not 0") as failure:
            j(device, "dut.shell", "fail")
        assert j(device, "dut.shell", "fail", expected_rc=None).rc == 3
        assert j(device, "dut.shell", "fail", expected_rc=3).rc == 3
    assert str(failure.value).startswith("'j dut shell fail' on device")


def test_a_command_that_there_is_not() -> None:
    with opened(MockBoard()) as device, pytest.raises(UsageError, match="No such command 'onn'"):
        j(device, "power", "onn")


@pytest.mark.parametrize("path", ["", "power"])
def test_a_client_that_is_not_installed_is_no_fault_of_the_device(path: str) -> None:
    class Foreign(Composite):
        @classmethod
        def client(cls) -> str:
            return "jumpstarter_driver_nowhere.client.CompositeClient"

    root = Foreign(children={"power": tagged(POWER)})
    with (
        opened(root) as device,
        pytest.raises(ConfigurationError, match=r"which is not installed\. Install it: pip install") as caught,
    ):
        j(device, path, "on")
    assert str(caught.value).endswith("jumpstarter-driver-nowhere")


def test_what_the_driver_says_is_in_the_error() -> None:
    with opened(StuckPower(tag=POWER)) as device, pytest.raises(DriverError, match="the relay is stuck"):
        j(device, "", "off")


def test_it_is_ended_at_the_deadline_and_the_call_with_it() -> None:
    root = StuckPower(tag=POWER)
    with opened(root) as device:
        with pytest.raises(DriverTimeoutError, match=r"'j on' on device .* did not end within 3 s and was ended"):
            j(device, "", "on", timeout=3)
        assert eventually(lambda: root.asked == ["on", "cancelled"])


def test_an_interrupt_ends_it() -> None:
    root = StuckPower(tag=POWER)
    with opened(root) as device:

        def interrupt() -> None:
            assert eventually(lambda: "on" in root.asked, 30)
            signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

        thread = threading.Thread(target=interrupt)
        thread.start()
        with pytest.raises(KeyboardInterrupt):
            j(device, "", "on", timeout=60)
        thread.join()
        assert eventually(lambda: root.asked == ["on", "cancelled"])


def test_nothing_is_started_unless_all_classes_on_the_way_are_allowed() -> None:
    with opened(MockBoard()) as device, pytest.raises(ConfigurationError) as failure:
        run_driver_command(device, device.driver("power"), ["on"], allow=["jumpstarter_driver_power.*"])
    assert "'jumpstarter_driver_composite.client.CompositeClient'" in str(failure.value)
    assert "PowerClient" not in str(failure.value)


def test_without_j_the_error_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(driver_command.importlib.util, "find_spec", lambda name: None)
    with (
        opened(tagged(POWER)) as device,
        pytest.raises(ConfigurationError, match=r"pip install '.*\[drivers\]'"),
    ):
        j(device, "", "on")


def test_the_passphrase_goes_in_the_environment_and_is_masked(monkeypatch: pytest.MonkeyPatch) -> None:
    seen: list[list[str]] = []
    real = driver_command.run

    def watch(command: list[str], **options: object) -> CommandOutcome:
        seen.append(command)
        return real(command, **options)  # type: ignore[arg-type]

    monkeypatch.setattr(driver_command, "run", watch)
    with start_upstream_exporter(ONE_SUPPLY, passphrase="open sesame") as exporter:
        with connect(exporter.address, passphrase="open sesame", timeout=20) as device:
            assert j(device, "power", "on").rc == 0
            with pytest.raises(UsageError) as failure:
                j(device, "power", "on", "open sesame")
    assert "open sesame" not in " ".join(seen[0])
    assert "open sesame" not in str(failure.value)


def test_an_exporter_that_is_gone_is_no_fault_of_the_device() -> None:
    with start_upstream_exporter(ONE_SUPPLY) as exporter, connect(exporter.address, timeout=20) as device:
        exporter.kill()
        with pytest.raises(InfrastructureError, match="connection to the exporter is lost"):
            j(device, "power", "on", timeout=20)


# ----------------------------------------------------------- the environment


@pytest.fixture
def device() -> Iterator[Device]:
    with opened(tagged(POWER)) as device:
        yield device


def environment(device: Device) -> dict[str, str]:
    return host_environment(device, AllowList(("*",)), device.root, "it")


def test_the_environment_of_a_socket(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JMP_GRPC_INSECURE", "1")
    told = environment(device)
    assert told["JUMPSTARTER_HOST"] == str(device.connection.address)
    assert told["JMP_DRIVERS_ALLOW"] == "*"
    assert told["JMP_GRPC_INSECURE"] == "", "what the surroundings say of another target does not count"


def test_the_environment_of_plaintext(upstream_smoke: Exporter) -> None:
    with connect(upstream_smoke.address) as device:
        assert environment(device) | {"JUMPSTARTER_HOST": upstream_smoke.address, "JMP_GRPC_INSECURE": "1"} == environment(device)


def _give_passphrase(device: Device) -> None:
    device.connection.metadata = (("x-jumpstarter-passphrase", "p"),)


def _rename_socket(device: Device) -> None:
    device.connection.address = Address(path="/tmp/x:12")


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (_give_passphrase, "no passphrase to a Unix socket"),
        (_rename_socket, "takes a socket path"),
        (lambda device: _be(device, security=Security.UNVERIFIED_TLS), "always verifies certificates"),
    ],
)
def test_what_upstreams_tools_cannot_reach_is_said_at_once(device: Device, change: Callable[[Device], None], told: str) -> None:
    change(device)
    with pytest.raises(ConfigurationError, match=told):
        environment(device)


def test_the_certificate_goes_along(device: Device, tmp_path: Path) -> None:
    _be(device, ca=tmp_path / "ca.pem", security=Security.TLS)
    assert environment(device)["GRPC_DEFAULT_SSL_ROOTS_FILE_PATH"] == str(tmp_path / "ca.pem")


def _be(device: Device, **changes: object) -> None:
    assert device.channel_arguments is not None
    device.channel_arguments = replace(device.channel_arguments, **changes)  # type: ignore[arg-type]


def test_no_variable_of_ours_reaches_other_programs() -> None:
    with opened(tagged(POWER)) as device:
        before = clean_environment()
        j(device, "", "on")
        assert clean_environment() == before
