"""Measurements as files: JSON for programs, CSV for spreadsheets, and a saved run to compare with."""

from __future__ import annotations

import contextlib
import csv
import io
import json
import math
import os
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..errors import ConfigurationError, UsageError
from .measuring import Measurement, clock

NAME, SUFFIX = "measurements", ".json"
FILE = f"{NAME}{SUFFIX}"
VERSION = 1
FIELDS = ("suite", "test", "name", "value", "unit", "limit", "passed", "device", "exporter")

_TOLERANCE = re.compile(r"(\d+\.?\d*|\.\d+)\s*(%?)")


def save(measurements: Iterable[Measurement], path: Path, redact: Callable[[str], str] = str) -> None:
    """Writes measurements as JSON, and beside it as CSV. Each file is there under its name only when it is complete.

    Raises:
        ConfigurationError: it cannot be written.
    """
    rows = [_row(one, redact) for one in measurements]
    write_rows(rows, path)
    text = io.StringIO()
    writer = csv.DictWriter(text, ["time", *FIELDS], lineterminator="\n")
    writer.writeheader()
    writer.writerows({key: _harmless(value) for key, value in row.items()} for row in rows)
    _write(path.with_suffix(".csv"), text.getvalue())


def write_rows(rows: Sequence[dict[str, Any]], path: Path) -> None:
    """Writes rows as the JSON of measurements.

    Raises:
        ConfigurationError: it cannot be written.
    """
    _write(path, json.dumps({"version": VERSION, "measurements": rows}, ensure_ascii=False, indent=1) + "\n")


def load(path: Path) -> list[dict[str, Any]]:
    """Reads what `save` has written.

    Raises:
        ConfigurationError: there is no such file, or it is of another kind.
    """
    try:
        rows = json.loads(path.read_text(encoding="utf-8"))["measurements"]
        if not all(_is_row(row) for row in rows):
            raise ValueError("a row is none of a measurement")
        return list(rows)
    except OSError as error:
        hint = "Save one with Save Baseline, or keep the measurements.json of a good run."
        raise ConfigurationError(
            f"The baseline '{path}' cannot be read: {(error.strerror or str(error)).lower()}. {hint}"
        ) from None
    except (ValueError, KeyError, TypeError) as error:
        raise ConfigurationError(f"The baseline '{path}' is no file of measurements: {error}.") from None


def _is_row(row: Any) -> bool:
    value = row["value"]
    is_number = isinstance(value, (int, float)) and not isinstance(value, bool) and math.isfinite(value)
    return is_number and all(isinstance(row.get(key, ""), str) for key in ("suite", "test", "name", "unit", "device"))


def merge(old: Iterable[dict[str, Any]], new: Iterable[Measurement], redact: Callable[[str], str] = str) -> list[dict[str, Any]]:
    """Returns the rows of a baseline in which those of the tests and suites of `new` are replaced by the new ones."""
    rows = [_row(one, redact) for one in new]
    places = {(row["suite"], row["test"]) for row in rows}
    return [*(row for row in old if (row.get("suite", ""), row.get("test", "")) not in places), *rows]


def _row(one: Measurement, redact: Callable[[str], str]) -> dict[str, Any]:
    values: dict[str, Any] = {"time": clock(one.wall)}
    for name in FIELDS:
        value = getattr(one, name)
        values[name] = redact(value) if isinstance(value, str) else value
    return values


def _harmless(value: Any) -> Any:
    """A spreadsheet takes text that begins like this for a formula."""
    return f"'{value}" if isinstance(value, str) and value[:1] in ("=", "+", "-", "@") else value


def _write(path: Path, text: str) -> None:
    part = path.with_name(f".{path.name}.{os.getpid()}.part")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        part.write_text(text, encoding="utf-8", errors="backslashreplace")
        part.replace(path)
    except OSError as error:
        raise ConfigurationError(f"Measurements cannot be kept as '{path}': {(error.strerror or str(error)).lower()}.") from None
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


# ---------------------------------------------------------------------- comparing


@dataclass(frozen=True, slots=True)
class Tolerance:
    """How far a value may be from the one before."""

    amount: float
    relative: bool

    @classmethod
    def parse(cls, text: str) -> Tolerance:
        """Reads `10%`, or `0.5` in the value's own unit.

        Raises:
            UsageError: it is neither.
        """
        if not (match := _TOLERANCE.fullmatch(text.strip())):
            raise UsageError(f"'{text}' is no tolerance. A tolerance is such as 10%, or 0.5 in the unit of the values.")
        return cls(float(match[1]), bool(match[2]))

    def around(self, value: float) -> float:
        """Returns the distance that is allowed."""
        return abs(value) * self.amount / 100 if self.relative else self.amount


@dataclass(frozen=True, slots=True)
class Compared:
    """One measurement beside the one before."""

    name: str
    test: str
    device: str
    unit: str
    before: float | None
    now: float | None
    verdict: str
    """`same`, `better`, `worse`, `missing` (there was one before), `new` (there was none), or `unit` (it was in another one)."""
    note: str = ""

    @property
    def failed(self) -> bool:
        """Whether it is not as good as it was."""
        return self.verdict in ("worse", "missing", "unit")

    @property
    def change(self) -> str:
        """The change in percent, where that can be said."""
        if self.before is None or self.now is None or not self.before:
            return ""
        return f"{(self.now - self.before) / abs(self.before) * 100:+.1f} %"


def compare(baseline: Iterable[dict[str, Any]], now: Iterable[Measurement], tolerance: Tolerance) -> list[Compared]:
    """Compares measurements with those of a baseline: the n-th of a name in a test with the n-th of before.

    Where a limit says which values are the better ones, only a worse value is worse; where none does, any other value is.
    Rows of suites and tests that have not measured anything now are left out, as they may not have run.
    """
    before = _numbered((_key_of_row(row), row) for row in baseline)
    after = _numbered((_key(one), one) for one in now)
    places = {key[:2] for key in after}
    found = []
    for key, one in after.items():
        found.append(_compared(one, before.get(key), tolerance))
    for key, row in before.items():
        if key not in after and key[:2] in places:
            found.append(
                Compared(
                    row["name"], row.get("test", ""), row.get("device", ""), row.get("unit", ""), row["value"], None, "missing"
                )
            )
    return found


def _compared(one: Measurement, row: dict[str, Any] | None, tolerance: Tolerance) -> Compared:
    if row is None:
        return Compared(one.name, one.test, one.device, one.unit, None, one.value, "new")
    before, unit = float(row["value"]), row.get("unit", "")
    if unit != one.unit:
        note = f"was in {unit or 'no unit'}"
        return Compared(one.name, one.test, one.device, one.unit, before, one.value, "unit", note)
    distance, allowed = one.value - before, tolerance.around(before)
    verdict = "same"
    if abs(distance) > allowed:
        improved = (distance < 0 and one.better == "lower") or (distance > 0 and one.better == "higher")
        verdict = "better" if improved else "worse"
    return Compared(one.name, one.test, one.device, one.unit, before, one.value, verdict)


Key = tuple[str, str, str, str]


def _key(one: Measurement) -> Key:
    return one.suite, one.test, one.name, one.device


def _key_of_row(row: dict[str, Any]) -> Key:
    return row.get("suite", ""), row.get("test", ""), row["name"], row.get("device", "")


def _numbered(pairs: Iterable[tuple[Key, Any]]) -> dict[tuple[str, str, str, str, int], Any]:
    counts: dict[Key, int] = {}
    numbered = {}
    for key, value in pairs:
        counts[key] = counts.get(key, 0) + 1
        numbered[(*key, counts[key])] = value
    return numbered
