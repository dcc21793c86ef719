"""Consoles without hardware."""

from __future__ import annotations

import asyncio
import hashlib
import random
import string
import time
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import anyio
from anyio.lowlevel import checkpoint

from ..errors import ConfigurationError
from ..exporter.driver import Driver, export, exportstream
from .uart import LARGEST_BACKLOG, Tasks, Uart, UartStream

KEPT_INPUT = 1024 * 1024
"""Bytes of what was written that are kept for `received`."""
TICK = 0.02
"""Seconds between two portions of noise or of slow output."""
BLOCK = 1024 * 1024
"""Bytes of a flood that are made at once."""
_PRINTABLE = (string.ascii_letters + string.digits + string.punctuation + " ").encode()
_LINES = bytes(ord("\n") if byte % 85 == 0 else _PRINTABLE[byte % len(_PRINTABLE)] for byte in range(256))
"""Makes lines of printable text of random bytes; one byte in 64 ends a line."""
_ONE_LINE = bytes(_PRINTABLE[byte % len(_PRINTABLE)] for byte in range(256))


class SerialDriver(Driver):
    """Base class of simulated consoles: one device, and any number of clients that all see the same.

    Args:
        backlog: bytes that may wait for one client; one that is further behind loses its stream.
        **driver: what every driver takes.
    """

    def __init__(self, *, backlog: int = LARGEST_BACKLOG, **driver: Any) -> None:
        super().__init__(**driver)
        self.uart = Uart(self.take, backlog)
        self.tasks = Tasks(self.logger)
        self._lines = {"dtr": False, "rts": False}
        self._unplugged_until = 0.0

    @classmethod
    def client(cls) -> str:
        """The type tag of serial consoles."""
        return "jumpstarter_driver_pyserial.client.PySerialClient"

    async def take(self, data: bytes) -> None:
        """Takes what clients send to the device."""
        raise NotImplementedError

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[UartStream]:
        """Connects to the console.

        Raises:
            ConnectionError: the cable is pulled.
        """
        if (rest := self._unplugged_until - time.monotonic()) > 0:
            raise ConnectionError(f"the serial port is gone; it comes back in {rest:.1f} s")
        async with self.uart.open() as stream:
            yield stream

    @export
    async def disconnect(self, seconds: float = 0.0) -> None:
        """Ends all streams, as if the cable were pulled, and takes new ones only after some seconds."""
        self.logger.info("cable pulled")
        self._unplugged_until = time.monotonic() + seconds
        self.uart.disconnect()

    @export
    async def send_break(self) -> None:
        """Sends a break: holds the line low for longer than a character takes."""
        await self.take_break()

    async def take_break(self) -> None:
        """Takes a break from clients. Here as devices see it that do not know breaks: as a NUL."""
        await self.take(b"\0")

    @export
    async def set_dtr(self, state: bool) -> None:
        """Sets the line DTR, which nothing is connected to."""
        self._lines["dtr"] = bool(state)

    @export
    async def set_rts(self, state: bool) -> None:
        """Sets the line RTS, which nothing is connected to."""
        self._lines["rts"] = bool(state)

    @export
    async def control_lines(self) -> dict[str, bool]:
        """Returns the state of `dtr` and `rts`."""
        return dict(self._lines)

    async def reset(self) -> None:
        """Brings the control lines and the cable into their resting state."""
        self._lines = {"dtr": False, "rts": False}
        self._unplugged_until = 0.0

    async def close(self) -> None:
        """Ends streams and tasks."""
        await self.tasks.close()
        self.uart.disconnect()


@dataclass(frozen=True)
class ScriptStep:
    """One step of a scripted console: what it waits for, and what it says then."""

    expect: str = ""
    """Text to wait for; empty to wait for a client only."""
    reply: str = ""
    delay: float = 0.0
    """Seconds before the reply."""

    @classmethod
    def read(cls, step: object) -> ScriptStep:
        """Reads a step of a configuration.

        Raises:
            ConfigurationError: it is not a mapping with these keys.
        """
        if not isinstance(step, dict) or not step.keys() <= {"expect", "reply", "delay"}:
            raise ConfigurationError(f"a step of a console's script has the keys expect, reply and delay, not {step!r}"[:300])
        return cls(str(step.get("expect", "")), str(step.get("reply", "")), float(step.get("delay", 0.0)))


