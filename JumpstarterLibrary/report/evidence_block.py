"""Evidence as one folded block of HTML: an index with links, pictures, and the ends of texts. No Robot, no script."""

from __future__ import annotations

import base64
import html
from collections.abc import Callable
from pathlib import Path

from ..wire.deadline import in_words
from .evidence import Evidence, Piece
from .failure_class import Failure

MOST_EMBEDDED = 128 * 1024
"""Bytes of a picture that stands in the block itself."""
MOST_LINES, MOST_CHARACTERS = 40, 6_000
"""Of the end of a text that the block shows; the file has the rest."""
MOST_IN_ALL = 100_000
"""Characters of all texts of a block."""

_SIGNS = {"ok": "\u2713", "skipped": "\u2013", "failed": "\u2717"}
_QUIET = "opacity:.7"


def block(evidence: Evidence, failure: Failure | None, link: Callable[[Path], str]) -> str:
    """Returns the block.

    Args:
        evidence: what was gathered, and written as far as that was possible.
        failure: class and reason.
        link: makes the address of a file, ready to stand in an attribute.
    """
    wrong = [piece for piece in evidence.pieces if piece.outcome != "ok"]
    not_had = f", {len(wrong)} could not be had" if wrong else ""
    title = f"Evidence: {len(evidence.pieces)} pieces in {in_words(evidence.seconds)}{not_had}"
    head = [f"<p>{html.escape(failure.line)}</p>"] if failure is not None else []
    if evidence.archive is not None and evidence.folder is not None:
        head.append(
            f'<p><a href="{link(evidence.archive)}">{html.escape(evidence.archive.name)}</a> has all of it; '
            f'<a href="{link(evidence.folder)}">folder</a></p>'
        )
    elif evidence.problem:
        head.append(f"<p>{html.escape(evidence.problem)}</p>")
    left, parts = MOST_IN_ALL, []
    for piece in evidence.pieces:
        address = link(evidence.folder / piece.file) if evidence.folder is not None and piece.file else ""
        shown = _piece(piece, address, left)
        left -= 0 if piece.picture is not None else len(shown)
        parts.append(shown)
    return (
        '<details style="border-left:3px solid #d84315;padding-left:8px"><summary style="cursor:pointer">'
        f"{html.escape(title)}</summary>{''.join(head)}{''.join(parts)}</details>"
    )


def _piece(piece: Piece, address: str, left: int) -> str:
    name = html.escape(f"{piece.device}: {piece.title}" if piece.device else piece.title)
    named = f'<a href="{address}">{name}</a>' if address else name
    taken = f' <span style="{_QUIET}">{in_words(piece.seconds)}</span>' if piece.seconds >= 0.01 else ""
    summary = f'{_SIGNS[piece.outcome]} {named} <span style="{_QUIET}">{html.escape(piece.outcome)}</span>{taken}'
    if piece.picture is not None:
        return f"<div>{summary}{_picture(piece, address)}</div>"
    lines = piece.text.split("\n")
    text = "\n".join(lines[-MOST_LINES:])[-MOST_CHARACTERS:]
    if left <= 0:
        return f"<div>{summary}</div>"
    cut = f'<i style="{_QUIET}">the end of {len(lines)} lines</i>\n' if len(text) < len(piece.text) else ""
    is_open = " open" if piece.outcome != "ok" else ""
    return (
        f'<details{is_open}><summary style="cursor:pointer">{summary}</summary>'
        f'<pre style="margin:2px 0 6px 16px;white-space:pre-wrap;overflow-wrap:anywhere">{cut}{html.escape(text)}</pre></details>'
    )


def _picture(piece: Piece, address: str) -> str:
    picture = piece.picture
    assert picture is not None
    source = address
    if len(picture.data) <= MOST_EMBEDDED:
        source = f"data:{picture.mime};base64,{base64.b64encode(picture.data).decode()}"
    if not source:
        return f"<p>{html.escape(piece.text)}: too large to stand here</p>"
    text = html.escape(piece.text)
    image = f'<img src="{source}" alt="{text}" title="{text}" style="max-width:320px;border:1px solid #90a4ae">'
    return f'<div style="margin:4px 0 6px 16px">{f"<a href={chr(34)}{address}{chr(34)}>{image}</a>" if address else image}</div>'
