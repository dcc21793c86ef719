"""What the tests with upstream's packages share. Upstream's code runs in child processes only."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest
from helpers.processes import Process

from JumpstarterLibrary.client import PowerClient
from JumpstarterLibrary.sessions import Sessions

UPSTREAM_MODULES = Path(__file__).parent / "upstream_modules"
"""Drivers made of upstream's base class, for upstream's exporter: its PYTHONPATH."""

CLIENT_SCRIPT = """\
import json
import os
from jumpstarter.utils.env import env

answers = {{}}
with env() as client:
{body}
print("ANSWERS " + json.dumps(answers, default=str), flush=True)
os._exit(0)  # gRPC's threads crash an ending interpreter now and then, which is not what is tested here
"""

Upstream = Callable[..., dict[str, Any]]
Command = Callable[..., tuple[int, str]]


def shell_variables(host: str) -> dict[str, str]:
    """What a `jmp shell` sets."""
    return {"JUMPSTARTER_HOST": host, "JMP_DRIVERS_ALLOW": "UNSAFE"}


def wait_until(condition: Callable[[], bool], timeout: float = 10) -> None:
    """Asks until it is so."""
    end = time.monotonic() + timeout
    while not condition():
        assert time.monotonic() < end, "it did not come to be in time"
        time.sleep(0.01)


def run(arguments: list[str], env: Mapping[str, str]) -> tuple[int, str]:
    # A plain terminal, else progress bars and colours stand between the words.
    with Process(arguments, env={"TERM": "dumb", "COLUMNS": "200", **env}) as process:
        code = process.wait(60)
        return code, process.output


def power_on(host: str, monkeypatch: pytest.MonkeyPatch) -> str:
    """Opens what JUMPSTARTER_HOST says and uses it; returns the address that it was taken for."""
    monkeypatch.setenv("JUMPSTARTER_HOST", host)
    sessions = Sessions()
    try:
        device = sessions.open(timeout=5).device
        device.driver_of(PowerClient).on()
        return str(device.connection.address)
    finally:
        sessions.close_all()
