"""Consoles in real Robot runs: secrets that the device tells in pieces, and interrupts of every waiting keyword."""

import html
import re
import signal
from pathlib import Path

import pytest
from helpers.robot_run import RobotRunner

pytestmark = pytest.mark.acceptance

SECRET = "hunter2-Zebra"

RIG = Path(__file__).parents[2] / "atest" / "50_console" / "rig.yaml"

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


def test_a_secret_that_two_keywords_show_in_halves_is_in_no_file(run_robot: RobotRunner) -> None:
    first, second = SECRET[:7], SECRET[7:]
    run = run_robot(
        f"""
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    {RIG}    consoles=uart

*** Variables ***
${{PASSWORD: Secret}}    %{{BENCH_PASSWORD}}

*** Test Cases ***
In Halves
    Write Line To Console    ${{PASSWORD}}
    Call Driver Method    send    begin %{{FIRST_HALF}}    driver=uart
    Wait For Line On Console    begin
    Call Driver Method    send    %{{SECOND_HALF}} end\\n    driver=uart
    Wait For Line On Console    end
    Call Driver Method    send    open %{{FIRST_HALF}}    driver=uart
    Wait For Prompt On Console    open.*

With Colours As Bytes
    Call Driver Method    send    a %{{COLOURED}} z\\n    driver=uart
    ${{said}} =    Wait For Bytes On Console    ${{SPACE}}z
    Should Contain    ${{said}}    ${{{{b'<secret>'}}}}
    Call Driver Method    send    b %{{COLOURED}} end of bytes\\n    driver=uart
    ${{found}} =    Wait For Line On Console    end of bytes    match=BYTES    since=session start

On Two Lines
    Call Driver Method    send    x %{{FIRST_HALF}}\\n%{{SECOND_HALF}} y\\n    driver=uart
    ${{found}} =    Wait For Line On Console    ${{SPACE}}y
    Run Keyword And Expect Error    DEVICE:*    Wait For Line On Console    never    timeout=100ms
    Wait For Line On Console    never    timeout=100ms
""",
        "--loglevel",
        "TRACE",
        env={
            "BENCH_PASSWORD": SECRET,
            "FIRST_HALF": first,
            "SECOND_HALF": second,
            "COLOURED": f"{SECRET[:4]}\x1b[31m{SECRET[4:]}",
        },
    )

    assert [name for name, test in run.tests.items() if not test.passed] == ["On Two Lines"]
    assert second not in run.tests["On Two Lines"].message
    log = (run.outputdir / "output.xml").read_text()
    shown = "".join(re.findall(r"<details.*?</details>", html.unescape(log), re.DOTALL))
    # What the suite itself writes as arguments are the halves; what the console said shows neither.
    assert "begin" in shown
    assert first not in shown.partition("open ")[0]
    assert second not in shown
    assert "Return: b" in log
    assert not [line for line in html.unescape(log).split("\n") if "Return: " in line and (SECRET[4:] in line or second in line)]


def test_a_flood_does_not_fill_the_log(run_robot: RobotRunner) -> None:
    """100 MB of console, in ten keywords: log.html stays small, and the file has all of it."""
    run = run_robot(
        f"""
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    {RIG}    consoles=uart

*** Test Cases ***
Flood
    FOR    ${{seed}}    IN RANGE    10
        Call Driver Method    flood    ${{10_000_000}}    ${{seed}}    ${{65536}}    driver=uart    timeout=60s
    END
    Call Driver Method    send    \\nthe end\\n    driver=uart
    Wait For Line On Console    the end    timeout=60s
""",
        timeout=180,
    )

    assert run.tests["Flood"].passed, run.tests["Flood"].message
    assert (run.outputdir / "log.html").stat().st_size < 5_000_000
    (output,) = run.outputdir.glob("jumpstarter/rig/uart.log")
    assert output.stat().st_size == 100_000_000 + len("\nthe end\n")


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


SUITE = f"""
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    {RIG}    consoles=echo
{{timeout}}

*** Test Cases ***
{{tests}}
"""
