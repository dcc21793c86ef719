"""The table of Renode's keywords: each has a row, and each row a test that uses what the row names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from robot.api import TestSuite as Suite

FOLDER = Path(__file__).parents[2]
TABLE = FOLDER / "docs" / "guide" / "from-renode.md"
SUITE = FOLDER / "atest" / "50_console" / "04_renode_parity.robot"
RENODE = """
    Set Default Uart Timeout, Set Default Tester, Create Terminal Tester, Create Terminal Tester … endLineOption=,
    Get Terminal Tester Report, Clear Terminal Tester Report,
    Register Failing Uart String, Unregister Failing Uart String, Wait For Line On Uart, Wait For Lines On Uart,
    Wait For Prompt On Uart, Wait For Next Line On Uart, Wait For Bytes On Uart, Should Not Be On Uart, Send Key To Uart,
    Write Char On Uart, Write To Uart, Write Line To Uart, Write Char Delay, Test If Uart Is Idle,
    Wait For Line On Uart … treatAsRegex=true, Wait For Line On Uart … includeUnfinishedLine=true,
    Wait For Line On Uart … matchNextLine=true, Wait For Lines On Uart … matchFromNextLine=true
"""
ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TABLE.read_text(encoding="utf-8").splitlines()
    if line.startswith("| `")
]


def test_every_uart_keyword_of_renode_has_a_row() -> None:
    rows = {row[0].strip("`") for row in ROWS}
    assert {" ".join(keyword.split()) for keyword in RENODE.split(",")} - rows == set()


@pytest.mark.parametrize("row", ROWS, ids=[row[0].strip("`") for row in ROWS])
def test_a_row_names_a_test_that_uses_what_it_names(row: list[str]) -> None:
    tests = {test.name: test for test in Suite.from_file_system(SUITE).tests}
    assert len(row) == 4
    assert row[3] in tests
    used = used_keywords(tests[row[3]])
    named = [name.partition("  ")[0] for name in re.findall(r"`([^`]+)`", row[1]) if name != "since="]
    assert named
    assert [name for name in named if name.casefold() not in used] == []


def used_keywords(test: object) -> set[str]:
    """Names of the keywords of a test, and all its arguments, as some are given to other keywords."""
    words: set[str] = set()
    for step in [*test.body, *([test.teardown] if test.has_teardown else [])]:
        words |= {str(step.name).casefold(), *(str(argument).casefold() for argument in step.args)}
    return words
