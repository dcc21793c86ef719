"""Exporters and devices for these tests: upstream's storage drivers, and drivers of ours in this process."""

from __future__ import annotations

import json
import random
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from helpers.exporters import free_port

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.exporter import Driver, Session

UPSTREAM = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: storage}
export:
  mux:     {type: jumpstarter_driver_opendal.driver.MockStorageMux}
  card:    {type: jumpstarter_driver_opendal.driver.MockStorageMuxFlasher}
  flasher: {type: jumpstarter_driver_opendal.driver.MockFlasher}
  files:   {type: jumpstarter_driver_opendal.driver.Opendal, config: {scheme: fs, kwargs: {root: WORK/files}}}
  memory:  {type: jumpstarter_driver_opendal.driver.Opendal, config: {scheme: memory, kwargs: {}}}
  http:    {type: jumpstarter_driver_http.driver.HttpServer, config: {root_dir: WORK/www, host: 127.0.0.1, port: 0}}
  tftp:    {type: jumpstarter_driver_tftp.driver.Tftp, config: {root_dir: WORK/tftp, host: 127.0.0.1, port: TFTP_PORT}}
"""

# Walks the exporter's own driver objects, so that a method that upstream adds makes a test fail until it is called.
EXPORTED = """\
import json, sys, warnings
warnings.simplefilter("ignore")
import yaml
from jumpstarter.config.exporter import ExporterConfigV1Alpha1DriverInstance
from jumpstarter.driver import decorators

kinds = (decorators.MARKER_DRIVERCALL, decorators.MARKER_STREAMING_DRIVERCALL)
found = []
def walk(driver, path):
    for name in dir(type(driver)):
        member = getattr(type(driver), name)
        if any(getattr(member, kind, None) == decorators.MARKER_MAGIC for kind in kinds):
            found.append([path, name])
    for name, child in driver.children.items():
        walk(child, f"{path}.{name}")
for name, entry in yaml.safe_load(sys.argv[1])["export"].items():
    walk(ExporterConfigV1Alpha1DriverInstance.model_validate(entry).instantiate(), name)
print("EXPORTED " + json.dumps(found), flush=True)
"""


def upstream_yaml(work: Path) -> str:
    """Upstream's storage drivers and file servers; their files go to `work`."""
    (work / "files").mkdir(parents=True)
    return UPSTREAM.replace("WORK", str(work)).replace("TFTP_PORT", str(free_port(socket.SOCK_DGRAM)))


def exported(yaml_text: str) -> set[tuple[str, str]]:
    """What the drivers of a configuration export: path and method."""
    run = subprocess.run([sys.executable, "-c", EXPORTED, yaml_text], capture_output=True, text=True, timeout=60, check=True)
    line = next(line for line in run.stdout.splitlines() if line.startswith("EXPORTED "))
    return {(path, method) for path, method in json.loads(line.removeprefix("EXPORTED "))}


def random_bytes(size: int, seed: int = 1) -> bytes:
    """Bytes that no compression makes smaller, always the same ones."""
    return random.Random(seed).randbytes(size)


def image_file(folder: Path, size: int = 300_000, seed: int = 1) -> Path:
    """A file of such bytes."""
    path = folder / f"image-{size}-{seed}.bin"
    path.write_bytes(random_bytes(size, seed))
    return path


@contextmanager
def served(root: Driver, timeout: float = 10) -> Iterator[Device]:
    """A device whose drivers run in this process."""
    with Session(root_device=root) as session, session.serve_unix() as path:
        with connect(path, name="bench", timeout=timeout) as device:
            yield device
