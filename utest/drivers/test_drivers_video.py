"""Cameras in the box: pictures that are real, and what the one at the simulated board sees."""

from __future__ import annotations

import base64
import io
import json

import pytest
from drivers_support import eventually
from PIL import Image
from storage_support import connected, fetch, upload

from JumpstarterLibrary.drivers import MockVideo
from JumpstarterLibrary.drivers.picture import Picture
from JumpstarterLibrary.drivers.video import HEIGHT, WIDTH


def seen(device, path: str = "video") -> Image.Image:
    picture = Image.open(io.BytesIO(base64.b64decode(device[path].call("snapshot"))))
    picture.load()
    return picture.convert("RGB")


def test_shapes_and_texts():
    picture = Picture(40, 20, [(0, 0, 0), (255, 0, 0), (0, 0, 255)])
    picture.box(-5, 2, 10, 3, 1)
    picture.disc(30, 10, 4, 2)
    picture.text(10, 10, "1", 1, size=1)
    image = Image.open(io.BytesIO(picture.png())).convert("RGB")
    assert image.size == (40, 20)
    red, blue, black = (255, 0, 0), (0, 0, 255), (0, 0, 0)
    at = image.getpixel
    assert [at((0, 2)), at((4, 4)), at((5, 2)), at((0, 5)), at((0, 1))] == [red, red, black, black, black]
    assert [at((30, 6)), at((30, 14)), at((34, 10)), at((35, 10)), at((34, 6))] == [blue, blue, blue, black, black]
    rows = ["".join("#" if at((10 + x, 10 + y)) == red else "." for x in range(5)) for y in range(7)]
    assert rows == ["..#..", ".##..", "..#..", "..#..", "..#..", "..#..", ".###."]


def test_a_camera_without_a_board_sees_bars(bench):
    camera = bench(MockVideo())
    picture = Image.open(io.BytesIO(base64.b64decode(camera.call("snapshot"))))
    assert (picture.format, picture.size) == ("PNG", (WIDTH, HEIGHT))
    assert len(picture.convert("RGB").getcolors()) == 7
    state = camera.call("state")
    assert state["online"] is state["result"]["source"]["online"] is True
    assert (state["width"], state["height"]) == (WIDTH, HEIGHT)


class TestBoard:
    def test_the_picture_shows_power_state_and_version(self, board):
        board = board()
        dark = seen(board.device)
        board.log_in()
        lit = seen(board.device)
        assert lit.getpixel((34, 210)) == (60, 200, 90)
        assert dark.getpixel((34, 210)) == (110, 118, 128)
        assert seen(board.device).tobytes() == lit.tobytes()
        upload(board.device, "storage", "flash", b"version=2.4.1\n")
        board.power.off()
        assert seen(board.device).tobytes() == dark.tobytes()
        board.power.on()
        assert eventually(lambda: board.state.running == "idle")
        other = seen(board.device)
        changed = [(x, y) for x in range(WIDTH) for y in range(HEIGHT) if other.getpixel((x, y)) != lit.getpixel((x, y))]
        # Only the digits of the version differ.
        assert changed
        assert {y for _, y in changed} <= set(range(90, 111))
        assert min(x for x, _ in changed) >= 24 + len("version ") * 18

    def test_a_screen_without_signal_is_offline(self, board):
        board = board()
        assert board.device["video"].call("state")["online"] is False
        assert board.device["video"].call("state")["result"]["source"]["online"] is False
        board.power.on()
        assert board.device["video"].call("state")["online"] is True

    def test_the_stream_is_a_web_server(self, board):
        board = board()
        board.power.on()
        assert json.loads(fetch(board.device, "video", "/state")[2])["online"] is True
        status, head, picture = fetch(board.device, "video", "/snapshot")
        assert status == "HTTP/1.1 200 OK"
        assert "Content-Type: image/png" in head
        assert Image.open(io.BytesIO(picture)).format == "PNG"
        assert fetch(board.device, "video", "/other")[0] == "HTTP/1.1 404 Not Found"

    @pytest.mark.parametrize("pictures", [3])
    def test_the_endless_picture_changes_with_the_board(self, board, pictures):
        board = board()
        path = board.device["video"].call("stream_path")
        with connected(board.device, "video") as stream:
            stream.send(f"GET {path} HTTP/1.1\r\n\r\n".encode(), 5)
            received, found, switched = b"", [], False
            for part in stream.receive():
                received += part
                found = received.split(b"--frame\r\n")[1:-1]
                if found and not switched:
                    board.power.on()
                    switched = True
                if len(found) >= pictures + 1:
                    break
        assert b"multipart/x-mixed-replace;boundary=frame" in received
        contents = [each.partition(b"\r\n\r\n")[2] for each in found]
        assert all(Image.open(io.BytesIO(content)).size == (WIDTH, HEIGHT) for content in contents)
        assert contents[0] != contents[-1]
