"""Evidence as files: a folder that anybody can read without tools, with an index for programs, and one zip. No Robot."""

from __future__ import annotations

import json
import shutil
import time
import zipfile
from collections.abc import Callable
from pathlib import Path

from ..journal.files import file_name
from .evidence import Evidence, Piece
from .failure_class import Failure

INDEX = "index.json"
FOLDER = "evidence"
VERSION = 1


def write(evidence: Evidence, folder: Path, failure: Failure | None, redact: Callable[[str], str]) -> None:
    """Writes a bundle: `evidence/` and `evidence.zip` in a folder. What cannot be written is told in `evidence.problem`.

    Args:
        evidence: what was gathered; it learns its folder, its archive, and each piece its file.
        folder: the test's own; what an earlier run left there is replaced.
        failure: the class, as far as it is known.
        redact: masks secrets.
    """
    target, archive = folder / FOLDER, folder / f"{FOLDER}.zip"
    try:
        if (target / INDEX).exists():
            shutil.rmtree(target)  # of an earlier run
        target.mkdir(parents=True, exist_ok=True)
        for piece in evidence.pieces:
            _write_piece(piece, target)
        (target / INDEX).write_text(_index(evidence, failure, redact), encoding="utf-8", errors="backslashreplace")
        evidence.folder = target
        with zipfile.ZipFile(archive, "w", zipfile.ZIP_DEFLATED, strict_timestamps=False) as file:
            for path in sorted(target.rglob("*")):
                file.write(path, Path(FOLDER) / path.relative_to(target))
        evidence.archive = archive
    except OSError as error:
        evidence.problem = f"The evidence cannot be kept in '{target}': {(error.strerror or str(error)).lower()}."


def _write_piece(piece: Piece, target: Path) -> None:
    folder = target / file_name(piece.device) if piece.device else target
    folder.mkdir(parents=True, exist_ok=True)
    suffix = piece.picture.suffix if piece.picture is not None else ".txt"
    path, number = folder / f"{file_name(piece.title)}{suffix}", 2
    while path.exists():
        path, number = folder / f"{file_name(piece.title)}-{number}{suffix}", number + 1
    if piece.picture is not None:
        path.write_bytes(piece.picture.data)
    else:
        path.write_text(piece.text + "\n", encoding="utf-8", errors="backslashreplace")
    piece.file = path.relative_to(target).as_posix()


def _index(evidence: Evidence, failure: Failure | None, redact: Callable[[str], str]) -> str:
    moment = time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(evidence.wall)) + f".{int(evidence.wall % 1 * 1000):03d}Z"
    values = {
        "version": VERSION,
        "time": moment,
        "test": redact(evidence.test),
        "message": redact(evidence.message),
        "failure_class": None if failure is None else failure.failure_class.value.lower(),
        "reason": None if failure is None else redact(failure.reason),
        "budget": evidence.budget,
        "seconds": round(evidence.seconds, 3),
        "silent": evidence.silent,
        "pieces": [
            {
                "title": piece.title,
                "device": piece.device,
                "outcome": piece.outcome,
                "seconds": round(piece.seconds, 3),
                "file": piece.file,
                **({} if piece.outcome == "ok" else {"note": piece.text}),
            }
            for piece in evidence.pieces
        ],
    }
    return json.dumps(values, ensure_ascii=False, indent=1) + "\n"
