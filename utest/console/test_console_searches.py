"""Searches find what a search of the whole text, line by line, would find: in whatever chunks it comes, whenever they look."""

from __future__ import annotations

import fnmatch
import re
from dataclasses import dataclass
from datetime import timedelta

import pytest
from console_support import PLACES, BareConsole, cut, decorated
from hypothesis import HealthCheck, assume, given, reject, settings
from hypothesis import strategies as st

from JumpstarterLibrary.client.console.options import ConsoleOptions
from JumpstarterLibrary.client.console.patterns import Match, Pattern
from JumpstarterLibrary.client.console.searches import ManySearch, Mode, NextLineSearch, PromptSearch, SingleSearch
from JumpstarterLibrary.errors import UsageError

NEVER, AT_ONCE = ConsoleOptions(settle=timedelta(hours=1)), ConsoleOptions(settle=timedelta(0))

LINE = st.text("ab1 $", max_size=6)
LINES = st.lists(LINE, max_size=10)
CHARACTERS = ["a", "b", "1", r"\d", r"\s", r"\S", r"\w", ".", "[^a]", "[ab]", "[^b]*", r"\s*", ".*"]
EDGES = ["^", "$", r"\b", "(?=b)", "(?!b)", r"(?!\s)", r"(?!\s*b)", r"(?=\s*)", "(?<=a)", "(?<!a)", r"(?<!\s)"]
GROUPS = ["(a|b)", r"(\d+)", r"(?P<name>\w)", r"(?:a1)", "(?i:B)", "(.*?)"]
ATOMS = st.sampled_from([*CHARACTERS, *EDGES, *GROUPS])
REGEX = st.lists(st.tuples(ATOMS, st.sampled_from(["", "", "", "*", "+", "?", "*?", "{1,2}"])), min_size=1, max_size=5).map(
    lambda parts: "".join(atom + (count if atom[-1] not in "*^$)b" or atom in ("b", r"\w") else "") for atom, count in parts)
)
PLAIN = st.text("ab1 ", min_size=1, max_size=4)
GLOBS = st.text("ab1?* ", min_size=1, max_size=5)
PATTERN = st.one_of(
    PLAIN.map(lambda text: (text, Match.CONTAINS)),
    PLAIN.map(lambda text: (text, Match.EXACT)),
    GLOBS.map(lambda text: (text, Match.GLOB)),
    REGEX.map(lambda text: (text, Match.REGEX)),
)


@dataclass(frozen=True)
class Naive:
    """What the reference found: number of the line, place in it, groups."""

    number: int
    start: int
    end: int
    groups: tuple[str | None, ...]


def in_line(text: str, match: Match, line: str, column: int = 0) -> tuple[int, int, tuple[str | None, ...]] | None:
    """Finds a pattern in one line with Python's own means."""
    if match is Match.CONTAINS:
        at = line.find(text, column)
        return None if at < 0 else (at, at + len(text), ())
    if match is Match.EXACT:
        return (0, len(line), ()) if line == text and column == 0 else None
    if match is Match.GLOB:
        return (0, len(line), ()) if column == 0 and fnmatch.fnmatchcase(line, text) else None
    found = re.compile(text).search(line, column)
    return (*found.span(), found.groups()) if found and found.group() else None


def naive_single(pattern: tuple[str, Match], lines: list[str], start: tuple[int, int] = (0, 0)) -> Naive | None:
    for number, line in enumerate(lines[start[0] :], start[0]):
        if found := in_line(*pattern, line, start[1] if number == start[0] else 0):
            return Naive(number, *found)
    return None


def naive_many(patterns: list[tuple[str, Match]], mode: Mode, finished: list[str], open_line: str) -> list[Naive] | None:
    lines = [*finished, open_line] if open_line else finished
    if mode is Mode.BLOCK:
        for first in range(len(finished)):
            block = [in_line(*pattern, line) for pattern, line in zip(patterns, finished[first:], strict=False)]
            if len(block) == len(patterns) and all(block):
                return [Naive(first + offset, *found) for offset, found in enumerate(block)]
        return None
    if mode is Mode.ORDERED:
        result, place = [], (0, 0)
        for pattern in patterns:
            found = naive_single(pattern, lines, place)
            if found is None:
                return None
            result.append(found)
            place = (found.number, found.end)
        return result
    each = [naive_single(pattern, lines) for pattern in patterns]
    if mode is Mode.ALL:
        return each if all(each) else None
    there = [found for found in each if found]
    return [min(there, key=lambda found: (found.number, found.start))] if there else None


