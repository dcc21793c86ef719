"""The drivers in the box: mocks, and the simulated board."""

from ..exporter.composite import Composite, Proxy
from .power import MockPower, Power, PowerReading, SyncMockPower

__all__ = ["Composite", "MockPower", "Power", "PowerReading", "Proxy", "SyncMockPower"]
