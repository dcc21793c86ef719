"""Consoles with faults, for exporters in child processes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import anyio
from anyio.streams.stapled import StapledObjectStream

from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.exporter import Driver, export, exportstream

CONFIGURATION = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: consoles}
export:
  serial: {type: console_drivers.FaultyConsole, config: {loopback: false}}
  deaf: {type: console_drivers.DeafConsole}
"""


class FaultyConsole(MockConsole):
    """A console whose stream can break with an error."""

    def __init__(self, **driver: Any) -> None:
        super().__init__(**driver)
        self._broken = anyio.Event()

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        async with super().connect() as stream:
            broken = self._broken

            class Breaking:
                async def receive(self) -> bytes:
                    received: list[bytes] = []

                    async def wait() -> None:
                        await broken.wait()
                        group.cancel_scope.cancel()

                    async with anyio.create_task_group() as group:
                        group.start_soon(wait)
                        received.append(await stream.receive())
                        group.cancel_scope.cancel()
                    if not received:
                        raise OSError("the adapter was pulled out")
                    return received[0]

                send, send_eof, aclose = stream.send, stream.send_eof, stream.aclose

            yield Breaking()

    @export
    async def clients(self) -> int:
        """How many streams are open."""
        return self.uart.connected

    @export
    async def abort(self) -> None:
        """Breaks all streams with an error."""
        broken, self._broken = self._broken, anyio.Event()
        broken.set()


class DeafConsole(Driver):
    """A console that never takes what is sent to it."""

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_pyserial.client.PySerialClient"

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[Any]:
        nobody_reads, nobody = anyio.create_memory_object_stream[bytes](0)
        nobody_writes, never = anyio.create_memory_object_stream[bytes](0)
        with nobody, nobody_writes:
            async with StapledObjectStream(nobody_reads, never) as stream:
                yield stream