class MockConsole(SerialDriver):
    """A console of which you say how it behaves. Unless told otherwise it gives back what is written to it.

    Args:
        loopback: gives back what is written; the default if it has neither script nor noise.
        script: steps with `expect`, `reply` and `delay`, which it goes through in order.
        noise: random bytes per second that it sends all the time.
        cps: characters per second that it sends at most; 0 sends at once. A flood is never slowed down.
        seed: what the noise begins with.
        **driver: what every driver takes; also `backlog`.
    """

    def __init__(
        self,
        *,
        loopback: bool | None = None,
        script: Sequence[dict[str, Any]] = (),
        noise: float = 0.0,
        cps: float = 0.0,
        seed: int = 1,
        **driver: Any,
    ) -> None:
        super().__init__(**driver)
        self._loopback = not script and not noise if loopback is None else loopback
        self._script = [ScriptStep.read(step) for step in script]
        self._noise, self._cps, self._seed = noise, cps, seed
        self._received = bytearray()
        self._unread = bytearray()
        self._heard = asyncio.Event()
        self._slow = bytearray()
        self._sent = asyncio.Event()

    async def reset(self) -> None:
        """Begins anew: script, noise, and what was written."""
        await super().reset()
        await self.tasks.close()
        for buffer in (self._received, self._unread, self._slow):
            buffer.clear()
        self._sent.set()
        if self._script:
            self.tasks.start(self._play())
        if self._noise:
            self.tasks.start(self._babble())
        if self._cps:
            self.tasks.start(self._send_slowly())

    async def take(self, data: bytes) -> None:
        """Takes what clients write; a loopback takes it only as fast as it comes back."""
        self._received += data
        del self._received[:-KEPT_INPUT]
        if self._script:
            self._unread += data
            self._heard.set()
        if self._loopback:
            await self._say(data)

    @export
    async def send(self, text: str) -> None:
        """Says a text."""
        await self._say(text.encode())

    @export
    async def send_hex(self, data: str) -> None:
        """Says bytes, given as hexadecimal digits."""
        await self._say(bytes.fromhex(data))

    @export
    async def received(self) -> str:
        """Returns what was written to the device, as text; the last MiB of it."""
        return self._received.decode(errors="replace")

    @export
    async def flood(self, size: int, seed: int = 1, chunk: int = 4096, lines: bool = True) -> str:
        """Says random text as fast as the clients take it, in pieces of random length.

        Args:
            size: bytes in all.
            seed: what text and lengths begin with.
            chunk: the longest piece.
            lines: whether it is lines; otherwise it is one line without end.

        Returns:
            SHA-256 of all that was said.
        """
        if size < 0 or chunk < 1:
            raise ValueError("a flood has a size of 0 or more, in chunks of 1 or more bytes")
        noise = random.Random(seed)  # noqa: S311 - repeatable, no secret
        digest = hashlib.sha256()
        while size > 0:
            block = noise.randbytes(min(size, BLOCK)).translate(_LINES if lines else _ONE_LINE)
            size -= len(block)
            if lines and not size:
                block = block[:-1] + b"\n"
            digest.update(block)
            start = 0
            while start < len(block):
                end = start + noise.randint(1, chunk)
                self.uart.emit(block[start:end])
                start = end
                await self.uart.room()
            await checkpoint()
        return digest.hexdigest()

    async def _say(self, data: bytes) -> None:
        if not self._cps:
            self.uart.emit(data)
            await self.uart.room()
            return
        self._slow += data
        while len(self._slow) > max(self._cps, 1.0):  # what takes longer than a second keeps the writer waiting
            self._sent.clear()
            await self._sent.wait()

    async def _send_slowly(self) -> None:
        due = 0.0
        while True:
            await anyio.sleep(TICK)
            due = min(due + self._cps * TICK, max(1.0, self._cps)) if self._slow else 0.0
            count = int(due)
            self.uart.emit(bytes(self._slow[:count]))
            del self._slow[:count]
            due -= count
            self._sent.set()

    async def _play(self) -> None:
        for step in self._script:
            await self._wait_for(step.expect.encode())
            await anyio.sleep(step.delay)
            await self._say(step.reply.encode())

    async def _wait_for(self, expected: bytes) -> None:
        while not self.uart.connected:
            self.uart.taken.clear()
            await self.uart.taken.wait()
        while (found := self._unread.find(expected)) < 0:
            # Only the beginning of what is expected may still be completed.
            del self._unread[: -len(expected)]
            self._heard.clear()
            await self._heard.wait()
        del self._unread[: found + len(expected)]

    async def _babble(self) -> None:
        noise = random.Random(self._seed)  # noqa: S311 - repeatable, no secret
        due = 0.0
        while True:
            due += self._noise * TICK
            self.uart.emit(noise.randbytes(int(due)))
            due -= int(due)
            await anyio.sleep(TICK)
