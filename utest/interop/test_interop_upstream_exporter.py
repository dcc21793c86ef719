"""Our client, suite and pytest class drive upstream's exporter, wherever it runs."""

from __future__ import annotations

import sys
import time
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path

import pytest
from helpers.exporters import Exporter, free_port, start_our_exporter, start_upstream_exporter
from helpers.processes import Process
from helpers.programs import script
from helpers.robot_run import RobotRunner

from JumpstarterLibrary.client import PowerClient, connect
from JumpstarterLibrary.errors import (
    DriverMethodNotFoundError,
    DriverNotFoundError,
    ExporterNotReadyError,
    PassphraseError,
    SessionLostError,
)
from JumpstarterLibrary.journal import CallEnded, Journal, LogLine
from JumpstarterLibrary.sessions import Sessions

pytestmark = pytest.mark.interop

POWER_YAML = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: power}
export:
  power: {type: jumpstarter_driver_power.driver.MockPower}
"""

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary

*** Test Cases ***
Board Powers Up
    Open Jumpstarter Session    {target}
    Power On
    Get Voltage    >    4.5
    Power Off
"""

UPSTREAM_SESSION = """\
import sys
import threading
from jumpstarter.common import ExporterStatus
from jumpstarter.exporter import Session
from jumpstarter_driver_power.driver import MockPower

with Session(root_device=MockPower()) as session, session.serve_unix() as path:
    if sys.argv[1:] == ["ready"]:
        session.update_status(ExporterStatus.LEASE_READY)
    print(f"SERVED {path}", flush=True)
    threading.Event().wait()
"""


@contextmanager
def upstream_session(*arguments: str) -> Iterator[str]:
    """Upstream's session server in a child process; gives its socket."""
    with Process([sys.executable, "-c", UPSTREAM_SESSION, *arguments]) as process:
        yield process.wait_for_output("SERVED ", 30).removeprefix("SERVED ")


class TestStandAlone:
    def test_tree_and_alias(self, upstream_smoke: Exporter) -> None:
        with connect(upstream_smoke.address, timeout=10) as device:
            paths = [node.path for node in device.tree.walk()]
            assert paths[:3] == ["", "dut", "dut.power"]
            assert {"alias", "dut.http.storage", "dut.uboot.power", "dut.uboot.serial"} < set(paths)
            alias, power = device["alias"], device["dut.power"]
            assert isinstance(alias, PowerClient)
            assert alias.node.uuid == power.node.uuid == device.dut.uboot.power.node.uuid
            assert [reading.voltage for reading in alias.read()] == [0.0, 5.0]
            # The same driver under three names is one candidate, not three.
            assert device.driver_of(PowerClient).latest().watt == 10.0

    def test_wrong_names(self, upstream_smoke: Exporter) -> None:
        with connect(upstream_smoke.address, timeout=10) as device:
            with pytest.raises(DriverNotFoundError, match=r"Did you mean 'dut\.power'"):
                device["dut.powr"]
            with pytest.raises(DriverMethodNotFoundError, match="method onn not found on driver"):
                device["dut.power"].call("onn")

    def test_suite(self, run_robot: RobotRunner, upstream_smoke: Exporter) -> None:
        run = run_robot(SUITE.format(target=upstream_smoke.address))
        assert run.tests["Board Powers Up"].passed, run.stdout
        # The exporter's own words, from its log stream. Upstream's comes up to 50 ms late, so perhaps under a later keyword.
        log = "".join(message for message in run.messages() if "exporter log of" in message)
        assert "power on" in log
        assert "power off" in log

    def test_log_lines_reach_the_journal(self) -> None:
        with start_upstream_exporter(POWER_YAML) as exporter, connect(exporter.address, timeout=10, logs=True) as device:
            device.power.on()
            end = time.monotonic() + 10
            while not (lines := _log_lines(device.journal, "power on")) and time.monotonic() < end:
                time.sleep(0.01)
            assert [(line.source, line.severity) for line in lines] == [("driver", "INFO")]


