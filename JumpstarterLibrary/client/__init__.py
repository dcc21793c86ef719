"""The client of a device's driver tree, for plain Python and for everything above it."""

from .channel import Security
from .device import Device, connect
from .driver import DriverClient
from .power import PowerClient, PowerReading
from .serial import SerialClient
from .uboot import UBootClient

__all__ = ["Device", "DriverClient", "PowerClient", "PowerReading", "Security", "SerialClient", "UBootClient", "connect"]
