"""Breaks one of the library's reports, as a defect of it would."""

from __future__ import annotations

from robot.api.deco import keyword, library

from JumpstarterLibrary import lifecycle
from JumpstarterLibrary.client.console import Console
from JumpstarterLibrary.report import failing, measurements

PLACES = {
    "log": (lifecycle, "write_new_events"),
    "consoles": (lifecycle, "write_new_output"),
    "measurements": (measurements, "end_test"),
    "timeline": (lifecycle, "write_timeline"),
    "evidence": (failing.evidence_block, "block"),
    "class": (failing, "classify"),
    "suite": (measurements, "end_suite"),
    "watchers": (Console, "check_watchers"),
}


def broken(*_args: object, **_options: object) -> None:
    raise ZeroDivisionError("division by zero")


@library(scope="GLOBAL", listener="SELF")
class BrokenReports:
    """Between the end of a test's last keyword and the library's own end of the test."""

    ROBOT_LISTENER_API_VERSION = 3

    def __init__(self) -> None:
        self._place = ""

    @keyword
    def break_report(self, place: str) -> None:
        """Breaks it from the end of this keyword on."""
        self._place = place

    def end_keyword(self, data: object, result: object) -> None:
        if self._place:
            module, name = PLACES[self._place]
            self._place = ""
            setattr(module, name, broken)
