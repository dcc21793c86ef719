"""The keyword reference as Markdown pages, made from what Libdoc knows: one page for each subject."""

from __future__ import annotations

import re
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from robot.libdocpkg import LibraryDocumentation

LIBRARY = "JumpstarterLibrary"
SUBJECTS = (
    ("Sessions", ("sessions", "settings")),
    ("Leases", ("leases",)),
    ("Power", ("power", "power_recording")),
    ("Measurements", ("measurements",)),
    ("Consoles", ("console", "console_waiting", "console_commands", "console_watching")),
    ("U-Boot", ("uboot",)),
    ("Storage", ("storage",)),
    ("Files", ("files", "file_facts", "transfers")),
    ("File servers", ("servers",)),
    ("Network", ("network", "connections")),
    ("SSH", ("ssh",)),
    ("Shell", ("shell",)),
    ("Video", ("video",)),
    ("Evidence", ("evidence",)),
    ("Drivers", ("drivers", "descriptions", "upstream")),
)
"""Titles of pages, and the files in `keywords/` whose keywords are on them. Any other file gets a page of its own."""

CODE = re.compile(r"(^```.*?^```|`[^`\n]*`)", re.MULTILINE | re.DOTALL)
LINK = re.compile(r"\[([^\]\n]+)\](?!\()")
INTRODUCTION, TYPES = "introduction.md", "types.md"


def keyword_pages() -> dict[str, str]:
    """Returns the pages by name."""
    library = LibraryDocumentation(LIBRARY).to_dictionary()
    subjects = _by_subject(library["keywords"])
    links = {
        title: f"{INTRODUCTION}#{slug(title)}" for title in re.findall(r"^#+ (.+)$", CODE.sub("", library["doc"]), re.MULTILINE)
    }
    links |= {kind["name"]: f"{TYPES}#{slug(kind['name'])}" for kind in library["typedocs"]}
    for subject, keywords in subjects.items():
        links |= {keyword["name"]: f"{slug(subject)}.md#{slug(keyword['name'])}" for keyword in keywords}
    pages = {"index.md": _index(subjects, library), INTRODUCTION: _introduction(library, links)}
    pages |= {f"{slug(subject)}.md": _subject_page(subject, keywords, links) for subject, keywords in subjects.items()}
    pages[TYPES] = _types(library["typedocs"], links)
    return pages


def slug(title: str) -> str:
    """The anchor that MkDocs makes of a heading, and the name of a page."""
    return re.sub(r"[\s-]+", "-", re.sub(r"[^\w\s-]", "", title).strip().lower())


def _by_subject(keywords: Iterable[dict[str, Any]]) -> dict[str, list[dict[str, Any]]]:
    titles = {file: title for title, files in SUBJECTS for file in files}
    found: dict[str, list[dict[str, Any]]] = {title: [] for title, _ in SUBJECTS}
    for keyword in keywords:
        file = Path(keyword["source"]).stem
        found.setdefault(titles.get(file, file.replace("_", " ").capitalize()), []).append(keyword)
    return {title: sorted(there, key=lambda each: each["name"]) for title, there in found.items() if there}


def _index(subjects: dict[str, list[dict[str, Any]]], library: dict[str, Any]) -> str:
    lines = [
        "# Keywords",
        "",
        f"All {len(library['keywords'])} keywords of {LIBRARY} {library['version']}, by subject. [On one page](one-page.html), "
        "as Libdoc shows them, with a search of its own; what holds for all of them is in the [introduction](introduction.md).",
    ]
    for subject, keywords in subjects.items():
        lines += ["", f"## [{subject}]({slug(subject)}.md)", "", "| Keyword | |", "| --- | --- |"]
        lines += [f"| [{k['name']}]({slug(subject)}.md#{slug(k['name'])}) | {cell(k['shortdoc'])} |" for k in keywords]
    return "\n".join([*lines, ""])


def _introduction(library: dict[str, Any], links: dict[str, str]) -> str:
    init = library["inits"][0]
    return "\n".join(
        [
            "# Introduction",
            "",
            linked(_one_deeper(library["doc"]), links),
            "",
            "## Import arguments",
            "",
            *_arguments(init, links),
            "",
        ]
    )


