"""Drivers that take their time, for faults in the middle of something; an exporter behind the double serves them."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio
from anyio.streams.stapled import StapledObjectStream

from JumpstarterLibrary.exporter import Driver, export, exportstream

DELAY = 0.6
"""Seconds that everything here takes."""

CONFIGURATION = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: lab, name: slow}
export:
  power: {type: JumpstarterLibrary.drivers.MockPower}
  slow: {type: helpers.lab.slow_drivers.Slow}
  console: {type: helpers.lab.slow_drivers.SlowConsole}
"""


class Slow(Driver):
    """A call and a flash that last."""

    @export
    async def work(self) -> str:
        await anyio.sleep(DELAY)
        return "done"

    @export
    async def flash(self, source: object) -> int:
        size = 0
        async with self.resource(source) as stream:
            await anyio.sleep(DELAY)
            async for data in stream:
                size += len(data)
        return size


class SlowConsole(Driver):
    """Says again what it is told, after a while."""

    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_pyserial.client.PySerialClient"

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[StapledObjectStream[bytes]]:
        said, heard = anyio.create_memory_object_stream[bytes](100)
        answers, wanted = anyio.create_memory_object_stream[bytes](100)

        async def answer() -> None:
            async for data in heard:
                await anyio.sleep(DELAY)
                await answers.send(data)

        async with anyio.create_task_group() as tasks, said, wanted:
            tasks.start_soon(answer)
            yield StapledObjectStream(said, wanted)
            tasks.cancel_scope.cancel()
