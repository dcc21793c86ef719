"""Keywords that start, kill and freeze exporters, and that break the library itself."""

from __future__ import annotations

import contextlib
import os
import signal
from pathlib import Path

from evidence_drivers import CONFIGURATION
from helpers.exporters import free_port, start_our_exporter
from robot.api import FatalError, SkipExecution
from robot.api.deco import keyword, library
from robot.api.types import Secret

from JumpstarterLibrary.client.power import PowerClient

FOLDERS = os.pathsep.join((str(Path(__file__).parent), str(Path(__file__).parent.parent)))


@library(scope="GLOBAL")
class EvidenceBench:
    """The lab of these tests."""

    def __init__(self) -> None:
        self._stack = contextlib.ExitStack()
        self._exporter = None
        self._spoiled = False
        self._on = PowerClient.on

    @keyword
    def start_bench(self, target: str = "", port: str | None = None) -> str:
        """Starts an exporter of its own; returns its address."""
        if self._exporter is not None and not (self._spoiled or target or port):
            return self._exporter.address
        self.end_bench()
        listen = f"127.0.0.1:{port}" if port else "127.0.0.1:0"
        context = start_our_exporter(target or CONFIGURATION, listen=listen, env={"PYTHONPATH": FOLDERS})
        self._exporter = self._stack.enter_context(context)
        self._spoiled = False
        return self._exporter.address

    @keyword
    def kill_bench(self) -> None:
        self._spoiled = True
        self._exporter.kill()

    @keyword
    def freeze_bench(self) -> None:
        self._spoiled = True
        self._exporter.freeze()

    @keyword
    def thaw_bench(self) -> None:
        self._exporter.thaw()

    @keyword
    def end_bench(self) -> None:
        with contextlib.suppress(Exception):
            self._exporter.thaw()
        self._stack.close()
        self._exporter = None

    @keyword
    def get_free_port(self) -> int:
        return free_port()

    @keyword
    def break_library(self) -> None:
        def broken(*_args, **_options):
            raise ZeroDivisionError("division by zero")

        PowerClient.on = broken

    @keyword
    def mend_library(self) -> None:
        PowerClient.on = self._on

    @keyword
    def press_ctrl_c(self) -> None:
        os.kill(os.getpid(), signal.SIGINT)

    @keyword
    def stop_all(self) -> None:
        raise FatalError("the building burns")

    @keyword
    def make_secret(self) -> Secret:
        return Secret("hush-" + "hush-4711")

    @keyword
    def skip_this(self) -> None:
        raise SkipExecution("not today")
