"""The terminal of the simulated board: echo, line editing, and the keys that interrupt."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from enum import Enum

import anyio

LONGEST_LINE = 4096
MOST_LINES = 4096
"""Lines that are typed ahead; what is typed beyond that is lost, as on a real device."""

_INTERRUPT, _END, _KILL, _BACKSPACE, _DELETE, _ESCAPE = 0x03, 0x04, 0x15, 0x08, 0x7F, 0x1B


class Key(Enum):
    """What is read in place of a line."""

    INTERRUPT = "Ctrl-C"
    END = "Ctrl-D on an empty line"


class Terminal:
    """Turns bytes into lines, and text into bytes.

    Args:
        send: sends bytes to whoever looks.
    """

    def __init__(self, send: Callable[[bytes], None]) -> None:
        self._send = send
        self.echo = True
        self.listening = False
        """Whether anything reads; otherwise what is typed is lost."""
        self.interrupt_text = "^C"
        """What is printed for Ctrl-C."""
        self.on_interrupt: Callable[[], None] | None = None
        """Runs on Ctrl-C while a command runs; otherwise the reader gets `Key.INTERRUPT`."""
        self._lines: asyncio.Queue[str | Key] = asyncio.Queue(MOST_LINES)
        self._line = bytearray()
        self._echoed = bytearray()
        self._after_return = False
        self._escape = ""
        self._key: asyncio.Event | None = None

    def write(self, text: str) -> None:
        """Prints text."""
        self._send(text.replace("\n", "\r\n").encode())

    def listen(self, *, echo: bool = True) -> None:
        """Begins to read; what was typed before is gone."""
        self.listening, self.echo, self._key = True, echo, None
        self._line.clear()
        while not self._lines.empty():
            self._lines.get_nowait()

    def feed(self, data: bytes) -> None:
        """Takes what is typed."""
        if not self.listening:
            return
        if self._key is not None:
            self._key.set()
            return
        self._after_return = False
        for byte in data:
            self._type(byte)
        self._show_echo()

    async def read_line(self) -> str | Key:
        """Waits for a line."""
        return await self._lines.get()

    def expect_key(self) -> None:
        """From now on to the next `listen`, what is typed is no line, but any key."""
        self.listening = True
        self._key = asyncio.Event()

    async def any_key(self, seconds: float) -> bool:
        """Waits for any key since `expect_key`; returns whether one came."""
        assert self._key is not None
        with anyio.move_on_after(seconds):
            await self._key.wait()
        return self._key.is_set()

    def _type(self, byte: int) -> None:
        after_return, self._after_return = self._after_return, byte == 0x0D
        if self._escape:
            self._skip_escape_sequence(byte)
        elif byte == _ESCAPE:
            self._escape = "begin"
        elif byte in (0x0D, 0x0A):
            if byte == 0x0A and after_return:
                return  # CR LF, typed at once, is one line end
            self._finish(self._line.decode(errors="replace"), b"\r\n")
        elif byte == _INTERRUPT:
            self._interrupt()
        elif byte == _END and not self._line:
            self._finish(Key.END, b"")
        elif byte in (_BACKSPACE, _DELETE):
            self._rub_out()
        elif byte == _KILL:
            while self._line:
                self._rub_out()
        elif byte >= 0x20 or byte == 0x09:
            self._insert(byte)

    def _insert(self, byte: int) -> None:
        if len(self._line) < LONGEST_LINE:
            self._line.append(byte)
            self._echoed.append(byte)

    def _rub_out(self) -> None:
        while self._line and self._line[-1] & 0xC0 == 0x80:
            self._line.pop()
        if self._line:
            self._line.pop()
            self._echoed += b"\b \b"

    def _finish(self, line: str | Key, echo: bytes) -> None:
        self._line.clear()
        self._echoed += echo
        if not self._lines.full():
            self._lines.put_nowait(line)

    def _interrupt(self) -> None:
        self._show_echo()
        self._line.clear()
        while not self._lines.empty():
            self._lines.get_nowait()
        self.write(f"{self.interrupt_text}\n")
        if self.on_interrupt is not None:
            self.on_interrupt()
        else:
            self._lines.put_nowait(Key.INTERRUPT)

    def _skip_escape_sequence(self, byte: int) -> None:
        """Arrow keys and the like do nothing. A lone ESC is no sequence: the byte after it counts."""
        first, self._escape = self._escape == "begin", ""
        if first and byte in b"[O":
            self._escape = "inside"
        elif first:
            self._type(byte)
        elif not 0x40 <= byte <= 0x7E:
            self._escape = "inside"

    def _show_echo(self) -> None:
        if self.echo and self._echoed:
            self._send(bytes(self._echoed))
        self._echoed.clear()
