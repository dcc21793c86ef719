"""Makes the documentation as a static site: `python docs/build_site.py FOLDER`, or `make docs`.

The guide, the cookbook and the other pages are the Markdown files of this folder; the keyword reference is made from Libdoc.
Links that lead to a file of the repository lead to its page here. A link that leads nowhere fails the build. Nothing is loaded
from elsewhere when the site is read, not even fonts. It can be read from a disk; its search wants a server, such as that of
`python -m http.server --directory results/site`.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path, PurePosixPath

import yaml
from keyword_pages import LIBRARY, keyword_pages
from robot.libdoc import libdoc

ROOT = Path(__file__).resolve().parents[1]
DOCS = ROOT / "docs"
OUTSIDE = {"README.md": "index.md", "CONTRIBUTING.md": "contributing.md", "CHANGELOG.md": "changelog.md"}
"""Pages from the top of the repository, and what they are called in the site."""
GUIDE = (
    *("sessions", "power", "measurements", "timeline", "failures", "console", "flashing", "files"),
    *("network", "video", "drivers", "other-drivers", "lab", "in-ci"),
    *("several-devices", "dry-run", "pytest", "simulated-board", "from-renode"),
)
COOKBOOK = ("boot-and-version", "flash-and-verify", "power-envelope", "two-devices", "in-ci")

FENCE = re.compile(r"^(```.*?^```|    \S[^\n]*)$", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"(\]\()([^)\s]+)(\))")
TITLE = re.compile(r"^# (.+)$", re.MULTILINE)
LANGUAGES = {".robot": "robotframework", ".py": "python", ".yaml": "yaml", ".md": "markdown"}


class Site:
    """The sources of the site, gathered in a folder."""

    def __init__(self, source: Path) -> None:
        self.source = source
        self.pages = {f"docs/{path.relative_to(DOCS).as_posix()}": path.relative_to(DOCS).as_posix() for path in markdown()}
        self.pages |= OUTSIDE
        self.shown: dict[str, str] = {}
        """Files of the repository that are shown because a page links to them, and the pages that show them."""

        self.keywords: list[str] = []
        """The pages of the keyword reference, in order."""

    def write(self) -> None:
        """Writes all pages."""
        shutil.rmtree(self.source, ignore_errors=True)
        for path, page in self.pages.items():
            self.put(page, self.relinked(path, page, (ROOT / path).read_text(encoding="utf-8")))
        shutil.copytree(DOCS / "images", self.source / "images")
        self.put("decisions/index.md", self.decisions())
        self.pages["docs/decisions"] = "decisions/index.md"
        for path, page in list(self.shown.items()):
            text = (ROOT / path).read_text(encoding="utf-8")
            self.put(page, f"# {path}\n\n````{LANGUAGES.get(Path(path).suffix, 'text')}\n{text}````\n")
        for page, text in keyword_pages().items():
            self.keywords.append(page)
            self.put(f"keywords/{page}", text)
        one_page(self.source / "keywords" / "one-page.html")

    def put(self, page: str, text: str) -> None:
        """Writes one page."""
        path = self.source / page
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")

    def relinked(self, path: str, page: str, text: str) -> str:
        """Changes the links of a page of the repository so that they lead to pages of the site."""
        pieces, end = [], 0
        for code in FENCE.finditer(text):
            pieces += [self._relinked(path, page, text[end : code.start()]), code[0]]
            end = code.end()
        return "".join([*pieces, self._relinked(path, page, text[end:])])

    def _relinked(self, path: str, page: str, prose: str) -> str:
        return LINK.sub(lambda match: f"{match[1]}{self._target(path, page, match[2])}{match[3]}", prose)

    def _target(self, path: str, page: str, link: str) -> str:
        target, hash_sign, anchor = link.partition("#")
        if not target or re.match(r"[a-z]+:", target):
            return link
        wanted = os.path.normpath(PurePosixPath(path).parent / target)
        if wanted.startswith("docs/images/"):
            found = wanted.removeprefix("docs/")
        elif wanted == "docs/decisions":
            found = "decisions/index.md"
        elif wanted in self.pages:
            found = self.pages[wanted]
        elif (ROOT / wanted).is_file():
            found = self.shown.setdefault(wanted, f"source/{wanted.replace('.', '-')}.md")
        else:
            return link  # and so the strict build fails
        return os.path.relpath(found, PurePosixPath(page).parent) + hash_sign + anchor

    def decisions(self) -> str:
        """The list of decisions."""
        rows = [f"* [{title(path)}]({path.name})" for path in sorted((DOCS / "decisions").glob("*.md"))]
        return "\n".join(["# Decisions", "", "What is hard to take back, and why it is so.", "", *rows, ""])

    def navigation(self) -> list[object]:
        """The pages in the order in which they are read."""
        return [
            {"Start": "index.md"},
            {"Guide": [f"guide/{name}.md" for name in in_order("guide", GUIDE)]},
            {"Cookbook": [f"cookbook/{name}.md" for name in in_order("cookbook", COOKBOOK)]},
            {"Keywords": [f"keywords/{name}" for name in self.keywords]},
            {
                "About": [
                    *(
                        page
                        for page in ("comparison.md", "benchmarks.md", "upstream-drivers.md")
                        if (self.source / page).exists()
                    ),
                    {
                        "Decisions": [
                            "decisions/index.md",
                            *sorted(f"decisions/{p.name}" for p in (DOCS / "decisions").glob("*.md")),
                        ]
                    },
                    *sorted({p.name for p in DOCS.glob("*.md")} - {"comparison.md", "benchmarks.md", "upstream-drivers.md"}),
                    "contributing.md",
                    "changelog.md",
                ]
            },
        ]


def one_page(path: Path) -> None:
    """Writes Libdoc's own page, without the absolute paths that nobody else has."""
    libdoc(LIBRARY, str(path), quiet=True)
    path.write_text(path.read_text(encoding="utf-8").replace(f"{ROOT}{os.sep}", ""), encoding="utf-8")


