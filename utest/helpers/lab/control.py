"""The channel over which a test commands a child process of the lab: one JSON object per line on a Unix socket."""

import asyncio
import contextlib
import json
import os
import socket
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

UTEST = Path(__file__).parents[2]
OPTIONS = "LAB_DOUBLE_OPTIONS"
ANSWER_LIMIT = 60.0
"""Seconds that an answer may take."""


def python(module: str, options: Mapping[str, Any], environment: Mapping[str, str | None] | None = None) -> dict[str, Any]:
    """The arguments of `Process` that run one of our modules with its options."""
    # The options hold tokens, so they travel in the environment and not in the command line, which failures print.
    env = {**(environment or {}), "PYTHONPATH": str(UTEST), OPTIONS: json.dumps(options)}
    return {"command": [sys.executable, "-m", module], "env": env}


def options() -> dict[str, Any]:
    """What `python` was given, in the child."""
    return json.loads(os.environ.pop(OPTIONS))


class Control:
    """The test's end."""

    def __init__(self, path: str) -> None:
        self._path = path

    def ask(self, command: str, arguments: Mapping[str, Any]) -> Any:
        """Sends a command and returns its answer.

        Raises:
            AssertionError: the double did not understand, with its text.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(ANSWER_LIMIT)
            connection.connect(self._path)
            connection.sendall(json.dumps({"command": command, "arguments": arguments}).encode() + b"\n")
            with connection.makefile("rb") as answers:
                answer = json.loads(answers.readline())
        if "error" in answer:
            raise AssertionError(f"the lab double refused '{command}': {answer['error']}")
        return answer["result"]


async def serve(path: str, perform: Callable[[str, dict[str, Any]], Any]) -> asyncio.Server:
    """The child's end: calls `perform(command, arguments)`, which may be a coroutine function, for each line."""

    async def connected(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(ConnectionError):
            while line := await reader.readline():
                asked = json.loads(line)
                try:
                    result = perform(asked["command"], asked["arguments"])
                    answer = {"result": await result if asyncio.iscoroutine(result) else result}
                except Exception as error:
                    answer = {"error": f"{type(error).__name__}: {error}"}
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    return await asyncio.start_unix_server(connected, path, limit=16 * 1024 * 1024)
