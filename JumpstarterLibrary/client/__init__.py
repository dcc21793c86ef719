"""The client of a device's driver tree, for plain Python and for everything above it."""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING

from .channel import Security
from .device import Device, connect
from .driver import DriverClient
from .power import PowerClient, PowerReading
from .serial import SerialClient

if TYPE_CHECKING:
    from .files import FileStoreClient
    from .network import NetworkClient
    from .servers import HttpServerClient, TftpServerClient
    from .shell import ShellClient
    from .ssh import SSHClient
    from .storage import FlasherClient, StorageMuxClient
    from .uboot import UBootClient
    from .video import VideoClient

__all__ = [
    "Device",
    "DriverClient",
    "FileStoreClient",
    "FlasherClient",
    "HttpServerClient",
    "NetworkClient",
    "PowerClient",
    "PowerReading",
    "SSHClient",
    "Security",
    "SerialClient",
    "ShellClient",
    "StorageMuxClient",
    "TftpServerClient",
    "UBootClient",
    "VideoClient",
    "connect",
]

_LATE = {
    "FileStoreClient": "files",
    "FlasherClient": "storage",
    "HttpServerClient": "servers",
    "NetworkClient": "network",
    "SSHClient": "ssh",
    "ShellClient": "shell",
    "StorageMuxClient": "storage",
    "TftpServerClient": "servers",
    "UBootClient": "uboot",
    "VideoClient": "video",
}
"""Families that are loaded only when somebody uses them; see `families`."""


def __getattr__(name: str) -> object:
    if name in _LATE:
        return getattr(importlib.import_module(f".{_LATE[name]}", __name__), name)
    raise AttributeError(f"module '{__name__}' has no attribute '{name}'")
