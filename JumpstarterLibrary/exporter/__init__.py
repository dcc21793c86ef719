"""The session server and what drivers are made of."""

from ..wire.protocol import ExporterStatus
from .driver import Driver, export, exportstream
from .session import ServerTls, Session

__all__ = ["Driver", "ExporterStatus", "ServerTls", "Session", "export", "exportstream"]
