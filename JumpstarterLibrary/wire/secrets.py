"""Values that no log, report, journal, file or exception may show."""

from __future__ import annotations

MASK = "<secret>"


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
    """Replaces every known secret in a text by `<secret>`."""

    def __init__(self) -> None:
        self._secrets: list[str] = []

    def add(self, secret: str | None) -> None:
        """Remembers a secret; empty ones are not secrets."""
        if secret and secret not in self._secrets:
            self._secrets = sorted([*self._secrets, secret], key=len, reverse=True)

    def __call__(self, text: str) -> str:
        """Returns the text with every known secret masked."""
        for secret in self._secrets:
            if secret in text:
                text = text.replace(secret, MASK)
        return text
