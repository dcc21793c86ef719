"""Upstream's exporter with its MockPower as root device, on a Unix socket; prints the socket's path and serves until SIGTERM."""

import logging
import threading

from jumpstarter.common import ExporterStatus
from jumpstarter.exporter import Session
from jumpstarter_driver_power.driver import MockPower

logging.getLogger().setLevel(logging.INFO)  # as `jmp` does, so that the driver's lines go into the log stream
with Session(root_device=MockPower()) as session, session.serve_unix() as path:
    session.update_status(ExporterStatus.LEASE_READY)
    print(f"export JUMPSTARTER_HOST={path}", flush=True)
    threading.Event().wait()
