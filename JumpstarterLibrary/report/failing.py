"""Failed tests in Robot: their class as a tag and in their message, counts in the suite's metadata, and the evidence.

The evidence is gathered before a teardown changes anything, or where there is none, at the end of the test. All of it is plain
Python; only what authors add with `Collect On Failure` are keywords.
"""

from __future__ import annotations

import contextlib
import html
import time
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import Any

from robot.api import logger
from robot.errors import ExecutionStatus, RobotError, TimeoutExceeded
from robot.libraries.BuiltIn import BuiltIn
from robot.utils import get_error_message

from ..errors import FailureClass, JumpstarterError
from ..journal import SessionLost
from ..journal.files import own_path
from ..sessions import DeviceSession, Sessions
from ..wire.deadline import Deadline
from . import evidence_block, evidence_files
from .evidence import Evidence, Gathering, Piece
from .failure_class import METADATA, Circumstances, Failure, NotedErrors, classify, counted, of_tags, stated
from .output import journal_folder, link_address

EXITED = "robot:exit"
"""The tag of tests that did not run because another one, or a signal, stopped the run."""


@dataclass(frozen=True, slots=True)
class OnFailure:
    """A keyword that an author wants to run when a test fails."""

    owner: str
    """Full name of the test or suite that asked for it, and with which it ends."""
    keyword: str
    arguments: tuple[object, ...]


