"""Masks secrets in what devices say, also where they echo them in pieces: with colours or line ends between the letters."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import regex

from ...wire.secrets import MASK

MOST_SHIFTS = 10_000
LONGEST_HELD = 4096
"""Bytes that are held back because a secret may be going on in them."""

_BETWEEN = rb"(?:\x1b\[[0-?]*[ -/]*[@-~]|\x1b\][^\x07\x1b]*(?:\x07|\x1b\\)|\x1b[ -/]*[0-OQ-WYZ`-~]| \r|[\x00\a\b\r\n])*"
"""What a device may put between two letters that it echoes: colours, titles, line breaks of the terminal."""
LONG = 40
"""Letters from which on a secret is written with a call of the pattern for what stands between: a token has a thousand letters,
and as many copies of that pattern take seconds to compile. A short one is found quicker with copies."""
_CALL, _CALLED = b"(?&between)", b"(?(DEFINE)(?P<between>" + _BETWEEN + b"))"


class StreamMask:
    """Masks secrets in a stream of bytes; what it holds back goes on with the next ones.

    Args:
        secrets: gives the secrets that are known now.
    """

    def __init__(self, secrets: Callable[[], list[str]]) -> None:
        self._secrets = secrets
        self._known: list[str] = []
        self._pieces: list[Any] = []
        self._pattern: Any = None
        self._held = b""
        self._taken = 0
        self.shifts: list[tuple[int, int]] = [(0, 0)]
        """Where bytes went: from the first number on, counted in what came, by the second number further in what was given. The
        latest ones only, if secrets come again and again."""

    def __call__(self, data: bytes, *, last: bool = False) -> bytes:
        """Masks secrets; holds back an end in which one may be going on, unless it is the last."""
        self._renew()
        data, self._held = self._held + data, b""
        begin, self._taken = self._taken, self._taken + len(data)
        if self._pattern is None:
            return data
        certain = len(data) if last else self._begun_in(data)
        pieces, position = [], 0
        for match in self._pattern.finditer(data):
            if match.end() > certain:
                certain = min(certain, match.start())
                break
            pieces += [data[position : match.start()], MASK.encode()]
            position = match.end()
            shift = self.shifts[-1][1] + len(MASK) - (match.end() - match.start())
            self.shifts.append((begin + position, shift))
            if len(self.shifts) > MOST_SHIFTS:
                del self.shifts[: MOST_SHIFTS // 2]
        self._held = data[certain:]
        self._taken = begin + certain
        return b"".join([*pieces, data[position:certain]])

    @property
    def held(self) -> bytes:
        """What is held back now."""
        return self._held

    def place(self, position: int) -> int | None:
        """Where a byte that came as the given one went; the end of the mask for one in a secret; None if it is forgotten."""
        if position < self.shifts[0][0]:
            return None
        shift, floor = 0, 0
        for begin, by in self.shifts:
            length = len(MASK) - (by - shift)  # of the secret that ends there
            if begin <= position:
                shift, floor = by, begin + by
            elif begin - length < position:
                return begin + by
        return max(floor, position + shift)

    def _renew(self) -> None:
        if (known := self._secrets()) != self._known:
            self._known = known
            longest_first = sorted(known, key=len, reverse=True)  # where one secret begins another
            self._pieces = [_compiled([secret]) for secret in longest_first]
            self._pattern = _compiled(longest_first) if known else None

    def _begun_in(self, data: bytes) -> int:
        """Where the first secret begins that may go on behind the end; the end if none does."""
        begun = len(data)
        for pattern in self._pieces:
            for match in pattern.finditer(data, max(0, len(data) - LONGEST_HELD), partial=True):
                if match.partial:
                    begun = min(begun, match.start())
        return begun


class TextMask:
    """Masks secrets in text of which the control sequences are gone; line ends may stand between the letters.

    Args:
        secrets: gives the secrets that are known now.
    """

    def __init__(self, secrets: Callable[[], list[str]]) -> None:
        self._secrets = secrets

    def __call__(self, text: str) -> str:
        """Returns the text with every known secret masked."""
        pattern = self._pattern()
        # Lines stay lines, as each of them may have its time beside it.
        return text if pattern is None else str(pattern.sub(lambda match: MASK + "\n" * match[0].count("\n"), text))

    def certain(self, text: str) -> int:
        """How much of a text is certain: at its end a secret may have begun that goes on in what comes next."""
        pattern = self._pattern()
        if pattern is None:
            return len(text)
        start = max(0, len(text) - LONGEST_HELD)
        return min((match.start() for match in pattern.finditer(text, start, partial=True) if match.partial), default=len(text))

    def _pattern(self) -> Any:
        known = sorted(self._secrets(), key=len, reverse=True)
        # Compiled patterns are kept by the module that compiles them.
        return regex.compile("|".join("\n?".join(map(regex.escape, secret)) for secret in known)) if known else None


def _compiled(secrets: list[str]) -> Any:
    pattern = b"|".join(map(_in_pieces, secrets))
    # What is called stands behind: in front it would hide the first letters from the quick search for them.
    return regex.compile(b"(?:" + pattern + b")" + _CALLED if _CALL in pattern else pattern)


def _in_pieces(secret: str) -> bytes:
    between = _BETWEEN if len(secret) < LONG else _CALL
    return between.join(regex.escape(bytes([byte])) for byte in secret.encode())
