"""The keywords under real `robot`: what suites can say, interrupts, and secrets."""

from __future__ import annotations

import os
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.exporters import Exporter, free_port
from helpers.results import end_of, eventually, find_keyword
from helpers.robot_run import RobotRun, RobotRunner
from network_support import Served, exporter_with
from ssh_servers import SSHD, USER, PasswordServer, serve_password, serve_sshd

pytestmark = pytest.mark.acceptance

PASSWORD = "pass-word-0815"
HEAD = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=20s
Suite Setup       Open Jumpstarter Session    ${TARGET}    bench
Suite Teardown    Log    torn down

*** Variables ***
${PASSWORD: Secret}    %{PASSWORD=}
${IDENTITY: Secret}    %{IDENTITY=}

*** Test Cases ***
"""


@pytest.fixture(scope="module")
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[SSHD]:
    with serve_sshd(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture(scope="module")
def password_server() -> Iterator[PasswordServer]:
    with serve_password(PASSWORD, "password") as server:
        yield server


@pytest.fixture(scope="module")
def exporter(echo_server: Served, sshd: SSHD, password_server: PasswordServer) -> Iterator[Exporter]:
    ports = {"tcp": echo_server.port, "refused": free_port(), "sshd": sshd.port, "login": password_server.port}
    text = "echo: {type: CLASSES.EchoNetwork}\n" + "\n".join(
        f"{name}: {{type: CLASSES.TcpNetwork, config: {{host: 127.0.0.1, port: {port}}}}}" for name, port in ports.items()
    )
    with exporter_with("ours", text) as exporter:
        yield exporter


def options(exporter: Exporter, *more: str) -> list[str]:
    return ["--variable", f"TARGET:{exporter.address}", *more]


def passed(run: RobotRun) -> None:
    assert {name: test.message for name, test in run.tests.items() if not test.passed} == {}
    assert run.tests, run.stdout


def test_forwardings(run_robot: RobotRunner, exporter: Exporter) -> None:
    run = run_robot(
        HEAD + "Lifecycle\n"
        "    ${one} =    Forward Port    driver=tcp\n"
        "    ${two} =    Forward Port    127.0.0.1    0    driver=echo\n"
        "    Should Be Equal    ${one.address}    127.0.0.1:${one.port}\n"
        "    Run Keyword And Expect Error    TEST:*the open ones of device 'bench' are ${one}, ${two}.    Stop Forwarding\n"
        "    Run Keyword And Expect Error    TEST:*There is no forwarding 'x'*    Stop Forwarding    x\n"
        "    Stop Forwarding    ${one.address}\n    Stop Forwarding    ${one}\n    Stop Forwarding\n"
        "    ${socket} =    Forward Unix Socket    ${OUTPUT DIR}/socket    driver=tcp\n"
        "    Should Be Equal    ${socket.address}    ${OUTPUT DIR}/socket\n"
        "    Stop All Forwarding\n    Stop All Forwarding\n"
        "Refused\n"
        "    ${refused} =    Forward Port    driver=refused\n"
        "    ${text} =    Evaluate    __import__('subprocess').run(['curl', '-sS', 'http://${refused}/'])\n"
        "    Wait Until Keyword Succeeds    3s    50ms    Should Not Be Empty    ${refused.failures}\n"
        "    Should Contain    ${refused.failures}[0]    driver 'refused' of device 'bench' failed\n"
        "Address\n    Get Network Address    matches    tcp://127.*    driver=tcp\n",
        *options(exporter),
    )
    passed(run)
    assert not (run.outputdir / "socket").exists()


def test_connections(run_robot: RobotRunner, exporter: Exporter) -> None:
    run = run_robot(
        HEAD + "Text And Bytes\n"
        "    ${one} =    Open Connection    driver=tcp\n    ${two} =    Open Connection    driver=echo\n"
        "    Send Data    zwei\\nZeilen: ä\\n\n    ${line} =    Receive Data    until=\\n\n"
        "    Should Be Equal    ${line}    zwei\\n\n"
        "    ${line} =    Receive Data    count=11\n    Should Be Equal    ${line}    Zeilen: ä\\n\n"
        "    Send Data    ö    encoding=latin-1    connection=${one}\n"
        "    Run Keyword And Expect Error    TEST:*no text in 'UTF-8'*    Receive Data    connection=${one}\n"
        "    ${byte} =    Receive Data    connection=${one}    encoding=${NONE}\n"
        "    Should Be Equal    ${byte}    ${{b'\\xf6'}}\n"
        "    Send Data    part    finish=True    connection=${one}\n"
        "    Run Keyword And Expect Error    DEVICE:*4 bytes came*    Receive Data    until=\\n    connection=${one}\n"
        "    ${part} =    Receive Data    connection=${one}\n    Should Be Equal    ${part}    part\n"
        "    Close Connection    ${one}\n    Close Connection    ${one}\n    Close Connection\n"
        "    Run Keyword And Expect Error    TEST:*Use Open Connection first.    Close Connection\n"
        "    Run Keyword And Expect Error    TEST:*takes what Open Connection*    Close Connection    one\n"
        "Nothing Comes\n    Open Connection    driver=tcp\n"
        "    Run Keyword And Expect Error    DEVICE:*within 300 ms*    Receive Data    timeout=300ms\n"
        "    Run Keyword And Expect Error    DEVICE:*within 300 ms*    Receive Datagram    timeout=300ms\n"
        "    Run Keyword And Expect Error    TEST:*datagram of 0 bytes*    Send Datagram    ${EMPTY}\n"
        "Refused\n    Run Keyword And Expect Error    DEVICE:*on driver 'refused' of device 'bench' failed*"
        "    Open Connection    driver=refused\n"
        "Secret\n    Open Connection    driver=tcp\n    Send Data    ${PASSWORD}\n    ${back} =    Receive Data    count=14\n",
        *options(exporter, "--loglevel", "TRACE"),
        env={"PASSWORD": PASSWORD},
    )
    passed(run)
    assert run.files_with(PASSWORD) == []


def test_ssh(run_robot: RobotRunner, exporter: Exporter, sshd: SSHD, tmp_path: Path) -> None:
    (tmp_path / "up load").write_bytes(os.urandom(70_000))
    login = f"user={USER}    identity=${{IDENTITY}}    driver=sshd"
    run = run_robot(
        HEAD + "Commands\n"
        f"    ${{result}} =    Execute SSH Command    echo out; echo err >&2; exit 3    {login}\n"
        "    Should Be Equal    ${result.stdout} ${result.stderr} ${result.rc}    out\\n err\\n 3\n"
        f"    Run Keyword And Expect Error    DEVICE:*exit status 3, expected 0. It wrote:\\nerr\n"
        f"    ...    Execute SSH Command    echo err >&2; exit 3    expected_rc=0    {login}\n"
        f"    ${{result}} =    Execute SSH Command    cat    input=${{PASSWORD}}    {login}\n"
        "    Length Should Be    ${result.stdout}    14\n"
        f"    Execute SSH Command    true    user={USER}    identity={sshd.identity}    driver=sshd    expected_rc=0\n"
        "Files\n"
        f"    ${{path}} =    Put File Over SSH    {tmp_path}/up load    {tmp_path}/there    {login}\n"
        f"    Should Be Equal    ${{path}}    {tmp_path}/there\n"
        f"    ${{path}} =    Get File Over SSH    {tmp_path}/there    {tmp_path}/back    {login}\n"
        "Password\n"
        "    Execute SSH Command    echo in    user=me    password=${PASSWORD}    driver=login    expected_rc=0\n"
        "No Identity\n"
        "    Run Keyword And Expect Error    CONFIGURATION:*cannot be read: No such file*\n"
        f"    ...    Execute SSH Command    true    user=me    identity=/no/such    driver=sshd\n",
        *options(exporter, "--loglevel", "TRACE"),
        env={"PASSWORD": PASSWORD, "IDENTITY": sshd.identity.read_text()},
    )
    passed(run)
    assert (tmp_path / "back").read_bytes() == (tmp_path / "up load").read_bytes()
    assert run.files_with(PASSWORD) == []
    for line in sshd.identity.read_text().splitlines()[1:-1]:
        assert run.files_with(line) == []


def test_sshlibrary_is_logged_in(run_robot: RobotRunner, exporter: Exporter, sshd: SSHD) -> None:
    suite = HEAD.replace("Suite Setup", "Library           SSHLibrary\nSuite Setup")
    run = run_robot(
        suite + "By Key\n"
        f"    ${{forwarding}} =    Open SSH Connection    user={USER}    identity=${{IDENTITY}}    driver=sshd    alias=board\n"
        "    ${out}    ${rc} =    Execute Command    echo hello; exit 4    return_rc=True\n"
        "    Should Be Equal    ${out} ${rc}    hello 4\n    SSHLibrary.Close Connection\n    Stop Forwarding    ${forwarding}\n"
        "By Password\n"
        "    Open SSH Connection    user=me    password=${PASSWORD}    driver=login\n    SSHLibrary.Close Connection\n"
        "Refused\n"
        "    Run Keyword And Expect Error    DEVICE:*SSHLibrary could not log in to driver 'login' of device 'bench' as 'me'*\n"
        "    ...    Open SSH Connection    user=me    password=wrong    driver=login\n"
        "    Run Keyword And Expect Error    DEVICE:*connect() on driver 'refused'*\n"
        "    ...    Open SSH Connection    user=me    password=wrong    driver=refused\n",
        *options(exporter, "--loglevel", "TRACE"),
        env={"PASSWORD": PASSWORD, "IDENTITY": sshd.identity.read_text()},
    )
    passed(run)
    assert run.files_with(PASSWORD) == []
    assert run.files_with(sshd.identity.read_text().splitlines()[2]) == []


ACTS = {
    "receive": ("Open Connection    driver=tcp", "Receive Data", "timeout=30s"),
    "datagram": ("Open Connection    driver=tcp", "Receive Datagram", "timeout=30s"),
    "ssh": ("No Operation", "Execute SSH Command", f"sleep 9.7    user={USER}    identity=${{IDENTITY}}    driver=sshd"),
}


def ssh_processes() -> list[str]:
    """Our own; the command on the other side outlives them, as always with SSH."""
    listed = subprocess.run(["ps", "-eww", "-o", "args"], capture_output=True, text=True, check=True).stdout
    return [line for line in listed.splitlines() if line.startswith("ssh ") and "sleep 9.7" in line]


def test_robot_timeouts(run_robot: RobotRunner, exporter: Exporter, sshd: SSHD) -> None:
    tests = "".join(
        f"{name}\n    {first}\n    Wait    {keyword}    {arguments}\n" for name, (first, keyword, arguments) in ACTS.items()
    )
    tests += "Still Works\n    Open Connection    driver=tcp\n    Send Data    x\n    Receive Data    count=1\n"
    tests += "    ${threads} =    Evaluate\n"
    tests += "    ...    [t.name for t in threading.enumerate() if re.search('program|forward', t.name)]    modules=re\n"
    tests += "    Should Be Empty    ${threads}\n"
    tests += "\n*** Keywords ***\nWait\n    [Arguments]    @{call}    &{named}\n    [Timeout]    1s\n"
    tests += "    Run Keyword    @{call}    &{named}\n"

    run = run_robot(HEAD + tests, *options(exporter), env={"IDENTITY": sshd.identity.read_text()})

    for name in ACTS:
        assert run.tests[name].message.splitlines()[0] == "Keyword timeout 1 second exceeded."
        assert run.tests[name].elapsed_time.total_seconds() < 2.6, name
    assert run.tests["Still Works"].passed, run.tests["Still Works"].message
    assert eventually(lambda: not ssh_processes(), 5), "ssh is left"


@pytest.mark.parametrize("name", ["receive", "ssh"])
def test_ctrl_c(run_robot: RobotRunner, exporter: Exporter, sshd: SSHD, name: str) -> None:
    first, keyword, arguments = ACTS[name]
    suite = HEAD.replace("Suite Setup", "Library           OperatingSystem\nSuite Setup")
    robot = run_robot.start(
        suite + f"Waits\n    {first}\n    Create File    ${{OUTPUT DIR}}/begun\n    {keyword}    {arguments}\n",
        *options(exporter, "--log", "NONE", "--report", "NONE"),
        env={"IDENTITY": sshd.identity.read_text()},
    )
    assert eventually((robot.outputdir / "begun").exists, 20), robot.output
    assert name != "ssh" or eventually(ssh_processes, 20)
    time.sleep(0.2)

    moment = time.time()
    robot.send_signal(signal.SIGINT)
    run = robot.finish(20)

    assert end_of(find_keyword(run.tests["Waits"], keyword)) - moment < 1.5
    assert run.tests["Waits"].failed
    assert "Traceback" not in run.stdout
    assert eventually(lambda: not ssh_processes(), 5)


def test_without_sshlibrary_the_error_says_what_to_install(run_robot: RobotRunner, exporter: Exporter) -> None:
    run = run_robot(HEAD + "Missing\n    Open SSH Connection    user=me    driver=sshd\n", *options(exporter))
    message = run.tests["Missing"].message
    assert message.startswith("CONFIGURATION: Open SSH Connection needs SSHLibrary: install it")
    assert "robotframework-sshlibrary" in message
