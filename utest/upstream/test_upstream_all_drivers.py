"""Every driver package of upstream's that is on PyPI: Get Driver Client loads its client classes."""

import os
from pathlib import Path

import pytest
from helpers.processes import Process
from helpers.programs import ALL_WANTED

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "upstream-drivers.md"
PYTHON = ROOT / ".venv-drivers" / "bin" / "python"


@pytest.fixture
def fresh_page(tmp_path: Path) -> str:
    """The page as a run writes it now."""
    if not (PYTHON.parents[1] / ".installed").exists():
        text = "needs all of upstream's driver packages (missing: .venv-drivers; 'make drivers-venv' makes it, 350 MB)"
        if os.environ.get(ALL_WANTED) == "1":
            pytest.fail(f"{text}; {ALL_WANTED}=1 allows no skip", pytrace=False)
        pytest.skip(text)
    path = tmp_path / "page.md"
    with Process([str(PYTHON), str(Path(__file__).parent / "upstream_proof.py"), str(path)], cwd=tmp_path) as process:
        assert process.wait(150) == 0, process.output
    return path.read_text()


@pytest.mark.interop
def test_every_client_class_loads_and_the_page_says_so(fresh_page: str) -> None:
    rows = [line for line in fresh_page.splitlines() if line.startswith("| ") and "`" in line]

    assert len(rows) > 50
    assert [row for row in rows if not row.split(" | ")[-1].startswith("loaded")] == []
    assert fresh_page == PAGE.read_text(), "make drivers-page"


def test_the_page_has_every_package_of_the_requirements() -> None:
    wanted = {
        line.removeprefix("jumpstarter-driver-").partition("==")[0]
        for line in (Path(__file__).parent / "requirements.txt").read_text().splitlines()
        if line.startswith("jumpstarter-driver-")
    }
    named = {line.split(" | ")[0].removeprefix("| ") for line in PAGE.read_text().splitlines() if line.startswith("| ")}

    assert len(wanted) == 47
    assert wanted - named == set()
