"""What a suite can say: one class per family of keywords."""

from .console import ConsoleKeywords
from .console_commands import ConsoleCommandKeywords
from .console_waiting import ConsoleWaitingKeywords
from .console_watching import ConsoleWatchingKeywords
from .drivers import DriverKeywords
from .power import PowerKeywords
from .sessions import SessionKeywords
from .settings import SettingKeywords
from .uboot import UBootKeywords

__all__ = [
    "ConsoleCommandKeywords",
    "ConsoleKeywords",
    "ConsoleWaitingKeywords",
    "ConsoleWatchingKeywords",
    "DriverKeywords",
    "PowerKeywords",
    "SessionKeywords",
    "SettingKeywords",
    "UBootKeywords",
]
