"""A small exporter in a child process: our own `Session` behind the lab double, with hooks that are only mimicked (§5.3)."""

import asyncio
import contextlib
import os
import signal
import tempfile
from pathlib import Path
from typing import Any

import grpc
from jumpstarter_protocol import jumpstarter_pb2, jumpstarter_pb2_grpc, router_pb2, router_pb2_grpc
from jumpstarter_protocol.jumpstarter.v1 import common_pb2

from JumpstarterLibrary.drivers.targets import is_configuration, root_device_for
from JumpstarterLibrary.exporter.config import load_exporter
from JumpstarterLibrary.exporter.logs import Line
from JumpstarterLibrary.exporter.session import Session
from JumpstarterLibrary.wire.protocol import LogSource

from . import control

CHUNK = 65536
RETRY = 0.1
RELEASE_PAUSE = 1.0
"""Seconds in which a client can see how the session ended (§5.3)."""
GOAWAY = router_pb2.FRAME_TYPE_GOAWAY
CHANNEL_OPTIONS = (
    ("grpc.enable_http_proxy", 0),
    ("grpc.initial_reconnect_backoff_ms", 100),
    ("grpc.max_reconnect_backoff_ms", 500),
    ("grpc.max_receive_message_length", -1),
)


class StubExporter:
    """Registers, waits for leases, and bridges tunnels to the session of each."""

    def __init__(self, options: dict[str, Any]) -> None:
        self._options = options
        self._tls = grpc.ssl_channel_credentials(Path(options["ca"]).read_bytes())
        self._lease: str | None = None
        self._lease_change = asyncio.Event()
        self._stub: Any = None
        self._warning = ""
        self._exit = False

    async def run(self) -> None:
        """Runs until cancelled."""
        metadata = (("jumpstarter-kind", "Exporter"), ("jumpstarter-namespace", self._options["namespace"]))
        identity = (*metadata, ("jumpstarter-name", self._options["name"]))

        def add_identity(context: Any, callback: Any) -> None:
            callback(identity, None)

        calls = grpc.composite_call_credentials(
            grpc.metadata_call_credentials(add_identity), grpc.access_token_call_credentials(self._options["token"])
        )
        credentials = grpc.composite_channel_credentials(self._tls, calls)
        async with grpc.aio.secure_channel(self._options["endpoint"], credentials, options=CHANNEL_OPTIONS) as channel:
            self._stub = jumpstarter_pb2_grpc.ControllerServiceStub(channel)
            await self._call("Register", jumpstarter_pb2.RegisterRequest(reports=await asyncio.to_thread(self._reports)))
            await self._report("AVAILABLE", "Exporter registered and available")
            await asyncio.gather(self._watch(), self._serve())

    def _reports(self) -> list[Any]:
        with self._session(None) as session:
            return [jumpstarter_pb2.DriverInstanceReport(uuid=str(row.driver.uuid)) for row in session.rows]

    def _session(self, lease: str | None) -> Session:
        target = self._options["root_device"]
        if "\n" in target:
            file = Path(tempfile.mkdtemp(prefix="stub-")) / "exporter.yaml"
            file.write_text(target)
            target = str(file)
        root = load_exporter(target).root if is_configuration(target) else root_device_for(target)
        session = Session(root_device=root, lease=lease)
        session.has_after_lease_hook = self._options["after_lease"] is not None
        return session

    async def _call(self, method: str, request: Any) -> None:
        """Calls the controller until it answers at all; what it refuses is left alone."""
        while True:
            try:
                await getattr(self._stub, method)(request, timeout=5)
            except grpc.aio.AioRpcError as error:
                if error.code() not in (grpc.StatusCode.UNAVAILABLE, grpc.StatusCode.DEADLINE_EXCEEDED):
                    print(f"{method} was refused: {error.code().name} {error.details()}", flush=True)
                    return
                await asyncio.sleep(RETRY)
            else:
                return

    async def _report(self, status: str, message: str, session: Session | None = None) -> None:
        if session is not None:
            session.update_status(status, message)
        number = common_pb2.ExporterStatus.Value(f"EXPORTER_STATUS_{status}")
        await self._call("ReportStatus", jumpstarter_pb2.ReportStatusRequest(status=number, message=message))

    async def _watch(self) -> None:
        """Follows the Status stream."""
        while True:
            with contextlib.suppress(grpc.aio.AioRpcError):
                async for status in self._stub.Status(jumpstarter_pb2.StatusRequest()):
                    self._lease = status.lease_name if status.leased else None
                    self._lease_change.set()
            await asyncio.sleep(RETRY)

    async def _serve(self) -> None:
        while True:
            self._lease_change.clear()
            if self._lease is None:
                await self._lease_change.wait()
            else:
                await self._serve_lease(self._lease)

    async def _serve_lease(self, lease: str) -> None:
        with contextlib.ExitStack() as stack:
            session = await asyncio.to_thread(stack.enter_context, self._session(lease))
            path = await asyncio.to_thread(stack.enter_context, session.serve_unix())
            try:
                async with asyncio.TaskGroup() as tasks:
                    # Listening comes first: a Dial during the hook already finds us (§5.3).
                    ready = asyncio.Event()
                    listening = tasks.create_task(self._listen(lease, path, ready))
                    await self._phases(lease, session, ready)
                    while self._lease == lease:
                        self._lease_change.clear()
                        await self._lease_change.wait()
                    listening.cancel()
            finally:
                await asyncio.to_thread(stack.close)
        if self._exit:
            await self._call("Unregister", jumpstarter_pb2.UnregisterRequest(reason="Exporter shutdown"))
            os._exit(0)
        await self._report("AVAILABLE", self._warning or "Available for new lease")
        self._warning = ""

    async def _phases(self, lease: str, session: Session, ready: asyncio.Event) -> None:
        """Goes through hooks and the lease between them, in the order of §5.3."""
        release = self._options["after_lease"] is not None
        if await self._hook("before", session):
            await self._report("LEASE_READY", self._warning or "Ready for commands", session)
            self._warning = ""
            await asyncio.sleep(self._options["join_delay"])
            ready.set()
            await self._until_over(lease, session)
            if await self._hook("after", session):
                await self._report("AVAILABLE", self._warning or "Available for new lease", session)
        else:
            # Tunnels are joined now, so that a client sees the status and the hook's output.
            ready.set()
            release = True
        if self._exit:
            # As upstream's: it goes when the lease is over, which it does not end itself.
            return
        if release and self._lease == lease:
            await asyncio.sleep(RELEASE_PAUSE)
            await self._call("ReleaseLease", jumpstarter_pb2.ReleaseLeaseRequest(name=lease))

    async def _until_over(self, lease: str, session: Session) -> None:
        """Waits until the lease ends or the client ends the session."""
        while self._lease == lease and not session.end_requested.is_set():
            self._lease_change.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._lease_change.wait(), 0.05)

    async def _hook(self, when: str, session: Session) -> bool:
        """Mimics a hook; returns whether the lease may go on."""
        hook = self._options[f"{when}_lease"]
        if hook is None:
            return True
        status = f"{when.upper()}_LEASE_HOOK"
        source = LogSource.BEFORE_LEASE_HOOK if when == "before" else LogSource.AFTER_LEASE_HOOK
        await self._report(status, f"Running {when}Lease hook", session)
        output = hook.get("output", ())
        for text in output:
            session.log.write(Line("INFO", source, text))
            await asyncio.sleep(hook.get("seconds", 0) / len(output))
        await asyncio.sleep(0 if output else hook.get("seconds", 0))
        fails = hook.get("fails")
        if fails is None or fails == "warn":
            # What comes next reports its own status; a warning travels in its message (§5.2).
            self._warning = f"[HOOK_WARNING] {when}Lease hook failed: exit code 1" if fails else ""
            return True
        self._exit = fails == "exit"
        text = f"{when}Lease hook failed: exit code 1"
        if self._exit:
            # The controller sees only this: upstream's sends the newest status, and the failure is no longer it.
            session.update_status(f"{status}_FAILED", text)
            await self._report("OFFLINE", f"Exporter shutting down due to {when}Lease hook failure", session)
        else:
            await self._report(f"{status}_FAILED", text, session)
        return False

    async def _listen(self, lease: str, path: str, ready: asyncio.Event) -> None:
        """Joins each tunnel that was dialled."""
        async with asyncio.TaskGroup() as bridges:
            while True:
                with contextlib.suppress(grpc.aio.AioRpcError):
                    async for dial in self._stub.Listen(jumpstarter_pb2.ListenRequest(lease_name=lease)):
                        bridges.create_task(self._join(dial, path, ready))
                await asyncio.sleep(RETRY)

    async def _join(self, dial: Any, path: str, ready: asyncio.Event) -> None:
        await ready.wait()
        credentials = grpc.composite_channel_credentials(self._tls, grpc.access_token_call_credentials(dial.router_token))
        with contextlib.suppress(OSError, grpc.aio.AioRpcError, asyncio.InvalidStateError):
            async with grpc.aio.secure_channel(dial.router_endpoint, credentials, options=CHANNEL_OPTIONS) as channel:
                stream = router_pb2_grpc.RouterServiceStub(channel).Stream()
                reader, writer = await asyncio.open_unix_connection(path)
                try:
                    await _bridge(stream, reader, writer)
                finally:
                    writer.close()
                    stream.cancel()


async def _bridge(stream: Any, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """Copies bytes both ways until one side is at its end."""

    async def outward() -> None:
        while data := await reader.read(CHUNK):
            await stream.write(router_pb2.StreamRequest(payload=data))
        await stream.write(router_pb2.StreamRequest(frame_type=GOAWAY))

    async def inward() -> None:
        while (frame := await stream.read()) is not grpc.aio.EOF and frame.frame_type != GOAWAY:
            writer.write(frame.payload)
            await writer.drain()

    ways = [asyncio.ensure_future(outward()), asyncio.ensure_future(inward())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)


async def _main() -> None:
    running = asyncio.ensure_future(StubExporter(control.options()).run())
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, running.cancel)
    with contextlib.suppress(asyncio.CancelledError):
        await running


if __name__ == "__main__":
    asyncio.run(_main())
    # The session's own loop thread has nothing left to do that anybody would wait for.
    os._exit(0)
