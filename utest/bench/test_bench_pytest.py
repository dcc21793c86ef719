"""The end of a pytest class."""

import subprocess
import sys

from bench_contest import Contest, row
from helpers.processes import clean_environment

PLUGIN = """\
def pytest_runtest_logreport(report):
    if report.when == "teardown":
        print(f"TEARDOWN {report.duration}")
"""
TESTS = """\
from {module} import JumpstarterTest

class TestPower(JumpstarterTest):
    def test_on(self, client):
        client.on()
"""


def test_end_of_class(benchmark, upstream_host, tmp_path):
    def turn(name, module):
        folder = tmp_path / name
        folder.mkdir()
        (folder / "conftest.py").write_text(PLUGIN)
        (folder / "test_power.py").write_text(TESTS.format(module=module))
        (folder / "pytest.ini").write_text("[pytest]\n")
        env = clean_environment({"JUMPSTARTER_HOST": upstream_host, "JMP_DRIVERS_ALLOW": "UNSAFE"})

        def run():
            command = [sys.executable, "-m", "pytest", "-q", "-s", "-p", "no:cacheprovider", "-p", "no:asyncio"]
            output = subprocess.run(command, cwd=folder, env=env, check=True, capture_output=True, text=True).stdout
            return float(next(line for line in output.splitlines() if "TEARDOWN" in line).split()[-1])

        return run

    turns = {"ours": turn("ours", "JumpstarterLibrary.testing"), "upstream": turn("upstream", "jumpstarter_testing.pytest")}

    contest = Contest().play(benchmark, turns, 7)

    values = [taken * 1000 for taken in contest.taken["ours"]]
    row(benchmark, "end of a `JumpstarterTest` class", values, bar=50, unit="ms", detail=contest.summary("ms"))
