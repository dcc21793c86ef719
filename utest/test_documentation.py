"""Every example in README.md and docs/ is run: Robot suites by robot, Python by pytest, configurations by the exporter."""

import contextlib
import json
import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from helpers.lab import start_lab
from helpers.processes import Process
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


ROBOT, PYTHON = blocks("robotframework"), blocks("python")
YAML = [(name, text) for name, text in blocks("yaml") if "kind: ExporterConfig" in text]
PIPELINES = [(name, text) for name, text in blocks("yaml") if "kind: ExporterConfig" not in text]
PIPELINE_COMMANDS = ("robot ", "pabot ", "python -m JumpstarterLibrary ", "jmp shell ")
"""What a pipeline does with us; the rest installs things."""


def test_there_are_examples_of_each_kind() -> None:
    assert len(ROBOT) >= 5
    assert len(PYTHON) >= 3
    assert YAML


@pytest.mark.acceptance
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in ROBOT])
def test_robot_example(text: str, run_robot: RobotRunner, tmp_path: Path) -> None:
    for number, (_, bench) in enumerate(YAML):
        (tmp_path / (named(bench) or f"{number}.yaml")).write_text(bench)
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
    for _, bench in YAML:
        (tmp_path / (named(bench) or "other.yaml")).write_text(bench)
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


@pytest.mark.acceptance
@pytest.mark.parametrize("text", [pytest.param(text, id=name) for name, text in PIPELINES])
def test_pipeline_example(text: str, tmp_path: Path) -> None:
    """Its commands run in a lab, with nothing but the environment that it names to say which."""
    pipeline = yaml.safe_load(text)
    steps = commands_of(pipeline)
    ours = [step for step in steps if any(line.strip().startswith(PIPELINE_COMMANDS) for line in step.splitlines())]
    assert len(ours) >= 3
    assert set(steps) - set(ours) <= {"pip install ."}
    with a_lab_with_suites(tmp_path) as environment:
        for step in ours:
            run_in_shell(step, tmp_path, environment)


@pytest.mark.acceptance
@pytest.mark.interop
def test_commands_of_the_chapter_for_ci(tmp_path: Path) -> None:
    """Those that stand in its text, such as `pabot`, and the one that leases by Jumpstarter's own command."""
    text = (ROOT / "docs" / "guide" / "in-ci.md").read_text()
    commands = [line.strip() for line in BLOCK.sub("", text).splitlines() if line.strip().startswith(PIPELINE_COMMANDS)]
    assert {command.split()[0] for command in commands} == {"robot", "jmp", "pabot"}
    for number, command in enumerate(commands):
        folder = tmp_path / str(number)
        folder.mkdir()
        with a_lab_with_suites(folder) as environment:
            run_in_shell(command, folder, environment)


@contextlib.contextmanager
def a_lab_with_suites(folder: Path) -> Iterator[dict[str, str]]:
    """A lab, a folder `suites` with the chapter's first example, and the environment of a job."""
    (folder / "suites").mkdir()
    (example,) = [text for name, text in ROBOT if name.startswith("docs/guide/in-ci.md")]
    (folder / "suites" / "first.robot").write_text(example)
    (folder / "suites" / "second.robot").write_text(example)
    with start_lab(folder) as lab:
        lab.start_session_exporter("bench-1", {"board": "rpi4"})
        lab.add_client("ci")
        job = {"JMP_ENDPOINT": lab.endpoint, "JMP_NAMESPACE": lab.namespace, "JMP_NAME": "ci", "JMP_TOKEN": lab.token("ci")}
        job["JMP_TLS"] = json.dumps({"ca": lab.ca})
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        yield {**{name: value for name, value in lab.environment().items() if value}, **job, "PATH": path}
        lab.wait_until_free()


def run_in_shell(command: str, folder: Path, environment: dict[str, str]) -> None:
    """Runs a command of a job."""
    with Process(["sh", "-ec", command], env=environment, cwd=folder) as process:
        assert process.wait(120) == 0, process.output


def commands_of(pipeline: Any) -> list[str]:
    """What a pipeline of GitHub's or GitLab's runs: each step of a job is one script, and so is each line of GitLab's."""
    found = []
    for job in pipeline.get("jobs", pipeline).values():
        steps = [step.get("run", "") for step in job.get("steps", [])] or job["script"]
        found += [step for step in steps if step]
    return found


@pytest.mark.parametrize("page", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_between_pages_lead_somewhere(page: Path) -> None:
    prose = BLOCK.sub("", page.read_text())
    targets = re.findall(r"\]\((?!https?:|#|mailto:)([^)#\s]+)", prose)

    missing = [target for target in targets if not (page.parent / target).exists()]

    assert missing == []


def named(bench: str) -> str | None:
    """The file name in a configuration's first comment."""
    match = re.match(r"# (\S+\.ya?ml)", bench)
    return match[1] if match else None
