"""Upstream's commands and its pytest class drive our session: `j`, `jmp shell`, `JumpstarterTest`."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.exporters import start_our_exporter
from helpers.processes import Process
from helpers.programs import script
from interop_drivers import Bench
from interop_support import Command, shell_variables

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.exporter import Session, export

pytestmark = pytest.mark.interop

TWO_READINGS = """\
voltage=0.0 V  current=0.0 A  apparent_power=0.0 VA
voltage=5.0 V  current=2.0 A  apparent_power=10.0 VA
"""


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
def power() -> Iterator[tuple[RecordingPower, str]]:
    root = RecordingPower()
    with Session(root_device=root) as session, session.serve_unix() as path:
        yield root, path


@pytest.fixture(scope="module")
def bench() -> Iterator[str]:
    with Session(root_device=Bench()) as session, session.serve_unix() as path:
        yield path


class TestJ:
    def test_root_driver(self, command: Command, power: tuple[RecordingPower, str]) -> None:
        root, path = power
        root.switched.clear()
        for arguments in (["on"], ["off"], ["cycle", "--wait", "0"]):
            code, output = command("j", *arguments, env=shell_variables(path))
            assert code == 0, output
        assert root.switched == ["on", "off", "off", "on"]
        assert command("j", "read", env=shell_variables(path)) == (0, TWO_READINGS)

    def test_root_driver_lists_its_commands(self, command: Command, power: tuple[RecordingPower, str]) -> None:
        code, output = command("j", "--help", env=shell_variables(power[1]))
        assert code == 0
        assert [word for word in ("cycle", "off", "on", "read") if f"\n  {word} " in output] == ["cycle", "off", "on", "read"]

    def test_tree(self, command: Command, bench: str) -> None:
        assert command("j", "dut", "power", "on", env=shell_variables(bench)) == (0, "")
        assert command("j", "alias", "read", env=shell_variables(bench)) == (0, TWO_READINGS)

    def test_tree_lists_its_drivers(self, command: Command, bench: str) -> None:
        code, output = command("j", "--help", env=shell_variables(bench))
        assert code == 0
        assert "\n  alias " in output
        assert "\n  dut " in output
        code, output = command("j", "dut", "--help", env=shell_variables(bench))
        assert code == 0
        # The description in our report is the command's help text.
        assert any(line.split() == ["power", "The", "bench", "supply"] for line in output.splitlines()), output

    def test_error_of_the_driver(self, command: Command, bench: str, tmp_path: Path) -> None:
        code, output = command("j", "dut", "flasher", "dump", str(tmp_path / "nothing"), env=shell_variables(bench))
        assert code != 0
        assert "default" in output  # the missing partition, in the driver's words


class TestJumpstarterTest:
    def run(self, folder: Path, text: str, host: str) -> tuple[int, str]:
        (folder / "test_device.py").write_text(text)
        arguments = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-W", "ignore", str(folder)]
        with Process(arguments, env=shell_variables(host), cwd=folder) as process:
            return process.wait(60), process.output

    def test_runs_against_our_session(self, tmp_path: Path, power: tuple[RecordingPower, str]) -> None:
        root, path = power
        root.switched.clear()
        code, output = self.run(
            tmp_path,
            """\
from jumpstarter_testing.pytest import JumpstarterTest


class TestSample(JumpstarterTest):
    def test_on(self, client):
        client.on()

    def test_read(self, client):
        assert [reading.voltage for reading in client.read()] == [0.0, 5.0]

    def test_no_rescue(self, client):
        client.rescue()
""",
            path,
        )
        assert "1 failed, 2 passed" in output
        assert "DriverMethodNotImplemented" in output
        assert code == 1
        assert root.switched == ["on"]


class TestShell:
    def test_direct_mode(self, command: Command) -> None:
        with start_our_exporter("mock") as exporter:
            code, output = command(
                "jmp",
                *("shell", "--tls-grpc", exporter.address, "--tls-grpc-insecure", "--"),
                *("sh", "-c", f"{script('j')} power on && {script('j')} power read -n 1 | head -1 && echo at $JUMPSTARTER_HOST"),
            )
            assert code == 0, output
            assert f"at {exporter.address}" in output
            voltage = float(output.split("voltage=")[1].split()[0])
            assert voltage > 4.5

    def test_direct_mode_with_passphrase(self, command: Command) -> None:
        with start_our_exporter("mock:power", env={"JMP_GRPC_PASSPHRASE": "open sesame"}) as exporter:
            inside = ["--tls-grpc", exporter.address, "--tls-grpc-insecure"]
            code, output = command("jmp", "shell", *inside, "--passphrase", "open sesame", "--", script("j"), "read")
            assert code == 0
            assert output.endswith(TWO_READINGS)
            code, output = command("jmp", "shell", *inside, "--passphrase", "open barley", "--", script("j"), "read")
            assert code != 0
            assert "voltage" not in output

    def test_our_suite_inside_a_shell_at_our_exporter(self, command: Command, tmp_path: Path) -> None:
        suite = tmp_path / "suite.robot"
        suite.write_text("""\
*** Settings ***
Library    JumpstarterLibrary

*** Test Cases ***
Board Powers Up
    Open Jumpstarter Session
    Power On
    Get Voltage    >    4.5
    Power Off
""")
        with start_our_exporter("mock") as exporter:
            robot = [sys.executable, "-m", "robot", "--outputdir", str(tmp_path / "output"), str(suite)]
            code, output = command("jmp", "shell", "--tls-grpc", exporter.address, "--tls-grpc-insecure", "--", *robot)
        assert code == 0, output
        assert "1 test, 1 passed, 0 failed" in output