def valid(pattern: tuple[str, Match]) -> Pattern:
    """The pattern, unless neither engine takes it."""
    if pattern[1] is Match.REGEX:
        try:
            assume(not re.compile(pattern[0]).search(""))
        except re.error:
            reject()
    try:
        return Pattern(*pattern)
    except UsageError:
        reject()


def run(search, said: bytes, places: list[int], *, early: bool):
    """Feeds chunks and looks: after each of them, or only at the end."""
    console = BareConsole()
    console.options = NEVER
    for chunk in cut(said, places):
        console.say(chunk)
        if early and (found := console.poll(search)):
            return console, found
    console.options = AT_ONCE
    return console, console.poll(search)


def check(console: BareConsole, found, expected: list[Naive] | None, finished: list[str], open_line: str) -> None:
    lines = [*finished, open_line]
    if expected is None:
        assert not found
        return
    assert found
    results = console.take(found, 0, 0.0)
    for result, naive in zip(results, expected, strict=True):
        line = lines[naive.number]
        assert (result.line, result.match, result.after) == (line, line[naive.start : naive.end], line[naive.end :])
        assert result.groups == naive.groups
        assert result.before == "".join(f"{earlier}\n" for earlier in lines[: naive.number]) + line[: naive.start]


@settings(max_examples=1500, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(st.data(), LINES, LINE, PATTERN, PLACES, st.booleans())
def test_a_single_search_equals_a_search_of_the_whole_text(data, lines, open_line, pattern, places, early):
    said = data.draw(decorated(lines, open_line))
    search = SingleSearch(valid(pattern), 0)
    whole = [*lines, open_line] if open_line else lines

    console, found = run(search, said, places, early=early)

    naive = naive_single(pattern, whole)
    check(console, found, [naive] if naive else None, lines, open_line)


@settings(max_examples=1000, suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much], deadline=None)
@given(LINES, LINE, st.lists(PATTERN, min_size=1, max_size=3), st.sampled_from(Mode), PLACES, st.booleans())
def test_many_patterns_equal_a_search_of_the_whole_text(lines, open_line, patterns, mode, places, early):
    said = "".join(f"{line}\r\n" for line in lines) + open_line
    search = ManySearch([valid(pattern) for pattern in patterns], 0, mode)

    console, found = run(search, said.encode(), places, early=early)

    check(console, found, naive_many(patterns, mode, lines, open_line), lines, open_line)


@settings(max_examples=300, deadline=None)
@given(LINES, LINE, PLACES, st.integers(0, 80))
def test_the_next_line_is_the_first_that_begins_behind_the_place(lines, open_line, places, start):
    text = "".join(f"{line}\n" for line in lines) + open_line
    start = min(start, len(text))
    begins = [at for at in range(start, len(text)) if (at == 0 or text[at - 1] == "\n") and "\n" in text[at:]]

    _, found = run(NextLineSearch(start), text.encode(), places, early=True)

    assert (found and found[0].line_start) == (begins[0] if begins else None)
    assert not found or found[0].line == text[begins[0] :].split("\n")[0]


@settings(max_examples=300, deadline=None)
@given(LINES, LINE, PLACES, st.sampled_from([r"\$ ?$", r"a", r"\$", r"[a$] ?$"]))
def test_a_prompt_ends_the_open_line(lines, open_line, places, prompt):
    said = "".join(f"{line}\n" for line in lines) + open_line
    ends = [found.end() for found in re.finditer(prompt, open_line)]

    _, found = run(PromptSearch(Pattern(prompt, Match.REGEX), 0), said.encode(), places, early=True)

    assert bool(found) == bool(ends and not open_line[ends[-1] :].strip())
    assert not found or (found[0].line, found[0].hit.end) == (open_line, ends[-1])


@settings(max_examples=300, deadline=None)
@given(st.lists(st.sampled_from(["ab", "a", "b", "x"]), max_size=20), PLACES)
def test_waits_one_after_the_other_find_every_match_once(parts, places):
    text, console, found = "\n".join(parts) + "\n", BareConsole(), 0
    console.options = NEVER
    for chunk in cut(text.encode(), places):
        console.say(chunk)
        while hit := console.poll(SingleSearch(Pattern("a"), console.place("last match").text)):
            console.take(hit, 0, 0.0)
            found += 1

    assert found == text.count("a")


