"""Consoles in real Robot runs: secrets that the device tells in pieces, and interrupts of every waiting keyword."""

import signal
from pathlib import Path

import pytest
from helpers.robot_run import RobotRunner

pytestmark = pytest.mark.acceptance

SECRET = "hunter2-Zebra"

PIECES = f"{SECRET[0]}\\e[31m{SECRET[1]}\\e[0;1m{SECRET[2:5]}\\r\\n{SECRET[5:]}"

TALKATIVE = f"""\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {{namespace: default, name: talkative}}
export:
  uart:
    type: JumpstarterLibrary.drivers.MockConsole
    config:
      loopback: false
      script:
        - {{expect: "go", reply: "bench login: "}}
        - {{expect: "root", reply: "Password: "}}
        - {{expect: "{SECRET}", reply: "{PIECES}\\r\\n{SECRET}\\r\\n# "}}
"""


@pytest.mark.parametrize("literal", [False, True], ids=["Secret", "plain text"])
def test_a_password_is_nowhere_although_the_device_echoes_it_in_pieces(
    run_robot: RobotRunner, tmp_path: Path, literal: bool
) -> None:
    (tmp_path / "talkative.yaml").write_text(TALKATIVE)
    password = SECRET if literal else "${PASSWORD}"
    run = run_robot(
        f"""
*** Settings ***
Library    JumpstarterLibrary

*** Variables ***
${{PASSWORD: Secret}}    %{{BENCH_PASSWORD}}

*** Test Cases ***
Log In
    Open Jumpstarter Session    {tmp_path}/talkative.yaml    consoles=uart
    Write To Console    go
    Login To Console    root    {password}    timeout=10s
    ${{text}} =    Get Console Output
    Save Console Log    ${{OUTPUT DIR}}/saved.txt
    Run Keyword And Expect Error    DEVICE:*    Wait For Line On Console    never    timeout=200ms
    """,
        "--loglevel",
        "TRACE",
        "--debugfile",
        "debug.txt",
        env={"BENCH_PASSWORD": SECRET},
    )

    assert {name: test.message for name, test in run.tests.items() if not test.passed} == {}
    assert run.files_with(SECRET) == []
    assert SECRET not in run.stdout
    files = [path for path in run.outputdir.rglob("*") if path.is_file()]
    assert any("uart.log" in path.name and b"<secret>" in path.read_bytes() for path in files)
    pieces = f"{SECRET[0]}\x1b[31m{SECRET[1]}".encode()
    assert [path for path in files if pieces in path.read_bytes()] == []


WAITS = {
    "line": "Wait For Line On Console    never",
    "lines": "Wait For Lines On Console    never    ever",
    "next line": "Wait For Next Line On Console",
    "prompt": "Wait For Prompt On Console    never",
    "bytes": "Wait For Bytes On Console    never",
    "any console": "Wait For Line On Any Console    never",
    "should not be": "Should Not Be On Console    never    during=30s",
    "idle": "Console Should Be Idle    during=30s",
    "until idle": "Wait Until Console Is Idle    quiet=30s",
    "write and wait": "Write Line To Console And Wait    hello    never",
    "login": "Login To Console    root    x",
    "command": "Execute Console Command    true",
    "u-boot": "Execute U-Boot Command    version",
    "slow writing": "Write Line To Console    ${{'x' * 200}}    char_delay=100ms",
}
USABLE = """
    [Teardown]    Run Keywords    Set Console Configuration    expect_echo=False    AND
    ...    Write Line To Console    still here    AND    Wait For Line On Console    still here    timeout=5s
"""


def test_robots_timeout_ends_every_wait_and_leaves_the_console_usable(run_robot: RobotRunner) -> None:
    tests = "\n".join(f"{name}\n    {wait}{USABLE}" for name, wait in WAITS.items())
    run = run_robot(SUITE.format(tests=tests, timeout="Test Timeout    500ms"), timeout=90)

    assert len(run.tests) == len(WAITS)
    for name, test in run.tests.items():
        assert test.message == "Test timeout 500 milliseconds exceeded.", name
        assert test.teardown.passed, f"{name}: {test.teardown.message}"
        assert test.elapsed_time.total_seconds() < 3, name


@pytest.mark.parametrize("name", ["line", "idle", "command"])
def test_ctrl_c_ends_a_wait_and_leaves_the_console_usable(run_robot: RobotRunner, name: str) -> None:
    tests = f"Interrupted\n    Log To Console    waiting now\n    {WAITS[name]}{USABLE}"
    process = run_robot.start(SUITE.format(tests=tests, timeout=""))
    process.wait_for_output("waiting now", 20)
    process.send_signal(signal.SIGINT)
    run = process.finish(20)

    test = run.tests["Interrupted"]
    assert "Execution terminated by signal" in test.message
    assert test.teardown.passed, test.teardown.message
    assert test.elapsed_time.total_seconds() < 5


SUITE = """
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    {rig}    consoles=echo
{{timeout}}

*** Test Cases ***
{{tests}}
""".format(rig=Path(__file__).parents[2] / "atest" / "50_console" / "rig.yaml")
