"""The progress bar on a real terminal, and where there must be none."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
import termios
from pathlib import Path

import pytest

LIBRARY = """
import time
from JumpstarterLibrary.report import progress

def transfer(patience):
    progress.PATIENCE = float(patience)
    with progress.progress_bar("image.img to storage") as bar:
        for count in range(0, 5000, 1000):
            bar(count, 4000)
            time.sleep(0.02)
"""
SUITE = """
*** Settings ***
Library    {library}
*** Test Cases ***
Transfer
    Transfer    {patience}
"""
TITLE, END = "image.img to storage", "<end of all>"


def written(folder: Path, *options: str, patience: float = 0.01, terminal: bool = True) -> str:
    """What `robot` writes to standard error while something is transferred."""
    library, suite = folder / "acts.py", folder / "suite.robot"
    library.write_text(LIBRARY)
    suite.write_text(SUITE.format(library=library, patience=patience))
    ours, theirs = pty.openpty() if terminal else os.pipe()
    try:
        if terminal:
            termios.tcsetwinsize(theirs, (24, 120))
        command = [sys.executable, "-m", "robot", "--log", "NONE", "--report", "NONE", *options, str(suite)]
        done = subprocess.run(command, cwd=folder, stdout=subprocess.DEVNULL, stderr=theirs, timeout=60, check=False)
        assert done.returncode == 0
        os.write(theirs, f"{END}\n".encode())  # so that reading never waits for more
        shown = ""
        while END not in shown:
            shown += os.read(ours, 65536).decode(errors="replace")
        return shown
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_transfer_that_takes_a_while_has_a_bar(tmp_path: Path) -> None:
    assert TITLE in (shown := written(tmp_path))
    assert "100%" in shown


@pytest.mark.parametrize("console", ["quiet", "none", "dotted"])
def test_a_console_that_is_wanted_short_has_none(tmp_path: Path, console: str) -> None:
    assert TITLE not in written(tmp_path, "--console", console)


def test_a_quick_transfer_has_none(tmp_path: Path) -> None:
    assert TITLE not in written(tmp_path, patience=1000)


def test_what_is_no_terminal_has_none(tmp_path: Path) -> None:
    assert TITLE not in written(tmp_path, terminal=False)
