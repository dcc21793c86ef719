"""Snapshots under real robot: the files, and what stands in log.html."""

from __future__ import annotations

import base64
import io
import os
import re
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from helpers.robot_run import RobotRunner
from PIL import Image

pytestmark = pytest.mark.acceptance

BLOCK = re.compile(r'<a href="([^"]+)"><img src="([^"]+)" alt="([^"]+)"')

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary

*** Test Cases ***
Pictures
    Open Jumpstarter Session    {target}    alias=my board
    ${{first}} =    Take Snapshot
    ${{second}} =    Take Snapshot
    ${{named}} =    Take Snapshot    pictures/Größe & co #1 %41
    Take Snapshot    pictures/again.png
    Take Snapshot    pictures/again.png
    Set Suite Metadata    paths    ${{first}}|${{second}}|${{named}}
    Evaluate    isinstance($first, __import__('pathlib').Path) or 1/0
"""

LARGE_CAMERA = """\
import base64, os
from JumpstarterLibrary.drivers import MockVideo
from JumpstarterLibrary.exporter import export

class LargeCamera(MockVideo):
    @export
    async def snapshot(self):
        return base64.b64encode(self.look().png()[:-12] + os.urandom(300_000) + self.look().png()[-12:]).decode()
"""

EXPORTER = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: bench}
export:
  video: {type: large_camera.LargeCamera}
"""


def blocks(run) -> list[tuple[str, str, str]]:
    return [found.groups() for message in run.log_messages("Take Snapshot") if (found := BLOCK.search(message.message))]


def linked(log: Path, link: str) -> Path:
    return Path(os.path.normpath(log.parent / unquote(unescape(link))))


@pytest.mark.parametrize("elsewhere", [False, True], ids=["log beside", "log elsewhere"])
def test_pictures_are_kept_and_embedded(run_robot: RobotRunner, tmp_path: Path, elsewhere: bool) -> None:
    log = tmp_path / "other place" / "sub" / "log.html"
    run = run_robot(SUITE.format(target="mock"), *(["--log", str(log)] if elsewhere else []))
    assert run.returncode == 0, run.stdout
    folder = run.outputdir
    paths = [Path(path) for path in run.suite.metadata["paths"].split("|")]
    assert paths == [
        folder / "jumpstarter" / "my_board-video-1.png",
        folder / "jumpstarter" / "my_board-video-2.png",
        folder / "pictures" / "Größe & co #1 %41.png",
    ]
    assert sorted(path.name for path in (folder / "pictures").iterdir()) == ["Größe & co #1 %41.png", "again.png"]
    shown = blocks(run)
    assert len(shown) == 5
    for (link, source, alternative), path in zip(shown, paths, strict=False):
        assert linked(log if elsewhere else folder / "log.html", link) == path
        assert alternative == "video of my board"
        kind, _, data = source.partition(";base64,")
        assert kind == "data:image/png"
        assert base64.b64decode(data) == path.read_bytes()
        assert Image.open(io.BytesIO(path.read_bytes())).size == (320, 240)


def test_a_large_picture_is_linked_and_not_embedded(run_robot: RobotRunner, tmp_path: Path) -> None:
    (tmp_path / "large_camera.py").write_text(LARGE_CAMERA)
    (tmp_path / "bench.yaml").write_text(EXPORTER)
    run = run_robot(SUITE.format(target=tmp_path / "bench.yaml"), env={"PYTHONPATH": str(tmp_path)})
    assert run.returncode == 0, run.stdout
    (link, source, _), *_ = blocks(run)
    assert source == link
    assert linked(run.outputdir / "log.html", link).stat().st_size > 300_000
    assert (run.outputdir / "output.xml").stat().st_size < 100_000


def test_without_log_and_output_the_picture_is_kept_all_the_same(run_robot: RobotRunner) -> None:
    run = run_robot(SUITE.format(target="mock"), "--output", "NONE", "--log", "NONE", "--report", "NONE")
    assert run.returncode == 0, run.stdout
    assert (run.outputdir / "jumpstarter" / "my_board-video-1.png").exists()


def test_a_camera_that_sends_nothing_fails_and_leaves_no_file(run_robot: RobotRunner, tmp_path: Path) -> None:
    (tmp_path / "large_camera.py").write_text(LARGE_CAMERA.replace("return base64", "return ''\n        base64"))
    (tmp_path / "bench.yaml").write_text(EXPORTER)
    run = run_robot(SUITE.format(target=tmp_path / "bench.yaml"), env={"PYTHONPATH": str(tmp_path)})
    assert run.tests["Pictures"].message.startswith("DEVICE: snapshot() of the video driver 'video' of device")
    assert not list(run.outputdir.rglob("*.png"))
