"""The vocabulary of keyword tags; a test holds every keyword to it."""

from __future__ import annotations

from enum import StrEnum


class Tag(StrEnum):
    """What a keyword is about, and what it does."""

    SESSION = "Session"
    POWER = "Power"
    CONSOLE = "Console"
    WAITING = "Waiting"
    U_BOOT = "U-Boot"
    DRIVER = "Driver"
    SETTING = "Setting"
    GETTER = "Getter"
    ASSERTION = "Assertion"
