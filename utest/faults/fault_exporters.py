"""Our exporter in a child process, with the drivers of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from fault_drivers import configuration
from helpers.exporters import Exporter, start_our_exporter, start_upstream_exporter

WITH_DRIVERS = {"PYTHONPATH": str(Path(__file__).parent)}
"""What a child process needs to find these drivers."""
DRIVERS = {"trouble": "Trouble", "power": "RecordingPower"}


@contextmanager
def serve_drivers(file: Path, *, listen: str | None = "127.0.0.1:0", passphrase: str | None = None) -> Iterator[Exporter]:
    """Runs our exporter with these drivers, which write into the file."""
    env = {**WITH_DRIVERS, "JMP_GRPC_PASSPHRASE": passphrase}
    with start_our_exporter(configuration(DRIVERS, file), listen=listen, env=env) as exporter:
        yield exporter


UPSTREAM = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: faults}
export:
  trouble: {type: fault_upstream_drivers.Trouble}
  power: {type: jumpstarter_driver_power.driver.MockPower}
"""


@contextmanager
def serve_upstream(*, passphrase: str | None = None) -> Iterator[Exporter]:
    """Runs upstream's exporter with the same troubles."""
    with start_upstream_exporter(UPSTREAM, passphrase=passphrase, env=WITH_DRIVERS) as exporter:
        yield exporter
