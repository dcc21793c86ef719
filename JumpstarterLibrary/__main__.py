"""`python -m JumpstarterLibrary doctor`, `python -m JumpstarterLibrary describe` and `python -m JumpstarterLibrary verdict`."""

from __future__ import annotations

import argparse
import sys
from importlib import import_module

COMMANDS = {
    "doctor": "says what works on the way to a device, and what does not",
    "describe": "writes a device's driver tree as JSON, for dry runs",
    "verdict": "says whose failures a run has: output.xml",
}
USAGE = "\n".join(f"  {name:<10}{does}" for name, does in COMMANDS.items())


def main(arguments: list[str]) -> int:
    """Runs the command that the first argument names; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m JumpstarterLibrary",
        usage="python -m JumpstarterLibrary doctor|describe|verdict …",
        description=f"commands; each has a --help of its own:\n\n{USAGE}\n\n"
        "python -m JumpstarterLibrary.exporter serves a device.",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("command", choices=COMMANDS, help=argparse.SUPPRESS)
    command = parser.parse_args(arguments[:1]).command
    run = import_module(f".{command}", __package__).main
    return int(run(arguments[1:]))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
