"""`python -m JumpstarterLibrary verdict output.xml`: who has to look at a run, as text for people and an exit code for CI."""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NoReturn
from xml.etree import ElementTree

from robot.api import ExecutionResult
from robot.errors import DataError

from .errors import FailureClass
from .report.failure_class import Failure, classify, counted, first_failure, of_tags, stated

PASSED, TEST_OR_DEVICE, LAB = 0, 1, 2
UNREADABLE = 252
"""As for Robot's own tools."""
EXIT_CODES = {
    FailureClass.TEST: TEST_OR_DEVICE,
    FailureClass.DEVICE: TEST_OR_DEVICE,
    FailureClass.INFRASTRUCTURE: LAB,
    FailureClass.CONFIGURATION: LAB,
    FailureClass.LIBRARY: LAB,
}
LONGEST = 160
_ALSO = "\n\nAlso parent suite teardown failed:\n"


@dataclass(frozen=True, slots=True)
class Failed:
    """A failed test."""

    test: str
    failure: Failure
    text: str
    """The first line of what failed first."""


class _Parser(argparse.ArgumentParser):
    """Ends with another status than argparse's, which would read as the lab's failure."""

    def error(self, message: str) -> NoReturn:
        """Says what is wrong with the command."""
        self.print_usage(sys.stderr)
        self.exit(UNREADABLE, f"{self.prog}: error: {message}\n")


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = _Parser(
        prog="python -m JumpstarterLibrary verdict",
        description="Says whose failures a run has: 0 none, 1 of tests or devices, 2 of the lab, its configuration or this "
        "library only.",
    )
    outputs = "output.xml or output.json of robot, rebot or pabot"
    parser.add_argument("outputs", nargs="+", type=Path, metavar="OUTPUT", help=outputs)
    xunit = "also write the results as xUnit, each failed test with a property failure_class"
    parser.add_argument("--xunit", type=Path, metavar="FILE", help=xunit)
    options = parser.parse_args(arguments)
    try:
        result = ExecutionResult(*options.outputs)
        if options.xunit is not None:
            write_xunit(result, options.xunit)
    except DataError as error:
        print(f"The output cannot be read: {error}", file=sys.stderr)  # noqa: T201 - what the command is for
        return UNREADABLE
    except OSError as error:
        print(f"'{options.xunit}' cannot be written: {error.strerror}", file=sys.stderr)  # noqa: T201
        return UNREADABLE
    if not result.suite.test_count:
        print("The output holds no tests, so nothing is proven.", file=sys.stderr)  # noqa: T201
        return UNREADABLE
    failed = list(find_failed(result.suite))
    print(describe(result.suite, failed))  # noqa: T201
    return exit_code(one.failure.failure_class for one in failed)


def exit_code(classes: Iterable[FailureClass]) -> int:
    """Returns the exit code: a real failure is a real failure, whatever the lab did beside it."""
    codes = {EXIT_CODES[one] for one in classes}
    return min(codes) if codes else PASSED


def find_failed(suite: Any) -> Iterator[Failed]:
    """Gives the failed tests with their classes: by tag, else by the message, also of suites without this library."""
    for test in suite.all_tests:
        if test.status == "FAIL":
            yield Failed(test.full_name, failure_of(test), first_failure(test.message).split("\n", 1)[0][:LONGEST])


def failure_of(test: Any) -> Failure:
    """Returns class and reason of a failed test."""
    tagged = of_tags(test.tags)
    # After a teardown of a suite, Robot adds what it said, with a line of its own: what failed first is the cause.
    parts = (test.message.partition(_ALSO)[0], test.message)
    lines = [one for one in map(stated, parts) if one is not None]
    if tagged is None:
        return lines[0] if lines else classify(test.message)
    same = (one for one in lines if one.failure_class is tagged)
    return next(same, None) or Failure(tagged, classify(test.message).reason)


def describe(suite: Any, failed: Sequence[Failed]) -> str:
    """Returns the verdict for people."""
    counts = suite.statistics
    head = f"{counts.total} tests, {counts.passed} passed, {counts.failed} failed, {counts.skipped} skipped"
    lines = [head if not failed else f"{head}: {counted(one.failure.failure_class for one in failed)}"]
    for one in sorted(failed, key=lambda one: list(FailureClass).index(one.failure.failure_class)):
        lines.append(f"{one.failure.failure_class.value:<15} {one.test}: {one.failure.reason}")
        if one.text:
            lines.append(f"{'':<15} {one.text}")
    return "\n".join(lines)


def write_xunit(result: Any, path: Path) -> None:
    """Writes the results as xUnit, as Robot does, which leaves the tags out, and adds the property."""
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        from robot.reporting.xunitwriter import XUnitWriter

        XUnitWriter(result).write(str(part))
        tree = ElementTree.parse(part)  # noqa: S314 - just written here
        cases = iter(tree.getroot().iter("testcase"))
        for test in _in_order(result.suite):
            case = next(cases)
            if test.status == "FAIL":
                failure = failure_of(test)
                properties = ElementTree.Element("properties")
                values = {"failure_class": failure.failure_class.value.lower(), "failure_reason": failure.reason}
                for name, value in values.items():
                    ElementTree.SubElement(properties, "property", {"name": name, "value": value})
                case.insert(0, properties)
        tree.write(part, encoding="utf-8", xml_declaration=True)
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _in_order(suite: Any) -> Iterator[Any]:
    """The tests in the order in which Robot writes them."""
    for child in suite.suites:
        yield from _in_order(child)
    yield from suite.tests
