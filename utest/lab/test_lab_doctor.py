"""`python -m JumpstarterLibrary doctor`: what it says, and its exit code by whose failure it is."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.lab import Lab, start_lab
from helpers.processes import Process

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.exporter import Session


@pytest.fixture(scope="module")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A lab with one exporter."""
    with start_lab(tmp_path_factory.mktemp("doctor")) as running:
        running.start_session_exporter("bench-1", {"board": "mock"})
        running.client_config("ci", current=True)
        yield running


def doctor(lab: Lab, *arguments: str, **environment: str) -> tuple[int, str]:
    command = [sys.executable, "-m", "JumpstarterLibrary", "doctor", *arguments]
    with Process(command, env={**lab.environment(), **environment}) as process:
        return process.wait(40), process.output


def test_all_is_well(lab: Lab) -> None:
    code, text = doctor(lab, "--selector", "board=mock")

    assert code == 0, text
    for part in ("JumpstarterLibrary 0", "endpoint = 127.0.0.1", "the token is valid until", "'bench-1' is AVAILABLE"):
        assert part in text
    assert "power  jumpstarter_driver_power.client.PowerClient" in text
    assert "the lease was given back" in text
    assert "eyJ" not in text
    lab.wait_until_free()


def test_without_a_selector_nothing_is_leased(lab: Lab) -> None:
    lab.clear_requests()
    code, text = doctor(lab)

    assert code == 0, text
    assert lab.requests("CreateLease") == []


@pytest.mark.parametrize(
    ("arguments", "code", "words"),
    [
        (("--client-config", "nobody"), 3, "CONFIGURATION   There is no client configuration 'nobody'"),
        (("--selector", "board=none"), 3, "CONFIGURATION   No lease on an exporter with board=none"),
    ],
)
def test_what_is_wrong_is_said_with_whose_failure_it_is(lab: Lab, arguments: tuple[str, ...], code: int, words: str) -> None:
    found, text = doctor(lab, *arguments)

    assert found == code, text
    assert words in text


def test_it_says_what_would_be_opened_here(lab: Lab) -> None:
    _, nothing = doctor(lab)
    _, lease = doctor(lab, "--selector", "board=mock")
    _, host = doctor(lab, JUMPSTARTER_HOST="127.0.0.1:8082")
    _, both = doctor(lab, "--selector", "board=none", JUMPSTARTER_HOST="127.0.0.1:8082")

    assert "without a target would fail: JUMPSTARTER_HOST and JMP_LEASE are not set" in nothing
    assert "would lease an exporter with board=mock" in lease
    assert "would use 127.0.0.1:8082, because JUMPSTARTER_HOST is set" in host
    assert "JUMPSTARTER_HOST is set, so an exporter with board=none is not leased." in both


def test_a_controller_that_is_away_is_infrastructure(lab: Lab) -> None:
    lab.controller_down()
    code, text = doctor(lab)
    lab.controller_up()

    assert code == 4, text
    assert "Is the lab's controller up" in text


def test_a_target_is_opened_and_the_lab_left_alone(lab: Lab) -> None:
    lab.clear_requests()
    code, text = doctor(lab, "mock")

    assert code == 0, text
    assert "video  jumpstarter_driver_ustreamer.client.UStreamerClient" in text
    assert "controller" not in text
    assert lab.requests("CreateLease") == []


@pytest.mark.parametrize("arguments", [("127.0.0.1:1",), ()])
def test_an_exporter_that_is_not_there_is_infrastructure(lab: Lab, arguments: tuple[str, ...]) -> None:
    code, text = doctor(lab, *arguments, **({} if arguments else {"JUMPSTARTER_HOST": "127.0.0.1:1"}))

    assert code == 4, text
    assert "nobody listens there" in text


def test_who_has_an_exporter_and_no_lab_needs_none(lab: Lab, tmp_path: Path) -> None:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("JMP_", "JUMPSTARTER_"))}
    environment |= {"XDG_CONFIG_HOME": str(tmp_path), "HOME": str(tmp_path)}
    with Session(root_device=MockPower()) as session, session.serve_unix() as path:
        command = [sys.executable, "-m", "JumpstarterLibrary", "doctor"]
        with Process(command, env={**environment, "JUMPSTARTER_HOST": path}) as process:
            code, text = process.wait(40), process.output

    assert code == 0, text
    assert "exporter        answers" in text
    assert "lab             not looked at, and not needed for this device" in text


def test_the_commands_are_told_to_whoever_names_none() -> None:
    command = [sys.executable, "-m", "JumpstarterLibrary"]
    told = subprocess.run([*command, "--help"], capture_output=True, text=True, check=True).stdout
    wrong = subprocess.run([*command, "docter"], capture_output=True, text=True, check=False)

    assert all(name in told for name in ("doctor", "describe", "verdict"))
    assert wrong.returncode == 2
    assert "choose from" in wrong.stderr
