"""Child processes of which none survives its test."""

import contextlib
import os
import signal
import subprocess
import tempfile
import time
import uuid
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Self

TARGET_VARIABLES = ("JUMPSTARTER_HOST", "JUMPSTARTER_GRPC_INSECURE")
TARGET_PREFIXES = ("JMP_", "_JMP_")
_MARK = "JUMPSTARTER_UTEST_PROCESS"


def names_a_target(variable: str) -> bool:
    """Whether an environment variable could lead a test to a device of the developer's."""
    return variable in TARGET_VARIABLES or variable.startswith(TARGET_PREFIXES)


def clean_environment(changes: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """This process's environment without a target; None in the changes removes a variable."""
    environment = {name: value for name, value in os.environ.items() if not names_a_target(name)}
    environment.pop("PYTHONPATH", None)
    for name, value in (changes or {}).items():
        if value is None:
            environment.pop(name, None)
        else:
            environment[name] = value
    return environment


class Process:
    """A child process in a process group of its own, with its output in a file.

    Its descendants are found by a mark in their environment, because upstream's exporter forks and leaves the group.
    """

    def __init__(self, command: Sequence[str], *, env: Mapping[str, str | None] | None = None, cwd: Path | None = None) -> None:
        self.command = list(command)
        self._mark = uuid.uuid4().hex
        self._output = tempfile.TemporaryFile()  # noqa: SIM115 - closed in stop()
        self.started = time.monotonic()
        self.popen = subprocess.Popen(
            self.command,
            stdin=subprocess.DEVNULL,
            stdout=self._output,
            stderr=subprocess.STDOUT,
            env=clean_environment(env) | {_MARK: self._mark},
            cwd=cwd,
            start_new_session=True,
        )

    @property
    def pid(self) -> int:
        """Process id of the child itself."""
        return self.popen.pid

    @property
    def returncode(self) -> int | None:
        """None while it runs."""
        return self.popen.poll()

    @property
    def output(self) -> str:
        """What it has written until now, standard output and error together."""
        if self._output.closed:
            return self._last_output
        # pread, because the child shares the position of the file.
        return os.pread(self._output.fileno(), os.fstat(self._output.fileno()).st_size, 0).decode(errors="replace")

    def pids(self) -> list[int]:
        """The child and all its descendants that are alive."""
        found = []
        for folder in Path("/proc").iterdir():
            # A process may end, or belong to somebody else, while we look.
            with contextlib.suppress(OSError):
                if folder.name.isdigit() and self._mark.encode() in (folder / "environ").read_bytes():
                    found.append(int(folder.name))
        return found

    def signal_all(self, number: int) -> None:
        """Sends a signal to the child and all its descendants."""
        for pid in self.pids():
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, number)

    def send_signal(self, number: int) -> None:
        """Sends a signal to the child alone."""
        self.popen.send_signal(number)

    def wait(self, timeout: float) -> int:
        """Waits for the end and returns the exit code; past the timeout it fails with the output."""
        try:
            return self.popen.wait(timeout)
        except subprocess.TimeoutExpired:
            raise AssertionError(f"{self} still ran after {timeout} s. Its output:\n{self.output}") from None

    def wait_for_output(self, text: str, timeout: float) -> str:
        """Waits until a line that contains the text is complete, and returns that line."""
        end = time.monotonic() + timeout
        while True:
            ended = self.returncode is not None
            lines = [line for line in self.output.splitlines(keepends=True) if text in line and line.endswith("\n")]
            if lines:
                return lines[0].rstrip("\n")
            if ended or time.monotonic() > end:
                state = f"ended with {self.returncode}" if ended else f"did not within {timeout} s"
                raise AssertionError(f"{self} should have printed '{text}', but {state}. Its output:\n{self.output}")
            time.sleep(0.01)

    def stop(self, grace: float = 3.0) -> None:
        """Ends the child and all its descendants: first politely, then by force."""
        if self._output.closed:
            return
        self.signal_all(signal.SIGCONT)
        self.signal_all(signal.SIGTERM)
        end = time.monotonic() + grace
        while self._is_alive() and time.monotonic() < end:
            time.sleep(0.01)
        self.kill_all()
        self._last_output = self.output
        self._output.close()

    def kill_all(self) -> None:
        """Ends the child and all its descendants by force; returns when they are gone."""
        end = time.monotonic() + 10
        while self._is_alive():
            assert time.monotonic() < end, f"{self} cannot be killed"
            self.signal_all(signal.SIGKILL)
            time.sleep(0.01)

    def _is_alive(self) -> bool:
        return self.returncode is None or bool(self.pids())

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *details: object) -> None:
        self.stop()

    def __str__(self) -> str:
        return f"'{' '.join(self.command)}'"
