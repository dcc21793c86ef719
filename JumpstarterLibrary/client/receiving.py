"""Receives a file from a resource stream: a thread takes the frames, and a partial file gets its name when it is complete."""

from __future__ import annotations

import errno
import hashlib
import os
import secrets
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import IO, Any

import grpc

from ..errors import ConfigurationError, InfrastructureError, JumpstarterError
from ..wire import frames
from ..wire.interruptible import SoundEvent
from .hand_over import HandOver
from .resource_stream import ResourceStream

AHEAD = 4 * 1024 * 1024
"""Bytes that wait to be written; then gRPC's flow control holds the exporter."""
END_BUDGET = 0.5
"""Seconds that the receiving thread gets to end."""
LONGEST_NAME = 200
"""Bytes of the target's name that a partial file's name repeats."""
_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG, errno.EIO)


class Receiver:
    """Takes frames off a stream in a thread of its own, so that whoever writes them can stop waiting at any time."""

    def __init__(self) -> None:
        self._blocks: HandOver[bytes] = HandOver(AHEAD, len)
        self._stream: ResourceStream | None = None
        self._thread = threading.Thread(target=self._receive, name="jumpstarter-receive-file", daemon=True)
        self._over = SoundEvent()
        self.complete = False
        """Whether the driver's side said that this is all."""

    def start(self, stream: ResourceStream) -> None:
        """Begins to receive."""
        self._stream = stream
        self._thread.start()

    def requests(self) -> Iterator[Any]:
        """What is sent in the other direction: nothing, but without ending it."""
        self._over.wait()
        yield from ()

    def get(self, timeout: float) -> list[bytes]:
        """Takes all that has come; nothing if nothing came within `timeout` seconds, or nothing will."""
        # All at once, as upstream's exporter sends small frames, and each hand-over costs a change of threads.
        return self._blocks.get_all(timeout)

    @property
    def exhausted(self) -> bool:
        """Whether nothing more will come."""
        return self._blocks.exhausted

    def wait(self, timeout: float) -> bool:
        """Waits until something came, or nothing more will; returns whether that was so within `timeout` seconds."""
        return self._blocks.wait_for_item(timeout)

    def close(self) -> None:
        """Ends receiving; the stream was cancelled."""
        self._blocks.close()
        self._over.set()
        if self._thread.ident is not None:
            self._thread.join(END_BUDGET)

    def _receive(self) -> None:
        assert self._stream is not None
        try:
            for frame in self._stream.frames():
                if frame.frame_type == frames.GOAWAY:
                    self.complete = True
                    return
                if frame.frame_type == frames.DATA and frame.payload and not self._blocks.put(frame.payload):
                    return
        except grpc.RpcError:
            pass  # the stream has the reason
        finally:
            self._blocks.finish()


class PartialFile:
    """A file beside its target that takes the target's name when it is complete, and otherwise goes away.

    Args:
        target: the file that it will be; where it is a link, what the link points to.

    Raises:
        ConfigurationError: on entering, when nothing can be written there.
    """

    def __init__(self, target: Path) -> None:
        self.target = target
        self.size = 0
        """Bytes that were written."""
        self._final = Path(os.path.realpath(target))
        self._partial = Path()
        self._file: IO[bytes] | None = None
        self._digest = hashlib.sha256()

    def __enter__(self) -> PartialFile:
        if self._final.is_dir():
            raise ConfigurationError(f"Cannot write '{self.target}': it is a directory. Give the name of a file in it.")
        if self._final.exists() and not self._final.is_file():
            raise ConfigurationError(f"Cannot write '{self.target}': it is no regular file, and would be replaced by one.")
        name = os.fsdecode(os.fsencode(self._final.name)[:LONGEST_NAME])
        self._partial = self._final.with_name(f".{name}.{secrets.token_hex(4)}.part")
        try:
            self._file = self._partial.open("xb", buffering=0)
        except OSError as error:
            raise self._failure(error) from None
        return self

    @property
    def sha256(self) -> str:
        """Hex digits of what was written."""
        return self._digest.hexdigest()

    def write(self, data: bytes) -> None:
        """Adds bytes.

        Raises:
            InfrastructureError: the disk is full or broken.
        """
        assert self._file is not None
        view = memoryview(data)
        try:
            while view:
                view = view[self._file.write(view) :]
        except OSError as error:
            raise self._failure(error) from None
        self._digest.update(data)
        self.size += len(data)

    def keep(self) -> None:
        """Gives the file its name: it is complete.

        Raises:
            InfrastructureError: the disk is full or broken.
        """
        assert self._file is not None
        try:
            self._file.close()
            self._partial.replace(self._final)
        except OSError as error:
            raise self._failure(error) from None

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: object) -> None:
        if self._file is not None:
            self._file.close()
            self._partial.unlink(missing_ok=True)

    def _failure(self, error: OSError) -> JumpstarterError:
        reason = error.strerror or str(error)
        if isinstance(error, FileNotFoundError):
            reason = f"there is no directory '{self._final.parent}'"
        kind = InfrastructureError if error.errno in _FULL else ConfigurationError
        return kind(f"Cannot write '{self.target}' after {self.size} bytes: {reason}. There is no partial file left.")
