"""Our camera client and keywords against upstream's driver of ustreamer, a real one without a camera."""

from __future__ import annotations

import io
import time
from collections.abc import Iterator

import pytest
from helpers.exporters import Exporter, start_upstream_exporter
from helpers.programs import needs
from helpers.robot_run import RobotRunner
from PIL import Image

from JumpstarterLibrary.client import VideoClient, connect
from JumpstarterLibrary.client.failures import Act
from JumpstarterLibrary.client.streams import ByteStream

pytestmark = pytest.mark.interop

# No device has this name, so it serves its picture for a lost signal.
YAML = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: cameras}
export:
  camera:
    type: jumpstarter_driver_ustreamer.driver.UStreamer
    config: {args: {device: /dev/no-camera, resolution: 640x480}}
"""

SUITE = """\
*** Settings ***
Library    JumpstarterLibrary

*** Test Cases ***
Camera
    Open Jumpstarter Session    timeout=10s
    ${state} =    Get Video State
    Should Not Be True    ${state.online}
    Should Be Equal    ${{ ($state.width, $state.height) }}    ${{ (640, 480) }}
    ${path} =    Take Snapshot
    Should Be Equal    ${path.name}[-4:]    .jpg
"""


@pytest.fixture(scope="module")
def exporter() -> Iterator[Exporter]:
    needs("ustreamer")
    with start_upstream_exporter(YAML) as exporter:
        with connect(exporter.address, timeout=10) as device:
            _wait_for_server(device)
        yield exporter


def _wait_for_server(device) -> None:
    end = time.monotonic() + 10
    while True:
        try:
            return device.driver_of(VideoClient).state()
        except Exception:
            assert time.monotonic() < end, "ustreamer did not come up"
            time.sleep(0.05)


def test_state_and_snapshot(exporter: Exporter) -> None:
    with connect(exporter.address, timeout=10) as device:
        camera = device.driver_of(VideoClient)
        state = camera.state()
        snapshot = camera.snapshot()
    assert (state.online, state.width, state.height) == (False, 640, 480)
    assert snapshot.mime == "image/jpeg"
    image = Image.open(io.BytesIO(snapshot.data))
    image.load()
    assert (snapshot.width, snapshot.height) == image.size


def test_the_stream_is_ustreamers_web_server(exporter: Exporter) -> None:
    with connect(exporter.address, timeout=10) as device:
        camera = device["camera"]
        stream = ByteStream(device.connection, Act(device.name, camera.path, "connect"), camera.node.uuid, 10)
        try:
            stream.send(b"GET /snapshot HTTP/1.0\r\n\r\n", 5)
            received = b""
            for part in stream.receive():
                received += part
                if b"\xff\xd9" in received:
                    break
        finally:
            stream.close()
    assert received.startswith(b"HTTP/1.0 200")
    assert b"image/jpeg" in received


@pytest.mark.acceptance
def test_keywords(exporter: Exporter, run_robot: RobotRunner) -> None:
    run = run_robot(SUITE, env={"JUMPSTARTER_HOST": exporter.address, "JUMPSTARTER_GRPC_INSECURE": "1"})
    assert run.returncode == 0, run.stdout
    (message,) = [text for text in run.messages("Take Snapshot") if "<img" in text]
    assert 'src="data:image/jpeg;base64,/9j/' in message
