"""Consoles: one reader, everything kept, waits that never see half a value."""

from .console import Console
from .options import ConsoleOptions
from .patterns import Match
from .result import CommandResult, ConsoleMatch
from .searches import Mode
from .several import wait_on_any
from .watchers import Watcher

__all__ = ["CommandResult", "Console", "ConsoleMatch", "ConsoleOptions", "Match", "Mode", "Watcher", "wait_on_any"]