def _subject_page(subject: str, keywords: list[dict[str, Any]], links: dict[str, str]) -> str:
    lines = [f"# {subject}", ""]
    for keyword in keywords:
        lines += [f"## {keyword['name']}", "", *_keyword(keyword, links), ""]
    return "\n".join(lines)


def _keyword(keyword: dict[str, Any], links: dict[str, str]) -> Iterable[str]:
    text, *examples = re.split(r"(?=^```robotframework$)", keyword["doc"], flags=re.MULTILINE)
    yield linked(text.strip(), links)
    yield ""
    if any(argument["name"] for argument in keyword["args"]):
        yield from _arguments(keyword, links)
        yield ""
    if keyword.get("returnDoc"):
        yield f"**Returns** {_type(keyword['returnType'])}: {linked(one_line(keyword['returnDoc']), links)}"
        yield ""
    if raises := keyword.get("raises"):
        yield "**Fails as**"
        yield ""
        yield from (f"* `{kind}`: {linked(one_line(reason), links)}" for kind, reason in raises.items())
        yield ""
    yield "**Example**"
    yield ""
    yield from examples
    yield ""
    yield f"Tags: {', '.join(keyword['tags'])}"
    yield "{: .tags }"


def _arguments(keyword: dict[str, Any], links: dict[str, str]) -> Iterable[str]:
    yield "| Argument | Type | Default | |"
    yield "| --- | --- | --- | --- |"
    for argument in keyword["args"]:
        if argument["name"]:
            name = {"VAR_POSITIONAL": "*", "VAR_NAMED": "**"}.get(argument["kind"], "") + argument["name"]
            named = "=" if argument["kind"] == "NAMED_ONLY" else ""  # can be given by name only
            default = "" if argument["defaultValue"] is None else code(argument["defaultValue"])
            kind = _type(argument["type"]) if argument["type"] else ""
            yield f"| `{name}{named}` | {cell(kind)} | {default} | {cell(linked(one_line(argument['doc']), links))} |"


def _type(kind: dict[str, Any]) -> str:
    if kind["union"]:
        return " or ".join(_type(each) for each in kind["nested"])
    inner = f" of {', '.join(_type(each) for each in kind['nested'])}" if kind["nested"] else ""
    target = kind.get("typedoc")
    return f"[{kind['name']}]({TYPES}#{slug(target)}){inner}" if target else f"{kind['name']}{inner}"


def _types(kinds: Iterable[dict[str, Any]], links: dict[str, str]) -> str:
    lines = [
        "# Types",
        "",
        "What arguments take. Robot Framework converts text to them; names of choices may be written in any case.",
    ]
    for kind in sorted(kinds, key=lambda each: each["name"].lower()):
        lines += ["", f"## {kind['name']}", ""]
        if kind["name"] == "AssertionOperator":
            lines.append(f"See [Assertions]({INTRODUCTION}#assertions).")
        else:
            lines.append(linked(re.split(r"\n\s*\n", kind["doc"].strip())[0], links) or "A choice.")
        if members := kind.get("members"):
            lines += ["", "Choices: " + ", ".join(f"`{each['name']}`" for each in members) + "."]
    return "\n".join([*lines, ""])


def linked(text: str, links: dict[str, str]) -> str:
    """Makes Libdoc's links, `[Power On]`, links between pages; code is left alone."""
    pieces = CODE.split(text)
    for index in range(0, len(pieces), 2):
        pieces[index] = LINK.sub(
            lambda match: f"[{match[1]}]({links[match[1]]})" if match[1] in links else match[0], pieces[index]
        )
    return "".join(pieces)


def one_line(text: str) -> str:
    """A text without line ends."""
    return " ".join(text.split())


def code(text: str) -> str:
    """A value as code. Not between backticks, where a regular expression may look like half a tag to MkDocs."""
    escaped = "".join(each if each.isalnum() or each in " .:-" else f"&#{ord(each)};" for each in text)
    return f"<code>{escaped}</code>" if text else "empty"


def cell(text: str) -> str:
    """A text for a cell of a table."""
    return text.replace("|", "\\|")


def _one_deeper(text: str) -> str:
    pieces = re.split(r"(^```.*?^```)", text, flags=re.MULTILINE | re.DOTALL)
    pieces[::2] = [re.sub(r"^#", "##", piece, flags=re.MULTILINE) for piece in pieces[::2]]
    return "".join(pieces)
