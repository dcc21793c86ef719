"""Makes the pictures of README and guide from a real run: `make pictures`, or `python docs/pictures.py [DEMO_OUTPUT]`.

Chromium (Debian: `chromium`) opens log.html of the demo, unfolds one test, keeps only what the picture shows, and takes it. The
pictures are cropped and reduced to a palette, so that each stays below 150 kB.
"""

from __future__ import annotations

import shutil
import subprocess
import sys
import tempfile
from dataclasses import dataclass
from io import BytesIO
from pathlib import Path

from PIL import Image, ImageChops
from robot.api import ExecutionResult

ROOT = Path(__file__).resolve().parents[1]
IMAGES = ROOT / "docs" / "images"
LARGEST = 150_000
"""Bytes of a picture."""
MARGIN = 12
"""Pixels around what is shown."""

SCRIPT = """
<style>
  body {{ width: {width}px; overflow: hidden; margin: 0 }}
  #only {{ padding: {margin}px; overflow: hidden }}
</style>
<script>
  window.addEventListener("load", () => {{
    window.testdata.ensureLoaded("{test}", ids => {{
      ids.forEach(expandElementWithId);
      if ({unfold}) setTimeout(() => expandAll("{test}"), 200);
      setTimeout(() => keep(document.getElementById("{test}")), 2500);
    }});
  }});
  function keep(test) {{
    if (!{unfold}) test.querySelectorAll(".keyword > .children").forEach(each => each.style.display = "none");
    const found = {selector} ? Array.from(test.querySelectorAll({selector})) : [test];
    const only = document.createElement("div");
    only.id = "only";
    found.forEach(each => each.querySelectorAll({opened}).forEach(folded => folded.open = true));
    if (found.length) only.append(found[{number}] || found[0]);
    document.body.replaceChildren(only);
    window.scrollTo(0, 0);
  }}
</script>
"""


@dataclass(frozen=True)
class Picture:
    """One picture: a test of the demo, or a part of it."""

    name: str
    test: str
    selector: str = ""
    """CSS of the part; the whole test unless given."""
    opened: str = "details.jlt"
    """CSS of what is folded and shall be open."""
    unfold: bool = True
    """Whether its keywords are."""
    width: int = 1200
    height: int = 1600
    """Pixels that are shown at most."""
    number: int = 0
    """Which of those that the selector finds."""
    dark: bool = False


PICTURES = (
    Picture("log", "The New Version Boots", height=1500),
    Picture("failure", "This Test Fails On Purpose", unfold=False, height=1500),
    Picture(
        "evidence", "This Test Fails On Purpose", ":has(> details[style*=d84315])", opened="details[style*=d84315]", width=760
    ),
    Picture("timeline", "The New Version Boots", ":has(> details.jlt)", width=1000),
    Picture("snapshot", "The Screen Shows It", "figure:has(img)", width=760),
    Picture("measurements", "The Board Boots", "div:has(> table):has(> span)", width=760),
)


def main(arguments: list[str]) -> int:
    """Takes all pictures; returns 1 if one of them could not be taken."""
    if arguments:
        output = Path(arguments[0])
    else:
        output = Path(tempfile.gettempdir()) / "demo"  # its path stands in the pictures: no folder of whoever makes them
        subprocess.run([sys.executable, str(ROOT / "atest" / "demo" / "show.py"), str(output)], check=True)
    chromium = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if chromium is None:
        print("Chromium is needed: on Debian the package chromium.", file=sys.stderr)
        return 1
    tests = {test.name: test.id for test in ExecutionResult(output / "output.xml").suite.all_tests}
    missing = 0
    for picture in PICTURES:
        image = take(chromium, output / "log.html", picture, tests[picture.test])
        if image is None:
            print(f"{picture.name}: there is no {picture.selector} in '{picture.test}'", file=sys.stderr)
            missing += 1
            continue
        path = IMAGES / f"{picture.name}.png"
        path.write_bytes(small(image))
        print(f"{path.name}: {image.width} by {image.height}, {path.stat().st_size // 1000} kB")
    return 1 if missing else 0


def take(chromium: str, log: Path, picture: Picture, test: str) -> Image.Image | None:
    """Takes one picture of log.html; None if it has nothing of the kind."""
    script = SCRIPT.format(
        test=test,
        unfold=str(picture.unfold).lower(),
        selector=repr(picture.selector),
        opened=repr(picture.opened),
        number=picture.number,
        width=picture.width,
        margin=MARGIN,
    )
    with tempfile.TemporaryDirectory() as folder:
        page = log.with_name(f".{picture.name}-picture.html")  # beside log.html, as it links to files there
        shot = Path(folder) / "shot.png"
        try:
            page.write_text(log.read_text(encoding="utf-8").replace("</body>", f"{script}</body>"), encoding="utf-8")
            options = [
                *("--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--hide-scrollbars"),
                *("--disable-background-networking", "--disable-component-update", "--disable-sync"),
                *([] if not picture.dark else ["--force-dark-mode", "--blink-settings=preferredColorScheme=0"]),
                *(f"--user-data-dir={folder}/profile", f"--window-size={picture.width},{picture.height}"),
                *("--virtual-time-budget=6000", f"--screenshot={shot}", page.resolve().as_uri()),
            ]
            subprocess.run([chromium, *options], capture_output=True, timeout=120, check=True)
            image = Image.open(BytesIO(shot.read_bytes())).convert("RGB")
        finally:
            page.unlink(missing_ok=True)
    return cropped(image)


def cropped(image: Image.Image) -> Image.Image | None:
    """Cuts off what is empty below and at the right; None if there is nothing."""
    background = Image.new("RGB", image.size, image.getpixel((image.width - 1, image.height - 1)))
    box = ImageChops.difference(image, background).getbbox()
    if box is None:
        return None
    return image.crop((0, 0, min(image.width, box[2] + MARGIN), min(image.height, box[3] + MARGIN)))


def small(image: Image.Image) -> bytes:
    """Returns a picture as PNG, with as many colours as its size allows."""
    for colours in (128, 64, 32, 16):
        data = BytesIO()
        image.quantize(colours, dither=Image.Dither.NONE).save(data, "PNG", optimize=True)
        if data.tell() <= LARGEST:
            break
    return data.getvalue()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
