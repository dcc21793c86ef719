"""Robot's timeout and Ctrl-C in the middle of a transfer: it ends within half a second, and the driver sees an error."""

from __future__ import annotations

import signal
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.results import eventually
from transfer_support import MIB, image, nothing_left

from JumpstarterLibrary.client.images import open_source
from JumpstarterLibrary.client.resources import HANDLE, download, upload
from JumpstarterLibrary.journal import CallEnded, TransferEnded

LIMIT = 0.5


class TimeoutOfRobotError(Exception):
    """What a timeout of Robot's raises in the main thread, wherever it is."""


@pytest.fixture
def interrupt() -> Iterator[list[float]]:
    """Raises in the main thread when a signal comes; gives the list that takes the time of it."""
    times: list[float] = []

    def handler(*_: object) -> None:
        times.append(time.monotonic())
        raise TimeoutOfRobotError

    before = signal.signal(signal.SIGUSR1, handler)
    yield times
    signal.signal(signal.SIGUSR1, before)


def interrupt_when(path: Path) -> threading.Thread:
    def wait() -> None:
        assert eventually(path.exists, 20)
        time.sleep(0.15)  # somewhere in the middle of the waiting
        signal.pthread_kill(threading.main_thread().ident, signal.SIGUSR1)

    thread = threading.Thread(target=wait)
    thread.start()
    return thread


def test_an_upload(device, kind, tmp_path, interrupt):
    path, note = image(tmp_path / "image", 64 * MIB), tmp_path / "note"
    with nothing_left():
        thread = interrupt_when(note)
        with pytest.raises(TimeoutOfRobotError):
            upload(device["store"], "write_slowly", open_source(path), (HANDLE, str(note)))
        assert time.monotonic() - interrupt[0] < LIMIT
        thread.join()
    assert eventually(lambda: "took" not in note.read_text())
    assert note.read_text().startswith("error"), note.read_text()
    assert [call.outcome for call in device.journal.events(CallEnded)] == ["interrupted"]
    assert [end.status for end in device.journal.events(TransferEnded)] == ["interrupted"]
    assert device["store"].call("echo", 5) == 5


def test_a_download(device, tmp_path, interrupt):
    note = tmp_path / "note"
    with nothing_left():
        thread = interrupt_when(note)
        with pytest.raises(TimeoutOfRobotError):
            download(device["store"], "read_and_stall", tmp_path / "dump", (HANDLE, 5 * MIB, str(note)))
        assert time.monotonic() - interrupt[0] < LIMIT
        thread.join()
    assert [path.name for path in tmp_path.iterdir()] == ["note"]
    assert device["store"].call("echo", 5) == 5


SUITE = """\
*** Settings ***
Library    JumpstarterLibrary    timeout=40s
Suite Setup    Open Jumpstarter Session    ${TARGET}

*** Test Cases ***
Robot's Timeout
    [Timeout]    1 s
    Upload With Driver Method    write_slowly    ${IMAGE}    ${NOTE}    driver=store

The Session Goes On
    Call Driver Method    echo    alive    driver=store
"""


@pytest.mark.acceptance
def test_a_timeout_in_real_robot(run_robot, our_transfer_exporter, tmp_path):
    path, note = image(tmp_path / "image", 200 * MIB), tmp_path / "note"
    run = run_robot(SUITE, "-v", f"TARGET:{our_transfer_exporter.address}", "-v", f"IMAGE:{path}", "-v", f"NOTE:{note}")
    first, second = run.result.suite.tests
    assert first.message.splitlines()[0] == "Test timeout 1 second exceeded."
    assert first.elapsed_time.total_seconds() < 1 + LIMIT + 0.5  # a second Python starts meanwhile
    assert second.passed
    assert note.read_text().startswith("error")


@pytest.mark.acceptance
def test_ctrl_c_in_real_robot(run_robot, our_transfer_exporter, tmp_path):
    path, note = image(tmp_path / "image", 200 * MIB), tmp_path / "note"
    options = ("-v", f"TARGET:{our_transfer_exporter.address}", "-v", f"IMAGE:{path}", "-v", f"NOTE:{note}")
    run = run_robot.start(SUITE.replace("1 s", "60 s"), *options)
    assert eventually(note.exists, 20)
    begin = time.monotonic()
    run.popen.send_signal(signal.SIGINT)
    assert eventually(lambda: note.read_text().startswith("error"), 5)
    assert time.monotonic() - begin < LIMIT + 0.5
    run.finish(20)
