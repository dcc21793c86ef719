"""Leases in real robot: what the log shows, what it must not, test timeouts, several devices; upstream's tools at both ends."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from helpers.lab import Lab, start_lab
from helpers.processes import Process
from helpers.robot_run import RobotRunner

pytestmark = pytest.mark.acceptance

HEAD = "*** Settings ***\nLibrary    JumpstarterLibrary    timeout=20s\n"


@pytest.fixture(scope="module")
def shared_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """One lab with two exporters."""
    with start_lab(tmp_path_factory.mktemp("robot")) as running:
        running.start_session_exporter("bench-1", {"board": "mock", "bench": "1"})
        running.start_session_exporter("bench-2", {"board": "mock", "bench": "2"})
        running.client_config("ci", current=True)
        yield running


@pytest.fixture
def lab(shared_lab: Lab) -> Iterator[Lab]:
    """The lab; no lease may be left."""
    shared_lab.wait_for_status("bench-1", "AVAILABLE")
    shared_lab.wait_for_status("bench-2", "AVAILABLE")
    shared_lab.clear_requests()
    yield shared_lab
    assert shared_lab.leases() == []


def test_the_token_is_in_no_file_at_trace_level(lab: Lab, run_robot: RobotRunner) -> None:
    token = lab.token("ci")
    lab.add_client("secretive")
    config = lab.client_config("secretive", token=lab.token("secretive"), current=False)
    secret = next(line.split(": ", 1)[1] for line in config.read_text().splitlines() if line.startswith("token: "))
    suite = HEAD + (
        "\n*** Test Cases ***\nAll\n"
        f"    Open Jumpstarter Session    selector=bench=1    client_config={config}\n"
        "    Power On\n    ${lease} =    Get Lease\n    Get Leases\n    Get Exporters\n"
        f"    Run Keyword And Expect Error    *    Open Jumpstarter Session    selector=bench=9    client_config={config}\n"
        "    Log    ${lease}\n    ${all} =    Get Variables\n"
    )

    run = run_robot(suite, "--loglevel", "TRACE", "--debugfile", "debug.txt", env=lab.environment())

    assert run.tests["All"].passed, run.tests["All"].message
    for part in (secret, secret.rpartition(".")[2], token):
        assert run.files_with(part) == []
        assert part not in run.stdout
    assert [message for message in run.messages() if "token = <secret>" in message]


def test_exporter_and_lease_stand_in_metadata_and_tags(lab: Lab, run_robot: RobotRunner) -> None:
    run = run_robot(
        HEAD + "Suite Setup    Open Jumpstarter Session    selector=bench=1\n\n*** Test Cases ***\nOne\n    Power On\n",
        env=lab.environment(),
    )

    assert run.tests["One"].passed
    assert "exporter:bench-1" in run.tests["One"].tags
    assert "bench-1 (lease 0" in run.suite.metadata["Exporter of bench-1"]
    assert "bench=1, board=mock" in run.suite.metadata["Exporter of bench-1"]


def test_a_lease_is_made_to_last_longer_than_the_tests_timeout(lab: Lab, run_robot: RobotRunner) -> None:
    run = run_robot(
        HEAD + "Suite Setup    Open Jumpstarter Session    selector=bench=1    duration=1 min\n\n*** Test Cases ***\n"
        "Long\n    [Timeout]    90 min\n    Power On\n    Lease Should Have Time Left    89 min\n",
        env=lab.environment(),
    )

    assert run.tests["Long"].passed, run.tests["Long"].message


def test_a_test_that_would_outlast_its_lease_fails_before_its_first_keyword_with_the_figures(
    lab: Lab, run_robot: RobotRunner
) -> None:
    run = run_robot(
        HEAD + "Suite Setup    Open Jumpstarter Session    selector=bench=1    duration=1 min    auto_extend=False\n\n"
        "*** Test Cases ***\nLong\n    [Timeout]    90 min\n    Log    begun\nShort\n    [Timeout]    10 s\n    Power On\n",
        env=lab.environment(),
    )

    assert run.tests["Long"].message.startswith("INFRASTRUCTURE: The lease")
    assert "90 min are needed for the timeout of test 'Long'" in run.tests["Long"].message
    assert "begun" not in run.messages()
    assert run.tests["Short"].passed, run.tests["Short"].message


def test_several_devices_are_opened_all_or_none(lab: Lab, run_robot: RobotRunner) -> None:
    run = run_robot(
        HEAD + "\n*** Test Cases ***\n"
        "All\n    ${aliases} =    Open Jumpstarter Sessions    dut=bench=1    peer=exporter:bench-2    desk=mock:power\n"
        "    Should Be Equal    ${aliases}    ${{['dut', 'peer', 'desk']}}\n"
        "    FOR    ${alias}    IN    @{aliases}\n"
        "        Switch Jumpstarter Session    ${alias}\n        Power On\n    END\n"
        "    Close All Jumpstarter Sessions\n"
        "None\n    Run Keyword And Expect Error    CONFIGURATION: No lease on an exporter with bench=3*\n"
        "    ...    Open Jumpstarter Sessions    dut=bench=1    peer=bench=3\n"
        "    ${left} =    Get Jumpstarter Sessions\n    Should Be Empty    ${left}\n"
        "    ${leases} =    Get Leases\n    Should Be Empty    ${leases}\n",
        env=lab.environment(),
    )

    assert {name: test.message for name, test in run.tests.items() if test.failed} == {}


def test_a_selector_is_not_used_where_a_shell_says_where_the_device_is(lab: Lab, run_robot: RobotRunner) -> None:
    run = run_robot(
        HEAD + "\n*** Test Cases ***\nOne\n    Open Jumpstarter Session    selector=board=mock\n    Power On\n",
        env={**lab.environment(), "JUMPSTARTER_HOST": "127.0.0.1:1"},
    )

    assert "127.0.0.1:1" in run.tests["One"].message
    assert lab.requests("CreateLease") == []


@pytest.mark.interop
def test_a_suite_inside_upstreams_shell_uses_the_shells_lease(lab: Lab, run_robot: RobotRunner) -> None:
    from helpers.programs import script

    config = lab.client_config("ci", current=True)
    run = run_robot(
        HEAD + "\n*** Test Cases ***\nOne\n    Open Jumpstarter Session    selector=board=mock\n    Power On\n",
        env=lab.environment(),
        inside=[script("jmp"), "shell", "--client-config", str(config), "--selector", "bench=1", "--"],
    )

    assert run.tests["One"].passed, run.tests["One"].message
    assert len(lab.requests("CreateLease")) == 1
    assert any("JUMPSTARTER_HOST is set, so an exporter with board=mock is not leased." in text for text in run.messages())
    lab.wait_until_free()


@pytest.mark.interop
def test_upstreams_exporter_is_leased_with_its_hooks(shared_lab: Lab, run_robot: RobotRunner) -> None:
    hooks = {
        "beforeLease": {"script": "echo flashing the board; sleep 1; j power on", "timeout": 20, "onFailure": "endLease"},
        "afterLease": {"script": "echo board is off", "timeout": 20, "onFailure": "warn"},
    }
    exporter = shared_lab.start_upstream_exporter("upstream-1", {"maker": "upstream"}, hooks=hooks)
    run = run_robot(
        HEAD + "\n*** Test Cases ***\nOne\n    Open Jumpstarter Session    selector=maker=upstream\n"
        "    Power On\n    Close Jumpstarter Session\n",
        env=shared_lab.environment(),
    )

    assert run.tests["One"].passed, run.tests["One"].message + exporter.output
    assert any("flashing the board" in text for text in run.messages())
    journal = next(run.outputdir.glob("jumpstarter/*.jsonl")).read_text()
    assert "board is off" in journal
    shared_lab.wait_until_free()
    exporter.stop()


@pytest.mark.interop
def test_a_hook_of_upstreams_exporter_that_fails_is_told_with_its_output(shared_lab: Lab, run_robot: RobotRunner) -> None:
    hooks = {"beforeLease": {"script": "echo no such image; sleep 1; exit 3", "timeout": 20, "onFailure": "endLease"}}
    exporter = shared_lab.start_upstream_exporter("upstream-2", {"maker": "failing"}, hooks=hooks)
    run = run_robot(
        HEAD + "\n*** Test Cases ***\nOne\n    Open Jumpstarter Session    selector=maker=failing\n",
        env=shared_lab.environment(),
    )

    assert run.tests["One"].message.startswith("INFRASTRUCTURE: "), run.tests["One"].message
    assert "hook" in run.tests["One"].message
    shared_lab.wait_until_free()
    exporter.stop()
    print(run.tests["One"].message)


@pytest.mark.interop
def test_upstreams_j_shares_the_lease_through_the_socket(lab: Lab) -> None:
    program = (
        "import os, subprocess, sys\n"
        "from JumpstarterLibrary.lab.wish import Wish\n"
        "from JumpstarterLibrary.sessions import Sessions\n"
        "sessions = Sessions()\n"
        "session = sessions.open(wish=Wish(selector='bench=1'))\n"
        "environment = {**os.environ, 'JUMPSTARTER_HOST': session.leased.tunnel.path, 'JMP_DRIVERS_ALLOW': 'UNSAFE'}\n"
        "subprocess.run([sys.argv[1], 'power', 'on'], env=environment, check=True)\n"
        "assert session.device.power.latest().volt > 4\n"
        "sessions.close_all()\n"
        "print('shared')\n"
    )
    from helpers.programs import script

    with Process([sys.executable, "-c", program, script("j")], env=lab.environment()) as process:
        assert process.wait(40) == 0, process.output
        assert "shared" in process.output
    lab.wait_until_free()
