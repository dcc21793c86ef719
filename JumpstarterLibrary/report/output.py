"""Where the files of a Robot run go."""

from __future__ import annotations

import html
import os
import tempfile
from pathlib import Path
from urllib.parse import quote

from robot.api import logger
from robot.libraries.BuiltIn import BuiltIn

PABOT_RESULTS = "pabot_results"
"""Pabot's folder with the results of each process, in the output folder of the whole."""


def journal_folder() -> Path | None:
    """Returns `${OUTPUT DIR}/jumpstarter`, or None when Robot does not run, writes no files, or nothing can be written there."""
    built_in = BuiltIn()
    if not built_in.robot_running or str(built_in.get_variable_value("${OUTPUT FILE}")) == "NONE":
        return None
    folder = Path(str(built_in.get_variable_value("${OUTPUT DIR}"))) / "jumpstarter"
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=folder):
            return folder
    except OSError as error:  # no reason not to test the device
        logger.warn(f"There will be no journal and no console files: nothing can be written in '{folder}' ({error.strerror}).")
        return None


def output_folder() -> Path:
    """Returns `${OUTPUT DIR}`."""
    return Path(str(BuiltIn().get_variable_value("${OUTPUT DIR}")))


def log_folder() -> Path:
    """Returns the folder of log.html, which may be elsewhere; links in it are relative to that.

    Pabot's processes write no log of their own: the one that is made of all of them stands above the folder of their results.
    """
    log = str(BuiltIn().get_variable_value("${LOG FILE}", "NONE"))
    if log != "NONE":
        return Path(log).parent
    folder = output_folder()
    if BuiltIn().get_variable_value("${PABOTQUEUEINDEX}") is not None:
        for results in folder.parents:
            if results.name == PABOT_RESULTS:
                return results.parent
    return folder


def link_address(path: Path) -> str:
    """Returns the address of a file for links in log.html, ready to stand in an attribute."""
    return html.escape(quote(os.path.relpath(path, log_folder())), quote=True)
