"""The pytest plugin: fixtures, options and a marker for devices. Loading it imports neither Robot nor gRPC."""

from __future__ import annotations

import os
import weakref
from collections.abc import Callable, Generator, Iterator
from datetime import timedelta
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any

import pytest

from . import pytest_failures

if TYPE_CHECKING:
    from .client import Device
    from .needs import Need
    from .report.measuring import Measurements
    from .sessions import DeviceSession, Sessions

_PACKAGE = str(Path(__file__).parent)
_outputs: list[Path | None] = []
_measured: list[Measurements | None] = []
_failures: list[pytest_failures.Failures] = []
opened_sessions: weakref.WeakSet[Sessions] = weakref.WeakSet()
"""Those of the fixtures."""


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the options that say where the device is."""
    group = parser.getgroup("jumpstarter", "devices behind Jumpstarter")
    group.addoption(
        "--jumpstarter-target",
        metavar="TARGET",
        help="device for the fixture 'jumpstarter': mock, mock:power, an exporter configuration (bench.yaml), host:port or "
        "unix:PATH. Default: JUMPSTARTER_HOST.",
    )
    group.addoption(
        "--jumpstarter-selector",
        metavar="LABELS",
        help="labels of the device to lease from a lab, such as board=rpi4, where no target and no JUMPSTARTER_HOST says where "
        "it is. It replaces the selector of a JumpstarterTest.",
    )
    group.addoption(
        "--jumpstarter-client-config",
        metavar="CONFIG",
        help="alias or path of the client configuration for leases. Default: the environment's, else the user's current one.",
    )
    group.addoption(
        "--jumpstarter-output",
        metavar="FOLDER",
        type=Path,
        help="folder for journals and what consoles say, of each session and of each test. Default: no such files.",
    )
    pytest_failures.add_options(group)


def pytest_configure(config: pytest.Config) -> None:
    """Registers the marker."""
    _outputs.append(config.getoption("--jumpstarter-output"))
    _measured.append(None)
    _failures.append(pytest_failures.Failures(config))
    config.addinivalue_line(
        "markers", "jumpstarter(target): device for the fixture 'jumpstarter' in this test, instead of --jumpstarter-target"
    )
    config.addinivalue_line(
        "markers",
        "jumpstarter_needs(what, ...): skips the test unless its device has drivers of these families (power, video ...) or at "
        "these paths (dut.power)",
    )


def pytest_unconfigure(config: pytest.Config) -> None:
    """Forgets the options; there are runs inside of runs."""
    _write_measurements()
    _measured.pop()
    _failures.pop()
    _outputs.pop()


def measurements() -> Measurements:
    """What was measured in this run."""
    from .report.measuring import Measurements

    found = _measured[-1] if _measured else None
    if found is None:
        found = Measurements()
        _measured[-1:] = [found]
    return found


def _write_measurements() -> None:
    found, folder = _measured[-1], output_folder()
    if found is not None and len(found) and folder is not None:
        from .report import measurement_files as files

        files.save(found, folder / files.FILE)


def output_folder() -> Path | None:
    """Where journals and consoles are written, one folder for each worker of xdist; None if nowhere."""
    folder = _outputs[-1] if _outputs else None
    return folder / os.environ.get("PYTEST_XDIST_WORKER", "") if folder is not None else None


def pytest_report_header(config: pytest.Config) -> str | None:
    """Says which device the tests use."""
    if target := config.getoption("--jumpstarter-target"):
        return f"jumpstarter: device {target} (--jumpstarter-target)"
    if host := os.environ.get("JUMPSTARTER_HOST"):
        return f"jumpstarter: device {host} (JUMPSTARTER_HOST)"
    if selector := config.getoption("--jumpstarter-selector"):
        return f"jumpstarter: a lease on an exporter with {selector} (--jumpstarter-selector)"
    return None


@pytest.fixture(scope="session")
def _jumpstarter_sessions() -> Iterator[Sessions]:
    """The devices that the tests of this run have opened; each is opened once."""
    from .sessions import Sessions
    from .testing import close_or_fail

    sessions = Sessions()
    yield sessions
    close_or_fail(sessions)


@pytest.fixture
def jumpstarter(request: pytest.FixtureRequest, _jumpstarter_sessions: Sessions) -> Device:
    """The device of `--jumpstarter-target`, of the marker `jumpstarter(target)`, of `JUMPSTARTER_HOST`, or a leased one.

    It is opened once and stays open for the whole run; a lost session is opened anew for the next test.
    """
    marker = request.node.get_closest_marker("jumpstarter")
    if marker is not None and (len(marker.args) != 1 or marker.kwargs):
        pytest.fail("The marker jumpstarter takes one target: @pytest.mark.jumpstarter('mock')", pytrace=False)
    target = marker.args[0] if marker else request.config.getoption("--jumpstarter-target")
    selector = request.config.getoption("--jumpstarter-selector") or ""
    wanted = target or os.environ.get("JUMPSTARTER_HOST")
    for session in _jumpstarter_sessions:
        is_wanted = session.place.target == wanted if wanted else session.leased is not None
        if is_wanted and session.device.state == "open":
            return session.device
    from .testing import open_or_fail

    config = request.config.getoption("--jumpstarter-client-config") or ""
    return open_or_fail(_jumpstarter_sessions, target, selector, client_config=config)


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


@pytest.fixture
def record_measurement(request: pytest.FixtureRequest) -> Callable[..., float]:
    """Writes a value down: `record_measurement("boot time", 12.3, "s", limit="<15")`.

    It fails the test if the value is outside its limit, unless `fail=False`. It returns the value, which also stands in the XML
    of `--junit-xml` as a property, and in `measurements.json` in the folder of `--jumpstarter-output`. `device=` says of which
    device it is, where several are open.
    """
    from .report.measuring import with_unit

    def record(
        name: str,
        value: float | timedelta,
        unit: str = "",
        *,
        limit: str = "",
        fail: bool = True,
        device: Device | None = None,
    ) -> float:
        __tracebackhide__ = True
        opened = [session for session in _opened() if device is None or session.device is device]
        found = measurements()
        found.enter_test(request.node.nodeid, request.node.path.name)
        measurement = found.record(opened[0] if len(opened) == 1 else None, name, value, unit, limit)
        properties = request.node.user_properties  # record_property warns of xunit2, which is pytest's own default
        properties.append((name, measurement.shown))
        if measurement.limit:
            verdict = "within" if measurement.passed else "outside"
            properties.append((f"{name}: limit", f"{with_unit(measurement.limit, measurement.unit)}, {verdict}"))
        if fail:
            measurement.check()
        return measurement.value

    return record


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_setup(item: pytest.Item) -> None:
    """Reads what the test needs before its device is opened, or leased."""
    _needs(item)


def _needs(item: pytest.Item) -> list[Need]:
    __tracebackhide__ = True
    texts = [text for marker in item.iter_markers("jumpstarter_needs") for text in marker.args]
    if not texts:
        return []
    from .errors import UsageError
    from .needs import parse

    try:
        return [parse(str(text)) for text in texts]
    except UsageError as error:
        message = f"{error.failure_class.value}: {error}"
    pytest.fail(message, pytrace=False)


def _check_needs(item: pytest.Item) -> None:
    """Skips the test if its device lacks something."""
    __tracebackhide__ = True
    if not (needs := _needs(item)):
        return
    from .needs import undecided, unmet

    used = list(getattr(item, "funcargs", {}).values())
    opened = _opened()
    # Those of other tests may be open, too.
    sessions = [session for session in opened if any(session.device is value for value in used)] or opened
    if message := unmet(needs, sessions):
        pytest.skip(message)
    if left := undecided(needs, sessions):
        texts = ", ".join(f"'{need.text}'" for need in left)
        pytest.fail(
            f"TEST: The marker jumpstarter_needs cannot check {texts}: no fixture has opened a device for it.", pytrace=False
        )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_call(item: pytest.Item) -> Generator[None, object, object]:
    """Marks the test in journals and consoles. A watcher that was hit, and of which no call told, fails it at its end."""
    __tracebackhide__ = True
    sessions, status = _opened(), "FAIL"
    _check_needs(item)
    if sessions:
        from .journal import TestEnded, TestStarted

        measurements().enter_test(item.nodeid, item.path.name)
    for session in sessions:
        session.write_down()
        session.journal.append(TestStarted(name=item.nodeid))
        session.start_test(item.name, item.nodeid)
    try:
        try:
            result = yield
        except (Exception, pytest.fail.Exception) as error:
            for hit in _hits():
                error.add_note(hit)
            raise
        if hits := _hits():
            pytest.fail("\n".join(hits), pytrace=False)
        status = "PASS"
        return result
    finally:
        for session in sessions:
            session.end_test()
            session.journal.append(TestEnded(name=item.nodeid, status=status))


def _opened() -> list[DeviceSession]:
    return [session for sessions in list(opened_sessions) for session in sessions]


def _hits() -> list[str]:
    """What watchers have found since they were asked the last time."""
    from .errors import ConsoleWatcherError

    found: list[str] = []
    for session in _opened():
        for console in session.device.consoles.values():
            try:
                console.check_watchers()
            except ConsoleWatcherError as hit:
                found.append(f"{hit.failure_class.value}: {hit}")
    return found


@pytest.hookimpl(wrapper=True, tryfirst=True)
def pytest_runtest_makereport(
    item: pytest.Item, call: pytest.CallInfo[Any]
) -> Generator[None, pytest.TestReport, pytest.TestReport]:
    """Cuts our own frames off the traceback of our errors: the test's line and the message say it all."""
    if call.excinfo is not None and _is_ours(call.excinfo.type):
        error = call.excinfo.value.with_traceback(_without_ours(call.excinfo.tb))
        # The first word says who has to look: the device's people, the lab's, or the test's author.
        error.args = (f"{getattr(error, 'failure_class').value}: {error}", *error.args[1:])  # noqa: B009 - of our errors only
        call.excinfo = pytest.ExceptionInfo.from_exception(error)
    report = yield
    _failures[-1].look(item, call, report, sessions=_opened(), folder=output_folder())
    return report


def _is_ours(kind: type[BaseException]) -> bool:
    return any(base.__name__ == "JumpstarterError" and base.__module__ == f"{__package__}.errors" for base in kind.__mro__)


def _without_ours(trace: TracebackType | None) -> TracebackType | None:
    """Copies a traceback up to its first frame inside this package; our code is only ever at its inner end."""
    # Through this file go hooks on the way to the test.
    path = None if trace is None else trace.tb_frame.f_code.co_filename
    if trace is None or path is None or (path.startswith(_PACKAGE) and path != __file__):
        return None
    rest = _without_ours(trace.tb_next)
    return TracebackType(rest, trace.tb_frame, trace.tb_lasti, trace.tb_lineno)
