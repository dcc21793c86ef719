"""Real `robot` in a child process, and what it wrote."""

import os
import sys
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import count
from pathlib import Path
from typing import Any

from robot.api import ExecutionResult

from .processes import Process


@dataclass
class RobotRun:
    """What a run of `robot` left behind."""

    returncode: int
    stdout: str
    outputdir: Path

    @cached_property
    def result(self) -> Any:
        """The parsed output.xml; fails with Robot's own words if there is none."""
        output = self.outputdir / "output.xml"
        assert output.exists(), f"robot ended with {self.returncode} and wrote no output.xml:\n{self.stdout}"
        return ExecutionResult(output)

    @property
    def suite(self) -> Any:
        """The top suite."""
        return self.result.suite

    @cached_property
    def tests(self) -> dict[str, Any]:
        """All tests by name."""
        return {test.name: test for test in self.suite.all_tests}

    def messages(self, keyword: str | None = None) -> list[str]:
        """All log messages in order, or those under the keywords of this name only."""
        return [message.message for message in self.log_messages(keyword)]

    def log_messages(self, keyword: str | None = None) -> list[Any]:
        """The same as Robot's objects, with level, time and `html`."""
        return list(_messages(self.suite, keyword, inside=keyword is None))

    def files_with(self, text: str | bytes) -> list[Path]:
        """The files of the output folder that contain a text; for secrets."""
        wanted = text.encode() if isinstance(text, str) else text
        return [path for path in sorted(self.outputdir.rglob("*")) if path.is_file() and wanted in path.read_bytes()]


class RobotProcess(Process):
    """A running `robot`."""

    outputdir: Path

    def finish(self, timeout: float = 60) -> RobotRun:
        """Waits for the end."""
        try:
            code = self.wait(timeout)
        finally:
            self.stop()
        return RobotRun(code, self.output, self.outputdir)


class RobotRunner:
    """Starts `robot`, each time with a new output folder under `folder`."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._numbers = count(1)
        self._started: list[RobotProcess] = []

    def start(
        self,
        suite: str | os.PathLike[str],
        *options: str,
        env: Mapping[str, str | None] | None = None,
        inside: Sequence[str] = (),
        name: str = "suite.robot",
    ) -> RobotProcess:
        """Starts `robot` and does not wait: for tests that send signals.

        Args:
            suite: the text of a suite, or the path of a suite or folder.
            options: options of `robot`, before the suite.
            env: changes to the environment; None removes a variable.
            inside: a command in front, such as `jmp shell --exporter-config FILE --`.
            name: file name for the suite's text.
        """
        folder = self._folder / f"robot-{next(self._numbers)}"
        folder.mkdir(parents=True)
        path = os.fspath(suite)
        if "\n" in path:
            (folder / name).write_text(path)
            path = str(folder / name)
        outputdir = folder / "output"
        command = [*inside, sys.executable, "-m", "robot", "--outputdir", str(outputdir), "--consolecolors", "off"]
        process = RobotProcess([*command, *options, path], env=env)
        process.outputdir = outputdir
        self._started.append(process)
        return process

    def __call__(
        self,
        suite: str | os.PathLike[str],
        *options: str,
        env: Mapping[str, str | None] | None = None,
        timeout: float = 60,
        inside: Sequence[str] = (),
        name: str = "suite.robot",
    ) -> RobotRun:
        """Runs `robot` to its end; see `start` for the arguments."""
        return self.start(suite, *options, env=env, inside=inside, name=name).finish(timeout)

    def close(self) -> None:
        """Ends what a failed test left running."""
        for process in self._started:
            process.stop()


def _messages(item: Any, keyword: str | None, *, inside: bool) -> Iterator[Any]:
    inside = inside or getattr(item, "name", None) == keyword
    for part in _parts(item):
        if getattr(part, "type", None) == "MESSAGE":
            if inside:
                yield part
        else:
            yield from _messages(part, keyword, inside=inside)


def _parts(item: Any) -> Iterator[Any]:
    if getattr(item, "has_setup", False):
        yield item.setup
    yield from getattr(item, "body", ())
    yield from getattr(item, "suites", ())
    yield from getattr(item, "tests", ())
    if getattr(item, "has_teardown", False):
        yield item.teardown
