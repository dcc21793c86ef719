"""The complete output of a console in files: one for the session, one for each test. Secrets are masked, also in pieces."""

from __future__ import annotations

import contextlib
import re
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any, BinaryIO

import regex

from ...journal.files import begin_anew
from ...wire.secrets import MASK

LONGEST_HELD = 4096
"""Bytes that are held back because a secret may be going on in them."""

_BETWEEN = rb"(?:\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-OQ-WYZ`-~]| \r|[\x00\a\b\r\n])*"
"""What a device may put between two letters that it echoes: colours, titles, line breaks of the terminal."""


class ConsoleFiles:
    """Writes what arrives; a full disk, or a folder that cannot be made, never disturbs the reader.

    Args:
        path: the session's file; its folder is made.
        secrets: gives the secrets that are known now.
    """

    def __init__(self, path: Path, secrets: Callable[[], list[str]]) -> None:
        self.path = path
        self.error: OSError | None = None
        """What went wrong when writing, if anything did."""
        self._secrets = secrets
        self._known: list[str] = []
        self._pieces: list[Any] = []
        self._pattern: Any = None
        self._held = b""
        self._lock = threading.Lock()
        self._session = self._open(path)
        self._test: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Writes what arrived; called by the reader's thread."""
        with self._lock:
            self._put(self._masked(data))

    def start_test(self, name: str) -> None:
        """Writes to a test's file too, from now on: in a folder of the test's name beside the session's file."""
        path = self.path.parent / file_name(name) / self.path.name
        with self._lock:
            self._end_test()
            self._test = self._open(path)

    def end_test(self) -> None:
        """Ends the test's file. What is held back goes to the files that are open when it is certain."""
        with self._lock:
            self._end_test()

    def close(self) -> None:
        """Ends all files."""
        with self._lock:
            self._put(self._masked(b"", last=True))
            self._end_test()
            self._close(self._session)
            self._session = None

    def discard(self) -> None:
        """Ends the session's file and takes it away if nothing is in it: the console could not be opened."""
        self.close()
        with contextlib.suppress(OSError):
            if self.path.stat().st_size == 0:
                self.path.unlink()

    def _end_test(self) -> None:
        self._close(self._test)
        self._test = None

    def _open(self, path: Path) -> BinaryIO | None:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            return begin_anew(path).open("ab")
        except OSError as error:
            self.error = error
            return None

    def _close(self, file: BinaryIO | None) -> None:
        try:
            if file is not None:
                file.close()
        except OSError as error:
            self.error = error

    def _put(self, data: bytes) -> None:
        for file in (self._session, self._test):
            if file is not None and data:
                try:
                    file.write(data)
                    file.flush()
                except OSError as error:
                    self.error = error

    def _masked(self, data: bytes, *, last: bool = False) -> bytes:
        """Masks secrets; holds back an end in which one may be going on, unless it is the last."""
        if (known := self._secrets()) != self._known:
            self._known = known
            longest_first = sorted(known, key=len, reverse=True)  # where one secret begins another
            self._pieces = [regex.compile(_in_pieces(secret)) for secret in longest_first]
            self._pattern = regex.compile(b"|".join(map(_in_pieces, longest_first))) if known else None
        data, self._held = self._held + data, b""
        if self._pattern is None:
            return data
        certain = len(data) if last else self._begun_in(data)
        pieces, position = [], 0
        for match in self._pattern.finditer(data):
            if match.end() > certain:
                certain = min(certain, match.start())
                break
            pieces += [data[position : match.start()], MASK.encode()]
            position = match.end()
        self._held = data[certain:]
        return b"".join([*pieces, data[position:certain]])

    def _begun_in(self, data: bytes) -> int:
        """Where the first secret begins that may go on behind the end; the end if none does."""
        begun = len(data)
        for pattern in self._pieces:
            for match in pattern.finditer(data, max(0, len(data) - LONGEST_HELD), partial=True):
                if match.partial:
                    begun = min(begun, match.start())
        return begun


def _in_pieces(secret: str) -> bytes:
    return _BETWEEN.join(regex.escape(bytes([byte])) for byte in secret.encode())


def file_name(text: str) -> str:
    """Makes a file or folder name of a path, an alias or a test's name."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_.")[:100] or "unnamed"
