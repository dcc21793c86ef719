"""What the tests of faults share."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from fault_exporters import serve_drivers, serve_upstream
from helpers.exporters import Exporter

from JumpstarterLibrary.client import Device, connect


@pytest.fixture(scope="session")
def shared_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Our exporter with the drivers of these tests; leave it running."""
    file = tmp_path_factory.mktemp("shared") / "notes"
    with serve_drivers(file) as exporter:
        exporter.file = file
        yield exporter


@pytest.fixture(scope="session")
def frozen_exporter(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """An exporter that takes connections, as the kernel does that for it, and never answers."""
    with serve_drivers(tmp_path_factory.mktemp("frozen") / "notes") as exporter:
        exporter.freeze()
        yield exporter


@pytest.fixture
def start_exporter(tmp_path: Path) -> Iterator[Callable[..., Exporter]]:
    """Starts exporters of the test's own, to freeze and to kill; takes the options of `serve_drivers`."""
    with ExitStack() as stack:
        yield lambda **options: stack.enter_context(serve_drivers(tmp_path / "notes", **options))


@pytest.fixture(scope="session")
def upstream_exporter() -> Iterator[Exporter]:
    """Upstream's exporter with the same troubles; leave it running."""
    with serve_upstream() as exporter:
        yield exporter


@pytest.fixture(params=["ours", pytest.param("upstream", marks=pytest.mark.interop)])
def device(request: pytest.FixtureRequest) -> Iterator[Device]:
    """A device on our exporter, and one on upstream's."""
    exporter = request.getfixturevalue("shared_exporter" if request.param == "ours" else "upstream_exporter")
    with connect(exporter.address, name="bench", timeout=20) as opened:
        yield opened
