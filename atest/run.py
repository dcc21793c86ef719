"""Runs the acceptance suites: all of them, or the folders that are named; further options go to robot."""

import sys
from pathlib import Path

from robot import run_cli

HERE = Path(__file__).parent

if __name__ == "__main__":
    named = [argument for argument in sys.argv[1:] if (HERE / argument).is_dir()]
    options = [argument for argument in sys.argv[1:] if argument not in named]
    suites = [str(HERE / name) for name in named] or [str(path) for path in sorted(HERE.glob("[0-9]*_*"))]
    run_cli(["--outputdir", str(HERE.parent / "results" / "atest"), "--name", "Atest", *options, *suites])
