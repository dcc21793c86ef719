"""An exporter with a flasher and a file store on a Unix socket: `python bench_transfer_exporter.py ours|upstream FOLDER`."""

import sys
import threading

KIND, FOLDER = sys.argv[1:]

if KIND == "ours":
    from JumpstarterLibrary.exporter import Driver, Session, export

    class Flasher(Driver):
        """Takes and gives without keeping anything, so that the way is measured and not the disk."""

        @export
        async def flash(self, handle: object, target: str | None = None) -> None:
            async with self.resource(handle) as stream:
                async for _ in stream:
                    pass

        @export
        async def dump(self, handle: object, size: int) -> None:
            piece = bytes(2**20)
            async with self.resource(handle) as stream:
                for _ in range(size // len(piece)):
                    await stream.send(piece)

    root = Flasher()
else:
    from jumpstarter.exporter import Session
    from jumpstarter_driver_composite.driver import Composite
    from jumpstarter_driver_opendal.driver import MockFlasher, Opendal

    files = Opendal(scheme="fs", kwargs={"root": FOLDER})
    root = Composite(children={"flasher": MockFlasher(), "files": files})

with Session(root_device=root) as session, session.serve_unix() as path:
    if KIND != "ours":
        from jumpstarter.common import ExporterStatus

        session.update_status(ExporterStatus.LEASE_READY)
    print(f"export JUMPSTARTER_HOST={path}", flush=True)
    threading.Event().wait()
