"""The drivers in the box: mocks, and the simulated board."""

from ..exporter.composite import Composite, Proxy
from .board import BoardPower, BoardState, MockBoard
from .board_console import BoardConsole, BoardOptions
from .board_network import BoardHttp, BoardNetwork
from .board_storage import BoardStorage
from .board_video import BoardVideo
from .console import MockConsole, SerialDriver
from .file_servers import MockHttpServer, MockTftpServer
from .files import FileStore
from .mock_lab import MockLab
from .network import EchoNetwork, Network, TcpNetwork
from .power import MockPower, Power, PowerReading, SyncMockPower
from .storage import MockFlasher, MockStorageMux, MockStorageMuxFlasher
from .video import MockVideo

__all__ = [
    "BoardConsole",
    "BoardHttp",
    "BoardNetwork",
    "BoardOptions",
    "BoardPower",
    "BoardState",
    "BoardStorage",
    "BoardVideo",
    "Composite",
    "EchoNetwork",
    "FileStore",
    "MockBoard",
    "MockConsole",
    "MockFlasher",
    "MockHttpServer",
    "MockLab",
    "MockPower",
    "MockStorageMux",
    "MockStorageMuxFlasher",
    "MockTftpServer",
    "MockVideo",
    "Network",
    "Power",
    "PowerReading",
    "Proxy",
    "SerialDriver",
    "SyncMockPower",
    "TcpNetwork",
]
