"""Failed tests in pytest: their class as a property and in the report, the evidence, and the lab's health.

Loading it imports neither Robot nor gRPC; nothing of this happens in runs that have nothing to do with a device.
"""

from __future__ import annotations

import argparse
import contextlib
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

if TYPE_CHECKING:
    from .report.evidence import Evidence
    from .report.failure_class import Failure, NotedErrors
    from .report.health import Health
    from .sessions import DeviceSession

PROPERTY, REASON = "failure_class", "failure_reason"
"""What the properties in the XML of `--junit-xml` are called."""
SECTION = "Jumpstarter failure"


def add_options(group: pytest.OptionGroup) -> None:
    """Adds the options."""
    group.addoption(
        "--jumpstarter-evidence",
        metavar="SECONDS",
        type=budget,
        default="10",
        help="how long gathering evidence of a failed test may take, or 'none'. It goes to the folder of --jumpstarter-output; "
        "without one, none is gathered. Default: 10.",
    )
    group.addoption(
        "--jumpstarter-health",
        metavar="FILE",
        type=Path,
        help="file of the lab's health, to which each test adds a line for each exporter that it had; "
        "'python -m JumpstarterLibrary doctor --health FILE' tells what they add up to.",
    )


class Failures:
    """Looks at the reports of one run.

    Args:
        config: pytest's.
    """

    def __init__(self, config: pytest.Config) -> None:
        self._budget: float | None = config.getoption("--jumpstarter-evidence")
        self._health_file: Path | None = config.getoption("--jumpstarter-health")
        self._health: Health | None = None
        self._redact: Callable[[str], str] = str
        self._noted: NotedErrors | None = None

    def look(
        self,
        item: pytest.Item,
        call: pytest.CallInfo[Any],
        report: pytest.TestReport,
        *,
        sessions: list[DeviceSession],
        folder: Path | None,
    ) -> None:
        """Looks at the report of a phase of a test: says whose failure it is, if it is one, before the next phase begins."""
        failure = None
        # An exception here would end the whole run, and with it the tests that are still to come.
        if report.failed and call.excinfo is not None:
            with _contained(item, "Telling whose failure it is"):
                failure = self._fail(item, call, report, sessions, folder)
        if (
            self._health_file is not None
            and sessions
            and (report.when == "call" or (report.when == "setup" and not report.passed))
        ):
            with _contained(item, "Adding to the health file"):
                self._note_health(item, report, sessions, failure)

    def _fail(
        self,
        item: pytest.Item,
        call: pytest.CallInfo[Any],
        report: pytest.TestReport,
        sessions: list[DeviceSession],
        folder: Path | None,
    ) -> Failure | None:
        assert call.excinfo is not None
        error, began = call.excinfo.value, time.monotonic() - (time.time() - call.start)
        text = _text_of(error)
        is_ours = hasattr(error, "failure_class") or text.startswith(_CLASSES)
        if not (sessions or is_ours) or any(name == PROPERTY for name, _ in item.user_properties):
            return None  # of no device, or the first failure of this test was told already
        _begin_with_class(report)
        from .report import evidence_files
        from .report.failure_class import NotedErrors

        self._noted = self._noted or NotedErrors()
        if hasattr(error, "failure_class"):
            self._noted.add(error, text)
        evidence = self._gather(item, text, sessions, began) if folder is not None else None
        failure = self._classify(text, sessions, began, evidence)
        for properties in (item.user_properties, report.user_properties):
            properties += [(PROPERTY, failure.failure_class.value.lower()), (REASON, failure.reason)]
        lines = [failure.line]
        if evidence is not None and folder is not None:
            from .journal.files import own_path

            path = own_path(folder, item.name, owner=("evidence", item.nodeid))
            evidence_files.write(evidence, path, failure, _redactor(sessions))
            where = evidence.problem or f"{evidence.archive}"
            lines.append(f"Evidence: {where} ({len(evidence.pieces)} pieces in {evidence.seconds:.1f} s)")
        report.sections.append((SECTION, "\n".join(lines)))
        return failure

    def _gather(self, item: pytest.Item, text: str, sessions: list[DeviceSession], began: float) -> Evidence | None:
        if self._budget is None or not sessions:
            return None
        from .report.evidence import Evidence, Gathering

        redact = _redactor(sessions)
        evidence = Evidence(redact(item.nodeid), redact(text), self._budget)
        try:
            return Gathering(evidence, sessions, redact, began).run()
        except Exception as error:  # noqa: BLE001 - evidence never changes the verdict
            evidence.problem = redact(f"Gathering evidence failed: {type(error).__name__}: {error}")
            return evidence

    def _classify(self, text: str, sessions: list[DeviceSession], began: float, evidence: Evidence | None) -> Failure:
        from .journal import SessionLost
        from .report.failure_class import Circumstances, classify

        assert self._noted is not None
        lost = []
        for session in sessions:
            losses = session.journal.events(SessionLost)
            if session.device.state == "lost" and losses and losses[-1].monotonic >= began:
                lost.append(session.alias)
        silent = tuple(evidence.silent) if evidence is not None else ()
        return classify(text, Circumstances(self._noted, began, tuple(lost), silent))

    def _note_health(
        self, item: pytest.Item, report: pytest.TestReport, sessions: list[DeviceSession], failure: Failure | None
    ) -> None:
        from .report.health import Health

        assert self._health_file is not None
        self._health = self._health or Health(self._health_file, self._redacted)
        self._redact = _redactor(sessions)  # each test may have other ones
        for session in sessions:
            session.write_down()
        status = {"passed": "PASS", "failed": "FAIL"}.get(report.outcome, "SKIP")
        if problem := self._health.add(sessions, item.path.name, item.nodeid, status=status, failure=failure):
            item.warn(pytest.PytestWarning(problem))

    def _redacted(self, text: str) -> str:
        return self._redact(text)


_CLASSES = ("TEST: ", "DEVICE: ", "INFRASTRUCTURE: ", "CONFIGURATION: ", "LIBRARY: ")


def budget(text: str) -> float | None:
    """Reads `--jumpstarter-evidence`; None for no evidence."""
    if text.lower() == "none":
        return None
    try:
        seconds = float(text.lower().removesuffix("s"))
        if seconds <= 0:
            raise ValueError
        return seconds
    except ValueError:
        raise argparse.ArgumentTypeError(f"it takes seconds, or none, and not '{text}'") from None


def _begin_with_class(report: pytest.TestReport) -> None:
    """Takes the exception's name from the line of pytest's summary, and of the XML: the first word says whose failure it is."""
    crash = getattr(report.longrepr, "reprcrash", None)
    name, _, told = getattr(crash, "message", "").partition(": ")
    if crash is not None and told.startswith(_CLASSES) and " " not in name:
        crash.message = told


def _text_of(error: BaseException) -> str:
    try:
        return str(error)
    except Exception:  # noqa: BLE001 - an error of the tests' own that cannot say what it is
        return type(error).__name__


@contextlib.contextmanager
def _contained(item: pytest.Item, doing: str) -> Iterator[None]:
    try:
        yield
    except Exception as error:  # noqa: BLE001 - no report may break a run; its text could hold a secret
        item.warn(pytest.PytestWarning(f"{doing} failed: {type(error).__name__}"))


def _redactor(sessions: list[DeviceSession]) -> Any:
    """Masks the secrets of all of them."""
    from .wire.secrets import Redactor

    redact = Redactor()
    for session in sessions:
        for secret in session.device.connection.redact.known():
            redact.add(secret)
    return redact