def markdown() -> list[Path]:
    """The pages of the documentation."""
    return [path for path in sorted(DOCS.rglob("*.md")) if "keywords" not in path.relative_to(DOCS).parts]


def title(path: Path) -> str:
    """The title of a page."""
    match = TITLE.search(path.read_text(encoding="utf-8"))
    return match[1] if match else path.stem


def in_order(folder: str, first: tuple[str, ...]) -> list[str]:
    """The pages of a folder: those named first, then the others by name."""
    there = {path.stem for path in (DOCS / folder).glob("*.md")}
    return [*(name for name in first if name in there), *sorted(there - set(first))]


def configuration(site: Site, output: Path) -> dict[str, object]:
    """What MkDocs is told."""
    schemes = (("light", "default", "slate", "weather-night", "dark"), ("dark", "slate", "default", "weather-sunny", "light"))
    return {
        "site_name": "JumpstarterLibrary",
        "site_description": "Robot Framework keywords and pytest fixtures for real devices behind Jumpstarter",
        "docs_dir": str(site.source),
        "site_dir": str(output),
        "use_directory_urls": False,
        "theme": {
            "name": "material",
            "font": False,  # those of the reader's system: nothing is loaded from elsewhere
            "features": ["content.code.copy", "navigation.footer", "navigation.top", "navigation.tabs", "toc.follow"],
            "palette": [
                {
                    "media": f"(prefers-color-scheme: {media})",
                    "scheme": scheme,
                    "primary": "teal",
                    "accent": "teal",
                    "toggle": {"icon": f"material/{icon}", "name": f"Switch to {other} colours"},
                }
                for media, scheme, _, icon, other in schemes
            ],
        },
        "extra": {"generator": False},
        "extra_css": ["site.css"],
        "plugins": ["search"],
        "markdown_extensions": [
            "tables",
            "attr_list",
            "sane_lists",
            {"toc": {"permalink": True}},
            {"pymdownx.highlight": {"use_pygments": True}},
            "pymdownx.superfences",
        ],
        "validation": {
            "omitted_files": "info",
            "absolute_links": "warn",
            "unrecognized_links": "warn",
            "anchors": "warn",
            "not_found": "warn",
        },
        "not_in_nav": "/source/**",
        "nav": site.navigation(),
    }


CSS = """\
.md-grid { max-width: 76rem; }
.md-typeset table:not([class]) { font-size: .64rem; }
.md-typeset table:not([class]) td, .md-typeset table:not([class]) th { padding: .4em .8em; min-width: 0; }
.md-typeset h2 { margin-top: 2em; }
.md-typeset table:not([class]) td:first-child { min-width: 6rem; }
.md-typeset table:not([class]) td:first-child > code { white-space: nowrap; }
.md-typeset .tags { opacity: .7; font-size: .65rem; }
.md-typeset img { border: 1px solid var(--md-default-fg-color--lightest); }
"""


def gather(output: Path) -> Site:
    """Writes the sources of a site beside the folder that it is to be built in."""
    site = Site(output.with_name(f"{output.name}-source"))
    site.write()
    site.put("site.css", CSS)
    return site


def build(site: Site, output: Path) -> int:
    """Builds a site; returns MkDocs' exit status."""
    settings = site.source.with_name(f"{site.source.name}.yml")
    settings.write_text(yaml.safe_dump(configuration(site, output), sort_keys=False), encoding="utf-8")
    command = [sys.executable, "-m", "mkdocs", "build", "--strict", "--clean", "--config-file", str(settings)]
    # Not with --quiet, which also hides warnings from --strict.
    environment = {**os.environ, "NO_MKDOCS_2_WARNING": "1"}  # news of the theme's makers
    run = subprocess.run(command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, check=False)
    if run.returncode:
        print(run.stdout, file=sys.stderr)
    return run.returncode


if __name__ == "__main__":
    folder = Path(sys.argv[1] if len(sys.argv) > 1 else "results/site").resolve()
    sys.exit(build(gather(folder), folder))
