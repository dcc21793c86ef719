"""What labs have beside a device, without hardware: what `mock:lab` serves."""

from __future__ import annotations

from typing import Any

from ..exporter.composite import Composite
from .file_servers import MockHttpServer, MockTftpServer
from .storage import MockFlasher


class MockLab(Composite):
    """A flasher with partitions of any name, an HTTP server and a TFTP server.

    Args:
        **driver: what every driver takes; `children` join those of the lab.
    """

    def __init__(self, **driver: Any) -> None:
        super().__init__(**{"description": "A simulated lab", **driver})
        self.children = {
            "flasher": MockFlasher(description="Flashes into partitions"),
            "http": MockHttpServer(description="Serves files over HTTP"),
            "tftp": MockTftpServer(description="Serves files over TFTP"),
        } | self.children
