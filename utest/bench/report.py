"""Writes the table in docs/benchmarks.md from what `make bench` measured; what people wrote around it stays as it is."""

from __future__ import annotations

import datetime
import json
import os
import platform
import sys
from importlib.metadata import version
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
RESULTS = ROOT / "results" / "bench.json"
PAGE = ROOT / "docs" / "benchmarks.md"
BEGIN, END = "<!-- begin: written by utest/bench/report.py -->", "<!-- end -->"
PACKAGES = ("grpcio", "protobuf", "robotframework", "jumpstarter", "jumpstarter-protocol")
"""The versions that matter; `jumpstarter` is upstream."""


def table(results: dict[str, Any]) -> str:
    """The facts of the run, and a line for each row."""
    rows = [row for each in results["benchmarks"] for row in each["extra_info"].get("rows", ())]
    lines = [_facts(results), "", "| What | Measured | Middle half | Bar | Met | Medians |", "|---|---|---|---|---|---|"]
    lines += [_line(row) for row in rows]
    return "\n".join(lines)


def _facts(results: dict[str, Any]) -> str:
    day = datetime.datetime.fromisoformat(results["datetime"]).date()
    versions = ", ".join(f"{name} {version(name)}" for name in PACKAGES)
    return f"{day}, {os.cpu_count()} cores, {platform.system()}, Python {platform.python_version()}, {versions}."


def _line(row: dict[str, Any]) -> str:
    unit = f" {row['unit']}" if row["unit"] else ""
    spread = f"{_number(row['low'])} to {_number(row['high'])}"
    bar, met = ("", "") if row["bar"] is None else (f"≤ {row['bar']:g}{unit}", "yes" if row["value"] <= row["bar"] else "**no**")
    return f"| {row['text']} | {_number(row['value'])}{unit} | {spread} | {bar} | {met} | {row['detail']} |"


def _number(value: float) -> str:
    return f"{value:.2f}" if value < 10 else f"{value:.1f}"


def main() -> int:
    """Replaces the table in the page, and prints it."""
    if not RESULTS.exists():
        print(f"There is no {RESULTS.relative_to(ROOT)}; 'make bench' makes it.", file=sys.stderr)
        return 1
    text = table(json.loads(RESULTS.read_text()))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    _, _, after = rest.partition(END)
    PAGE.write_text(f"{before}{BEGIN}\n\n{text}\n\n{END}{after}")
    print(f"{text}\n\nWritten to {PAGE.relative_to(ROOT)}.")
    return 0


if __name__ == "__main__":
    sys.exit(main())
