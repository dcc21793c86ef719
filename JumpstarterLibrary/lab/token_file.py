"""Writes renewed tokens back to the client configuration that they came from, as upstream's shell does.

Issuers may take a refresh token only once: without this, the next run, and the user's own tools, would have to log in again.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import yaml

LOCK_TIMEOUT = 15.0
"""Seconds that another process may take to renew the same token."""
PAUSE = 0.05


@contextlib.contextmanager
def alone(path: Path | None) -> Iterator[None]:
    """Keeps other processes of this library from renewing the token of the same file meanwhile, for some seconds at most."""
    if path is None:
        yield
        return
    folder = None
    try:
        with contextlib.suppress(OSError):
            folder = os.open(path.resolve().parent, os.O_RDONLY)
            _lock(folder)
        yield
    finally:
        if folder is not None:
            os.close(folder)


def _lock(folder: int) -> None:
    end = time.monotonic() + LOCK_TIMEOUT
    while time.monotonic() < end:
        with contextlib.suppress(BlockingIOError):
            fcntl.flock(folder, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return
        time.sleep(PAUSE)


def write_back(path: Path, old: str, token: str, refresh: str | None) -> bool:
    """Puts new tokens in the place of the old one; everything else in the file stays as it is, comments too.

    Args:
        path: the file.
        old: the token that was renewed; a file that has another one is left alone, as somebody has logged in again.
        token: the new one.
        refresh: the new refresh token; the file's stays unless given.

    Returns:
        Whether it was written.

    Raises:
        OSError: the file cannot be written.
    """
    path = path.resolve()  # a link stays one
    text = path.read_text(encoding="utf-8")
    new = replaced(text, old, {"token": token, **({"refresh_token": refresh} if refresh else {})})
    if new is None:
        return False
    if not os.access(path, os.W_OK):  # what is to be left alone is left alone, though the folder would let us
        raise PermissionError(f"'{path}' is not writable")
    descriptor, name = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)  # mode 0600
    try:
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(new)
            file.flush()
            os.fsync(file.fileno())
        Path(name).replace(path)
    except BaseException:
        with contextlib.suppress(OSError):
            Path(name).unlink()
        raise
    return True


def replaced(text: str, old: str, values: dict[str, str]) -> str | None:
    """Returns the text of a configuration with other values of some keys; None if its token is another one, or if that cannot be
    done without touching anything else."""
    try:
        top = yaml.compose(text, Loader=yaml.SafeLoader)
        document = yaml.safe_load(text)
    except yaml.YAMLError:
        return None
    if not isinstance(top, yaml.MappingNode) or str(document.get("token") or "").strip() != old:
        return None
    nodes = {key.value: value for key, value in top.value}
    after = nodes["token"].end_mark.index
    edits = []
    for key, value in values.items():
        node = nodes.get(key)
        if node is None:
            before = ", " if top.flow_style else "" if text[:after].endswith("\n") else "\n"
            behind = "\n" if text[:after].endswith("\n") and not top.flow_style else ""
            edits.append((after, after, f"{before}{json.dumps(key)}: {json.dumps(value)}{behind}"))
        else:
            begin, end = node.start_mark.index, node.end_mark.index
            edits.append((begin, end, json.dumps(value) + ("\n" if text[begin:end].endswith("\n") else "")))
    for begin, end, new in sorted(edits, reverse=True):
        text = text[:begin] + new + text[end:]
    try:
        return text if yaml.safe_load(text) == document | values else None
    except yaml.YAMLError:
        return None
