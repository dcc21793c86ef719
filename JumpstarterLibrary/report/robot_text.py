"""Text of others in places where Robot formats text: it stands there as it is, and makes no link, picture or table. No Robot."""

from __future__ import annotations

import re

JOINER = "\u2060"
"""No width, no line break, not a space: between it and a mark, Robot sees no beginning of a word."""

_MARK = re.compile(r"(?:(?<=[\s\"'(\[{_*`])|^)(?=[*_`])")
"""Before what makes text bold, italic or code; within a word, as in `board_type`, it does nothing."""
_BEGIN = re.compile(r"^(?=[#=\-|])")
"""Before what makes a whole line something else."""


def plain(text: str) -> str:
    """Returns text on one line that Robot shows as it is, in metadata and documentation.

    What is read is the same; a bar becomes a broken bar, as Robot divides cells and links by it.
    """
    text = " ".join(text.split()).replace("|", "\u00a6")
    text = _MARK.sub(JOINER, text.replace("://", f":{JOINER}//"))
    return _BEGIN.sub(JOINER, text)
