"""Programs run to their end: bounded in time and output, nothing left behind."""

from __future__ import annotations

import os
import signal
import sys
import threading
import time
from pathlib import Path

import pytest
from helpers.results import eventually

from JumpstarterLibrary.client import processes
from JumpstarterLibrary.client.processes import CommandTimeout, run


def shell(script: str) -> list[str]:
    return ["sh", "-c", script]


def test_what_it_wrote_and_returned() -> None:
    outcome = run(shell("echo out; echo err >&2; exit 3"), timeout=10)
    assert (outcome.stdout, outcome.stderr, outcome.rc) == ("out\n", "err\n", 3)
    assert str(outcome) == "out\n"
    assert 0 < outcome.duration < 10


def test_what_it_reads() -> None:
    assert run(["cat"], input="grüße", timeout=10).stdout == "grüße"
    assert run(["cat"], input=b"\0\xff", timeout=10).stdout == "\0\ufffd"
    assert run(["cat"], timeout=10).stdout == ""


def test_input_can_stay_open() -> None:
    waits = "import sys, select; print(bool(select.select([sys.stdin], [], [], 0.3)[0]))"
    assert run([sys.executable, "-c", waits], timeout=10).stdout == "True\n"
    assert run([sys.executable, "-c", waits], timeout=10, keep_input_open=True).stdout == "False\n"


def test_a_program_that_does_not_read_gets_no_chance_to_hang() -> None:
    assert run(shell("exit 0"), input="x" * 10_000_000, timeout=10).rc == 0


def test_its_environment_is_the_given_one() -> None:
    assert run(["/usr/bin/env"], environment={"ONLY": "this"}, timeout=10).stdout == "ONLY=this\n"


def test_no_such_program() -> None:
    with pytest.raises(FileNotFoundError):
        run(["there-is-no-such-program"], timeout=10)


def test_a_killed_program_has_a_negative_status() -> None:
    assert run(shell("kill -KILL $$"), timeout=10).rc == -signal.SIGKILL


def test_out_of_time_ends_it_with_all_it_started(tmp_path: Path) -> None:
    file = tmp_path / "child"
    with pytest.raises(CommandTimeout) as failure:
        run(shell(f"echo said; sleep 60 & echo $! > {file}; wait"), timeout=0.5)
    assert failure.value.outcome.stdout == "said\n"
    assert eventually(lambda: not _is_alive(int(file.read_text())))


def test_what_it_leaves_in_its_group_does_not_survive_it(tmp_path: Path) -> None:
    file = tmp_path / "child"
    outcome = run(shell(f"sleep 60 & echo $! > {file}"), timeout=10)
    assert outcome.rc == 0
    assert outcome.duration < 5, "the child that holds the pipe must not hold us"
    assert eventually(lambda: not _is_alive(int(file.read_text())))


def test_a_polite_end_comes_before_the_hard_one(tmp_path: Path) -> None:
    file = tmp_path / "cleaned"
    with pytest.raises(CommandTimeout):
        run(shell(f"trap 'touch {file}; exit' TERM; while :; do sleep 0.01; done"), timeout=0.5)
    assert file.exists()


def test_a_stubborn_program_is_ended_all_the_same(tmp_path: Path) -> None:
    file = tmp_path / "pid"
    with pytest.raises(CommandTimeout):
        run(shell(f"trap '' TERM; echo $$ > {file}; while :; do sleep 0.01; done"), timeout=0.5)
    assert not _is_alive(int(file.read_text()))


def test_an_interrupt_ends_it(tmp_path: Path) -> None:
    file = tmp_path / "pid"

    def interrupt() -> None:
        assert eventually(lambda: file.exists() and file.read_text().strip())
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)

    thread = threading.Thread(target=interrupt)
    thread.start()
    with pytest.raises(KeyboardInterrupt):
        run(shell(f"echo $$ > {file}; exec sleep 60"), timeout=60)
    thread.join()
    assert not _is_alive(int(file.read_text()))


def test_endless_output_is_cut_in_the_middle(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(processes, "LARGEST_OUTPUT", 200_000)
    outcome = run(shell("echo begin; head -c 3000000 /dev/zero | tr '\\0' x; echo end"), timeout=30)
    assert outcome.stdout.startswith("begin\n")
    assert outcome.stdout.endswith("end\n")
    assert "bytes cut]" in outcome.stdout
    assert len(outcome.stdout) < 300_000


def test_no_thread_stays() -> None:
    run(shell("echo x"), timeout=10)
    assert eventually(lambda: not [t for t in threading.enumerate() if t.name == "jumpstarter-program"])


def _is_alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except (ProcessLookupError, FileNotFoundError):
        return False
    return state != "Z"


def test_time_is_measured_from_the_start() -> None:
    begin = time.monotonic()
    assert run(shell("sleep 0.2"), timeout=10).duration <= time.monotonic() - begin


def test_who_keeps_the_input_in_a_session_of_its_own_does_not_hold_the_timeout(tmp_path: Path) -> None:
    file = tmp_path / "child"
    script = f"setsid sh -c 'echo $$ >{file}.part; mv {file}.part {file}; exec sleep 60' <&0 & sleep 60"
    begin = time.monotonic()
    try:
        with pytest.raises(CommandTimeout, match="within 500 ms"):
            run(["bash", "-c", script], input=b"x" * 10_000_000, timeout=0.5)
        assert time.monotonic() - begin < 10
    finally:
        eventually(file.exists)
        os.kill(int(file.read_text()), signal.SIGKILL)
