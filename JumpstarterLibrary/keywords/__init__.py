"""What a suite can say: one class per family of keywords."""

from .connections import ConnectionKeywords
from .console import ConsoleKeywords
from .console_commands import ConsoleCommandKeywords
from .console_waiting import ConsoleWaitingKeywords
from .console_watching import ConsoleWatchingKeywords
from .drivers import DriverKeywords
from .file_facts import FileFactKeywords
from .files import FileKeywords
from .leases import LeaseKeywords
from .network import NetworkKeywords
from .power import PowerKeywords
from .servers import ServerKeywords
from .sessions import SessionKeywords
from .settings import SettingKeywords
from .shell import ShellKeywords
from .ssh import SSHKeywords
from .storage import StorageKeywords
from .transfers import TransferKeywords
from .uboot import UBootKeywords
from .upstream import UpstreamKeywords
from .video import VideoKeywords

__all__ = [
    "ConnectionKeywords",
    "ConsoleCommandKeywords",
    "ConsoleKeywords",
    "ConsoleWaitingKeywords",
    "ConsoleWatchingKeywords",
    "DriverKeywords",
    "FileFactKeywords",
    "FileKeywords",
    "LeaseKeywords",
    "NetworkKeywords",
    "PowerKeywords",
    "SSHKeywords",
    "ServerKeywords",
    "SessionKeywords",
    "SettingKeywords",
    "ShellKeywords",
    "StorageKeywords",
    "TransferKeywords",
    "UBootKeywords",
    "UpstreamKeywords",
    "VideoKeywords",
]
