"""Measurements in Robot's log: a table under each test, one line and a table in a suite's metadata, and files beside log.html."""

from __future__ import annotations

import html
from collections.abc import Callable, Sequence
from typing import Any

from robot.api import logger

from ..errors import JumpstarterError
from ..journal.files import own_path
from . import measurement_files as files
from .measuring import Measurement, Measurements, with_unit
from .output import journal_folder
from .robot_text import plain

Redact = Callable[[str], str]

TITLE = "Measurements"
"""Of the tables, and the key in metadata."""
MOST_ROWS = 100
"""In one table; the file has them all."""
MOST_NAMED = 4
"""Measurements in the line of a suite's metadata."""

_CELL = '<td style="padding:1px 12px 1px 0;border:0;vertical-align:top;{}">{}</td>'
_HEAD = '<th style="text-align:left;padding:1px 12px 1px 0;border:0;opacity:.7;font-weight:normal">{}</th>'
_RIGHT = "text-align:right;font-variant-numeric:tabular-nums"
_BAD = "font-weight:bold;color:#e53935"
_VERDICTS = {
    "same": ("= same", ""),
    "better": ("\u25b2 better", "color:#388e3c"),
    "worse": ("\u2717 worse", _BAD),
    "missing": ("\u2717 missing", _BAD),
    "unit": ("\u2717 other unit", _BAD),
    "new": ("+ new", ""),
}


def start_suite(measurements: Measurements, result: Any) -> None:
    """A suite of Robot's begins."""
    measurements.enter_suite(result.full_name)


def start_test(measurements: Measurements, result: Any) -> None:
    """A test of Robot's begins."""
    measurements.enter_test(result.full_name)


def end_test(measurements: Measurements, result: Any, redact: Redact) -> None:
    """Writes the test's measurements under it."""
    try:
        if of_test := measurements.of_test(result.full_name):
            logger.info(table(TITLE, of_test, redact), html=True)
    finally:
        measurements.leave_test()


def end_suite(measurements: Measurements, result: Any, redact: Redact) -> None:
    """Writes the suite's measurements into its metadata, and all so far into files."""
    try:
        if of_suite := measurements.of_suite(result.full_name):
            # Another import of the library may have measured, too.
            name = next(name for name in (TITLE, *(f"{TITLE} {n}" for n in range(2, 100))) if name not in result.metadata)
            result.metadata[name] = f"{summary(of_suite, redact)}\n\n{metadata_table(of_suite, redact)}"
            write_files(measurements, redact)
    finally:
        measurements.leave_suite(result.full_name)


def write_files(measurements: Measurements, redact: Redact) -> None:
    """Writes all measurements so far beside log.html, unless Robot writes no files. A full disk is a warning."""
    folder = journal_folder()
    if folder is None:
        return
    try:
        files.save(measurements, own_path(folder, files.NAME, files.SUFFIX, owner=measurements), redact)
    except JumpstarterError as error:
        logger.warn(redact(str(error)))


def summary(measurements: Sequence[Measurement], redact: Redact = str) -> str:
    """Returns one line: how many, what is outside its limit, and the first ones."""
    bad = [one for one in measurements if not one.passed]
    count = f"{len(measurements)} measured, " + (f"{len(bad)} outside the limit" if bad else "none outside a limit")
    named = [*bad, *(one for one in measurements if one.passed and one.limit), *(one for one in measurements if not one.limit)]
    shown = "; ".join(f"{one.name} {one.shown}" + (f" ({one.limit})" if one.limit else "") for one in named[:MOST_NAMED])
    return plain(redact(f"{count}: {shown}{'; ...' if len(named) > MOST_NAMED else ''}"))


def metadata_table(measurements: Sequence[Measurement], redact: Redact = str) -> str:
    """Returns a table in Robot's own formatting, for metadata. A boot stage has one row, whatever boots there were."""
    rows: list[tuple[str, ...]] = []
    boots: dict[tuple[str, str], list[Measurement]] = {}
    for one in measurements:
        if one.is_boot_stage:
            boots.setdefault((one.name, one.device), []).append(one)
        else:
            limit = with_unit(one.limit, one.unit) if one.limit else ""
            rows.append((one.test.removeprefix(f"{one.suite}."), one.name, one.shown, limit, _verdict(one), one.device))
    for (name, device), boot in boots.items():
        least, most = (with_unit(extreme(one.value for one in boot), boot[0].unit) for extreme in (min, max))
        times = f"{len(boot)} boot{'s' if len(boot) > 1 else ''}"
        rows.append((times, name, least if least == most else f"{least} to {most}", "", "", device))
    head = "| =test= | =measurement= | =value= | =limit= | =verdict= | =device= |"
    return "\n".join([head, *("| " + " | ".join(plain(redact(cell)) for cell in row) + " |" for row in rows[:MOST_ROWS])])


def table(title: str, measurements: Sequence[Measurement], redact: Redact = str) -> str:
    """Returns measurements as an HTML table."""
    rows = []
    for one in measurements[:MOST_ROWS]:
        limit = with_unit(one.limit, one.unit) if one.limit else ""
        style = "" if one.passed else _BAD
        rows.append(((one.name, ""), (one.shown, f"{_RIGHT};{style}"), (limit, ""), (_verdict(one), style), (one.device, "")))
    more = len(measurements) - MOST_ROWS
    return _table(title, ("name", "value", "limit", "verdict", "device"), rows, redact, more)


def comparison(title: str, compared: Sequence[files.Compared], redact: Redact = str) -> str:
    """Returns a comparison with a baseline as an HTML table, what is worse first."""
    rows = []
    for one in sorted(compared, key=lambda one: not one.failed)[:MOST_ROWS]:
        text, style = _VERDICTS[one.verdict]
        before, now = ("" if value is None else with_unit(value, one.unit) for value in (one.before, one.now))
        cells = (
            (one.name, ""),
            (before, _RIGHT),
            (now, f"{_RIGHT};{style}"),
            (one.change, _RIGHT),
            (text, style),
            (one.note, ""),
        )
        rows.append(cells)
    more = len(compared) - MOST_ROWS
    return _table(title, ("name", "before", "now", "change", "verdict", ""), rows, redact, more)


def _verdict(one: Measurement) -> str:
    if not one.limit:
        return ""
    return "\u2713 within" if one.passed else "\u2717 outside"


def _table(title: str, titles: Sequence[str], rows: Sequence[Sequence[tuple[str, str]]], redact: Redact, more: int) -> str:
    shown = [column for column in range(len(titles)) if any(cells[column][0] for cells in rows)]  # no empty columns
    head = "".join(_HEAD.format(html.escape(titles[column])) for column in shown)
    body = "".join(
        "<tr>" + "".join(_CELL.format(cells[column][1], html.escape(redact(cells[column][0]))) for column in shown) + "</tr>"
        for cells in rows
    )
    rest = f"<div><i>and {more} more in {files.FILE}</i></div>" if more > 0 else ""
    return (
        '<div style="border-left:3px solid #5c6bc0;padding-left:8px;overflow-x:auto">'
        f'<span style="opacity:.7">{html.escape(title)}</span>'
        f'<table style="border-spacing:0;font-size:inherit"><tr>{head}</tr>{body}</table>{rest}</div>'
    )
