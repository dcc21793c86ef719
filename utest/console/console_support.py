"""What the tests of consoles share: a console without any connection, and how to cut and decorate what a device says."""

from __future__ import annotations

import itertools
import random
import threading
import time
from collections.abc import Callable, Iterable
from datetime import timedelta
from types import SimpleNamespace
from typing import Any

from hypothesis import strategies as st

from JumpstarterLibrary.client import Device
from JumpstarterLibrary.client.console import Console
from JumpstarterLibrary.client.console.options import ConsoleOptions
from JumpstarterLibrary.client.console.transcript import Mark, Transcript
from JumpstarterLibrary.client.console.waiting import ConsoleWaits
from JumpstarterLibrary.client.console.watchers import Watchers
from JumpstarterLibrary.client.serial import SerialClient


class BareConsole(ConsoleWaits):
    """Waits on a transcript that the test fills itself."""

    def __init__(self, settle: float = 0.1, timeout: float = 5.0) -> None:
        connection = SimpleNamespace(closed=False, loss=None, alive=lambda: True, redact=str)
        self.device: Any = SimpleNamespace(name="bench", connection=connection, timeout_seconds=timeout)
        self.name = "serial"
        self.options = ConsoleOptions(settle=timedelta(seconds=settle))
        self.transcript = Transcript()
        self.watchers = Watchers()
        self.marks: dict[str, Mark] = {"session start": self.transcript.mark()}

    def say(self, data: bytes | str) -> None:
        """The device says something."""
        raw = data.encode() if isinstance(data, str) else data
        with self.transcript.changed:
            self.watchers.look(self.transcript.append(raw), self.transcript)

    def place(self, since: str | Mark) -> Mark:
        if isinstance(since, Mark):
            return since
        if since == "last match":
            return Mark(self._text_cursor, self._raw_cursor, time.monotonic())
        return self.transcript.mark() if since == "now" else self.marks[since]

    def _check_open(self) -> None:
        pass

    def _explain(self, missing: str, length: str, waited: float, start: int | None) -> str:
        return f"{missing} within {length}"


class Saying:
    """Says chunks from a thread of its own, with pauses between them."""

    def __init__(self, say: Callable[[bytes], None], chunks: Iterable[bytes], pause: float) -> None:
        self._say, self._chunks, self._pause = say, chunks, pause
        self.thread = threading.Thread(target=self._run, daemon=True)

    def _run(self) -> None:
        for chunk in self._chunks:
            time.sleep(self._pause)
            self._say(chunk)

    def __enter__(self) -> None:
        self.thread.start()

    def __exit__(self, *details: object) -> None:
        self.thread.join(30)
        assert not self.thread.is_alive()


def cut(data: bytes, places: Iterable[int]) -> list[bytes]:
    """Cuts bytes into chunks at these places."""
    borders = [0, *sorted({place % (len(data) + 1) for place in places}), len(data)]
    return [data[first:last] for first, last in itertools.pairwise(borders) if first < last]


def random_chunks(data: bytes, seed: int, longest: int) -> list[bytes]:
    """Cuts bytes into chunks of random length."""
    source, chunks, start = random.Random(seed), [], 0
    while start < len(data):
        end = start + source.randint(1, longest)
        chunks.append(data[start:end])
        start = end
    return chunks


DECORATIONS = (
    "\x1b[0m",
    "\x1b[1;31m",
    "\x1b[38;5;208m",
    "\x1b[m",
    "\x9b32m",
    "\x1b[?25l",
    "\x1b[?2004h",
    "\x1b[6n",
    "\x1b[2J",
    "\x1b[H",
    "\x1b[10;5H",
    "\x1b[3A",
    "\x1b[!p",
    "\x1b[1 q",
    "\x1b(B",
    "\x1b)0",
    "\x1b#8",
    "\x1b=",
    "\x1b7",
    "\x1bM",
    "\x1bc",
    "\x1b]0;root@board: ~ #\x07",
    "\x1b]8;;https://example.com/?a=1\x1b\\",
    "\x1b]3008;start=1;type=shell\x1b\\",
    "\x1bP1$r0m\x1b\\",
    "\x1b_apc\x1b\\",
    "\x1b^pm\x1b\\",
    "\x1bXsos\x1b\\",
    "\a",
    "\0",
    "\x7f",
    "\x0e",
    "\v",
)
"""What changes how a text looks, or nothing at all, but never what it says."""
LINE_ENDS = ("\n", "\r\n", "\r\r\n", "\n\r")

PLACES = st.lists(st.integers(0, 1 << 16), max_size=30)
"""Where to cut."""


@st.composite
def decorated(draw: Any, lines: list[str], open_line: str) -> bytes:
    """Lines as a device may send them: any line ends, decorations anywhere."""
    pieces: list[str] = []
    for line in lines:
        pieces += [*line, *draw(st.sampled_from(LINE_ENDS))]
    pieces += open_line
    for place, decoration in draw(st.lists(st.tuples(st.integers(0, 1 << 16), st.sampled_from(DECORATIONS)), max_size=12)):
        pieces.insert(place % (len(pieces) + 1), decoration)
    return "".join(pieces).encode()


def open_console(device: Device, path: str = "") -> Console:
    """Opens a console whatever the driver's type tag is."""
    return device.driver_of(SerialClient, path).open_console()
