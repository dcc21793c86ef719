"""Reading files and web addresses piece by piece, in a way that another thread can end."""

from __future__ import annotations

import os
import select
import stat
from collections.abc import Iterator
from pathlib import Path

from ..errors import ConfigurationError, InfrastructureError
from ..wire.abandoned import Abandoned
from ..wire.compression import BLOCK, HEAD
from ..wire.web import WebError, request

SLICE = 0.1
"""Seconds after which waiting for a pipe looks whether it was abandoned."""


def read_bytes(data: bytes) -> Iterator[bytes]:
    """Gives bytes in pieces."""
    view = memoryview(data)
    for start in range(0, len(view), BLOCK):
        yield bytes(view[start : start + BLOCK])


def check_file(path: Path) -> tuple[int | None, bytes]:
    """Looks at a file: its size, None if only reading tells, and its first bytes, empty if they cannot be looked at before.

    Raises:
        ConfigurationError: it is not there, or cannot be read.
    """
    try:
        descriptor = _open(path)
    except OSError as error:
        raise _unreadable(path, error) from None
    try:
        status = os.fstat(descriptor)
        if not stat.S_ISREG(status.st_mode):
            return None, b""
        return status.st_size, os.pread(descriptor, HEAD, 0)
    except OSError as error:
        raise _unreadable(path, error) from None
    finally:
        os.close(descriptor)


def read_file(path: Path, abandoned: Abandoned) -> Iterator[bytes]:
    """Gives a file's bytes in pieces; also those of a block device, or of a pipe.

    Raises:
        ConfigurationError: it cannot be read, or changes while it is read.
    """
    count = 0
    try:
        descriptor = _open(path)
        try:
            before = os.fstat(descriptor)
            waits = not stat.S_ISREG(before.st_mode) and not stat.S_ISBLK(before.st_mode)
            while not abandoned.over:
                if waits and not _readable(descriptor, abandoned):
                    return
                piece = os.read(descriptor, BLOCK)
                if not piece:
                    break
                count += len(piece)
                yield piece
            after = os.fstat(descriptor)
        finally:
            os.close(descriptor)
    except OSError as error:
        raise _unreadable(path, error) from None
    if abandoned.over:
        return
    if stat.S_ISREG(before.st_mode) and (count != before.st_size or before.st_mtime_ns != after.st_mtime_ns):
        raise ConfigurationError(f"'{path}' changed while it was read. Is it still being written?")


def _open(path: Path) -> int:
    # Not blocking, as opening a pipe waits for its writer.
    descriptor = os.open(path, os.O_RDONLY | os.O_CLOEXEC | getattr(os, "O_NONBLOCK", 0))
    if stat.S_ISDIR(os.fstat(descriptor).st_mode):
        os.close(descriptor)
        raise IsADirectoryError(21, "it is a directory")
    return descriptor


def _readable(descriptor: int, abandoned: Abandoned) -> bool:
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    while not abandoned.over:
        if poll.poll(SLICE * 1000):
            return True
    return False


def _unreadable(path: Path, error: OSError) -> ConfigurationError:
    if isinstance(error, FileNotFoundError):
        return ConfigurationError(f"There is no file '{path}' (looked for in {Path.cwd()}).")
    return ConfigurationError(f"Cannot read '{path}': {error.strerror or error}.")


def read_url(url: str, abandoned: Abandoned) -> Iterator[bytes]:
    """Fetches a web address and gives its bytes in pieces.

    Raises:
        ConfigurationError: the server says no.
        InfrastructureError: the server cannot be reached, or breaks off.
    """
    try:
        with request(url, abandoned) as response:
            while not abandoned.over and (piece := response.read(BLOCK)):
                yield piece
    except WebError as error:
        if error.refused:
            raise ConfigurationError(f"Cannot fetch {error}. Is the address right?") from None
        if not abandoned.over:
            raise InfrastructureError(f"Cannot fetch {error}. Is the server up, and the address right?") from None
