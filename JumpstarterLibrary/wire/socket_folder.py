"""Folders for Unix sockets, whose paths must be short."""

from __future__ import annotations

import os
import tempfile

from .address import LONGEST_SOCKET_PATH


def folder_for_sockets() -> str:
    """Where a private folder for a socket can be made: the user's own, if this process may write there and the path fits."""
    wanted = os.environ.get("XDG_RUNTIME_DIR", "")
    base = wanted if wanted and os.access(wanted, os.W_OK | os.X_OK) else tempfile.gettempdir()
    fits = len(os.fsencode(base)) + len("/jumpstarter-12345678/socket") <= LONGEST_SOCKET_PATH
    return base if fits else "/tmp"  # noqa: S108 - mkdtemp makes the folder in it private
