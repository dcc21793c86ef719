"""Programs on this machine, run to their end: bounded in time and output, and nothing of them is left behind."""

from __future__ import annotations

import contextlib
import os
import select
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

from ..wire.deadline import Deadline, Timeout, in_words
from ..wire.interruptible import SoundEvent

LARGEST_OUTPUT = 8 * 1024 * 1024
"""Bytes of each output stream that are kept: the first half and the last half of them."""
GRACE = 0.2
"""Seconds between the polite and the hard end of a program that has to stop."""
TICK = 0.05
"""Longest time between two looks at the program, in seconds."""


@dataclass(frozen=True)
class CommandOutcome:
    """What a program wrote and returned; as text it is its standard output."""

    stdout: str
    stderr: str
    rc: int
    """Exit status; below zero the number of the signal that ended it."""
    duration: float
    """Seconds."""

    def __str__(self) -> str:
        return self.stdout


class CommandTimeout(TimeoutError):  # noqa: N818 - callers turn it into an error of their own, with what was attempted
    """A program did not end in time and was ended; `outcome` has what it wrote until then."""

    def __init__(self, program: str, timeout: float, outcome: CommandOutcome) -> None:
        super().__init__(f"'{program}' did not end within {in_words(timeout)}.")
        self.outcome = outcome


def run(
    command: Sequence[str],
    *,
    timeout: Timeout,
    environment: Mapping[str, str] | None = None,
    input: str | bytes | None = None,  # noqa: A002 - what subprocess calls it
    keep_input_open: bool = False,
    folder: Path | None = None,
) -> CommandOutcome:
    """Runs a program and waits for its end; on a timeout, an interrupt and at its end its whole process group is ended.

    Args:
        command: the program and its arguments. Secrets do not belong here, as every user of the machine can read them.
        timeout: `timedelta` or seconds until the program has to have ended.
        environment: its whole environment; this process's unless given.
        input: what it reads from its standard input; nothing unless given.
        keep_input_open: leaves its standard input open until it ends, for programs that stop at the end of it.
        folder: where it runs; this process's folder unless given.

    Raises:
        CommandTimeout: it did not end in time.
        FileNotFoundError: there is no such program.
        OSError: it cannot be started.
    """
    deadline, begin = Deadline(timeout), time.monotonic()
    process: subprocess.Popen[bytes] | None = None
    stdout, stderr, stop = _Output(), _Output(), SoundEvent()
    threads: list[threading.Thread] = []
    try:
        process = subprocess.Popen(
            list(command),
            stdin=subprocess.DEVNULL if input is None and not keep_input_open else subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=None if environment is None else dict(environment),
            cwd=folder,
            start_new_session=True,
        )
        threads += [_start(stdout.read, process.stdout), _start(stderr.read, process.stderr)]
        if process.stdin is not None:
            threads.append(_start(_write, process.stdin, input or b"", keep_input_open, stop))
        in_time = _wait(process, deadline)
    finally:  # also Robot's timeout and Ctrl-C
        stop.set()
        if process is not None:
            _end(process)
            for thread in threads:
                thread.join(GRACE)
            for end in (process.stdin, process.stdout, process.stderr):
                if end is not None:
                    with contextlib.suppress(OSError, ValueError):
                        end.close()
    outcome = CommandOutcome(stdout.text, stderr.text, process.returncode, time.monotonic() - begin)
    if not in_time:
        raise CommandTimeout(command[0], deadline.total, outcome)
    return outcome


def _start(target: object, *arguments: object) -> threading.Thread:
    thread = threading.Thread(target=target, args=arguments, name="jumpstarter-program", daemon=True)  # type: ignore[arg-type]
    thread.start()
    return thread


def _wait(process: subprocess.Popen[bytes], deadline: Deadline) -> bool:
    """Waits in small steps, which any exception in this thread can leave, and returns whether the program has ended."""
    step = 0.001
    while not _has_ended(process):
        if deadline.expired:
            return False
        deadline.sleep(step)
        step = min(step * 2, TICK)
    return True


def _has_ended(process: subprocess.Popen[bytes]) -> bool:
    """Whether it has, without collecting it: until then nobody else can get its number, and its group can be ended safely."""
    if process.returncode is not None:
        return True
    try:
        return os.waitid(os.P_PID, process.pid, os.WEXITED | os.WNOHANG | os.WNOWAIT) is not None
    except ChildProcessError:  # somebody else collected it
        return True


def _end(process: subprocess.Popen[bytes]) -> None:
    """Ends the program, and whatever it started and left in its process group."""
    with contextlib.suppress(ProcessLookupError, PermissionError):
        if not _has_ended(process):
            os.killpg(process.pid, signal.SIGTERM)
            _wait(process, Deadline(GRACE))
        os.killpg(process.pid, signal.SIGKILL)
    process.wait()


def _write(pipe: IO[bytes], data: str | bytes, keep_open: bool, stop: threading.Event) -> None:
    """Writes without ever blocking: whatever holds the other end and does not read may outlive the program."""
    with contextlib.suppress(OSError, ValueError):  # it does not read, or has gone
        os.set_blocking(pipe.fileno(), False)
        rest = memoryview(data.encode() if isinstance(data, str) else data)
        poll = select.poll()
        poll.register(pipe.fileno(), select.POLLOUT)
        while rest and not stop.is_set():
            if poll.poll(TICK * 1000):
                rest = rest[os.write(pipe.fileno(), rest) :]
        if not keep_open and not rest:
            pipe.close()


@dataclass
class _Output:
    """What a program writes: all of it is read, and the first and the last part of it is kept."""

    begin: bytearray = field(default_factory=bytearray)
    rest: deque[bytes] = field(default_factory=deque)
    kept: int = 0
    cut: int = 0

    def read(self, pipe: IO[bytes]) -> None:
        with contextlib.suppress(OSError, ValueError):  # closed under our hands
            while data := os.read(pipe.fileno(), 65536):
                self._keep(data)

    def _keep(self, data: bytes) -> None:
        room = LARGEST_OUTPUT // 2 - len(self.begin)
        self.begin += data[:room]
        if data := data[room:]:
            self.rest.append(data)
            self.kept += len(data)
        while self.kept > LARGEST_OUTPUT // 2:
            gone = len(self.rest.popleft())
            self.kept, self.cut = self.kept - gone, self.cut + gone

    @property
    def text(self) -> str:
        """Everything that was kept, with a note where something is missing."""
        note = f"\n[… {self.cut} bytes cut]\n" if self.cut else ""
        return f"{self.begin.decode(errors='replace')}{note}{b''.join(self.rest).decode(errors='replace')}"