@pytest.mark.parametrize(
    "pattern",
    [
        r"a(?!\s)",
        r"a(?!\s*b)",
        r"(?<!\s)b",
        r"a\Z",
        r"\Ab",
        r"a$",
        r"^b",
        r"a[^x]*+",
        r"b\s*$",
        r"(?s:a.*)",
        r"\Ba|b\B",
        "(?m)^b$",
    ],
)
def test_a_pattern_sees_its_line_and_nothing_around_it(pattern):
    lines = ["xab", "a", " b", "ba", "b", "", "a b"]
    for first in range(len(lines)):
        said = "".join(f"{line}\n" for line in lines[first:])
        console, found = run(SingleSearch(Pattern(pattern, Match.REGEX), 0), said.encode(), [], early=False)
        naive = naive_single((pattern, Match.REGEX), lines[first:])
        check(console, found, [naive] if naive else None, lines[first:], "")


def test_a_block_begins_at_any_line_in_any_chunks():
    for said, first in (("a\nb\nb\n", 0), ("a\na\nb\n", 2), ("b\na\nc\na\nb\n", 6)):
        for size in (1, 2, 3, 100):
            search = ManySearch([Pattern("a"), Pattern("b")], 0, Mode.BLOCK)
            _, found = run(search, said.encode(), range(0, len(said), size), early=True)
            assert [one.line_start for one in found] == [first, first + 2]


def test_a_block_may_begin_in_the_middle_of_one_that_failed():
    search = ManySearch([Pattern("a"), Pattern("a"), Pattern("b")], 0, Mode.BLOCK)
    _, found = run(search, b"a\na\na\nb\n", [], early=False)
    assert [one.line_start for one in found] == [2, 4, 6]


def test_what_was_found_on_the_open_line_is_given_with_its_whole_line():
    for mode in (Mode.ALL, Mode.ORDERED):
        console, search = BareConsole(settle=0), ManySearch([Pattern("one"), Pattern("two")], 0, mode)
        console.say("one")
        assert not console.poll(search)
        console.say(" and more\ntwo\n")
        assert [found.line for found in console.poll(search)] == ["one and more", "two"]


def test_a_block_never_spans_a_gap_and_a_later_one_is_found():
    for mode, found in ((Mode.BLOCK, False), (Mode.ORDERED, True), (Mode.ALL, True)):
        console = BareConsole()
        search = ManySearch([Pattern("one"), Pattern("two")], 0, mode)
        console.say("one\n")
        assert not console.poll(search)
        console.transcript.add_gap("cable pulled")
        console.say("two\n")
        assert bool(console.poll(search)) is found, mode
        console.say("one\ntwo\n")
        assert console.poll(search)


def test_a_line_never_spans_a_gap():
    console = BareConsole(settle=0)
    console.say("log")
    console.transcript.add_gap("cable pulled")
    console.say("in: ")

    assert not console.poll(SingleSearch(Pattern("login"), 0))
    assert console.poll(SingleSearch(Pattern("in: "), 0))
    assert console.transcript.text() == "log\nin: "


def test_bytes_never_span_a_gap():
    console = BareConsole(timeout=0.05)
    console.say(b"\x01\x02")
    console.transcript.add_gap("cable pulled")
    console.say(b"\x03\x01\x02\x03")

    assert console.wait_for_bytes(b"\x01\x02\x03") == b"\x01\x02\x03\x01\x02\x03"
    with pytest.raises(TimeoutError):
        console.wait_for_bytes(b"\x02\x03\x03", since="session start")


@pytest.mark.parametrize(
    ("text", "match"), [("", Match.CONTAINS), ("a*", Match.REGEX), ("(", Match.REGEX), ("a\nb", Match.EXACT)]
)
def test_a_pattern_that_cannot_be_meant_is_refused(text, match):
    with pytest.raises(UsageError):
        Pattern(text, match)


def test_rewritten_parts_of_the_open_line_are_news():
    console = BareConsole(settle=0)
    for shown in ("10%", "20%", "20%", "done"):
        console.say(f"\r{shown}")
        assert console.wait_for_line(shown, timeout=1).line == shown


def test_a_prompt_that_was_matched_is_not_matched_again_when_input_behind_it_is_erased():
    console = BareConsole(settle=0)
    console.say("login: ")
    console.wait_for_prompt("login: ")
    console.say("rooz\b \bt")
    with pytest.raises(TimeoutError):
        console.wait_for_line("login: ", timeout=0)
    assert console.wait_for_line("root", timeout=0).line == "login: root"


def test_a_line_that_became_shorter_hides_nothing_of_the_next_one():
    for rewritten in ("\r\x1b[Kok\n", "\b\b\b\b\b\b\b\b\b\b\x1b[K\n", "\x1b[2K\n"):
        console = BareConsole(settle=0)
        console.say("0123456789")
        console.wait_for_line("789", timeout=0)
        console.say(f"{rewritten}next line\n")
        assert console.wait_for_line("next", match=Match.REGEX, timeout=0).line == "next line"
        assert "next line\n" in console.transcript.text(), rewritten
