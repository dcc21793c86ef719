"""The journal as a file: one JSON object per line, complete, written by one background thread for all journals."""

from __future__ import annotations

import atexit
import dataclasses
import functools
import json
import queue
import re
import threading
import time
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any, TextIO

from ..wire.interruptible import SoundEvent
from .events import Event

GATHERING = 0.05
"""Seconds in which events gather before they are written. Written one by one, each would wake the writer's thread, which then
holds up the keyword that made it. A process that is killed outright loses them."""
FLUSH_BUDGET = 2.0
"""Seconds that closing waits for what is still to be written."""


class JsonLinesFile:
    """A subscriber that writes events to a file. `append` only queues; a full disk never disturbs the device."""

    def __init__(self, path: Path, redact: Callable[[str], str] = str) -> None:
        path.parent.mkdir(parents=True, exist_ok=True)
        self.path = path
        self.error: Exception | None = None
        """What went wrong when writing, if anything did."""
        self._redact = redact
        self._file: TextIO | None = begin_anew(path).open("a", encoding="utf-8", errors="backslashreplace")
        self._written = SoundEvent()
        self._writer = _writer()
        atexit.register(self.close)  # for sessions that are kept open to the end

    def append(self, event: Event) -> None:
        """Queues an event."""
        self._writer.queue.put((self, event))

    def close(self) -> None:
        """Writes what is queued, at most for two seconds, and closes the file."""
        atexit.unregister(self.close)
        self._writer.queue.put((self, None))
        self._writer.hurry.set()
        self._written.wait(FLUSH_BUDGET)

    def write(self, event: Event | None) -> None:
        """Writes one event, or closes the file; called by the writer's thread."""
        if self._file is None:
            return
        try:
            if event is None:
                file, self._file = self._file, None
                file.close()
            else:
                self._file.write(as_json(event, self._redact) + "\n")
        except Exception as error:  # noqa: BLE001 - one bad event must not end the thread that writes all files
            self.error = error
        finally:
            if event is None:
                self._written.set()

    def flush(self) -> None:
        """Hands what was written to the system; called by the writer's thread when it has nothing else to do."""
        if self._file is not None:
            try:
                self._file.flush()
            except OSError as error:
                self.error = error


_begun: set[Path] = set()


def begin_anew(path: Path) -> Path:
    """Empties a file that this process has not written yet: what is in it is of another run. Returns its path."""
    path = path.absolute()
    if path not in _begun:
        _begun.add(path)
        path.write_bytes(b"")
    return path


LONGEST_NAME = 100
"""Characters of a file's name that come from a name that people gave."""
_owners: dict[Path, Hashable] = {}
_owners_lock = threading.Lock()


def file_name(text: str) -> str:
    """Makes a file or folder name of a path, an alias or a test's name. Others may have the same: see `own_path`."""
    return re.sub(r"[^\w.-]+", "_", text).strip("_.")[:LONGEST_NAME] or "unnamed"


def own_path(folder: Path, text: str, suffix: str = "", owner: Hashable = None) -> Path:
    """Returns the path of a file or folder that nobody else in this process gets, and its owner each time.

    Args:
        folder: where it is.
        text: what its name is made of; where another owner's name came out the same, a number follows.
        suffix: what the name ends in.
        owner: whose it is; the text says it unless given.
    """
    key, number = (text, suffix, owner), 1
    while True:
        path = folder.absolute() / f"{file_name(text)}{f'-{number}' if number > 1 else ''}{suffix}"
        with _owners_lock:
            if _owners.setdefault(path, key) == key:
                return path
        number += 1


def as_json(event: Event, redact: Callable[[str], str] = str) -> str:
    """Returns an event as one line of JSON, `kind` and times first, secrets masked."""
    stamp = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(event.wall)) + f".{int(event.wall % 1 * 1e6):06d}Z"
    values: dict[str, object] = {"kind": event.kind, "time": stamp, "monotonic": round(event.monotonic, 6)}
    kind: Any = type(event)  # mypy takes the class for unhashable, because its objects are
    for name in _own_fields(kind):
        value = getattr(event, name)
        values[name] = redact(value) if isinstance(value, str) else value
    return _ENCODER.encode(values)


# Made once: json.dumps makes an encoder for every call that asks for anything special.
_ENCODER = json.JSONEncoder(ensure_ascii=False, default=str)


@functools.cache
def _own_fields(kind: type[Event]) -> tuple[str, ...]:
    return tuple(field.name for field in dataclasses.fields(kind) if field.name not in ("wall", "monotonic"))


class _Writer:
    def __init__(self) -> None:
        self.queue: queue.SimpleQueue[tuple[JsonLinesFile, Event | None]] = queue.SimpleQueue()
        self.hurry = SoundEvent()
        """Set when somebody waits for what is queued."""
        self.thread = threading.Thread(target=self._run, name="jumpstarter-journal", daemon=True)
        self.thread.start()

    def _run(self) -> None:
        while True:
            touched = set()
            file, event = self.queue.get()
            self.hurry.wait(GATHERING)
            self.hurry.clear()
            while True:
                file.write(event)
                touched.add(file)
                try:
                    file, event = self.queue.get_nowait()
                except queue.Empty:
                    break
            for written in touched:
                written.flush()


_lock = threading.Lock()
_shared: _Writer | None = None


def _writer() -> _Writer:
    global _shared  # noqa: PLW0603 - one thread writes all files of this process
    with _lock:
        if _shared is None or not _shared.thread.is_alive():
            _shared = _Writer()
        return _shared
