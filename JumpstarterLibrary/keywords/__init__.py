"""What a suite can say: one class per family of keywords."""

from .connections import ConnectionKeywords
from .console import ConsoleKeywords
from .console_commands import ConsoleCommandKeywords
from .console_waiting import ConsoleWaitingKeywords
from .console_watching import ConsoleWatchingKeywords
from .descriptions import DescriptionKeywords
from .drivers import DriverKeywords
from .evidence import EvidenceKeywords
from .file_facts import FileFactKeywords
from .files import FileKeywords
from .leases import LeaseKeywords
from .measurements import MeasurementKeywords
from .network import NetworkKeywords
from .power import PowerKeywords
from .power_recording import PowerRecordingKeywords
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
    "DescriptionKeywords",
    "DriverKeywords",
    "EvidenceKeywords",
    "FileFactKeywords",
    "FileKeywords",
    "LeaseKeywords",
    "MeasurementKeywords",
    "NetworkKeywords",
    "PowerKeywords",
    "PowerRecordingKeywords",
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
