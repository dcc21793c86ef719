"""The drivers in the box: mocks, and the simulated board."""

from ..exporter.composite import Composite, Proxy
from .board import BoardPower, BoardState, MockBoard
from .power import MockPower, Power, PowerReading, SyncMockPower

__all__ = [
    "BoardPower",
    "BoardState",
    "Composite",
    "MockBoard",
    "MockPower",
    "Power",
    "PowerReading",
    "Proxy",
    "SyncMockPower",
]
