"""The same drivers as upstream's, for upstream's exporter."""

import transfer_acts
from jumpstarter.driver import Driver, export


class Store(Driver):
    @classmethod
    def client(cls) -> str:
        return "jumpstarter_driver_composite.client.CompositeClient"

    @export
    async def write(self, handle, file: str = ""):
        async with self.resource(handle) as stream:
            return await transfer_acts.write(stream, file)

    @export
    async def write_last(self, file: str, handle):
        return await self.write(handle, file)

    @export
    async def write_part(self, handle, count: float):
        async with self.resource(handle) as stream:
            return await transfer_acts.take(stream, count)

    @export
    async def ignore(self, handle):
        return "ignored"

    @export
    async def write_and_stall(self, handle, count: float, file: str):
        async with self.resource(handle) as stream:
            await transfer_acts.take(stream, count)
            await transfer_acts.stall(file)

    @export
    async def write_and_fail(self, handle, count: float):
        async with self.resource(handle) as stream:
            await transfer_acts.take(stream, count)
            raise RuntimeError("the card is broken")

    @export
    async def write_slowly(self, handle, file: str, pause: float = 0.02):
        async with self.resource(handle) as stream:
            await transfer_acts.slowly(stream, file, pause)

    @export
    async def read(self, handle, count: float):
        async with self.resource(handle) as stream:
            await transfer_acts.give(stream, count)

    @export
    async def read_and_stall(self, handle, count: float, file: str):
        async with self.resource(handle) as stream:
            await transfer_acts.give(stream, count)
            await transfer_acts.stall(file)

    @export
    async def read_and_fail(self, handle, count: float):
        async with self.resource(handle) as stream:
            await transfer_acts.give(stream, count)
            raise RuntimeError("the card is broken")

    @export
    async def echo(self, value):
        return value
