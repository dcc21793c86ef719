"""Values with units, limits and verdicts: what a limit says, and what was measured in which test. No Robot, no pytest."""

from __future__ import annotations

import math
import re
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING

from ..errors import MeasurementError, UsageError
from ..journal import BootStage, Event, Measured

if TYPE_CHECKING:
    from ..sessions import DeviceSession

BOOT = "boot: "
"""What the names of boot stages begin with."""
SECONDS = "s"

_NUMBER = r"[-+]?(?:\d+\.?\d*|\.\d+)(?:[eE][-+]?\d+)?"
_COMPARED = re.compile(rf"(<=|>=|==|<|>)\s*({_NUMBER})\s*(.*)", re.DOTALL)
_RANGE = re.compile(rf"({_NUMBER})\s*\.\.\s*({_NUMBER})\s*(.*)", re.DOTALL)
_HOLDS: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, bound: value < bound,
    "<=": lambda value, bound: value <= bound,
    ">": lambda value, bound: value > bound,
    ">=": lambda value, bound: value >= bound,
    "==": lambda value, bound: value == bound,
}


@dataclass(frozen=True, slots=True)
class Limit:
    """What a value has to be. Without bounds, everything is allowed."""

    text: str = ""
    low: float = -math.inf
    high: float = math.inf
    operator: str = ""

    @classmethod
    def parse(cls, text: str, unit: str = "") -> Limit:
        """Reads a limit: `<15`, `<=15`, `>3`, `>=3`, `==5` or `3..5`, with or without the unit of the value.

        Raises:
            UsageError: it is none of these, or has another unit than the value.
        """
        given = text.strip()
        if not given:
            return cls()
        if match := _COMPARED.fullmatch(given):
            operator, low, high, rest = match[1], float(match[2]), float(match[2]), match[3]
        elif match := _RANGE.fullmatch(given):
            operator, low, high, rest = "..", float(match[1]), float(match[2]), match[3]
        else:
            raise UsageError(f"'{text}' is no limit. A limit is such as <15, <=15, >3, >=3, ==5 or 3..5.")
        if rest and rest != unit:
            has = f"is in {unit}" if unit else "has no unit"
            raise UsageError(f"The limit '{text}' is in {rest}, but the value {has}. Give both in one unit.")
        if low > high:
            raise UsageError(f"The limit '{text}' allows nothing: {low:g} is more than {high:g}.")
        return cls(given.removesuffix(rest).rstrip() if rest else given, low, high, operator)

    def allows(self, value: float) -> bool:
        """Whether a value is within it. Both ends of a range are."""
        if self.operator in _HOLDS:
            return _HOLDS[self.operator](value, self.low)
        return self.low <= value <= self.high

    @property
    def better(self) -> str:
        """Which values are the better ones: `lower`, `higher`, or empty where neither is."""
        return {"<": "lower", "<=": "lower", ">": "higher", ">=": "higher"}.get(self.operator, "")


@dataclass(frozen=True, slots=True)
class Measurement:
    """One value that was measured."""

    name: str
    value: float
    unit: str
    limit: str
    passed: bool
    suite: str
    """Full name; under pytest, the file."""
    test: str
    """Full name; empty in the setup and teardown of a suite."""
    device: str
    """Alias of the session; empty if none was open."""
    exporter: str
    wall: float
    """When, in seconds since the epoch."""

    @property
    def shown(self) -> str:
        """The value with its unit, for people."""
        return with_unit(self.value, self.unit)

    @property
    def is_boot_stage(self) -> bool:
        """Whether a console measured it by itself."""
        return self.name.startswith(BOOT) and not self.limit

    @property
    def better(self) -> str:
        """As for a limit; the sooner a boot stage is reached, the better."""
        return "lower" if self.is_boot_stage else Limit.parse(self.limit, self.unit).better

    def check(self) -> None:
        """Fails if the value is not what its limit says.

        Raises:
            MeasurementError: with value, unit and limit.
        """
        __tracebackhide__ = True
        if not self.passed:
            where = f" of device '{self.device}'" if self.device else ""
            raise MeasurementError(
                f"Measurement '{self.name}'{where} is {with_unit(f'{self.value:.12g}', self.unit)}, "
                f"which is outside its limit {with_unit(self.limit, self.unit)}."
            )