class TestPassphrase:
    @pytest.fixture(scope="class")
    @classmethod
    def guarded(cls) -> Iterator[str]:
        with start_upstream_exporter(POWER_YAML, passphrase="open sesame") as exporter:
            yield exporter.address

    def test_right(self, guarded: str) -> None:
        with connect(guarded, passphrase="open sesame", timeout=10) as device:
            device.power.on()
            assert device.power.latest().voltage == 5.0

    def test_from_the_environment(self, guarded: str, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setenv("JMP_GRPC_PASSPHRASE", "open sesame")
        with connect(guarded, timeout=10) as device:
            device.power.on()

    @pytest.mark.parametrize("passphrase", ["open barley", None])
    def test_wrong_or_missing(self, guarded: str, passphrase: str | None) -> None:
        with pytest.raises(PassphraseError) as caught, connect(guarded, passphrase=passphrase, timeout=10):
            pass
        text = str(caught.value)
        assert text.startswith(f"Opening device '{guarded}' was refused: invalid or missing passphrase")
        assert "JMP_GRPC_PASSPHRASE" in text
        assert passphrase is None or passphrase not in text

    def test_suite_hides_it(self, run_robot: RobotRunner, guarded: str) -> None:
        suite = SUITE.format(target="%{GUARDED}    passphrase=${word}")
        suite = suite.replace("*** Test Cases", "*** Variables ***\n${word: Secret}    %{WORD}\n\n*** Test Cases")
        run = run_robot(suite, "--loglevel", "TRACE", env={"GUARDED": guarded, "WORD": "open sesame"})
        assert run.tests["Board Powers Up"].passed, run.stdout
        assert run.files_with("open sesame") == []
        assert list(run.outputdir.rglob("*.jsonl")) != []

    def test_suite_with_the_wrong_one(self, run_robot: RobotRunner, guarded: str) -> None:
        run = run_robot(SUITE.format(target=guarded), env={"JMP_GRPC_PASSPHRASE": "open barley"})
        message = run.tests["Board Powers Up"].message
        assert message.startswith(f"CONFIGURATION: Opening device '{guarded}' was refused: invalid or missing passphrase")
        assert run.files_with("open barley") == []


class TestInsideShell:
    """`jmp shell --exporter-config FILE -- COMMAND`."""

    @pytest.fixture
    def shell(self, tmp_path: Path) -> list[str]:
        config = tmp_path / "exporter.yaml"
        config.write_text(POWER_YAML)
        return [script("jmp"), "shell", "--exporter-config", str(config), "--"]

    def test_suite_passes_unchanged(self, run_robot: RobotRunner, shell: list[str]) -> None:
        run = run_robot(SUITE.format(target=""), inside=shell)
        assert run.tests["Board Powers Up"].passed, run.stdout
        assert run.returncode == 0

    def test_failing_suite(self, run_robot: RobotRunner, shell: list[str]) -> None:
        run = run_robot(SUITE.format(target="").replace("> ", "< "), inside=shell)
        # The report is what counts here: `jmp shell` 0.9.0 with a local exporter swallows its command's exit code.
        assert run.tests["Board Powers Up"].message.startswith("DEVICE: Voltage in V of ")

    def test_our_pytest_class(self, tmp_path: Path, shell: list[str]) -> None:
        (tmp_path / "test_x.py").write_text("""\
from JumpstarterLibrary.testing import JumpstarterTest


class TestBoard(JumpstarterTest):
    selector = "board=none"

    def test_power(self, client):
        client.power.on()
        assert client.power.latest().volt > 4.5

    def test_rescue(self, client):
        client.power.rescue()


def test_fixture(jumpstarter):
    assert list(jumpstarter.root.children) == ["power"]
""")
        options = ["-p", "no:cacheprovider", "-p", "no:asyncio", "-W", "error"]
        with Process([*shell, sys.executable, "-m", "pytest", *options, str(tmp_path)], cwd=tmp_path) as process:
            process.wait(60)
            output = process.output
        assert "1 failed, 2 passed" in output
        assert "has no rescue mode" in output
        assert "jumpstarter: device" in output
        assert "(JUMPSTARTER_HOST)" in output


class TestBareSession:
    """Upstream's `Session` without an exporter around it."""

    def test_ready(self) -> None:
        with upstream_session("ready") as path, connect(path, timeout=10) as device:
            device.on()
            assert [reading.voltage for reading in device.read()] == [0.0, 5.0]

    def test_that_stays_available(self) -> None:
        with upstream_session() as path:
            begin = time.monotonic()
            with pytest.raises(ExporterNotReadyError) as caught, connect(path, timeout=0.8):
                pass
            assert time.monotonic() - begin < 1.8
        assert "status is still AVAILABLE after 800 ms, and calls need LEASE_READY" in str(caught.value)


class TestRestart:
    """A new exporter at the old address has new driver uuids."""

    @pytest.mark.parametrize("whose", ["upstream", "ours"])
    def test_call_after_restart(self, whose: str) -> None:
        port = free_port()
        with ExitStack() as stack:
            with _exporter(whose, port) as exporter:
                power = stack.enter_context(connect(exporter.address, timeout=10)).driver_of(PowerClient)
                power.on()
            stack.enter_context(_exporter(whose, port))
            power.on()  # its drivers are the same, so the session goes on with their new uuids
            calls = power.device.journal.events(CallEnded)
            assert [call.outcome for call in calls if call.method == "on"] == ["ok", "ok"]
            assert power.device.connection.uuid(power.node.uuid) != power.node.uuid
            with connect(f"127.0.0.1:{port}", timeout=10) as anew:
                anew.driver_of(PowerClient).on()

    def test_another_device_at_the_old_address(self) -> None:
        port = free_port()
        with ExitStack() as stack:
            with start_our_exporter("mock:power", listen=f"127.0.0.1:{port}") as exporter:
                power = stack.enter_context(connect(exporter.address, timeout=10)).driver_of(PowerClient)
                power.on()
            stack.enter_context(start_our_exporter("mock", listen=f"127.0.0.1:{port}"))
            with pytest.raises(SessionLostError, match=r"Open a new session\."):
                power.on()

    def test_sessions_show_the_loss(self) -> None:
        port = free_port()
        sessions = Sessions()
        try:
            with start_upstream_exporter(POWER_YAML, port=port) as exporter:
                session = sessions.open(exporter.address, alias="board", timeout=10)
                session.device.power.on()
            end = time.monotonic() + 5
            while session.device.state != "lost" and time.monotonic() < end:
                time.sleep(0.01)
            assert session.device.state == "lost"
            with pytest.raises(SessionLostError, match="device 'board'"):
                session.device.power.on()
            with start_upstream_exporter(POWER_YAML, port=port):
                # The alias of a lost session is free again.
                again = sessions.open(f"127.0.0.1:{port}", alias="board", timeout=10)
                again.device.power.on()
        finally:
            sessions.close_all()


@contextmanager
def _exporter(whose: str, port: int) -> Iterator[Exporter]:
    if whose == "upstream":
        with start_upstream_exporter(POWER_YAML, port=port) as exporter:
            yield exporter
    else:
        with start_our_exporter("mock:power", listen=f"127.0.0.1:{port}") as exporter:
            yield exporter


def _log_lines(journal: Journal, text: str) -> list[LogLine]:
    return [line for line in journal.events(LogLine) if text in line.message]
