"""The documentation as a site: it is built, its links lead somewhere, and it loads nothing from elsewhere."""

from __future__ import annotations

import re
import sys
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType
from urllib.parse import unquote, urlsplit

import pytest
from robot.libdocpkg import LibraryDocumentation

DOCS = Path(__file__).parents[1] / "docs"


@pytest.fixture(scope="module")
def builder() -> ModuleType:
    sys.path.insert(0, str(DOCS))
    try:
        import build_site

        return build_site
    finally:
        sys.path.remove(str(DOCS))


@pytest.fixture(scope="module")
def site(builder: ModuleType, tmp_path_factory: pytest.TempPathFactory) -> Path:
    output = tmp_path_factory.mktemp("docs") / "site"
    assert builder.build(builder.gather(output), output) == 0
    return output


class Page(HTMLParser):
    """The addresses in a page."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: set[str] = set()
        self.loaded: set[str] = set()
        self.anchors: set[str] = set()
        self.feed(path.read_text(encoding="utf-8"))

    def handle_starttag(self, tag: str, attributes: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attributes}
        self.anchors |= {values[name] for name in ("id", "name") if name in values}
        address = values.get("href") or values.get("src")
        if address is None or address.startswith("data:"):
            return
        loads = tag in ("script", "img", "iframe", "source", "video") or (
            tag == "link" and values.get("rel", "") in ("stylesheet", "icon", "preload", "preconnect")
        )
        (self.loaded if loads else self.links).add(address)


@pytest.fixture(scope="module")
def pages(site: Path) -> dict[Path, Page]:
    return {path: Page(path) for path in site.rglob("*.html") if path.name not in ("404.html", "one-page.html")}


def test_every_link_leads_somewhere(site: Path, pages: dict[Path, Page]) -> None:
    dead = []
    for path, page in pages.items():
        for address in page.links | page.loaded:
            parts = urlsplit(address)
            if parts.scheme:
                continue
            target = (path.parent / unquote(parts.path)).resolve() if parts.path else path
            target = target / "index.html" if target.is_dir() else target
            known = target in pages and {*pages[target].anchors, ""}
            if not target.exists() or (known and unquote(parts.fragment) not in known):
                dead.append(f"{path.relative_to(site)}: {address}")
    assert len(pages) > 40
    assert dead == []


def test_nothing_is_loaded_from_elsewhere(site: Path, pages: dict[Path, Page]) -> None:
    assert not [address for page in pages.values() for address in page.loaded if urlsplit(address).netloc]
    styles = "".join(path.read_text(encoding="utf-8") for path in site.rglob("*.css"))
    assert not re.findall(r"url\(['\"]?(?:https?:)?//|@import", styles)


def test_every_keyword_is_in_the_reference_with_its_arguments_and_example(site: Path, pages: dict[Path, Page]) -> None:
    library = LibraryDocumentation("JumpstarterLibrary")
    listed = pages[site / "keywords" / "index.html"].links
    addresses = {unquote(urlsplit(link).fragment): unquote(urlsplit(link).path) for link in listed if "#" in link}
    missing = []
    for keyword in library.keywords:
        anchor = keyword.name.lower().replace(" ", "-")
        page = site / "keywords" / addresses.get(anchor, "none.html")
        if not page.exists() or anchor not in pages[page].anchors:
            missing.append(keyword.name)
            continue
        text = page.read_text(encoding="utf-8").partition(f'id="{anchor}"')[2].partition("<h2")[0]
        wanted = [*(rf">\*{{0,2}}{name}\b" for name in keyword.args.argument_names), "Example", "Tags:"]
        missing += [f"{keyword.name}: {each}" for each in wanted if not re.search(each, text)]
    assert missing == []


def test_pages_tell_no_paths_of_the_machine(site: Path) -> None:
    root = str(DOCS.parent)
    assert not [
        path for path in site.rglob("*") if path.suffix in (".html", ".json") and root in path.read_text(encoding="utf-8")
    ]


@pytest.mark.parametrize("link", ["nowhere.md", "glossary.md#nowhere"])
def test_broken_link_fails_the_build(builder: ModuleType, tmp_path: Path, link: str, monkeypatch: pytest.MonkeyPatch) -> None:
    output = tmp_path / "site"
    site = builder.Site(tmp_path / "site-source")
    site.put("index.md", "# Start\n\n[on](glossary.md)\n")
    site.put("glossary.md", "# Glossary\n")
    monkeypatch.setattr(builder.Site, "navigation", lambda self: ["index.md", "glossary.md"])
    site.put("site.css", "")
    assert builder.build(site, output) == 0
    site.put("index.md", f"# Start\n\n[on]({link})\n")
    assert builder.build(site, output) != 0