class Measurements:
    """What was measured in this run, in order. Boot stages are written down by threads of consoles, the rest by the suite."""

    def __init__(self) -> None:
        self._all: list[Measurement] = []
        self._by_test: dict[str, list[Measurement]] = {}
        self._by_suite: dict[str, list[Measurement]] = {}
        self._lock = threading.Lock()
        self._suites: list[str] = []
        self._test = ""

    # ------------------------------------------------------------------ where the run is

    def enter_suite(self, name: str) -> None:
        """A suite begins."""
        self._suites.append(name)

    def leave_suite(self, name: str) -> None:
        """A suite has ended."""
        if name in self._suites:
            self._suites.remove(name)

    def enter_test(self, name: str, suite: str | None = None) -> None:
        """A test begins; it is in the running suite unless given."""
        self._test = name
        if suite is not None:
            self._suites = [suite]

    def leave_test(self) -> None:
        """A test has ended."""
        self._test = ""

    @property
    def suite(self) -> str:
        """The running suite."""
        return self._suites[-1] if self._suites else ""

    @property
    def test(self) -> str:
        """The running test; empty between tests."""
        return self._test

    # ------------------------------------------------------------------ writing

    def record(
        self, session: DeviceSession | None, name: str, value: float | timedelta, unit: str = "", limit: str = ""
    ) -> Measurement:
        """Writes a value down, also into the session's journal, and does not fail if it is outside its limit.

        Args:
            session: whose device it is of; None if it is of none.
            name: what was measured.
            value: a number, or a time, which becomes seconds.
            unit: what the number counts.
            limit: see `Limit.parse`; empty for none.

        Raises:
            UsageError: value, name or limit is none.
        """
        if isinstance(value, timedelta):
            if unit not in ("", SECONDS):
                raise UsageError(f"Measurement '{name}' is a time, so its unit is {SECONDS} and not {unit}.")
            value, unit = value.total_seconds(), SECONDS
        if not name.strip():
            raise UsageError("A measurement needs a name.")
        if not math.isfinite(value):
            raise UsageError(f"Measurement '{name}' is {value}, and that is no number to compare with.")
        bounds = Limit.parse(limit, unit)
        event = Measured(name=name, value=float(value), unit=unit, limit=bounds.text, passed=bounds.allows(value))
        if session is not None:
            session.journal.append(event)
        return self._add(session, event)

    def follow(self, session: DeviceSession) -> None:
        """Writes down each boot stage that a session's consoles see from now on, and those they have seen."""
        seen: list[Event] = []
        lock = threading.Lock()

        def note(event: Event) -> None:
            with lock:  # by identity: two boots may be equal
                if not isinstance(event, BootStage) or any(one is event for one in seen):
                    return
                seen.append(event)
            reached = round(event.since_power_on, 3)
            stage = Measured(name=f"{BOOT}{event.stage}", value=reached, unit=SECONDS, limit="", passed=True, wall=event.wall)
            self._add(session, stage)

        session.journal.subscribe(note)
        for event in session.journal.events(BootStage):
            note(event)

    def _add(self, session: DeviceSession | None, event: Measured) -> Measurement:
        measurement = Measurement(
            name=event.name,
            value=event.value,
            unit=event.unit,
            limit=event.limit,
            passed=event.passed,
            suite=self.suite,
            test=self.test,
            device="" if session is None else session.alias,
            exporter="" if session is None else session.place.name,
            wall=event.wall,
        )
        with self._lock:
            self._all.append(measurement)
            self._by_test.setdefault(measurement.test, []).append(measurement)
            self._by_suite.setdefault(measurement.suite, []).append(measurement)
        return measurement

    # ------------------------------------------------------------------ reading

    def of_test(self, name: str) -> list[Measurement]:
        """Returns those of a test."""
        with self._lock:
            return list(self._by_test.get(name, ()))

    def of_suite(self, name: str) -> list[Measurement]:
        """Returns those of a suite, of its own tests, its setup and its teardown."""
        with self._lock:
            return list(self._by_suite.get(name, ()))

    def here(self) -> list[Measurement]:
        """Returns those of the running test; between tests, those of the running suite and of the suites in it."""
        if self.test:
            return self.of_test(self.test)
        return [one for one in self if one.suite == self.suite or one.suite.startswith(f"{self.suite}.")]

    def __iter__(self) -> Iterator[Measurement]:
        with self._lock:
            return iter(list(self._all))

    def __len__(self) -> int:
        return len(self._all)


def with_unit(value: float | str, unit: str) -> str:
    """Returns a value for people: six digits, then the unit."""
    text = value if isinstance(value, str) else f"{value:.6g}"
    return f"{text} {unit}" if unit else text


def clock(wall: float) -> str:
    """Returns a moment as it stands in files: UTC, to the millisecond."""
    return time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(wall)) + f".{int(wall % 1 * 1000):03d}Z"
