"""Where the files of a Robot run go."""

from __future__ import annotations

from pathlib import Path

from robot.libraries.BuiltIn import BuiltIn


def journal_folder() -> Path | None:
    """Returns `${OUTPUT DIR}/jumpstarter`, or None when Robot does not run or writes no files."""
    built_in = BuiltIn()
    if not built_in.robot_running or str(built_in.get_variable_value("${OUTPUT FILE}")) == "NONE":
        return None
    return Path(str(built_in.get_variable_value("${OUTPUT DIR}"))) / "jumpstarter"
