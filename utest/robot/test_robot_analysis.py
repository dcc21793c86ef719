"""What editors say of our suites and examples: RobotCode's analysis finds nothing, and would."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest
from helpers.programs import script
from robot.libdocpkg import LibraryDocumentation

ROOT = Path(__file__).parents[2]
EXAMPLE = re.compile(r"^```robotframework\n(.*?)^```", re.MULTILINE | re.DOTALL)
IMPORT = "*** Settings ***\nLibrary    JumpstarterLibrary\n\n"


def analyze(*paths: Path) -> subprocess.CompletedProcess[str]:
    command = [script("robotcode"), "--no-color", "--no-pager", "analyze", "code", *map(str, paths)]
    return subprocess.run(command, cwd=paths[0], capture_output=True, text=True, timeout=120, check=False)


@pytest.mark.acceptance
def test_suites_are_clean(tmp_path: Path) -> None:
    shutil.copytree(ROOT / "atest", tmp_path / "atest")  # it writes a cache where the suites are
    run = analyze(tmp_path / "atest")
    assert run.returncode == 0, run.stdout
    assert int(re.search(r"Files: (\d+)", run.stdout)[1]) >= 15


@pytest.mark.acceptance
def test_examples_are_clean(tmp_path: Path) -> None:
    texts = {f"docs-{number}": text for number, text in enumerate(examples_of_pages())}
    for keyword in LibraryDocumentation("JumpstarterLibrary").to_dictionary()["keywords"]:
        texts[keyword["name"].replace(" ", "-")] = "\n".join(EXAMPLE.findall(keyword["doc"]))
    for name, text in texts.items():
        (tmp_path / f"{name}.robot").write_text(complete(text))
    run = analyze(tmp_path)
    assert run.returncode == 0, run.stdout
    assert f"Files: {len(texts)}" in run.stdout


@pytest.mark.acceptance
def test_mistakes_are_found(tmp_path: Path) -> None:
    (tmp_path / "wrong.robot").write_text(
        f"{IMPORT}*** Test Cases ***\nName\n    Power Onn\nArgument\n    Power On    drivr=power\n"
        "Count\n    Power Off    1    2\n"
    )
    run = analyze(tmp_path)
    assert run.returncode & 1
    for line in (6, 8, 10):
        assert f"wrong.robot:{line}:" in run.stdout


def complete(text: str) -> str:
    if "Library    JumpstarterLibrary" in text or "Library           JumpstarterLibrary" in text:
        return text
    return text.replace("*** Settings ***\n", IMPORT.rstrip("\n") + "\n", 1) if "*** Settings ***" in text else IMPORT + text


def examples_of_pages() -> list[str]:
    pages = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
    return [text for page in pages for text in EXAMPLE.findall(page.read_text())]
