"""Upstream's exporter on a Unix socket; prints the socket's path and serves until SIGTERM.

Its root device is upstream's MockPower, or with the argument `echo` its EchoNetwork.
"""

import logging
import sys
import threading

from jumpstarter.common import ExporterStatus
from jumpstarter.exporter import Session
from jumpstarter_driver_network.driver import EchoNetwork
from jumpstarter_driver_power.driver import MockPower

logging.getLogger().setLevel(logging.INFO)  # as `jmp` does, so that the driver's lines go into the log stream
root = EchoNetwork() if sys.argv[1:] == ["echo"] else MockPower()
with Session(root_device=root) as session, session.serve_unix() as path:
    session.update_status(ExporterStatus.LEASE_READY)
    print(f"export JUMPSTARTER_HOST={path}", flush=True)
    threading.Event().wait()
