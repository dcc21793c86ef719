"""The complete output of a console in files: one for the session, one for each test. Secrets are masked, also in pieces."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import regex

from ...wire.secrets import MASK

LONGEST_HELD = 4096
"""Bytes that are held back because a secret may be going on in them."""

_BETWEEN = rb"(?:\x1b\[[0-?]*[ -/]*[@-~]|[\x00\r\n\x08])*"
"""What a device may put between two letters that it echoes: colours, line breaks of the terminal."""


class ConsoleFiles:
    """Writes what arrives; a full disk never disturbs the reader.

    Args:
        path: the session's file; its folder is made.
        secrets: gives the secrets that are known now.
    """

    def __init__(self, path: Path, secrets: Callable[[], list[str]]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.error: OSError | None = None
        """What went wrong when writing, if anything did."""
        self._secrets = secrets
        self._known: list[str] = []
        self._pattern: Any = None
        self._held = b""
        self._lock = threading.Lock()
        self._session: BinaryIO | None = path.open("ab")
        self._test: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Writes what arrived; called by the reader's thread."""
        with self._lock:
            self._put(self._masked(data))

    def start_test(self, name: str) -> None:
        """Writes to a test's file too, from now on: in a folder of the test's name beside the session's file."""
        path = self.path.parent / file_name(name) / self.path.name
        with self._lock:
            self._flush_held()
            self._end_test()
            try:
                path.parent.mkdir(parents=True, exist_ok=True)
                self._test = path.open("ab")
            except OSError as error:
                self.error = error

    def end_test(self) -> None:
        """Ends the test's file."""
        with self._lock:
            self._flush_held()
            self._end_test()

    def close(self) -> None:
        """Ends all files."""
        with self._lock:
            self._flush_held()
            self._end_test()
            if self._session is not None:
                self._session.close()
                self._session = None

    def _end_test(self) -> None:
        if self._test is not None:
            self._test.close()
            self._test = None

    def _flush_held(self) -> None:
        held, self._held = self._held, b""
        self._put(held)

    def _put(self, data: bytes) -> None:
        for file in (self._session, self._test):
            if file is not None and data:
                try:
                    file.write(data)
                    file.flush()
                except OSError as error:
                    self.error = error

    def _masked(self, data: bytes) -> bytes:
        """Masks secrets; holds back an end in which one may be going on."""
        if (known := self._secrets()) != self._known:
            self._known = known
            self._pattern = regex.compile(b"|".join(map(_in_pieces, known))) if known else None
        if self._pattern is None:
            return data
        data = self._pattern.sub(MASK.encode(), self._held + data)
        self._held = b""
        start = max(0, len(data) - LONGEST_HELD)
        partial = self._pattern.search(data, start, partial=True)
        if partial is not None and partial.partial:
            self._held, data = data[partial.start() :], data[: partial.start()]
        return data


def _in_pieces(secret: str) -> bytes:
    return _BETWEEN.join(regex.escape(bytes([byte])) for byte in secret.encode())


def file_name(text: str) -> str:
    """Makes a file or folder name of a path, an alias or a test's name."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_.")[:100] or "unnamed"