class Failing:
    """Follows the tests of a run.

    Args:
        sessions: those of the library.
        budget: how long gathering evidence may take; None for none at all.
    """

    def __init__(self, sessions: Sessions, budget: timedelta | None) -> None:
        self._sessions = sessions
        self._budget = None if budget is None else budget.total_seconds()
        self._errors = NotedErrors()
        self._seen: dict[DeviceSession, None] = {}
        self._began = 0.0
        self._used = False
        self._timed_out_in = ""
        self._evidence: Evidence | None = None
        self._gathering = False
        self._collectors: list[OnFailure] = []
        self._suites: list[tuple[str, list[FailureClass]]] = []
        self._test = ""
        self._last: Failure | None = None
        self._names: dict[str, int] = {}

    # -------------------------------------------------------------- what keywords tell

    def see(self, session: DeviceSession) -> None:
        """A session was opened."""
        self._seen[session] = None

    def note(self, keyword: str, error: BaseException, *, ours: bool = True) -> None:
        """A keyword has raised an error, whatever becomes of it; call it while the error is handled.

        Args:
            keyword: its name.
            error: what it raised.
            ours: whether the keyword is of this package, and none of a plugin.
        """
        if self._gathering:
            return
        self._used = True
        if isinstance(error, JumpstarterError):
            self._errors.add(error, str(error), keyword)
        elif isinstance(error, TimeoutExceeded):
            self._timed_out_in = keyword.replace("_", " ").title()
        elif ours and isinstance(error, Exception) and not isinstance(error, RobotError):
            text = self._sessions.redact(get_error_message())
            self._errors.add(error, text, keyword, FailureClass.LIBRARY)

    def collect(self, keyword: str, arguments: Iterable[object]) -> None:
        """Runs a keyword at the next failures of this test, or in a suite setup, of this suite."""
        # Imported by a keyword, the library has not heard the beginning of test and suite; it ends with that test then.
        owner = self._test or (self._suites[-1][0] if self._suites else "")
        self._collectors.append(OnFailure(owner, keyword, tuple(arguments)))

    @property
    def used(self) -> tuple[list[DeviceSession], float]:
        """The sessions that the running test has or had, and when it began, on the monotonic clock."""
        return list(self._seen), self._began

    # ------------------------------------------------------------------------ listening

    def start_suite(self, result: Any) -> None:
        """A suite begins."""
        self._suites.append((result.full_name, []))
        self._begin()

    def start_test(self, result: Any) -> None:
        """A test begins."""
        self._test = result.full_name
        self._begin()

    def start_keyword(self, result: Any) -> None:
        """A keyword begins; before the teardown of a failed test, the evidence is gathered."""
        if result.type == result.TEARDOWN and _is_test(result.parent) and result.parent.status == "FAIL":
            self._gather(result.parent.full_name, result.parent.message)

    def end_keyword(self, result: Any) -> None:
        """A keyword has ended. The setup and the teardown of a suite have no test that could tell about them."""
        if result.type not in (result.SETUP, result.TEARDOWN) or result.status != "FAIL" or not _is_suite(result.parent):
            return
        place = f"{result.parent.full_name} ({result.type.lower()})"
        self._gather(place, result.message)
        failure = self._classify(result.message)
        self._show(place, failure, place.rpartition(".")[2])
        if result.type == result.TEARDOWN:
            # Robot makes it a part of the tests' messages when it reads the output.
            result.message = _with_line(result.message, failure)
            self._count(failure)
            self._last = failure

    def end_test(self, result: Any) -> Failure | None:
        """A test has ended: tells its class, if it failed, and shows the evidence. Returns the class."""
        failure = None
        if result.status == "FAIL":
            if EXITED not in result.tags:  # it did not run; of hundreds of such tests each would ask the device again
                self._gather(result.full_name, result.message)
            failure = self._tell(result)
            self._count(failure)
            if EXITED not in result.tags:
                self._last = failure
        self._show(result.full_name, failure, result.name)
        self._collectors = [one for one in self._collectors if one.owner != self._test]
        self._test = ""
        self._begin()
        return failure

    def _tell(self, result: Any) -> Failure:
        """Writes class and reason into tag and message, where another import of the library may have written them before."""
        failure, before = self._classify(result.message), of_tags(result.tags)
        told = stated(result.message)
        if before is not None and told is not None and told.failure_class is before:
            # The import whose device it was knows more; of a failure it knows nothing about, each says TEST.
            if before is not FailureClass.TEST or failure.failure_class is FailureClass.TEST:
                return told
            result.tags.remove(told.tag)
            result.message = result.message.replace(f"<p>{html.escape(told.line)}</p>", "").removesuffix(told.line).rstrip()
        result.tags.add(failure.tag)
        result.message = _with_line(result.message, failure)
        return failure

    def take_back(self, failure: Failure) -> None:
        """The failure of the test that has just ended does not count, as the test is repeated."""
        for _, found in self._suites:
            with contextlib.suppress(ValueError):
                found.remove(failure.failure_class)

    def end_suite(self, result: Any) -> None:
        """A suite has ended: counts go into its metadata."""
        if self._suites and self._suites[-1][0] == result.full_name:
            name, found = self._suites.pop()
            self._collectors = [one for one in self._collectors if one.owner != name]
            if found:
                result.metadata[METADATA] = counted(found)

    def _begin(self) -> None:
        self._began, self._used, self._timed_out_in, self._evidence = time.monotonic(), False, "", None
        self._seen = dict.fromkeys(self._sessions)

    def _count(self, failure: Failure) -> None:
        for _, found in self._suites:
            found.append(failure.failure_class)

    # ---------------------------------------------------------------------- classifying

    def _classify(self, message: str) -> Failure:
        lost = [one.alias for one in self._seen if one.device.state == "lost" and self._lost_now(one)]
        silent = self._evidence.silent if self._evidence is not None else []
        if self._evidence is None and self._timed_out_in:
            silent = [one.alias for one in self._seen if one.device.state == "open" and not one.device.connection.alive()]
        return classify(
            message,
            Circumstances(
                errors=self._errors,
                began=self._began,
                lost=tuple(lost),
                silent=tuple(silent),
                keyword=self._timed_out_in,
                stopped_by=self._last,
            ),
        )

    def _lost_now(self, session: DeviceSession) -> bool:
        losses = session.journal.events(SessionLost)
        return bool(losses) and losses[-1].monotonic >= self._began

    # ------------------------------------------------------------------------- evidence

    def _gather(self, name: str, message: str) -> None:
        if self._budget is None or self._evidence is not None or self._gathering:
            return
        if not (self._seen or self._used or self._collectors):
            return  # no device had to do with it
        redact = self._sessions.redact
        self._evidence = evidence = Evidence(redact(name), redact(message), self._budget)
        self._gathering = True
        try:
            Gathering(evidence, list(self._seen), redact, self._began).run(self._run_collectors)
        except Exception as error:  # noqa: BLE001 - evidence never changes the verdict
            evidence.problem = redact(f"Gathering evidence failed: {type(error).__name__}: {error}")
        finally:
            self._gathering = False

    def _run_collectors(self, deadline: Deadline) -> Iterator[Piece]:
        for one in self._collectors:
            begin, outcome = time.monotonic(), "ok"
            try:
                with _limited(deadline.remaining - 0.1):  # what follows takes time, too
                    value = BuiltIn().run_keyword(one.keyword, *one.arguments)
                text = "It ran; it returned nothing." if value is None else str(value)
            except TimeoutExceeded:
                outcome, text = "failed", "No time was left for it."
            except (Exception, ExecutionStatus) as error:  # noqa: BLE001 - evidence never changes the verdict
                outcome, text = "failed", str(error) or type(error).__name__
            yield Piece(f"collected {one.keyword}", "", text, outcome, time.monotonic() - begin)

    def _show(self, name: str, failure: Failure | None, title: str) -> None:
        """Writes the evidence into files, in a folder of this title, and into the log, where the listener is now."""
        evidence, self._evidence = self._evidence, None
        if evidence is None:
            return
        redact = self._sessions.redact
        folder = journal_folder()
        if folder is not None:
            number = self._names[name] = self._names.get(name, 0) + 1
            path = own_path(folder, title, owner=("evidence", name, number))
            evidence_files.write(evidence, path, failure, redact)
        logger.info(redact(evidence_block.block(evidence, failure, link_address)), html=True)


def _with_line(message: str, failure: Failure) -> str:
    if message.lstrip().startswith("*HTML*"):
        return f"{message}<p>{html.escape(failure.line)}</p>"
    return f"{message}\n\n{failure.line}" if message else failure.line


def _is_test(item: Any) -> bool:
    return hasattr(item, "tags") and hasattr(item, "timeout") and not hasattr(item, "args") and hasattr(item, "body")


def _is_suite(item: Any) -> bool:
    return hasattr(item, "tests") and hasattr(item, "suites")


def _limited(seconds: float) -> contextlib.AbstractContextManager[object]:
    """Sees to it that keywords in the block end in time, as if their author had given them a timeout."""
    try:
        from robot.running.context import EXECUTION_CONTEXTS
        from robot.running.timeouts import KeywordTimeout

        limit: Callable[[Any], contextlib.AbstractContextManager[object]] = EXECUTION_CONTEXTS.current.keyword_timeout
        return limit(KeywordTimeout(max(seconds, 0.001), start=True))
    except (ImportError, AttributeError, TypeError):  # another version of Robot
        return contextlib.nullcontext()
