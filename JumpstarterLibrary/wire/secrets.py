"""Values that no log, report, journal, file or exception may show."""

from __future__ import annotations

import re
import threading
from collections.abc import Iterator

MASK = "<secret>"
_MASKS = (MASK, "&lt;secret&gt;")
"""As it is, and as HTML has it."""

SHORTEST_PASSWORD = 4
SHORTEST_IN_PIECES = 5
"""Letters of a secret that is also looked for in pieces; of a shorter one too much would look like it."""
BEGINNING = 40
"""Letters by which a secret that is longer is known in pieces. A token has hundreds, each session through a lab has several,
and a pattern for all their letters would take seconds to make."""
_BREAK = r"(?:\x1b|\\x1b|\u241b)\[[0-?]*[ -/]*[@-~]| ?[\r\n]| ?\\[rn]"
_BETWEEN = rf"(?:{_BREAK})*"


def is_secret(username: object, password: str) -> bool:
    """Whether a password that was given as plain text is masked everywhere. One that is the user's name, or shorter than four
    characters, is no secret, and masking it would spoil every text that has it by chance. Robot's `Secret` is always masked."""
    return len(password) >= SHORTEST_PASSWORD and password != username


class Hidden:
    """A value that travels to the driver and prints as `<secret>` everywhere else."""

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """Returns the value itself, for the wire only."""
        return self._value

    def __repr__(self) -> str:
        return MASK


class Redactor:
    """Replaces every known secret in a text by `<secret>`, also where it stands quoted or escaped for HTML."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._secrets: set[str] = set()
        self._pattern: re.Pattern[str] | None = None

    def add(self, secret: str | None) -> None:
        """Remembers a secret; empty ones are not secrets."""
        if not secret or secret in self._secrets:
            return
        with self._lock:
            self._secrets = {*self._secrets, secret}
            forms = {form for known in self._secrets for form in _forms(known)}
            # The longest first, where one secret begins another; and the masks, so that nothing is masked twice.
            whole = map(re.escape, [*_MASKS, *sorted(forms, key=len, reverse=True)])
            pieces = (_in_pieces(known) for known in self._secrets if len(known) >= SHORTEST_IN_PIECES)
            self._pattern = re.compile("|".join([*whole, *pieces]))

    def known(self) -> list[str]:
        """Returns the secrets, for views that have to find them in pieces."""
        return sorted(self._secrets)

    def __bool__(self) -> bool:
        return self._pattern is not None

    def __call__(self, text: str) -> str:
        """Returns the text with every known secret masked."""
        return text if self._pattern is None else self._pattern.sub(_mask, text)


def _mask(match: re.Match[str]) -> str:
    return match[0] if match[0] in _MASKS else MASK


def _forms(secret: str) -> Iterator[str]:
    """The secret as it is, as Python quotes it (alone, beside both kinds of quotes, as bytes), and each of these in HTML."""
    import html  # late: its table of names is as long as all the rest of this

    raw = secret.encode(errors="surrogatepass")
    for form in (secret, repr(secret)[1:-1], repr(f"{secret}'\"")[1:-4], repr(raw)[2:-1], raw.decode("latin-1")):
        yield form
        yield html.escape(form)
        yield html.escape(form, quote=False)


def _in_pieces(secret: str) -> str:
    """A pattern for the secret as a terminal shows it: with colours and line ends between its letters, quoted or not."""
    begin = _BETWEEN.join(map(re.escape, secret[:BEGINNING]))
    if len(secret) <= BEGINNING:
        return begin
    letters = "".join(map(re.escape, sorted(set(secret[BEGINNING:]))))
    return f"{begin}(?:{_BREAK}|[{letters}])*"
