"""The complete output of a console in files: one for the session, one for each test. Secrets are masked, also in pieces."""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import BinaryIO

from ...journal.files import begin_anew, file_name
from .masking import StreamMask

PIECE = 1024 * 1024
"""Bytes of the session's file that are read at once."""


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
        self._masked = StreamMask(secrets)
        self._lock = threading.Lock()
        self._session = self._open(path)
        self._test: BinaryIO | None = None

    def write(self, data: bytes) -> None:
        """Writes what arrived; called by the reader's thread."""
        with self._lock:
            self._put(self._masked(data))

    def place(self, raw: int) -> int | None:
        """Where in the session's file the byte stands that arrived as the given one, as masks may have other lengths.

        None if that is not known any more.
        """
        with self._lock:
            return self._masked.place(raw)

    def read(self, begin: int) -> Iterator[bytes]:
        """Gives what was written so far, and at last what is held back, in pieces.

        Args:
            begin: where in the session's file to begin.
        """
        with self._lock:
            rest, held = max(0, self.path.stat().st_size - begin), self._masked.held
        with self.path.open("rb") as file:
            file.seek(begin)
            while rest > 0 and (data := file.read(min(PIECE, rest))):
                rest -= len(data)
                yield data
        if held:
            yield held

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
