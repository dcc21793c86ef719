"""Every example in README.md and docs/ is run: Robot suites by robot, Python by pytest, configurations by the exporter."""

import contextlib
import re
import subprocess
import sys
from pathlib import Path

import pytest
from helpers.lab import start_lab
from helpers.robot_run import RobotRunner

ROOT = Path(__file__).parents[1]
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def blocks(language: str) -> list[tuple[str, str]]:
    """All code blocks of a language, each with a name that says where it stands."""
    found = []
    for page in PAGES:
        for match in BLOCK.finditer(page.read_text()):
            if match[1] == language:
                line = page.read_text()[: match.start()].count("\n") + 1
                found.append((f"{page.relative_to(ROOT)}:{line}", match[2]))
    return found


ROBOT, PYTHON, YAML = blocks("robotframework"), blocks("python"), blocks("yaml")


def test_there_are_examples_of_each_kind() -> None:
    assert len(ROBOT) >= 5
    assert len(PYTHON) >= 3
    assert YAML


@pytest.mark.acceptance
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in ROBOT])
def test_robot_example(text: str, run_robot: RobotRunner, tmp_path: Path) -> None:
    for number, (_, yaml) in enumerate(YAML):
        (tmp_path / (named(yaml) or f"{number}.yaml")).write_text(yaml)
    suite = tmp_path / "example.robot"
    suite.write_text(text if "*** Settings ***" in text else f"*** Settings ***\nLibrary    JumpstarterLibrary\n\n{text}")

    with contextlib.ExitStack() as stack:
        environment = {}
        if re.search(r"selector=|exporter:|exporter_name=|Get Exporters", text):  # an example that leases
            lab = stack.enter_context(start_lab(tmp_path))
            for number in (1, 2):
                lab.start_session_exporter(f"bench-{number}", {"board": "rpi4", "bench": str(number)})
            lab.client_config("ci", current=True)
            environment = lab.environment()
        run = run_robot(suite, env=environment)

    assert run.tests
    assert {name: test.message for name, test in run.tests.items() if not test.passed} == {}


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in PYTHON])
def test_python_example(text: str, tmp_path: Path) -> None:
    """An example with tests is run by pytest against the simulated board; any other as a program."""
    for _, yaml in YAML:
        (tmp_path / (named(yaml) or "other.yaml")).write_text(yaml)
    program = tmp_path / "test_example.py"
    program.write_text(text)
    if re.search(r"^\s*def test_", text, re.MULTILINE):
        served = (
            "from JumpstarterLibrary.drivers.board import MockBoard\n"
            "from JumpstarterLibrary.exporter import Session\n"
            "import os, pytest, sys\n"
            "with Session(root_device=MockBoard()) as session, session.serve_unix() as path:\n"
            "    os.environ['JUMPSTARTER_HOST'] = path\n"
            f"    sys.exit(pytest.main(['-q', '-p', 'no:cacheprovider', {str(program)!r}]))\n"
        )
        command = [sys.executable, "-c", served]
    else:
        command = [sys.executable, str(program)]

    run = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True, timeout=60, check=False)

    assert run.returncode == 0, run.stdout + run.stderr


@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in YAML])
def test_configuration_example(text: str, tmp_path: Path) -> None:
    from JumpstarterLibrary.exporter.config import load_exporter

    path = tmp_path / "example.yaml"
    path.write_text(text)
    assert load_exporter(path).root.children


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text())
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", prose)

    missing = [target for target in targets if not (page.parent / target).exists()]

    assert missing == []


def named(yaml: str) -> str | None:
    """The file name in a configuration's first comment."""
    match = re.match(r"# (\S+\.ya?ml)", yaml)
    return match[1] if match else None
