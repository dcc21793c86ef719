"""RouterService: pairs two streams by their token and copies frames between them (§8.6)."""

import asyncio
import time
from dataclasses import dataclass, field
from typing import Any

import grpc
from jumpstarter_protocol import router_pb2, router_pb2_grpc

from . import identity, tokens
from .journal import Journal, RefusedError, refuse
from .world import World


@dataclass
class Shape:
    """How frames pass, see `Lab.shape_tunnels`."""

    delay: float = 0.0
    rate: float | None = None
    thawed: asyncio.Event = field(default_factory=asyncio.Event)

    @property
    def plain(self) -> bool:
        """Whether frames just pass."""
        return self.delay == 0 and self.rate is None and self.thawed.is_set()


@dataclass
class Tunnel:
    """Two streams with one subject; the first waits for the second without limit."""

    subject: str
    first: Any
    second: Any = None
    over: asyncio.Event = field(default_factory=asyncio.Event)
    cut: RefusedError | None = None
    bytes_from: dict[str, int] = field(default_factory=lambda: {"first": 0, "second": 0})


class RouterService(router_pb2_grpc.RouterServiceServicer):
    """Knows nothing of leases: whoever has a token gets in."""

    def __init__(self, world: World, journal: Journal) -> None:
        self.tunnels: dict[str, Tunnel] = {}
        self.shape = Shape()
        self.shape.thawed.set()
        self._world = world
        self._journal = journal

    async def Stream(self, request_iterator: Any, context: Any) -> Any:
        async for _ in self._journal.stream("Stream", None, context, lambda: self._stream(context)):
            pass

    async def _stream(self, context: Any) -> Any:
        subject = self._authenticate(context)
        tunnel = self.tunnels.get(subject)
        if tunnel is None:
            tunnel = self.tunnels[subject] = Tunnel(subject, context)
            work = tunnel.over.wait()
        elif tunnel.second is None:
            tunnel.second = context
            work = self._copy_both(tunnel)
        else:
            refuse("stream is already connected")
        try:
            await work
        finally:
            tunnel.over.set()
            self.tunnels.pop(subject, None)
        if tunnel.cut is not None:
            raise tunnel.cut
        return
        yield

    def _authenticate(self, context: Any) -> str:
        try:
            claims = tokens.read(identity.bearer(context), self._world.router_key)
        except tokens.BadTokenError:
            refuse("invalid jwt token", grpc.StatusCode.INVALID_ARGUMENT)
        if claims["exp"] <= self._world.now():
            refuse("invalid jwt token", grpc.StatusCode.INVALID_ARGUMENT)
        return str(claims["sub"])

    async def _copy_both(self, tunnel: Tunnel) -> None:
        ways = [
            asyncio.ensure_future(self._copy(tunnel, tunnel.first, tunnel.second, "first")),
            asyncio.ensure_future(self._copy(tunnel, tunnel.second, tunnel.first, "second")),
        ]
        over = asyncio.ensure_future(tunnel.over.wait())
        try:
            # Each way ends by itself when its sender has half-closed; the first error ends both.
            pending: set[asyncio.Future[Any]] = {*ways, over}
            while over in pending and len(pending) > 1:
                done, pending = await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED)
                if any(not each.cancelled() and each.exception() for each in done):
                    break
        finally:
            for each in (*ways, over):
                each.cancel()

    async def _copy(self, tunnel: Tunnel, source: Any, target: Any, side: str) -> None:
        ready = time.monotonic()
        while (frame := await source.read()) is not grpc.aio.EOF:
            tunnel.bytes_from[side] += len(frame.payload)
            if self.shape.plain:
                await target.write(router_pb2.StreamResponse(payload=frame.payload, frame_type=frame.frame_type))
            else:
                ready = await self._pass_slowly(frame, target, ready)

    async def _pass_slowly(self, frame: Any, target: Any, ready: float) -> float:
        """Passes one frame in small pieces; returns when the next may go."""
        arrived = time.monotonic()
        piece = max(int((self.shape.rate or 1e12) / 10), 1)
        pieces = [frame.payload[at : at + piece] for at in range(0, len(frame.payload), piece)] or [b""]
        for payload in pieces:
            await self.shape.thawed.wait()
            ready = max(ready, arrived + self.shape.delay)
            await asyncio.sleep(max(ready - time.monotonic(), 0.0))
            await target.write(router_pb2.StreamResponse(payload=payload, frame_type=frame.frame_type))
            ready = time.monotonic() + (len(payload) / self.shape.rate if self.shape.rate else 0.0)
        return ready

    def cut(self, code: str, text: str) -> int:
        """Ends all tunnels with an error."""
        count = len(self.tunnels)
        for tunnel in self.tunnels.values():
            tunnel.cut = RefusedError(grpc.StatusCode[code], text)
            tunnel.over.set()
        return count
