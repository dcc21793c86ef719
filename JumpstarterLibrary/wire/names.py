"""Names that people may have meant."""

from __future__ import annotations

from collections.abc import Iterable

LIKENESS = 0.7
"""From 0 to 1; below it, 'power' would be proposed to whoever wrote 'nowhere'."""


def near(name: str, known: Iterable[str], most: int = 3) -> list[str]:
    """Returns the known names that look like a wrong one, the nearest first; none if none really does."""
    import difflib  # late: most runs have no wrong names

    return difflib.get_close_matches(name, list(known), n=most, cutoff=LIKENESS)
