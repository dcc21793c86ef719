"""Consoles in real Robot runs: secrets that the device tells in pieces, and floods."""

import html
import re
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

At The Edge Of The Terminal
    Call Driver Method    send    typed %{{FIRST_HALF}} \\r%{{SECOND_HALF}} done\\n    driver=uart
    ${{found}} =    Wait For Line On Console    done
    Run Keyword And Expect Error    DEVICE:*    Wait For Line On Console    never    timeout=100ms
    Call Driver Method    send    bytes %{{FIRST_HALF}} \\r%{{SECOND_HALF}} end of edge\\n    driver=uart
    ${{said}} =    Wait For Bytes On Console    end of edge
    Call Driver Method    send    prompt %{{FIRST_HALF}} \\r%{{SECOND_HALF}} >    driver=uart
    Wait For Prompt On Console    >
    ${{text}} =    Get Console Output
    Call Driver Method    send    \\n    driver=uart

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
    shown = "".join(re.findall(r"<details style=.border-left.*?</details>", html.unescape(log), re.DOTALL))
    # What the suite itself writes as arguments are the halves; what the console said shows neither.
    assert "begin" in shown
    assert first not in shown.partition("open ")[0]
    assert second not in shown
    for text in ("typed <secret> done", "prompt <secret> >"):
        assert text in html.unescape(shown)
    journal = (run.outputdir / "jumpstarter" / "rig.jsonl").read_text()
    told = [line for line in journal.splitlines() if '"console-matched"' in line]
    assert any("typed <secret> done" in line for line in told)
    assert not [line for line in told if second in line]
    assert "Return: b" in log
    assert not [line for line in html.unescape(log).split("\n") if "Return: " in line and (SECRET[4:] in line or second in line)]


def test_a_coloured_secret_that_a_driver_answers_with_is_in_no_file(run_robot: RobotRunner) -> None:
    """Not by way of a console, whose output is masked by itself, but as an argument, an answer, a message and a failure."""
    run = run_robot(
        f"""
*** Settings ***
Library    JumpstarterLibrary
Suite Setup    Open Jumpstarter Session    {RIG}    consoles=uart

*** Variables ***
${{PASSWORD: Secret}}    %{{BENCH_PASSWORD}}

*** Test Cases ***
In Pieces
    Write Line To Console    ${{PASSWORD}}
    Write Line To Console    %{{COLOURED}}
    Write Line To Console    %{{WRAPPED}}
    Wait Until Keyword Succeeds    10s    50ms    The Driver Has It As It Is
    Run Keyword And Expect Error    TEST:*    Wait For Line On Console    %{{COLOURED}}(    match=REGEX

*** Keywords ***
The Driver Has It As It Is
    ${{answer}} =    Call Driver Method    received    driver=uart
    Should Contain    ${{answer}}    \x1b[31m
    Should Contain    ${{answer}}    ${{SPACE}}\r
    Log    ${{answer}}
""",
        "--loglevel",
        "TRACE",
        env={
            "BENCH_PASSWORD": SECRET,
            "COLOURED": f"{SECRET[:4]}\x1b[31m{SECRET[4:]}",
            "WRAPPED": f"{SECRET[:4]} \r{SECRET[4:]}",
        },
    )

    assert {name: test.message for name, test in run.tests.items() if not test.passed} == {}
    assert run.files_with(SECRET[4:]) == []
    assert run.files_with("received") != []


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
