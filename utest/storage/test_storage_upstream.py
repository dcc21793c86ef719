"""Every method of upstream's storage drivers, file stores and file servers, through the keywords in real `robot`."""

from __future__ import annotations

import gzip
import hashlib
import json
from pathlib import Path

import pytest
from helpers.exporters import start_upstream_exporter
from helpers.programs import needs
from helpers.robot_run import RobotRun, RobotRunner
from storing_support import exported, image_file, upstream_yaml

pytestmark = pytest.mark.interop

SUITES = Path(__file__).parent


def test_every_method(run_robot: RobotRunner, tmp_path: Path) -> None:
    needs("curl")
    image = image_file(tmp_path)
    packed = tmp_path / "image without a telling name"
    packed.write_bytes(gzip.compress(image.read_bytes()[:100_000]) + gzip.compress(image.read_bytes()[100_000:]))
    other = tmp_path / "other.txt"
    other.write_text("two")
    environment = {
        "IMAGE": str(image),
        "PACKED": str(packed),
        "IMAGE_SHA256": hashlib.sha256(image.read_bytes()).hexdigest(),
        "OTHER_TEXT": str(other),
    }
    # An exporter of its own, as the suites leave files behind.
    with start_upstream_exporter(upstream_yaml(tmp_path / "exporter")) as exporter:
        environment["STORAGE_ADDRESS"] = exporter.address
        runs = [run_robot(SUITES / "upstream_storage.robot", env=environment)]
        # In the root of its folder, in memory, and as the store of a server.
        stores = ("files", "memory", "tftp.storage")
        runs += [run_robot(SUITES / "upstream_files.robot", env={**environment, "STORE": store}) for store in stores]
    tests = [test for run in runs for test in run.suite.all_tests]
    failed = {f"{test.parent.name}: {test.name}": test.message for test in tests if not test.passed}
    assert not failed, failed

    wanted = exported(upstream_yaml(tmp_path / "introspected"))
    assert len(wanted) > 90, wanted
    # The store of the HTTP server is of the same class as that of the TFTP server.
    missing = {(path, method) for path, method in wanted if path != "http.storage"} - called(runs)
    assert missing == set(), "these are exported, and the suites do not call them"


def called(runs: list[RobotRun]) -> set[tuple[str, str]]:
    """What runs have called, from their journals: path and method."""
    journals = [journal for run in runs for journal in run.outputdir.rglob("*.jsonl")]
    events = [json.loads(line) for journal in journals for line in journal.read_text().splitlines()]
    return {(event["driver"], event["method"]) for event in events if event["kind"] == "call"}
