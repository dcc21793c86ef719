"""Fixtures of the transfer tests."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.exporters import Exporter
from transfer_support import serve

from JumpstarterLibrary.client import Device, connect

KINDS = ["ours", pytest.param("upstream", marks=pytest.mark.interop)]


@pytest.fixture(scope="session")
def our_transfer_exporter() -> Iterator[Exporter]:
    """Our exporter with the drivers of these tests; leave it running."""
    with serve("ours") as exporter:
        yield exporter


@pytest.fixture(scope="session")
def upstream_transfer_exporter() -> Iterator[Exporter]:
    """Upstream's exporter with the same drivers; leave it running."""
    with serve("upstream") as exporter:
        yield exporter


@pytest.fixture(params=KINDS)
def kind(request: pytest.FixtureRequest) -> str:
    """Whose exporter it is."""
    return str(request.param)


@pytest.fixture
def exporter(request: pytest.FixtureRequest, kind: str) -> Exporter:
    """The shared exporter of that kind."""
    found: Exporter = request.getfixturevalue(f"{'our' if kind == 'ours' else 'upstream'}_transfer_exporter")
    return found


@pytest.fixture
def device(exporter: Exporter) -> Iterator[Device]:
    """A device on each exporter."""
    with connect(exporter.address, name="bench", timeout=20) as opened:
        yield opened


@pytest.fixture
def our_device(our_transfer_exporter: Exporter) -> Iterator[Device]:
    """A device on our exporter."""
    with connect(our_transfer_exporter.address, name="bench", timeout=20) as opened:
        yield opened


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 2 MiB."""
    if os.geteuid() != 0:
        pytest.skip("only root can mount a small file system")
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=2m", "tmpfs", str(folder)]
    mounted = subprocess.run(command, capture_output=True, text=True, check=False)
    if mounted.returncode:
        pytest.skip(f"a small file system cannot be mounted here: {mounted.stderr.strip()}")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)
