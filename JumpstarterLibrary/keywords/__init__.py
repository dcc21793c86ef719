"""What a suite can say: one class per family of keywords."""

from .drivers import DriverKeywords
from .power import PowerKeywords
from .sessions import SessionKeywords
from .settings import SettingKeywords

__all__ = ["DriverKeywords", "PowerKeywords", "SessionKeywords", "SettingKeywords"]
