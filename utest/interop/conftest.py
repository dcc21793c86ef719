"""Fixtures of the tests with upstream's packages."""

from __future__ import annotations

import json
import sys
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from helpers.exporters import free_port
from helpers.programs import script
from interop_support import CLIENT_SCRIPT, Command, Upstream, run, shell_variables

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.exporter import Session


@pytest.fixture
def upstream() -> Upstream:
    """Runs statements with upstream's `client` of a session; returns the `answers` that they wrote down."""

    def drive(host: str, body: str, *, env: Mapping[str, str] | None = None) -> dict[str, Any]:
        text = CLIENT_SCRIPT.format(body=textwrap.indent(textwrap.dedent(body), "    "))
        code, output = run([sys.executable, "-c", text], shell_variables(host) | dict(env or {}))
        assert code == 0, output
        line = next(line for line in output.splitlines() if line.startswith("ANSWERS "))
        return json.loads(line.removeprefix("ANSWERS "))

    return drive


@pytest.fixture
def command() -> Command:
    """Runs one of upstream's commands to its end; returns exit code and output."""

    def call(name: str, *arguments: str, env: Mapping[str, str] | None = None) -> tuple[int, str]:
        return run([script(name), *arguments], env or {})

    return call


@pytest.fixture(scope="module")
def session() -> Iterator[Session]:
    with Session(root_device=MockPower()) as session:
        yield session


@pytest.fixture(scope="module")
def unix(session: Session) -> Iterator[str]:
    with session.serve_unix() as path:
        yield path


@pytest.fixture(scope="module")
def tcp(session: Session) -> Iterator[int]:
    with session.serve_tcp() as address:
        yield int(address.rpartition(":")[2])


@pytest.fixture
def dead_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """The environment names proxies that nobody runs."""
    dead = f"http://127.0.0.1:{free_port()}"
    for name in ("http_proxy", "https_proxy", "grpc_proxy", "all_proxy"):
        monkeypatch.setenv(name, dead)
        monkeypatch.setenv(name.upper(), dead)
    for name in ("no_proxy", "no_grpc_proxy", "NO_PROXY"):
        monkeypatch.delenv(name, raising=False)
