"""Snapshots and states, as cameras send them and as they should not."""

from __future__ import annotations

import base64
import errno
import io
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from PIL import Image

from JumpstarterLibrary.client import VideoClient, connect
from JumpstarterLibrary.client.pictures import is_cut, mime_of, size_of
from JumpstarterLibrary.client.video import Snapshot, VideoState
from JumpstarterLibrary.drivers import Composite
from JumpstarterLibrary.errors import ConfigurationError, DriverError, DriverMethodNotFoundError, DriverNotFoundError
from JumpstarterLibrary.exporter import Driver, Session, export
from JumpstarterLibrary.report import snapshots


class Camera(Driver):
    """Sends what it is told to."""

    tag = "jumpstarter_driver_video.client.VideoClient"

    def __init__(self, snapshot: object = "", state: object = None) -> None:
        super().__init__()
        self._snapshot, self._state = snapshot, state

    @classmethod
    def client(cls) -> str:
        return cls.tag

    @export
    async def snapshot(self) -> object:
        return self._snapshot

    @export
    async def state(self) -> object:
        return self._state


class OldCamera(Camera):
    tag = "jumpstarter_driver_ustreamer.client.UStreamerClient"


@pytest.fixture
def camera() -> Iterator[Callable[..., VideoClient]]:
    with ExitStack() as stack:

        def make(root: Driver) -> VideoClient:
            session = stack.enter_context(Session(root_device=Composite(children={"cam": root})))
            device = stack.enter_context(connect(stack.enter_context(session.serve_unix()), timeout=5, name="board"))
            return device.driver_of(VideoClient)

        yield make


def picture(kind: str, size: tuple[int, int] = (31, 17), **options: object) -> bytes:
    file = io.BytesIO()
    Image.radial_gradient("L").resize(size).convert("RGB").save(file, kind, **options)
    return file.getvalue()


def text(data: bytes) -> str:
    return base64.b64encode(data).decode()


@pytest.mark.parametrize("kind", ["JPEG", "PNG", "GIF", "BMP", "WEBP"])
@pytest.mark.parametrize("driver", [Camera, OldCamera])
def test_a_picture_arrives_unchanged_with_its_type(camera, kind, driver):
    data = picture(kind)
    snapshot = camera(driver(text(data))).snapshot()
    assert snapshot.data == data
    assert snapshot.mime == f"image/{kind.lower()}"
    assert snapshot.suffix == {"JPEG": ".jpg"}.get(kind, f".{kind.lower()}")
    assert (snapshot.width, snapshot.height) == ((31, 17) if kind in ("JPEG", "PNG") else (0, 0))


@pytest.mark.parametrize("options", [{"progressive": True}, {"exif": b"Exif\0\0" + b"x" * 99}, {"comment": b"c" * 9000}], ids=str)
def test_the_size_of_a_jpeg_is_found_behind_other_parts(options):
    data = picture("JPEG", (640, 480), **options)
    assert (mime_of(data), size_of(data, "image/jpeg")) == ("image/jpeg", (640, 480))
    assert size_of(data[:2] + b"\xff\xff" + data[2:], "image/jpeg") == (640, 480)
    for length in range(0, 700, 7):
        size_of(data[:length], "image/jpeg")


def test_a_padded_jpeg_is_whole():
    data = picture("JPEG")
    assert not is_cut(data + b"\0" * 1000, "image/jpeg")
    assert is_cut(data[:-2], "image/jpeg")


@pytest.mark.parametrize("kind", ["JPEG", "PNG"])
def test_a_part_of_a_picture_is_no_picture(camera, kind):
    with pytest.raises(DriverError, match="the video driver 'cam' of device 'board' sent a part of a picture only: "):
        camera(Camera(text(picture(kind)[:-20]))).snapshot()


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("", "but ''"),
        (None, "but None"),
        (7, "but 7"),
        ({"jpeg": "…"}, "but {'jpeg'"),
        ("no base64 at all", "but 'no base64 at all'"),
        (text(b"<html>busy</html>"), "but 17 bytes that are none"),
    ],
    ids=str,
)
def test_what_is_no_picture_is_an_error(camera, sent, told):
    with pytest.raises(DriverError, match="sent no picture, ") as caught:
        camera(Camera(sent)).snapshot()
    assert told in str(caught.value)


@pytest.mark.parametrize("online", [True, False])
def test_both_forms_of_a_state(camera, online):
    flat = {"online": online, "width": 640, "height": 480, "fps": 30}
    resolution = {"width": 640, "height": 480}
    source = {"online": online, "desired_fps": 60, "captured_fps": 30, "resolution": resolution}
    nested = {"ok": True, "result": {"encoder": {"type": "CPU", "quality": 80}, "source": source}}
    for state in (flat, nested, flat | nested):
        assert camera(Camera(state=state)).state() == VideoState(online, 640, 480, 30)


@pytest.mark.parametrize("sent", [None, "online", {}, {"online": "yes"}, {"result": {"source": {}}}, {"result": 1}], ids=str)
def test_what_is_no_state_is_an_error(camera, sent):
    with pytest.raises(DriverError, match="sent no state of a camera"):
        camera(Camera(state=sent)).state()


def test_a_device_without_a_camera_says_so():
    with Session(root_device=Composite(children={"other": Driver()})) as session, session.serve_unix() as path:
        with connect(path, timeout=5) as device:
            with pytest.raises(DriverNotFoundError, match="has no video driver"):
                device.driver_of(VideoClient)
            with pytest.raises(DriverMethodNotFoundError):
                device.driver_of(VideoClient, "other").snapshot()


def test_the_end_of_a_thumbnail_is_not_the_end_of_the_picture():
    thumbnail, data = picture("JPEG"), picture("JPEG", (640, 480))
    length = len(thumbnail) + 2
    whole = data[:2] + b"\xff\xe1" + length.to_bytes(2) + thumbnail + data[2:]
    assert not is_cut(whole, "image/jpeg")
    assert not is_cut(whole + b"\r\n", "image/jpeg")
    assert is_cut(whole[: length + 500], "image/jpeg")


@pytest.mark.parametrize("kind", ["GIF", "BMP", "WEBP"])
def test_the_end_of_other_kinds_is_missed_too(kind):
    data = picture(kind)
    assert mime_of(data) == mime_of(data[:-5]) == f"image/{kind.lower()}"
    assert not is_cut(data, mime_of(data))
    assert is_cut(data[:-5], mime_of(data))


@pytest.mark.parametrize("sent", [b"BMC error", b"BM", b"BMC error: the video engine of the board does not answer at all\n"])
def test_a_text_that_begins_like_a_picture_is_none(sent):
    assert mime_of(sent) == ""


def test_a_snapshot_that_cannot_be_kept_leaves_nothing(monkeypatch, tmp_path):
    def full(path, data):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(snapshots, "output_folder", lambda: tmp_path)
    snapshot = Snapshot(picture("PNG"), "image/png", 31, 17)
    assert snapshots.save(snapshot, "x", Path("after-v1.2")) == tmp_path / "after-v1.2.png"
    assert snapshots.save(snapshot, "x", Path("one.PNG")) == tmp_path / "one.PNG"
    monkeypatch.setattr(Path, "write_bytes", full)
    for given in (None, Path("a/two.png")):
        with pytest.raises(ConfigurationError, match=rf"'{tmp_path}/.*\.png': no space left on device"):
            snapshots.save(snapshot, "x", given)
    assert sorted(path.name for path in tmp_path.rglob("*") if path.is_file()) == ["after-v1.2.png", "one.PNG"]
