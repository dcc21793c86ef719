"""Whose failure it is: the class of a failed test, by the errors that keywords raised, else by the test's message. No Robot."""

from __future__ import annotations

import html
import re
import time
from collections import deque
from collections.abc import Iterable
from dataclasses import dataclass, field

from ..errors import FailureClass, JumpstarterError, SessionLostError

TAG = "failure:"
"""What the tag of a failed test begins with."""
LINE = "Failure class: "
"""What the last line of a failed test's message begins with."""
METADATA = "Failure classes"
"""The key of the counts in a suite's metadata."""
MOST_ERRORS = 200

_GENERAL = {
    FailureClass.TEST: "the test asked for something wrong",
    FailureClass.DEVICE: "the device, or the driver that stands for it, said no",
    FailureClass.INFRASTRUCTURE: "the lab between test and device broke",
    FailureClass.CONFIGURATION: "a target, file, name or setting is wrong",
    FailureClass.LIBRARY: "a defect of JumpstarterLibrary; please report it",
}
_FIRST_WORD = re.compile(rf"(?:[A-Za-z_.]+(?:Error|Exception): )?({'|'.join(one.value for one in FailureClass)}): ")
_BEGINS = re.compile(
    r"(?:\*HTML\*\s*|(?:Parent suite |Suite |Keyword |Test |Task )?(?:setup|teardown) failed:\n|"
    r"Several failures occurred:\n\n1\) )",
    re.IGNORECASE,
)
_NEXT = re.compile(r"\n\n(?:Also (?:parent suite |suite |keyword )?teardown failed:\n|2\) |Earlier message:\n)", re.IGNORECASE)
_ITS_LINE = re.compile(rf"(?:^|<p>){LINE}({'|'.join(one.value for one in FailureClass)}) \u2013 (.*)\.(?:</p>)?$", re.MULTILINE)
_DEVICE = re.compile(r"\b[Dd]evice '([^'\n]+)'|\b[Ss]ession '([^'\n]+)'")
_TIMEOUT = re.compile(r"(?:Test|Task|Keyword) timeout .* exceeded\.|Timeout \(?>")
_SIGNAL = "Execution terminated by signal"
_STOPPED = (
    "Test execution stopped due to a fatal error.",
    "Task execution stopped due to a fatal error.",
    "Failure occurred and exit-on-failure mode is in use.",
)
_MISTAKES = (
    (re.compile(r"Environment variable '"), FailureClass.CONFIGURATION, "an environment variable is not set"),
    (re.compile(r"Error occurred and exit-on-error"), FailureClass.CONFIGURATION, "Robot found an error in the run's files"),
    (re.compile(r"Executing .* is not allowed|.*contains .* but no library"), FailureClass.TEST, "the suite has a mistake"),
    (
        re.compile(
            r"No keyword with name '|Multiple keywords (?:with name|matching)|Keyword '.*' (?:expected|missing|got)|"
            r"Variable '|ValueError: Argument '|Invalid |Test cannot be empty|Test name|Resolving |Replacing |"
            r"Evaluating expression"
        ),
        FailureClass.TEST,
        "the suite has a mistake",
    ),
)


@dataclass(frozen=True, slots=True)
class Failure:
    """What is to be said of a failed test."""

    failure_class: FailureClass
    reason: str
    """One sentence without its full stop."""

    @property
    def tag(self) -> str:
        """The test's tag."""
        return f"{TAG}{self.failure_class.value.lower()}"

    @property
    def line(self) -> str:
        """The last line of the test's message."""
        return f"{LINE}{self.failure_class.value} \u2013 {self.reason}."


@dataclass(frozen=True, slots=True)
class Noted:
    """An error that a keyword of ours raised, whatever became of it."""

    failure_class: FailureClass
    text: str
    """As it was raised, with the class as its first word."""
    reason: str
    keyword: str
    is_loss: bool
    monotonic: float = field(default_factory=time.monotonic)


class NotedErrors:
    """The errors of this run, the latest ones, for the tests whose messages they become."""

    def __init__(self) -> None:
        self._errors: deque[Noted] = deque(maxlen=MOST_ERRORS)

    def add(self, error: BaseException, text: str, keyword: str = "", failure_class: FailureClass | None = None) -> None:
        """Notes an error.

        Args:
            error: it.
            text: its message, as Robot shows it, with secrets masked.
            keyword: which one raised it.
            failure_class: whose it is; the error's own unless given.
        """
        own: FailureClass = error.failure_class if isinstance(error, JumpstarterError) else FailureClass.LIBRARY
        found = own if failure_class is None else failure_class
        reason = described(error) if isinstance(error, JumpstarterError) else _GENERAL[found]
        self._errors.append(Noted(found, text, with_device(reason, text), keyword, isinstance(error, SessionLostError)))

    def of(self, text: str) -> Noted | None:
        """Returns the latest error that has become this message."""
        first = _first_line(text)
        return next((one for one in reversed(self._errors) if _first_line(one.text) == first), None)

    def since(self, monotonic: float) -> list[Noted]:
        """Returns those after a moment."""
        return [one for one in self._errors if one.monotonic >= monotonic]


