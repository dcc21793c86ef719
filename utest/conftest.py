"""Fixtures for all tests."""

import os
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest
from helpers.exporters import Exporter, smoke_yaml, start_upstream_exporter
from helpers.order import LONG_FILES
from helpers.processes import names_a_target
from helpers.robot_run import RobotRunner


def pytest_addoption(parser: pytest.Parser) -> None:
    """Adds the option for tests that take minutes."""
    parser.addoption("--slow", action="store_true", help="run the tests that are marked slow, too")


def pytest_configure(config: pytest.Config) -> None:
    """Lets the order of files stand: else xdist begins with those that have many tests, which are not those that take long."""
    if hasattr(config.option, "loadscopereorder"):
        config.option.loadscopereorder = False
    # A shell's background job ignores Ctrl-C, and so would all that the tests start and interrupt.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Leaves out what takes minutes, and puts the files first that take long, so that no process has one of them at the end."""
    slow = [] if config.getoption("--slow") else [item for item in items if item.get_closest_marker("slow")]
    if slow:
        config.hook.pytest_deselected(items=slow)
        left_out = set(slow)
        items[:] = [item for item in items if item not in left_out]
    items.sort(key=lambda item: LONG_FILES.index(item.path.stem) if item.path.stem in LONG_FILES else len(LONG_FILES))


@pytest.fixture(autouse=True)
def _no_target(monkeypatch: pytest.MonkeyPatch) -> None:
    """No test reaches a device of the developer's, whatever shell it is started in."""
    for variable in filter(names_a_target, list(os.environ)):
        monkeypatch.delenv(variable)


@pytest.fixture
def run_robot(tmp_path: Path) -> Iterator[RobotRunner]:
    """Runs a suite in real `robot`: `run_robot(text_or_path, *options, env=…, timeout=60)`; `run_robot.start` does not wait."""
    runner = RobotRunner(tmp_path)
    yield runner
    runner.close()


@pytest.fixture(scope="session")
def upstream_smoke(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Exporter]:
    """Upstream's exporter with the smoke configuration, shared by all tests of a run: leave it as you found it."""
    with start_upstream_exporter(smoke_yaml(tmp_path_factory.mktemp("smoke"))) as exporter:
        yield exporter
