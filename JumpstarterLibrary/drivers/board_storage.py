"""The card that the simulated board boots from.

An image is any file whose first line is `version=` and a version, such as `version=2.4.1`; the board then boots that version.
What follows is payload of any kind and length. A second line `size=` with the number of bytes of the whole file lets the boot
loader see that the image was cut:

```
version=2.4.1
size=1048576
…
```
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .storage import Medium, MockStorageMuxFlasher

FACTORY_IMAGE = b"version=1.0.0\n"
"""What is on the card at first."""
HEADER = 512
"""Bytes of an image that the boot loader looks at."""
_FIRST_LINE = re.compile(rb"version=([\w.+~-]{1,64})\r?(?:\n|$)")
_SECOND_LINE = re.compile(rb"size=(\d{1,18})\r?(?:\n|$)")


@dataclass(frozen=True)
class Image:
    """What the boot loader found on the card."""

    version: str = ""
    problem: str = ""
    """Why it cannot be booted, as the boot loader says it; empty if it can."""


class Card:
    """The card as the board sees it."""

    def __init__(self) -> None:
        self.medium = Medium(FACTORY_IMAGE)
        self._present = True
        self._followers: list[Callable[[], None]] = []

    @property
    def present(self) -> bool:
        """Whether the card is connected to the board."""
        return self._present

    @present.setter
    def present(self, present: bool) -> None:
        if present != self._present:
            self._present = present
            for follower in self._followers:
                follower()

    def follow(self, follower: Callable[[], None]) -> None:
        """Has a part of the board called whenever the card comes or goes."""
        self._followers.append(follower)

    def image(self) -> Image:
        """Reads the image as the boot loader does."""
        if not self._present:
            return Image(problem="no card in slot mmc0")
        if not self.medium.size:
            return Image(problem="the card is empty")
        header = self.medium.beginning(HEADER)
        first = _FIRST_LINE.match(header)
        if first is None:
            return Image(problem="bad image: no version in its first line")
        second = _SECOND_LINE.match(header, first.end())
        if not self.medium.complete or (second is not None and int(second[1]) != self.medium.size):
            wanted = f" of {int(second[1])}" if second else ""
            return Image(problem=f"image is cut: {self.medium.size}{wanted} bytes")
        return Image(version=first[1].decode())


class BoardStorage(MockStorageMuxFlasher):
    """The multiplexer that the board's card is in. A running board loses its file systems when the card is taken away.

    Args:
        card: the card.
        **driver: what every driver takes.
    """

    def __init__(self, *, card: Card, **driver: Any) -> None:
        super().__init__(**driver)
        self.medium = card.medium
        self._card = card
        self.side = "dut"

    def connect_to(self, side: str) -> None:
        """Moves the card, which the board notices.

        Raises:
            RuntimeError: it is being written or read, and goes to another side.
        """
        super().connect_to(side)
        self._card.present = side == "dut"

    async def reset(self) -> None:
        """Connects the card to the board; what is on it stays."""
        self.side = "dut"
        self._card.present = True
