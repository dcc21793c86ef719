"""What a user gets from the wheel and a distributor from the sdist."""

import subprocess
import sys
import tarfile
import zipfile
from configparser import ConfigParser
from email import message_from_string
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with wheel and sdist, built in this environment, so that no test needs the network."""
    folder = tmp_path_factory.mktemp("dist")
    command = [sys.executable, "-m", "hatchling", "build", "--directory", str(folder)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False, timeout=120)
    assert run.returncode == 0, run.stderr
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The unpacked wheel."""
    folder = tmp_path_factory.mktemp("wheel")
    (path,) = built.glob("*.whl")
    with zipfile.ZipFile(path) as archive:
        archive.extractall(folder)
    return folder


@pytest.fixture(scope="module")
def dist_info(wheel: Path) -> Path:
    (folder,) = wheel.glob("*.dist-info")
    return folder


def test_the_wheel_holds_the_whole_package_and_nothing_else(wheel: Path, dist_info: Path) -> None:
    package = ROOT / "JumpstarterLibrary"
    wanted = {path.relative_to(ROOT) for path in package.rglob("*") if path.is_file() and "__pycache__" not in path.parts}
    assert {path.relative_to(wheel) for path in (wheel / package.name).rglob("*") if path.is_file()} == wanted
    assert {path.name for path in wheel.iterdir()} == {package.name, dist_info.name}


def test_the_wheel_is_typed(wheel: Path) -> None:
    assert (wheel / "JumpstarterLibrary" / "py.typed").is_file()


def test_the_wheel_registers_the_pytest_plugin(dist_info: Path) -> None:
    entry_points = ConfigParser()
    entry_points.read(dist_info / "entry_points.txt")
    assert dict(entry_points["pytest11"]) == {"jumpstarter": "JumpstarterLibrary.pytest_plugin"}


def test_the_wheel_carries_its_license(dist_info: Path) -> None:
    assert "Apache License" in (dist_info / "licenses" / "LICENSE").read_text()


def test_the_metadata_says_what_it_is(dist_info: Path) -> None:
    metadata = message_from_string((dist_info / "METADATA").read_text())
    assert metadata["Name"] == "robotframework-jumpstarter"
    assert metadata["License-Expression"] == "Apache-2.0"
    assert metadata["Requires-Python"] == ">=3.11"
    assert "Framework :: Robot Framework :: Library" in metadata.get_all("Classifier", [])
    # Upstream's packages are peers in tests: whoever installs us does not get them.
    runtime = [line for line in metadata.get_all("Requires-Dist", []) if "extra ==" not in line]
    assert [line for line in runtime if line.startswith("jumpstarter") and not line.startswith("jumpstarter-protocol")] == []


def test_the_sdist_holds_what_is_needed_to_test_it(built: Path) -> None:
    (path,) = built.glob("*.tar.gz")
    with tarfile.open(path) as archive:
        names = {name.split("/", 1)[1] for name in archive.getnames()}
    assert {"pyproject.toml", "Makefile", "LICENSE", "CHANGELOG.md", "README.md", "utest/conftest.py"} <= names
    assert not [name for name in names if name.startswith((".venv", "results", ".git/")) or "__pycache__" in name]


@pytest.mark.parametrize("module", ["JumpstarterLibrary", "JumpstarterLibrary.pytest_plugin"])
def test_loading_the_plugin_costs_neither_robot_nor_grpc(wheel: Path, module: str) -> None:
    code = (
        f"import sys; sys.path.insert(0, {str(wheel)!r}); import {module}; "
        f"assert {module}.__file__.startswith({str(wheel)!r}), {module}.__file__; "
        "print(sorted({name.split('.')[0] for name in sys.modules}))"
    )
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, timeout=60)
    assert run.returncode == 0, run.stderr
    loaded = set(run.stdout.strip("[]\n").replace("'", "").split(", "))
    assert "JumpstarterLibrary" in loaded
    heavy = {"robot", "robotlibcore", "assertionengine", "grpc", "google", "jumpstarter_protocol", "anyio", "yaml"}
    assert loaded & heavy == set()