@dataclass(frozen=True, slots=True)
class Circumstances:
    """What is known beside a test's message."""

    errors: NotedErrors = field(default_factory=NotedErrors)
    began: float = 0.0
    """When the test began, on the monotonic clock."""
    lost: tuple[str, ...] = ()
    """Sessions that were lost in this test and are not back."""
    silent: tuple[str, ...] = ()
    """Sessions whose exporter does not answer now."""
    keyword: str = ""
    """The keyword of ours in which time ran out; empty if it was in none."""
    stopped_by: Failure | None = None
    """The failure after which Robot stopped the run."""


def classify(message: str, known: Circumstances | None = None) -> Failure:  # noqa: PLR0911 - one rule after the other
    """Returns class and reason of a failed test. Of several failures the first one in time decides; it is the cause."""
    known = known or Circumstances()
    text = first_failure(message)
    if text.startswith(_STOPPED):
        if known.stopped_by is not None:
            return Failure(known.stopped_by.failure_class, f"not run, as the run was stopped: {known.stopped_by.reason}")
        return Failure(FailureClass.TEST, "not run, as a failure before stopped the run")
    if text.startswith(_SIGNAL):
        return Failure(FailureClass.INFRASTRUCTURE, "the run was stopped from outside")
    if (noted := known.errors.of(text)) is not None:
        return Failure(noted.failure_class, noted.reason)
    if match := _FIRST_WORD.match(text):
        found = FailureClass(match[1])
        return Failure(found, with_device(_GENERAL[found], text))
    if _TIMEOUT.match(text):
        return _of_timeout(known)
    if gone := known.lost or tuple(one.reason for one in known.errors.since(known.began) if one.is_loss and known.began):
        return Failure(FailureClass.INFRASTRUCTURE, f"a session was lost before this failed ({gone[0]})")
    for pattern, found, reason in _MISTAKES:
        if pattern.match(text):
            return Failure(found, reason)
    return Failure(FailureClass.TEST, "a check of the test itself failed")


def _of_timeout(known: Circumstances) -> Failure:
    if known.lost:
        return Failure(FailureClass.INFRASTRUCTURE, f"time ran out after the session was lost ({known.lost[0]})")
    if known.silent:
        return Failure(FailureClass.INFRASTRUCTURE, f"time ran out, and the exporter does not answer ({known.silent[0]})")
    if known.keyword:
        return Failure(FailureClass.DEVICE, f"time ran out while '{known.keyword}' waited for the device")
    return Failure(FailureClass.TEST, "time ran out in the test's own steps")


def first_failure(message: str) -> str:
    """Returns the first failure, in time, of a test's message: Robot puts setup, body and teardown in this order."""
    text = message.lstrip()
    while match := _BEGINS.match(text):
        text = text[match.end() :].lstrip()
    if end := _NEXT.search(text):
        text = text[: end.start()]
    return text


def was_stopped(message: str) -> bool:
    """Whether the test did not run, or not to its end, because the run was stopped."""
    return first_failure(message).startswith((_SIGNAL, *_STOPPED))


def stated(message: str) -> Failure | None:
    """Returns the class that stands in a message already."""
    found = [
        Failure(FailureClass(match[1]), html.unescape(match[2]) if match[0].endswith("</p>") else match[2])
        for match in _ITS_LINE.finditer(message)
    ]
    return found[-1] if found else None  # a device may have said such a line, too


def of_tags(tags: Iterable[str]) -> FailureClass | None:
    """Returns the class that a test's tags tell."""
    names = {one.value.lower(): one for one in FailureClass}
    told = (tag.lower().removeprefix(TAG) for tag in tags if tag.lower().startswith(TAG))
    return next((names[name] for name in told if name in names), None)


def described(error: BaseException) -> str:
    """Returns what kind of error it is, in words: the first sentence of its class's documentation."""
    text = (type(error).__doc__ or type(error).__name__).strip().split("\n")[0]
    text = re.sub(r" \([^)]*\)", "", text).rstrip(".")
    return text[:1].lower() + text[1:]


def with_device(reason: str, text: str) -> str:
    """Adds the device that a message names to a reason."""
    match = _DEVICE.search(text)
    return f"{reason} ({match[1] or match[2]})" if match else reason


def counted(failures: Iterable[FailureClass]) -> str:
    """Returns counts for people: `device 2, infrastructure 1`; empty if there are none."""
    found = list(failures)
    return ", ".join(f"{one.value.lower()} {found.count(one)}" for one in FailureClass if one in found)


def _first_line(text: str) -> str:
    return text.strip().split("\n", 1)[0]
