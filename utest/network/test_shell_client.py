"""Shell drivers: upstream's Shell through our client and keywords."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest
from helpers.robot_run import RobotRunner
from network_support import HEAD

from JumpstarterLibrary.client import Device, ShellClient, connect
from JumpstarterLibrary.errors import DriverError, DriverInvalidArgumentError, DriverTimeoutError
from JumpstarterLibrary.journal import CallEnded
from JumpstarterLibrary.wire.secrets import Hidden

pytestmark = pytest.mark.interop

METHODS = """\
shell:
    type: jumpstarter_driver_shell.driver.Shell
    config:
      methods:
        greet: 'echo "hello $1"; echo "$GREETING" >&2'
        fail: "echo bad >&2; exit 3"
        same: "exit 199"
        steps: "echo one; sleep 0.7; echo two"
        hang: "echo begun; sleep 8"
        slow: {command: "echo begun; sleep 20", timeout: 1}
        many: "seq 1 20000"
"""


@pytest.fixture(scope="module")
def address() -> Iterator[str]:
    from helpers.exporters import start_upstream_exporter

    with start_upstream_exporter(HEAD + "  " + METHODS) as exporter:
        yield exporter.address


@pytest.fixture
def device(address: str) -> Iterator[Device]:
    with connect(address, name="bench", timeout=20) as device:
        yield device


def test_output_exit_status_and_arguments(device: Device) -> None:
    shell = device.driver_of(ShellClient)

    assert {"greet", "fail", "slow"} <= set(shell.get_methods())
    outcome = shell.run_method("greet", "big world", environment={"GREETING": 5})
    assert (outcome.stdout, outcome.stderr, outcome.rc) == ("hello big world\n", "5\n", 0)
    assert shell.run_method("greet", 42).stdout == "hello 42\n"
    assert shell.run_method("fail").rc == 3
    assert shell.run_method("same").rc == 199, "a status of its own, and no time-out of the driver"
    assert len(shell.run_method("many").stdout.splitlines()) == 20000


def test_output_comes_while_the_command_runs(device: Device) -> None:
    begin, moments = time.monotonic(), {}
    for piece in device.driver_of(ShellClient).call_method("steps"):
        for word in ("one", "two"):
            if word in piece.stdout:
                moments[word] = time.monotonic() - begin
    assert moments["two"] - moments["one"] > 0.4
    assert piece.rc == 0


def test_what_the_driver_refuses(device: Device) -> None:
    shell = device.driver_of(ShellClient)
    with pytest.raises(DriverInvalidArgumentError, match="nothing"):
        shell.run_method("nothing")
    with pytest.raises(DriverInvalidArgumentError, match="PATH"):
        shell.run_method("greet", environment={"PATH": "/"})


def test_the_drivers_time_out_and_ours(device: Device) -> None:
    shell = device.driver_of(ShellClient)
    with pytest.raises(DriverTimeoutError, match=r"(?s)command 'slow' .* took longer than the exporter's.*begun"):
        shell.run_method("slow")
    begin = time.monotonic()
    with pytest.raises(DriverTimeoutError, match=r"(?s)'hang' did not end in time: .* may still be running .*begun"):
        shell.run_method("hang", timeout=1)
    assert time.monotonic() - begin < 3


def test_a_stream_without_an_exit_status_is_an_error(device: Device, monkeypatch: pytest.MonkeyPatch) -> None:
    shell = device.driver_of(ShellClient)
    monkeypatch.setattr(shell, "stream_call", lambda *_, **__: (value for value in [["text", "", None]]))
    with pytest.raises(DriverError, match=r"(?s)no exit status.*text"):
        shell.run_method("greet")
    monkeypatch.setattr(shell, "stream_call", lambda *_, **__: (value for value in ["text"]))
    with pytest.raises(DriverError, match="no output of a command"):
        shell.run_method("greet")


def test_secret_arguments_are_in_no_journal(device: Device) -> None:
    outcome = device.driver_of(ShellClient).run_method("greet", Hidden("hunter2"), environment={"GREETING": Hidden("hunter3")})
    assert (outcome.stdout, outcome.stderr) == ("hello hunter2\n", "hunter3\n")
    (call,) = device.journal.events(CallEnded)
    assert "hunter" not in call.arguments


@pytest.mark.acceptance
def test_the_keywords(run_robot: RobotRunner, address: str) -> None:
    run = run_robot(
        "*** Settings ***\nLibrary    JumpstarterLibrary    timeout=10s\nSuite Setup    Open Jumpstarter Session    ${TARGET}\n\n"
        "*** Variables ***\n${PIN: Secret}    %{PIN}\n&{VARIABLES}    GREETING=hi\n\n"
        "*** Test Cases ***\n"
        "Works\n    Get Shell Methods    contains    greet\n"
        "    ${result} =    Run Shell Method    greet    world    environment=${VARIABLES}    expected_rc=0\n"
        "    Should Be Equal    ${result.stdout}    hello world\\n\n    Should Be Equal    ${result.stderr}    hi\\n\n"
        "    Should Be Equal As Strings    ${result}    hello world\\n\n    Should Be True    0 < ${result.duration} < 10\n"
        "    ${result} =    Run Shell Method    fail\n    Should Be Equal    ${result.rc}    ${3}\n"
        "Secret\n    ${result} =    Run Shell Method    greet    ${PIN}\n    Length Should Be    ${result.stdout}    15\n"
        "Fails\n    Run Shell Method    fail    expected_rc=0\n"
        "Stops\n    [Timeout]    1s\n    Run Shell Method    hang\n"
        "Goes On\n    Run Shell Method    greet\n",
        *("--variable", f"TARGET:{address}", "--loglevel", "TRACE"),
        env={"PIN": "p1n-0815"},
    )

    assert run.tests["Works"].passed, run.tests["Works"].message
    assert run.tests["Secret"].passed, run.tests["Secret"].message
    assert run.files_with("p1n-0815") == []
    assert "The command 'fail' of shell 'shell' of device" in run.tests["Fails"].message
    assert "exit status 3, expected 0. It wrote:\nbad" in run.tests["Fails"].message
    assert run.tests["Stops"].message.splitlines()[0] == "Test timeout 1 second exceeded."
    assert run.tests["Stops"].elapsed_time.total_seconds() < 2.5
    assert run.tests["Goes On"].passed
