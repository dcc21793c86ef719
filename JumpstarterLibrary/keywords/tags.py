"""The vocabulary of keyword tags; a test holds every keyword to it."""

from __future__ import annotations

from enum import StrEnum


class Tag(StrEnum):
    """What a keyword is about, and what it does."""

    SESSION = "Session"
    LEASE = "Lease"
    POWER = "Power"
    CONSOLE = "Console"
    WAITING = "Waiting"
    U_BOOT = "U-Boot"
    STORAGE = "Storage"
    FILES = "Files"
    SERVER = "Server"
    NETWORK = "Network"
    SSH = "SSH"
    SHELL = "Shell"
    VIDEO = "Video"
    DRIVER = "Driver"
    SETTING = "Setting"
    EVIDENCE = "Evidence"
    MEASUREMENT = "Measurement"
    GETTER = "Getter"
    ASSERTION = "Assertion"
