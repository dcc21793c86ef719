"""Shell drivers (drivers.md §2.7): commands that the exporter's configuration names."""

from __future__ import annotations

import contextlib
import time
from collections import deque
from collections.abc import Generator, Mapping
from typing import NamedTuple

from ..errors import DriverError, DriverTimeoutError
from ..wire.deadline import Timeout
from ..wire.secrets import Hidden
from .driver import DriverClient
from .failures import Act
from .processes import LARGEST_OUTPUT, CommandOutcome

TIME_OUT_STATUS = 199
"""The exit status with which the driver says that it ended the command, because it took too long."""
TIME_OUT_TEXT = "Timeout expired while running"
"""What it then says on standard error; a command may end with the same status by itself."""
SHOWN = 2000
"""Characters of output in the message of an error."""


class ShellOutput(NamedTuple):
    """A piece of what a command writes."""

    stdout: str
    stderr: str
    rc: int | None
    """Exit status in the last piece; None before."""


class ShellClient(DriverClient):
    """Runs the commands of a shell driver on the exporter."""

    family = "shell"
    tags = frozenset({"jumpstarter_driver_shell.client.ShellClient"})

    def get_methods(self) -> list[str]:
        """Returns the names of the commands; `node.methods_description` says what they do."""
        found = self.call("get_methods")
        return [str(name) for name in found] if isinstance(found, list) else []

    def call_method(
        self,
        method: str,
        *arguments: object,
        environment: Mapping[str, object] | None = None,
        timeout: Timeout | None = None,
    ) -> Generator[ShellOutput, None, None]:
        """Runs a command and gives its output as it comes; the last piece has the exit status.

        Args:
            method: the command's name.
            arguments: `$1`, `$2` … of the command; all are sent as text.
            environment: variables for the command.
            timeout: until it has to have ended; the device's unless given. The command itself is not ended by it: drivers let
                it run on, until their own time-out.

        Raises:
            DriverInvalidArgumentError: there is no such command, or a variable that the driver does not allow.
            JumpstarterError: see `JumpstarterLibrary.errors`.
        """
        variables = {name: _as_text(value) for name, value in (environment or {}).items()}
        values = self.stream_call("call_method", method, variables, *map(_as_text, arguments), timeout=timeout)
        with contextlib.closing(values):
            for value in values:
                if not isinstance(value, list) or len(value) != 3:
                    raise DriverError(f"{self._act(method)} failed: the driver sent what is no output of a command.")
                stdout, stderr, rc = value
                yield ShellOutput(str(stdout or ""), str(stderr or ""), int(rc) if isinstance(rc, (int, float)) else None)

    def run_method(
        self,
        method: str,
        *arguments: object,
        environment: Mapping[str, object] | None = None,
        timeout: Timeout | None = None,
    ) -> CommandOutcome:
        """Runs a command to its end.

        Arguments and errors as for `call_method`, and:

        Raises:
            DriverTimeoutError: it did not end in time, here or in the driver; the message has what it wrote until then.
            DriverError: the driver said nothing about its exit status.
        """
        begin, stdout, stderr, rc = time.monotonic(), _Kept(), _Kept(), None
        try:
            for piece in self.call_method(method, *arguments, environment=environment, timeout=timeout):
                stdout.add(piece.stdout)
                stderr.add(piece.stderr)
                rc = piece.rc if piece.rc is not None else rc
        except TimeoutError as error:
            wrote = _shown(stdout.text, stderr.text)
            more = "The command may still be running on the exporter."
            raise type(error)(f"The command '{method}' did not end in time: {error} {more}{wrote}") from None
        if rc == TIME_OUT_STATUS and TIME_OUT_TEXT in stderr.text:
            raise DriverTimeoutError(
                f"{self._act(method)} failed: the driver ended the command, because it took longer than the exporter's "
                f"configuration allows.{_shown(stdout.text, stderr.text)}"
            )
        if rc is None:
            raise DriverError(
                f"{self._act(method)} failed: the driver sent no exit status, so nobody knows whether it worked."
                f"{_shown(stdout.text, stderr.text)}"
            )
        return CommandOutcome(stdout.text, stderr.text, rc, time.monotonic() - begin)

    def _act(self, method: str) -> str:
        return f"The command '{method}' of {Act(self.device.name, self.path, method).place}"


def _as_text(value: object) -> object:
    return value if isinstance(value, (str, Hidden)) else str(value)


def _shown(stdout: str, stderr: str) -> str:
    texts = [text.strip()[-SHOWN:] for text in (stdout, stderr) if text.strip()]
    return "\nIt had written:\n" + "\n".join(texts) if texts else ""


class _Kept:
    """Text that grows: the first half and the last half of what is too much is kept."""

    def __init__(self) -> None:
        self._begin = ""
        self._rest: deque[str] = deque()
        self._size = self._cut = 0

    def add(self, text: str) -> None:
        if len(self._begin) < LARGEST_OUTPUT // 2:
            self._begin += text
            return
        self._rest.append(text)
        self._size += len(text)
        while self._size > LARGEST_OUTPUT // 2:
            gone = len(self._rest.popleft())
            self._size, self._cut = self._size - gone, self._cut + gone

    @property
    def text(self) -> str:
        note = f"\n[… {self._cut} characters cut]\n" if self._cut else ""
        return f"{self._begin}{note}{''.join(self._rest)}"
