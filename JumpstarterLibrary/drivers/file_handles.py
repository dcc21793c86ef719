"""Open files of a file store, by the handles that clients get."""

from __future__ import annotations

from pathlib import Path
from typing import IO
from uuid import UUID, uuid4

from anyio import to_thread

from ..exporter.resources import ByteStream
from .pieces import PIECE, behind, gathered

MOST_OPEN = 256
"""Files that a store keeps open; a client that never closes one is told so."""
_MODES = ("rb", "wb")


class OpenFile:
    """One open file.

    Args:
        path: where it is.
        mode: `rb` or `wb`.
    """

    def __init__(self, path: Path, mode: str) -> None:
        self.path = path
        self.mode = mode
        self.file: IO[bytes] = path.open(mode)
        self._broken = False

    @property
    def closed(self) -> bool:
        """Whether it is closed."""
        return self.file.closed

    async def write(self, stream: ByteStream) -> int:
        """Appends what comes; returns how many bytes. If the client breaks off, the file is removed: it would only look complete.

        Raises:
            ValueError: the file is closed, opened for reading, or was removed so.
            BrokenResourceError: the client broke off.
        """
        self._check("wb")
        size = 0
        self._broken = True
        try:
            async with behind(self.file.write) as push:
                async for piece in gathered(stream):
                    await push(piece)
                    size += len(piece)
            await to_thread.run_sync(self.file.flush)
            self._broken = False
        finally:
            if self._broken:
                self.path.unlink(missing_ok=True)
        return size

    async def read(self, stream: ByteStream) -> int:
        """Sends everything from the current position on; returns how many bytes.

        Raises:
            ValueError: the file is closed, or opened for writing.
        """
        self._check("rb")
        size = 0
        while piece := await to_thread.run_sync(self.file.read, PIECE):
            await stream.send(piece)
            size += len(piece)
        return size

    def seek(self, position: int, whence: int) -> int:
        """Moves the position and returns it.

        Raises:
            ValueError: the file is closed or opened for writing, or the position is before its beginning.
        """
        self._check("rb")
        if whence not in (0, 1, 2):
            raise ValueError(f"whence is 0, 1 or 2, not {whence}")
        try:
            return self.file.seek(position, whence)
        except OSError:
            raise ValueError(f"there is no position {position} from {('the beginning', 'here', 'the end')[whence]}") from None

    def tell(self) -> int:
        """Returns the position.

        Raises:
            ValueError: the file is closed or opened for writing.
        """
        self._check("rb")
        return self.file.tell()

    def close(self) -> None:
        """Closes it. Closing twice does no harm."""
        self.file.close()

    def _check(self, mode: str) -> None:
        if self.file.closed:
            raise ValueError(f"{self.path.name} is closed")
        if mode != self.mode:
            raise ValueError(f"{self.path.name} was opened for {'reading' if self.mode == 'rb' else 'writing'}")
        if self._broken:
            raise ValueError(f"{self.path.name} was removed: its upload was broken off, or goes on")


class Handles:
    """The open files of one store; handles of closed ones are remembered for a while, so that `closed` can be asked."""

    def __init__(self) -> None:
        self._files: dict[UUID, OpenFile] = {}

    def open(self, path: Path, mode: str) -> UUID:
        """Opens a file and returns its handle.

        Raises:
            ValueError: the mode is not `rb` or `wb`.
            RuntimeError: too many files are open.
            OSError: it cannot be opened.
        """
        if mode not in _MODES:
            raise ValueError(f"a file is opened with rb or wb, not {mode!r}"[:200])
        if len(self._files) >= MOST_OPEN:
            self._forget_closed()
        file, handle = OpenFile(path, mode), uuid4()
        self._files[handle] = file
        return handle

    def __getitem__(self, handle: object) -> OpenFile:
        try:
            return self._files[UUID(str(handle))]
        except (ValueError, KeyError):
            raise ValueError(f"there is no open file {str(handle)[:80]!r}") from None

    def close(self) -> None:
        """Closes all files."""
        for file in self._files.values():
            file.close()
        self._files.clear()

    def _forget_closed(self) -> None:
        self._files = {handle: file for handle, file in self._files.items() if not file.closed}
        if len(self._files) >= MOST_OPEN:
            raise RuntimeError(f"{MOST_OPEN} files are open already; close some")
