"""Everything that happens in a device session, written down once, in order."""

from .events import (
    CallEnded,
    ConsoleClosed,
    ConsoleGap,
    ConsoleOpened,
    ConsoleSent,
    Event,
    KeywordEnded,
    KeywordStarted,
    LogGap,
    LogLine,
    Reading,
    SessionClosed,
    SessionLost,
    SessionOpened,
    TestEnded,
    TestStarted,
)
from .files import JsonLinesFile
from .store import Journal

__all__ = [
    "CallEnded",
    "ConsoleClosed",
    "ConsoleGap",
    "ConsoleOpened",
    "ConsoleSent",
    "Event",
    "Journal",
    "JsonLinesFile",
    "KeywordEnded",
    "KeywordStarted",
    "LogGap",
    "LogLine",
    "Reading",
    "SessionClosed",
    "SessionLost",
    "SessionOpened",
    "TestEnded",
    "TestStarted",
]
