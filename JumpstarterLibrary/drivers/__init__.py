"""The drivers in the box: mocks, and the simulated board."""

from ..exporter.composite import Composite, Proxy
from .board import BoardPower, BoardState, MockBoard
from .board_console import BoardConsole, BoardOptions
from .console import MockConsole, SerialDriver
from .power import MockPower, Power, PowerReading, SyncMockPower

__all__ = [
    "BoardConsole",
    "BoardOptions",
    "BoardPower",
    "BoardState",
    "Composite",
    "MockBoard",
    "MockConsole",
    "MockPower",
    "Power",
    "PowerReading",
    "Proxy",
    "SerialDriver",
    "SyncMockPower",
]
