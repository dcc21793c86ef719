"""1,000 keywords in a Robot suite."""

import subprocess
import sys
from pathlib import Path

import pytest
from bench_contest import Contest, Turn, row
from helpers.processes import clean_environment
from robot.api import ExecutionResult

KEYWORDS = 1000
ROUNDS = 7

LIBRARIES = {
    "EmptyKeyword": """\
class EmptyKeyword:
    ROBOT_LIBRARY_SCOPE = "GLOBAL"

    def power_on(self):
        pass
""",
    # As thin as can be: nothing but the call, nothing in the log.
    "ThinRaw": """\
import os
import grpc
from google.protobuf.empty_pb2 import Empty
from jumpstarter_protocol import jumpstarter_pb2, jumpstarter_pb2_grpc

class ThinRaw:
    ROBOT_LIBRARY_SCOPE = "GLOBAL"

    def open_session(self):
        self._channel = grpc.insecure_channel(f"unix:{os.environ['JUMPSTARTER_HOST']}")
        self._stub = jumpstarter_pb2_grpc.ExporterServiceStub(self._channel)
        self._uuid = self._stub.GetReport(Empty(), timeout=30).reports[0].uuid

    def power_on(self):
        self._stub.DriverCall(jumpstarter_pb2.DriverCallRequest(uuid=self._uuid, method="on"), timeout=30)

    def close_session(self):
        self._channel.close()
""",
    # What somebody would write who has upstream's client and an afternoon.
    "ThinUpstream": """\
from jumpstarter.utils.env import env

class ThinUpstream:
    ROBOT_LIBRARY_SCOPE = "GLOBAL"

    def open_session(self):
        self._env = env()
        self._client = self._env.__enter__()

    def power_on(self):
        self._client.on()

    def close_session(self):
        self._env.__exit__(None, None, None)
""",
}


class Suite:
    """A suite with 1,000 times `Power On` in one test, and the library that has it."""

    def __init__(self, folder: Path, library: str, host: str, opening: str = "", closing: str = "") -> None:
        folder.mkdir()
        for name, code in LIBRARIES.items():
            (folder / f"{name}.py").write_text(code)
        setup = f"Suite Setup    {opening}\n" if opening else ""
        teardown = f"Suite Teardown    {closing}\n" if closing else ""
        body = "    Power On\n" * KEYWORDS
        (folder / "suite.robot").write_text(
            f"*** Settings ***\nLibrary    {library}\n{setup}{teardown}\n*** Test Cases ***\nThousand\n{body}"
        )
        self._folder = folder
        self._env = clean_environment({"JUMPSTARTER_HOST": host, "JMP_DRIVERS_ALLOW": "UNSAFE"})

    def __call__(self) -> float:
        """Runs it; returns what the test took in seconds."""
        options = ["--pythonpath", ".", "--outputdir", ".", "--log", "NONE", "--report", "NONE", "--console", "none"]
        command = [sys.executable, "-m", "robot", *options, "suite.robot"]
        run = subprocess.run(command, cwd=self._folder, env=self._env, check=False, capture_output=True, text=True)
        assert run.returncode == 0, f"{self._folder.name} ended with {run.returncode}: {run.stdout}{run.stderr}"
        test = ExecutionResult(self._folder / "output.xml").suite.tests[0]
        return test.elapsed_time.total_seconds()


def suites(folder: Path, host: str) -> dict[str, Turn]:
    return {
        "ours": Suite(folder / "ours", "JumpstarterLibrary", host, "Open Jumpstarter Session"),
        "thin library over upstream's client": Suite(folder / "thin", "ThinUpstream", host, "Open Session", "Close Session"),
        "thin library over raw gRPC": Suite(folder / "raw", "ThinRaw", host, "Open Session", "Close Session"),
        "empty keywords": Suite(folder / "empty", "EmptyKeyword", host),
    }


@pytest.mark.parametrize("exporter", ["upstream's", "our"])
def test_power_on(benchmark, contender, upstream_host, our_host, tmp_path, exporter):
    host = our_host if exporter == "our" else upstream_host
    calls = contender("raw", host)
    turns = suites(tmp_path, host) | {"raw calls": lambda: sum(calls.ask("calls", KEYWORDS))}

    contest = Contest().play(benchmark, turns, ROUNDS)

    text = f"1,000 `Power On`, {exporter} exporter: ours / (1,000 empty keywords + 1,000 raw calls)"
    row(benchmark, text, contest.ratios("ours", "empty keywords", "raw calls"), bar=1.2, detail=contest.summary("ms"))
    for other in ("thin library over upstream's client", "thin library over raw gRPC"):
        row(benchmark, f"1,000 `Power On`, {exporter} exporter: ours / {other}", contest.ratios("ours", other), bar=None)
