"""Robot's timeouts and Ctrl-C in the middle of a transfer: it ends at once, and the driver sees an error (real robot)."""

from __future__ import annotations

import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.exporters import Exporter, start_our_exporter
from helpers.results import end_of, eventually, find_keyword
from helpers.robot_run import RobotRunner
from slow_drivers import configuration, notes
from storing_support import image_file

pytestmark = pytest.mark.acceptance

LATEST = 1.5
"""Seconds that a busy machine may take for what ends within 0.5 s on one that is free; the failure says what was measured."""

SUITE = """\
*** Settings ***
Library           JumpstarterLibrary    timeout=40s
Library           OperatingSystem
Suite Setup       Open Jumpstarter Session    ${ADDRESS}    device
Suite Teardown    Create File    ${OUTPUT DIR}/torn-down

*** Test Cases ***
"""
FLASH, MUX, DUMP, WRITE, UPLOAD, DOWNLOAD = (
    "Flash Image    ${IMAGE}    driver=flasher",
    "Flash Image    ${IMAGE}    driver=mux",
    "Dump Image    ${OUTPUT DIR}/dump.bin    driver=flasher",
    "Write Image To Storage    ${IMAGE}    driver=mux    verify=True",
    "Upload File    ${IMAGE}    old    driver=files",
    "Download File    old    ${OUTPUT DIR}/dump.bin    driver=files",
)


@pytest.fixture(scope="module")
def slow(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Our exporter with slow drivers."""
    file = tmp_path_factory.mktemp("slow") / "notes"
    with start_our_exporter(configuration(file), env={"PYTHONPATH": str(Path(__file__).parent)}) as exporter:
        exporter.file = file
        yield exporter


@pytest.fixture
def options(slow: Exporter, tmp_path: Path) -> list[str]:
    slow.file.unlink(missing_ok=True)
    image = image_file(tmp_path, 30_000_000)
    return ["--variable", f"ADDRESS:{slow.address}", "--variable", f"IMAGE:{image}", "--log", "NONE", "--report", "NONE"]


def test_robot_timeouts(slow: Exporter, options: list[str], run_robot: RobotRunner) -> None:
    acts = {"flash": FLASH, "mux": MUX, "dump": DUMP, "upload": UPLOAD, "download": DOWNLOAD}
    tests = "".join(f"{name}\n    [Timeout]    1s\n    {act}\n" for name, act in acts.items())
    tests += "Works Still\n    Power On\n    Get Remote File Size    old    ==    3    driver=files\n"
    tests += "    File Should Not Exist    ${OUTPUT DIR}/dump.bin\n"
    tests += "    ${left} =    List Files In Directory    ${OUTPUT DIR}    .*\n    Should Be Empty    ${left}\n"

    run = run_robot(SUITE + tests, *options)

    assert run.tests["Works Still"].passed, run.tests["Works Still"].message
    for name in acts:
        test = run.tests[name]
        assert test.message.splitlines()[0] == "Test timeout 1 second exceeded."
        late = test.elapsed_time.total_seconds() - 1
        print(f"{name} timeout: {late:.3f} s")  # seen with pytest -rP
        assert late < LATEST, f"{name} ended {late:.3f} s after the timeout"
    check_notes(slow, "flash", "write", "dump", "upload", "download")
    assert notes(slow.file)["card at dut"] >= notes(slow.file)["write broken off"]


@pytest.mark.parametrize(
    ("act", "name"),
    [(FLASH, "flash"), (MUX, "write"), (DUMP, "dump"), (WRITE, "write"), (UPLOAD, "upload"), (DOWNLOAD, "download")],
)
def test_ctrl_c(act: str, name: str, slow: Exporter, options: list[str], run_robot: RobotRunner) -> None:
    robot = run_robot.start(SUITE + f"Transfers\n    {act}\n", *options)
    assert eventually(lambda: f"{name} begun" in notes(slow.file), 20), robot.output
    time.sleep(0.2)

    moment = time.time()
    robot.send_signal(signal.SIGINT)
    run = robot.finish(20)

    test = run.tests["Transfers"]
    assert test.failed
    late = end_of(find_keyword(test, act.split("    ", 1)[0])) - moment
    print(f"{act.split('    ', 1)[0]} {name} SIGINT: {late:.3f} s")
    assert late < LATEST, f"it ended {late:.3f} s after Ctrl-C"
    assert (run.outputdir / "torn-down").exists(), run.stdout
    assert "Traceback" not in run.stdout
    assert not (run.outputdir / "dump.bin").exists()
    check_notes(slow, name)
    print(f"driver saw it after {notes(slow.file)[f'{name} broken off'] - moment:.3f} s")
    if name == "write":
        assert eventually(lambda: "card at dut" in notes(slow.file), 2), "the card ends at the device"


def check_notes(slow: Exporter, *names: str) -> None:
    for name in names:
        assert eventually(lambda name=name: f"{name} broken off" in notes(slow.file), 3), notes(slow.file)
        assert f"{name} saw the end of the file" not in notes(slow.file)
