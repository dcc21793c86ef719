"""Pictures: the files in which they are kept, and how they stand in Robot's log."""

from __future__ import annotations

import base64
import contextlib
import html
from pathlib import Path

from ..client.pictures import SUFFIXES
from ..client.video import Snapshot
from ..errors import ConfigurationError
from ..journal.files import file_name
from .output import link_address, output_folder

MOST_EMBEDDED = 128 * 1024
"""Bytes of a picture that stands in log.html itself, and so goes wherever log.html goes; a larger one is only linked to."""

KNOWN_SUFFIXES = frozenset({*SUFFIXES.values(), ".jpeg"})
"""Endings that a name keeps."""


def save(snapshot: Snapshot, name: str, path: Path | None) -> Path:
    """Keeps a picture; a file is there under its name only when it is complete.

    Args:
        snapshot: the picture.
        name: what it shows; a part of the file's name if no path is given.
        path: the file, relative to `${OUTPUT DIR}`, in place of one that may be there. A name without the ending of a
            picture, such as `after-v1.2`, gets that of the picture's type. Unless given, it is a new file in
            `${OUTPUT DIR}/jumpstarter`.

    Raises:
        ConfigurationError: it cannot be written; nothing of it is left.
    """
    folder = output_folder()
    if path is None:
        return _save_new(snapshot, folder / "jumpstarter", f"{file_name(name)}-")
    path = folder / path
    path = path if path.suffix.lower() in KNOWN_SUFFIXES else path.with_name(f"{path.name}{snapshot.suffix}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _write(snapshot.data, path)
    except OSError as error:
        raise _unwritable(path, error) from None
    return path


def picture_block(snapshot: Snapshot, path: Path, caption: str) -> str:
    """Returns a picture for Robot's log: embedded up to a sensible size, and a link to its file."""
    link = link_address(path)
    small = len(snapshot.data) <= MOST_EMBEDDED
    source = f"data:{snapshot.mime};base64,{base64.b64encode(snapshot.data).decode()}" if small else link
    size = f", {snapshot.width} by {snapshot.height}" if snapshot.width else ""
    text = html.escape(caption)
    return (
        f'<figure style="margin:4px 0;border-left:3px solid #26a69a;padding-left:8px">'
        f'<a href="{link}"><img src="{source}" alt="{text}" title="{text}" style="max-width:640px;border:1px solid #b0bec5"></a>'
        f'<figcaption style="color:#607d8b">{text}: <a href="{link}">{html.escape(path.name)}</a>'
        f" ({snapshot.mime.removeprefix('image/')}{size}, {len(snapshot.data)} bytes)</figcaption></figure>"
    )


def _save_new(snapshot: Snapshot, folder: Path, begin: str) -> Path:
    path = None
    try:
        path = _new_file(folder, begin, snapshot.suffix)
        _write(snapshot.data, path)
    except BaseException as error:  # also Robot's timeout and Ctrl-C
        if path is not None:
            path.unlink(missing_ok=True)
        if isinstance(error, OSError):
            raise _unwritable(path or folder, error) from None
        raise
    return path


def _write(data: bytes, path: Path) -> None:
    part = path.with_name(f".{path.name}.part")
    try:
        part.write_bytes(data)
        part.replace(path)
    finally:
        with contextlib.suppress(OSError):
            part.unlink(missing_ok=True)


def _unwritable(path: Path, error: OSError) -> ConfigurationError:
    return ConfigurationError(f"The picture cannot be kept as '{path}': {(error.strerror or str(error)).lower()}.")


def _new_file(folder: Path, begin: str, suffix: str) -> Path:
    """Makes an empty file that was not there, so that runs side by side in one folder do not meet."""
    folder.mkdir(parents=True, exist_ok=True)
    number = 1
    while True:
        path = folder / f"{begin}{number}{suffix}"
        try:
            path.touch(exist_ok=False)
            return path
        except FileExistsError:
            number += 1
