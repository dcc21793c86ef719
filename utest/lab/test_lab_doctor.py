"""`python -m JumpstarterLibrary doctor`: what it says, and its exit code by whose failure it is."""

from __future__ import annotations

import sys
from collections.abc import Iterator

import pytest
from helpers.lab import Lab, start_lab
from helpers.processes import Process


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
