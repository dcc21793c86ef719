"""The pytest plugin: fixtures, options and a marker for devices. Loading it imports neither Robot nor gRPC."""

from __future__ import annotations

import os
from collections.abc import Generator, Iterator
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .client import Device
    from .sessions import Sessions

_PACKAGE = str(Path(__file__).parent)
_sessions_key: pytest.StashKey[Any] = pytest.StashKey()


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds `--jumpstarter-target`."""
    parser.getgroup("jumpstarter", "devices behind Jumpstarter").addoption(
        "--jumpstarter-target",
        metavar="TARGET",
        help="device for the fixture 'jumpstarter': mock, mock:power, an exporter configuration (bench.yaml), host:port or "
        "unix:PATH. Default: JUMPSTARTER_HOST.",
    )


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    config.addinivalue_line(
        "markers", "jumpstarter(target): device for the fixture 'jumpstarter' in this test, instead of --jumpstarter-target"
    )


def pytest_report_header(config: pytest.Config) -> str | None:
    """Says which device the tests use."""
    if target := config.getoption("--jumpstarter-target"):
        return f"jumpstarter: device {target} (--jumpstarter-target)"
    if host := os.environ.get("JUMPSTARTER_HOST"):
        return f"jumpstarter: device {host} (JUMPSTARTER_HOST)"
    return None


@pytest.fixture(scope="session")
def _jumpstarter_sessions() -> Iterator[Sessions]:
    """The devices that the tests of this run have opened; each is opened once."""
    from .sessions import Sessions

    sessions = Sessions()
    yield sessions
    sessions.close_all()


@pytest.fixture
def jumpstarter(request: pytest.FixtureRequest, _jumpstarter_sessions: Sessions) -> Device:
    """The device of `--jumpstarter-target`, of the marker `jumpstarter(target)`, or of `JUMPSTARTER_HOST`.

    It is opened once and stays open for the whole run; a lost session is opened anew for the next test.
    """
    marker = request.node.get_closest_marker("jumpstarter")
    if marker is not None and (len(marker.args) != 1 or marker.kwargs):
        pytest.fail("The marker jumpstarter takes one target: @pytest.mark.jumpstarter('mock')", pytrace=False)
    target = marker.args[0] if marker else request.config.getoption("--jumpstarter-target")
    wanted = target or os.environ.get("JUMPSTARTER_HOST")
    for session in _jumpstarter_sessions:
        if session.place.target == wanted and session.device.state == "open":
            return session.device
    from .testing import open_or_fail

    return open_or_fail(_jumpstarter_sessions, target)


@pytest.fixture
def jumpstarter_mock() -> Iterator[Device]:
    """A simulated board of the test's own, fresh and switched off."""
    from .sessions import Sessions
    from .testing import open_or_fail

    sessions = Sessions()
    try:
        yield open_or_fail(sessions, "mock")
    finally:
        sessions.close_all()


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Cuts our own frames off the traceback of our errors: the test's line and the message say it all."""
    if call.excinfo is not None and _is_ours(call.excinfo.type):
        error = call.excinfo.value.with_traceback(_without_ours(call.excinfo.tb))
        # The first word says who has to look: the device's people, the lab's, or the test's author.
        error.args = (f"{getattr(error, 'failure_class').value}: {error}", *error.args[1:])  # noqa: B009 - of our errors only
        call.excinfo = pytest.ExceptionInfo.from_exception(error)
    return (yield)


def _is_ours(kind: type[BaseException]) -> bool:
    return any(base.__name__ == "JumpstarterError" and base.__module__ == f"{__package__}.errors" for base in kind.__mro__)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Copies a traceback up to its first frame inside this package; our code is only ever at its inner end."""
    if trace is None or trace.tb_frame.f_code.co_filename.startswith(_PACKAGE):
        return None
    rest = _without_ours(trace.tb_next)
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
