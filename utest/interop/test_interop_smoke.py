"""Every method of upstream's drivers that need nothing but PyPI, through `Call Driver Method` and `Stream Driver Method`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
from helpers.exporters import smoke_yaml, start_upstream_exporter
from helpers.robot_run import RobotRun, RobotRunner
from interop_support import run

pytestmark = pytest.mark.interop

SUITE = Path(__file__).parent / "smoke.robot"

# Walks the exporter's own driver objects, so that a method that upstream adds makes the test fail until the suite calls it.
EXPORTED = """\
import json
import sys
import warnings

warnings.simplefilter("ignore")
import yaml
from jumpstarter.config.exporter import ExporterConfigV1Alpha1DriverInstance
from jumpstarter.driver import decorators

kinds = {decorators.MARKER_DRIVERCALL: "unary", decorators.MARKER_STREAMING_DRIVERCALL: "streaming"}
found = []


def walk(driver, path):
    for name in dir(type(driver)):
        member = getattr(type(driver), name)
        for marker, kind in kinds.items():
            if getattr(member, marker, None) == decorators.MARKER_MAGIC:
                found.append([path, type(driver).__name__, name, kind])
    for name, child in driver.children.items():
        if type(child).__name__ != "Proxy":
            walk(child, f"{path}.{name}")


for name, entry in yaml.safe_load(sys.argv[1])["export"].items():
    if "ref" not in entry:
        walk(ExporterConfigV1Alpha1DriverInstance.model_validate(entry).instantiate(), name)
print("EXPORTED " + json.dumps(found), flush=True)
"""


def exported(yaml_text: str) -> list[tuple[str, str, str, str]]:
    """What the drivers of a configuration export: path, class, method and kind."""
    code, output = run([sys.executable, "-c", EXPORTED, yaml_text], {})
    assert code == 0, output
    line = next(line for line in output.splitlines() if line.startswith("EXPORTED "))
    return [tuple(row) for row in json.loads(line.removeprefix("EXPORTED "))]


def called(smoke_run: RobotRun) -> set[tuple[str, str, str]]:
    """What the run has called: path, method and kind, from its journal."""
    (journal,) = smoke_run.outputdir.rglob("*.jsonl")
    events = [json.loads(line) for line in journal.read_text().splitlines()]
    return {
        (event["driver"], event["method"], "streaming" if event["streaming"] else "unary")
        for event in events
        if event["kind"] == "call"
    }


def test_every_method(run_robot: RobotRunner, tmp_path: Path) -> None:
    # An exporter of its own, because some of the methods leave the drivers changed.
    configuration = smoke_yaml(tmp_path / "smoke")
    with start_upstream_exporter(configuration) as exporter:
        smoke_run = run_robot(SUITE, env={"SMOKE_ADDRESS": exporter.address})
    failed = {name: test.message for name, test in smoke_run.tests.items() if not test.passed}
    assert not failed, failed

    rows = exported(smoke_yaml(tmp_path / "introspected"))
    class_of = {path: kind for path, kind, _, _ in rows}
    methods = {(kind, method, streaming) for _, kind, method, streaming in rows}
    assert len(methods) > 60, methods
    done = {(class_of[path], method, streaming) for path, method, streaming in called(smoke_run) if path in class_of}
    assert methods - done == set(), "these are exported, and the suite does not call them"
