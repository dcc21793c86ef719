"""`python -m JumpstarterLibrary describe`: writes down what a device has, for dry runs and for people."""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

from .doctor import EXIT_CODES
from .errors import JumpstarterError
from .lab.wish import Wish
from .report.description import describe, save
from .sessions import Sessions


def main(arguments: Sequence[str] | None = None) -> int:
    """Runs the command; returns its exit code."""
    parser = argparse.ArgumentParser(
        prog="python -m JumpstarterLibrary describe", description="Writes a device's driver tree as JSON."
    )
    parser.add_argument("target", nargs="?", help="as for Open Jumpstarter Session: mock, bench.yaml, host:port, …")
    parser.add_argument("--selector", default="", metavar="LABELS", help="labels of the exporter to lease")
    parser.add_argument("--exporter-name", default="", metavar="NAME", help="the exporter to lease, by name")
    parser.add_argument("--client-config", metavar="CONFIG", help="alias or path; the current one unless given")
    parser.add_argument("--output", type=Path, metavar="FILE", help="the file; standard output unless given")
    parser.add_argument("--timeout", type=float, default=30.0, metavar="SECONDS", help="for opening the device")
    options = parser.parse_args(arguments)
    wish = Wish(selector=options.selector, exporter_name=options.exporter_name, client_config=options.client_config)
    sessions = Sessions()
    try:
        session = sessions.open(options.target, wish=wish, timeout=timedelta(seconds=options.timeout), progress=_progress)
        description = describe(session, sessions.redact)
        if options.output is not None:
            save(description, options.output)
            _progress(f"{len(description['drivers'])} drivers of '{session.alias}' are described in {options.output}")
        else:
            print(json.dumps(description, indent=1, ensure_ascii=False))  # noqa: T201 - what the command is for
        return 0
    except JumpstarterError as error:
        _progress(sessions.redact(f"{error.failure_class.value}: {error}"))
        return EXIT_CODES[error.failure_class]
    finally:
        sessions.close_all()


def _progress(text: str) -> None:
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - what the command is for
