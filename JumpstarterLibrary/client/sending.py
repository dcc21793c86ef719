"""Sends an image into a resource stream: one thread reads and unpacks it, gRPC's takes frames from there."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from typing import Any

from jumpstarter_protocol import router_pb2

from ..wire import frames
from ..wire.abandoned import Abandoned
from ..wire.interruptible import SoundEvent
from .hand_over import HandOver
from .images import Source

READ_AHEAD = 8
"""Blocks of 1 MiB that wait between reading and sending."""
SMALLEST_FRAME = 64 * 1024
SHARE = 128
"""An image goes in at least this many frames, unless they would be tiny. Upstream's exporter keeps 32 frames between the stream
and the driver: a driver that stops reading is noticed only if what is left does not fit in there."""
END_BUDGET = 0.5
"""Seconds that the reading thread gets to end."""


class Sender:
    """One image on its way. `start` it, send `frames`, and `close` it, whatever happens.

    Args:
        source: the image.
        begin: how many bytes of it were sent before.
    """

    def __init__(self, source: Source) -> None:
        self._source = source
        self._blocks: HandOver[bytes] = HandOver(READ_AHEAD)
        self._abandoned = Abandoned()
        self._digest = hashlib.sha256()
        self._thread = threading.Thread(target=self._read, name="jumpstarter-read-image", daemon=True)
        self._idle = SoundEvent()
        self.read = 0
        """Bytes that were read, unpacked."""
        self.sent = 0
        """Bytes that gRPC took, with those that it is just sending."""
        self.ended = False
        """Whether gRPC took the last frame, too, which says that the image is complete."""

    def start(self) -> None:
        """Begins to read."""
        self._thread.start()

    def ready(self, timeout: float) -> bool:
        """Waits until the first block was read, or reading failed; returns whether that is so."""
        return self._blocks.wait_for_item(timeout)

    @property
    def error(self) -> BaseException | None:
        """Why the image cannot be read, once that is known."""
        return self._blocks.error

    @property
    def whole(self) -> bool:
        """Whether gRPC took the whole image; a driver that counts bytes may end the stream before its last frame is out."""
        return self._blocks.exhausted and self.error is None and self.sent == self.read

    @property
    def starving(self) -> bool:
        """Whether all that was read is sent, and there is more to read."""
        return not self._blocks.waiting and not self._blocks.exhausted

    @property
    def sha256(self) -> str:
        """Hex digits of the whole image; it was read to its end."""
        return self._digest.hexdigest()

    def frames(self) -> Iterator[Any]:
        """Gives the frames. The last one comes only if all went well: without it no driver may take the image as complete."""
        size = self._frame_size()
        while (block := self._blocks.get()) is not None:
            for part in frames.split(block, size):
                self.sent += len(part)
                yield router_pb2.StreamRequest(payload=part)
            if self._source.size is None:
                size = min(max(self.sent // SHARE, size), frames.FRAME_SIZE)
        if self.error is None and not self._blocks.closed:
            self.ended = True
            yield router_pb2.StreamRequest(frame_type=frames.GOAWAY)
        else:
            self._idle.wait()  # ending here would look like a complete image: the stream is cancelled instead

    def close(self) -> None:
        """Ends reading and sending."""
        self._abandoned.set()
        self._blocks.close()
        self._idle.set()
        if self._thread.ident is not None:
            self._thread.join(END_BUDGET)

    def _frame_size(self) -> int:
        # An archive hardly ever holds less than it is large, so its own size tells the least that will be sent.
        share = (self._source.size or self._source.stored_size or 0) // SHARE
        return min(max(share, SMALLEST_FRAME), frames.FRAME_SIZE)

    def _read(self) -> None:
        failure: BaseException | None = None
        try:
            for block in self._source.blocks(self._abandoned):
                self._digest.update(block)
                self.read += len(block)
                if not self._blocks.put(block):
                    return
        except BaseException as error:  # noqa: BLE001 - the main thread raises it
            failure = error
        finally:
            self._blocks.finish(failure)
