"""Cameras without hardware."""

from __future__ import annotations

import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anyio

from ..exporter.driver import Driver, export, exportstream
from ..exporter.resources import ByteStream
from .network import served
from .picture import Picture
from .web import BOUNDARY, Answer, frames_of, serve_http

WIDTH, HEIGHT, FRAMES_PER_SECOND = 320, 240, 5
PNG = "image/png"
_BARS = [(235, 235, 235), (235, 235, 16), (16, 235, 235), (16, 235, 16), (235, 16, 235), (235, 16, 16), (16, 16, 235)]


class MockVideo(Driver):
    """A camera that sees a test picture. Subclasses say what is seen, with `look` and `online`.

    The picture is a PNG, made without any imaging library: the wire has no type for pictures, and upstream's client opens
    whatever its imaging library knows. Over `connect` it speaks HTTP as the program ustreamer does: `/state`,
    `/snapshot`, `/stream`.
    """

    @classmethod
    def client(cls) -> str:
        """The type tag of cameras in upstream's releases."""
        return "jumpstarter_driver_ustreamer.client.UStreamerClient"

    @property
    def online(self) -> bool:
        """Whether there is a picture."""
        return True

    def look(self) -> Picture:
        """Draws what the camera sees."""
        picture = Picture(WIDTH, HEIGHT, [(0, 0, 0), *_BARS])
        for index in range(len(_BARS)):
            left = index * WIDTH // len(_BARS)
            picture.box(left, 0, (index + 1) * WIDTH // len(_BARS) - left, HEIGHT, index + 1)
        return picture

    @export
    async def state(self) -> dict[str, object]:
        """Returns whether there is a picture and its size, as upstream's 0.9 says it (`result`) and as its later releases do."""
        return self._told()

    @export
    async def snapshot(self) -> str:
        """Returns a picture, in base64."""
        return base64.b64encode(self.look().png()).decode()

    @export
    async def stream_path(self) -> str:
        """Returns the path at which `connect` gives an endless picture."""
        return "/stream"

    @exportstream
    @asynccontextmanager
    async def connect(self) -> AsyncIterator[ByteStream]:
        """Connects to the camera's HTTP server."""
        async with served(lambda stream: serve_http(stream, self._respond)) as stream:
            yield stream

    def _told(self) -> dict[str, object]:
        online, fps = self.online, FRAMES_PER_SECOND if self.online else 0
        resolution = {"width": WIDTH, "height": HEIGHT}
        source = {"online": online, "desired_fps": FRAMES_PER_SECOND, "captured_fps": fps, "resolution": resolution}
        result = {"encoder": {"type": "CPU", "quality": 100}, "source": source}
        return {"ok": True, "result": result, "online": online, "fps": fps, **resolution}

    async def _respond(self, path: str) -> Answer:
        if path == "/state":
            return Answer.json(self._told())
        if path == "/snapshot":
            return Answer(self.look().png(), PNG)
        if path == "/stream":
            return Answer(frames_of(self._pictures()), f"multipart/x-mixed-replace;boundary={BOUNDARY}")
        return Answer.error(404, "there are /state, /snapshot and /stream")

    async def _pictures(self) -> AsyncIterator[tuple[bytes, str]]:
        while True:
            yield self.look().png(), PNG
            await anyio.sleep(1 / FRAMES_PER_SECOND)
