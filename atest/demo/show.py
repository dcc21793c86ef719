"""Runs the demo and says what to look at: `make demo`, or `python atest/demo/show.py [FOLDER]`.

It runs two suites: one passes, and one has a test that fails on purpose. The exit status is 0 only if just that one has
failed, and as the device's failure.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from robot.api import ExecutionResult

HERE = Path(__file__).parent
SUITES = ("demo.robot", "failing.robot")
ON_PURPOSE = "This Test Fails On Purpose"
LOOK_AT = (
    "Look at log.html: unfold a test of 'Demo' for what the board said, drew and was sent, "
    "and the one of 'Failing', red on purpose, for what a failure tells."
)


def main(output: Path, suites: Path = HERE) -> int:
    """Runs the suites; returns the exit status."""
    paths = [str(suites / name) for name in SUITES]
    command = [sys.executable, "-m", "robot", "--name", "JumpstarterLibrary", "--outputdir", str(output), *paths]
    subprocess.run(command, check=False)
    problems = wrong(output / "output.xml")
    for problem in problems:
        print(problem, file=sys.stderr)
    if not problems:
        print(f"\n{LOOK_AT}")
    print(f"\nlog: {output / 'log.html'}" + ("" if problems else " (one test failed, as it was meant to)"))
    return 1 if problems else 0


def wrong(output: Path) -> list[str]:
    """What is not as it is meant to be, in sentences."""
    if not output.exists():
        return ["robot has written no output.xml."]
    tests = {test.name: test for test in ExecutionResult(output).suite.all_tests}
    problems = [f"'{name}' failed: {test.message}" for name, test in tests.items() if test.failed and name != ON_PURPOSE]
    failed = tests.get(ON_PURPOSE)
    if failed is None or not failed.failed:
        problems.append(f"'{ON_PURPOSE}' should have failed, and did not.")
    elif not failed.message.startswith("DEVICE: "):
        problems.append(f"'{ON_PURPOSE}' should have failed as DEVICE, and not so: {failed.message}")
    return problems


if __name__ == "__main__":
    sys.exit(main(Path(sys.argv[1] if len(sys.argv) > 1 else "results/demo")))
