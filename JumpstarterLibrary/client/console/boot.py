"""The stages of a device's start, as its console shows them: first byte, boot loader, kernel, login prompt."""

from __future__ import annotations

import re

LONGEST_START = 600.0
"""Seconds after power on in which stages are looked for."""
CERTAIN = 0.1
"""Seconds that a login prompt has to stand on the open line: it may be a part of a longer line."""
LONGEST_PROMPT = 200
"""Characters of an open line that may be a login prompt."""

FIRST_BYTE, LOADER, KERNEL, LOGIN = "first byte", "loader", "kernel", "login"

_SAID_BY = {
    LOADER: (
        "U-Boot 2",  # the year of its version
        "U-Boot SPL 2",
        "U-Boot TPL 2",
        "barebox 2",
        "GNU GRUB",
        "Welcome to GRUB",
        "GRUB loading",
        "*** Booting MCUboot",
        "NOTICE:  BL",  # Trusted Firmware
        "SeaBIOS (",
        "UEFI firmware",
        "JLBoot 2",  # the simulated board's
    ),
    KERNEL: ("Linux version ", "Booting Linux on ", "[    0.000000]", "*** Booting Zephyr", "*** Booting nRF Connect SDK"),
}
_OPEN_PROMPT = re.compile(r"(?<![Ll]ast )login:\s*$")
_TYPED_AT_PROMPT = re.compile(r"(?m)^(?![Ll]ast )\S{1,64} login:(?: ?\S*$| *\[ *\d)")
"""A login prompt on a line that has ended: somebody answered it, or the kernel printed a line behind it."""


class BootStages:
    """Finds the stages of one start after the other. Call it with the transcript locked."""

    def __init__(self) -> None:
        self.reached: dict[str, float] = {}
        """When each stage was reached that was reached, monotonic, in order."""
        self.begin = 0.0
        """When the device was switched on, monotonic."""
        self.looking = False
        """Whether there is anything to look for; a look costs nothing otherwise."""
        self._prompt: float | None = None  # since when the open line may be a login prompt
        self._before = ""  # what stood on the open line when the device was switched on: no stage of this start

    def power_on(self, now: float, open_line: str = "") -> None:
        """The device is about to be switched on, while this line has not ended: often the prompt of the start before."""
        self.reached, self.begin, self.looking, self._prompt = {}, now, True, None
        self._before = open_line

    def cut(self) -> None:
        """The stream broke, and the open line with it."""
        self._before = ""

    def look(self, finished: str, open_line: str, now: float) -> list[str]:
        """Looks at the lines that a chunk finished and at the open line, empty if it is a long one.

        Returns:
            The stages that were reached now.
        """
        before = len(self.reached)
        if now - self.begin > LONGEST_START:
            self.looking = False
            return []
        self.reached.setdefault(FIRST_BYTE, now)
        self.settle(now)
        if self._before:
            finished, open_line, self._before = self._said_since_power_on(finished, open_line)
        if finished:
            for stage, words in _SAID_BY.items():
                # A kernel may tell of the loader, but not the other way round.
                if stage not in self.reached and KERNEL not in self.reached and any(word in finished for word in words):
                    self.reached[stage] = now
            if LOGIN not in self.reached and "login:" in finished and _TYPED_AT_PROMPT.search(finished):
                self.reached[LOGIN] = now if self._prompt is None else self._prompt
        is_prompt = LOGIN not in self.reached and open_line and _OPEN_PROMPT.search(open_line)
        self._prompt = (now if self._prompt is None or finished else self._prompt) if is_prompt else None
        self.looking = LOGIN not in self.reached
        return list(self.reached)[before:]

    def settle(self, now: float) -> list[str]:
        """Believes in a login prompt that has stood for a while; returns it if it is news."""
        if self._prompt is None or now - self._prompt < CERTAIN:
            return []
        self.reached[LOGIN], self._prompt, self.looking = self._prompt, None, False
        return [LOGIN]

    def _said_since_power_on(self, finished: str, open_line: str) -> tuple[str, str, str]:
        """Takes away what stood on the line before; also returns what still stands there."""
        if finished:
            return finished.removeprefix(self._before), open_line, ""
        return finished, open_line.removeprefix(self._before), self._before
