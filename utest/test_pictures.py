"""The pictures of README and guide are taken of a real run, with real Chromium."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from helpers.programs import needs
from PIL import Image

ROOT = Path(__file__).parents[1]


@pytest.mark.acceptance
def test_pictures_are_taken_and_small(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    needs("chromium")
    monkeypatch.syspath_prepend(str(ROOT / "docs"))
    import pictures

    output, images = tmp_path / "demo", tmp_path / "images"
    images.mkdir()
    subprocess.run([sys.executable, str(ROOT / "atest/demo/show.py"), str(output)], capture_output=True, timeout=120, check=True)
    monkeypatch.setattr(pictures, "IMAGES", images)

    assert pictures.main([str(output)]) == 0
    assert {path.stem for path in images.iterdir()} == {picture.name for picture in pictures.PICTURES}
    for path in images.iterdir():
        with Image.open(path) as image:
            darkest, lightest = image.convert("L").getextrema()
            assert min(image.size) > 50, path.name
            assert lightest - darkest > 100, f"{path.name} shows something"
        assert path.stat().st_size <= pictures.LARGEST
    assert not list(output.glob(".*-picture.html"))


def test_readme_shows_pictures_that_are_there() -> None:
    readme = (ROOT / "README.md").read_text()
    shown = {path.name for path in (ROOT / "docs" / "images").iterdir() if f"docs/images/{path.name}" in readme}
    assert {"failure.png", "log.png", "timeline.png", "snapshot.png"} <= shown
    assert all(path.stat().st_size <= 150_000 for path in (ROOT / "docs" / "images").iterdir())
