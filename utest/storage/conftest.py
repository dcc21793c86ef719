"""Fixtures for storage, file stores and file servers."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack

import pytest
from helpers.exporters import Exporter, start_upstream_exporter
from storing_support import served, upstream_yaml

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.exporter import Driver


@pytest.fixture(scope="session")
def upstream_storage(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Upstream's exporter with its storage drivers, shared: use file names of the test's own."""
    with start_upstream_exporter(upstream_yaml(tmp_path_factory.mktemp("upstream-storage"))) as exporter:
        yield exporter


@pytest.fixture
def upstream(upstream_storage: Exporter) -> Iterator[Device]:
    with connect(upstream_storage.address, name="upstream", timeout=20) as device:
        yield device


@pytest.fixture
def serve() -> Iterator[Callable[..., Device]]:
    """Serves a driver in this process and connects to it."""
    with ExitStack() as stack:

        def start(root: Driver, timeout: float = 10) -> Device:
            return stack.enter_context(served(root, timeout))

        yield start
