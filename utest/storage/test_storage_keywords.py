"""What stands in Robot's log about transfers, and what must not stand there (real robot)."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest
from helpers.robot_run import RobotRunner
from storing_support import random_bytes

pytestmark = pytest.mark.acceptance

DATA = random_bytes(200_000)
TOKEN = "t0k3n-of-the-lab"

SETTINGS = "*** Settings ***\nLibrary    JumpstarterLibrary\nLibrary    OperatingSystem\n\n*** Test Cases ***\n"


@pytest.fixture
def web() -> Iterator[HTTPServer]:
    """A web server that wants a token in the query, and remembers what it was asked for."""

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.server.asked.append(self.path)
            right = self.path.endswith(f"?token={TOKEN}")
            self.send_response(200 if right else 403)
            self.send_header("Content-Length", str(len(DATA) if right else 0))
            self.end_headers()
            if right:
                self.wfile.write(DATA)

        def log_message(self, *_: object) -> None:
            pass

    server = HTTPServer(("127.0.0.1", 0), Handler)
    server.asked = []
    threading.Thread(target=server.serve_forever, args=(0.01,), daemon=True).start()
    yield server
    server.shutdown()
    server.server_close()


def test_secrets_reach_nothing_that_robot_writes(web: HTTPServer, run_robot: RobotRunner) -> None:
    run = run_robot(
        SETTINGS + "Secrets\n"
        "    Open Jumpstarter Session    mock\n"
        "    VAR    ${url: Secret}    %{IMAGE_URL}\n"
        "    VAR    ${token: Secret}    %{TOKEN}\n"
        "    Flash Image    ${url}    verify=True\n"
        "    Flash Image    ${url}    by_exporter=True\n"
        "    Upload File    ${url}    image\n"
        "    Upload Text    ${token}    token\n"
        "    Get Remote File Size    token    ==    16\n"
        "Refused\n"
        "    Open Jumpstarter Session    mock\n"
        "    VAR    ${url: Secret}    %{IMAGE_URL}x\n"
        "    Flash Image    ${url}\n",
        env={"IMAGE_URL": f"http://127.0.0.1:{web.server_port}/image?token={TOKEN}", "TOKEN": TOKEN},
    )

    assert run.tests["Secrets"].passed, run.tests["Secrets"].message
    assert len(web.asked) == 4
    assert "403" in run.tests["Refused"].message
    assert run.files_with(TOKEN) == []
    assert TOKEN not in run.stdout


def test_each_transfer_has_its_line(run_robot: RobotRunner) -> None:
    run = run_robot(
        SETTINGS + "Lines\n"
        "    Open Jumpstarter Session    mock\n"
        "    Create File    ${OUTPUT DIR}/image    version=3\\n\n"
        "    Flash Image    ${OUTPUT DIR}/image    verify=True\n"
        "    Upload File    ${OUTPUT DIR}/image    image\n"
        "    Dump Image    ${OUTPUT DIR}/dump\n"
        "    Remove Remote File    image\n"
        "    Remove Remote File    image\n"
    )

    assert run.tests["Lines"].passed, run.tests["Lines"].message
    (line, checked) = [text for text in run.messages("Flash Image") if "SHA-256" in text][:2]
    assert line.startswith("Written to storage: ")
    assert "image: 10 B in " in line
    assert checked == "Checked: read back and compared: same size, same SHA-256."
    digest = line.rpartition(" ")[2]
    assert len(digest) == 64
    assert any(text.startswith("Uploaded to image: ") and digest in text for text in run.messages("Upload File"))
    assert "Checked: size and SHA-256 as the store says." in run.messages("Upload File")
    assert any(digest in text for text in run.messages("Dump Image"))
    told = [text for text in run.messages("Remove Remote File") if "'image'" in text and "(" not in text]
    assert told == ["Removed 'image'.", "There was no file 'image'."]
