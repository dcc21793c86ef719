"""Cameras and grabbed screens: one picture, and whether there is one."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field

from ..errors import DriverError
from ..wire.deadline import Timeout
from .driver import DriverClient
from .pictures import SUFFIXES, is_cut, mime_of, size_of


@dataclass(frozen=True, slots=True)
class Snapshot:
    """One picture, as the driver sent it."""

    data: bytes = field(repr=False)
    mime: str
    """Its type, by its content: `image/jpeg`, `image/png` …"""
    width: int
    """Dots; 0 if the type does not tell easily."""
    height: int
    """Dots; 0 if the type does not tell easily."""

    @property
    def suffix(self) -> str:
        """What names of such files end in, with the dot."""
        return SUFFIXES[self.mime]


@dataclass(frozen=True, slots=True)
class VideoState:
    """Whether a camera sees anything."""

    online: bool
    """Whether there is a signal; without one, snapshots show a substitute or nothing."""
    width: int
    """Dots."""
    height: int
    """Dots."""
    fps: int
    """Pictures a second that are really captured."""


class VideoClient(DriverClient):
    """Takes pictures."""

    family = "video"
    tags = frozenset(
        {
            "jumpstarter_driver_ustreamer.client.UStreamerClient",
            "jumpstarter_driver_video.client.VideoClient",
        }
    )

    def snapshot(self, *, timeout: Timeout | None = None) -> Snapshot:
        """Takes a picture.

        Args:
            timeout: how long it may take; the device's unless given.

        Raises:
            DriverError: the driver sent no picture, or a part of one.
        """
        answer = self.call("snapshot", timeout=timeout)
        try:
            data = base64.b64decode(str(answer), validate=True) if isinstance(answer, str) else b""
        except binascii.Error:
            data = b""
        mime = mime_of(data)
        if not mime:
            sent = f"{len(data)} bytes that are none" if data else repr(answer)[:80]
            raise DriverError(f"snapshot() of {self._named} sent no picture, but {sent}.")
        if is_cut(data, mime):
            raise DriverError(f"snapshot() of {self._named} sent a part of a picture only: {len(data)} bytes of {mime}.")
        return Snapshot(data, mime, *size_of(data, mime))

    def state(self, *, timeout: Timeout | None = None) -> VideoState:
        """Returns whether there is a signal, and of what kind.

        Args:
            timeout: how long it may take; the device's unless given.

        Raises:
            DriverError: the driver sent something else.
        """
        answer = self.call("state", timeout=timeout)
        found = _state(answer) if isinstance(answer, Mapping) else None
        if found is None:
            raise DriverError(f"state() of {self._named} sent no state of a camera, but {answer!r}."[:500])
        return found

    @property
    def _named(self) -> str:
        return f"the video driver '{self.path or '(root)'}' of device '{self.device.name}'"


def _state(answer: Mapping[str, object]) -> VideoState | None:
    """Reads a state in either form: flat, or as the program ustreamer has it, which is what upstream's 0.9 hands on."""
    result = answer.get("result")
    source = result.get("source") if isinstance(result, Mapping) else None
    if isinstance(answer.get("online"), bool):
        return _made(answer, answer, "fps")
    if isinstance(source, Mapping) and isinstance(source.get("online"), bool):
        resolution = source.get("resolution")
        return _made(source, resolution if isinstance(resolution, Mapping) else {}, "captured_fps")
    return None


def _made(told: Mapping[str, object], size: Mapping[str, object], fps: str) -> VideoState:
    return VideoState(told["online"] is True, _number(size.get("width")), _number(size.get("height")), _number(told.get(fps)))


def _number(value: object) -> int:
    return int(value) if isinstance(value, (int, float)) else 0
