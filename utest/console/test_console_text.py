"""Bytes to lines: in whatever chunks, colours and line ends they come, the lines are the same."""

from __future__ import annotations

import re

import pytest
from console_support import PLACES, cut, decorated
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from JumpstarterLibrary.client.console.text import LONGEST_LINE, LONGEST_SEQUENCE, LineReader, whole_lines

CHARACTERS = st.characters(exclude_categories=("Cc", "Cs"))
LINES = st.lists(st.text(CHARACTERS, max_size=20), max_size=8)
OPEN = st.text(CHARACTERS, max_size=20)
ANYTHING = st.lists(
    st.one_of(
        st.sampled_from(["\r", "\n", "\b", "\x1b", "\x1b[", "\x1b]", "\x1bP", "\x1b\\", "\x9b", "\a", " ", "K", "1", "abc"]),
        st.sampled_from(["\x1b[K", "\x1b[2K", "\x1b[1K", "\x1b[J", "\x1b[3D", "\x1b[2C", "\x1b[4G", "\x1b[31m", "\x1b]0;x\a"]),
        st.text(max_size=5),
    ).map(lambda text: text.encode(errors="replace"))
    | st.binary(max_size=6),
    max_size=30,
).map(b"".join)


def read(chunks: list[bytes]) -> tuple[str, str]:
    """The finished lines, and the open one."""
    reader = LineReader()
    return "".join(map(reader.feed, chunks)), reader.open_line


@settings(max_examples=300, suppress_health_check=[HealthCheck.too_slow], deadline=None)
@given(st.data(), LINES, OPEN, PLACES)
def test_decorations_line_ends_and_chunks_change_nothing(data, lines, open_line, places):
    said = data.draw(decorated(lines, open_line))

    assert read(cut(said, places)) == ("".join(f"{line}\n" for line in lines), open_line)


@settings(max_examples=500, deadline=None)
@given(ANYTHING, PLACES)
@example(b"abc\r\x1b[K\n", [4])
@example(b"12\xc3\xa9\xff\xfe\xc3\n\xe2\x82", [3, 5, 6])
def test_whatever_a_device_says_its_chunks_change_nothing(said, places):
    once = read([said])

    assert read(cut(said, places)) == once
    assert read([bytes([byte]) for byte in said]) == once


class Terminal:
    """One line of a terminal, cell by cell: slow, and easy to see through."""

    def __init__(self) -> None:
        self.lines: list[str] = []
        self.cells: list[str] = []
        self.column = 0

    def put(self, event: str | tuple[str, int]) -> None:
        if isinstance(event, str):
            for character in event:
                self.cells[self.column : self.column + 1] = [character]
                self.column += 1
            return
        kind, count = event
        if kind == "end":
            self.lines.append("".join(self.cells))
            self.cells, self.column = [], 0
        elif kind == "erase rest":
            del self.cells[self.column :]
        else:
            target = {"return": 0, "left": self.column - count, "right": self.column + count, "to": count - 1}[kind]
            self.column = min(max(target, 0), len(self.cells))


EVENTS = st.lists(
    st.one_of(
        st.text("abcdef", min_size=1, max_size=6),
        st.tuples(st.just("end"), st.just(1)),
        st.tuples(st.sampled_from(["return", "erase rest"]), st.just(1)),
        st.tuples(st.sampled_from(["left", "right", "to"]), st.integers(1, 9)),
    ),
    max_size=25,
)
SENT = {"end": "\r\n", "return": "\r", "erase rest": "\x1b[K"}


@settings(max_examples=500, deadline=None)
@given(EVENTS, PLACES, st.booleans())
def test_moving_and_overwriting_is_as_on_a_terminal(events, places, with_backspaces):
    terminal, sent = Terminal(), ""
    for event in events:
        terminal.put(event)
        if isinstance(event, str):
            sent += event
        elif event[0] == "left":
            sent += "\b" * event[1] if with_backspaces else f"\x1b[{event[1]}D"
        else:
            sent += SENT.get(event[0]) or f"\x1b[{event[1]}{'C' if event[0] == 'right' else 'G'}"

    assert read(cut(sent.encode(), places)) == ("".join(f"{line}\n" for line in terminal.lines), "".join(terminal.cells))


def test_progress_shells_and_erased_input_look_as_on_a_screen():
    for said, seen in {
        b" 10%\r 20%\r100%\r\n": "100%\n",
        b"a long line\r\x1b[2Kshort\n": "short\n",
        b"a long line\x1b[2K\rshort\n": "short\n",
        b"uart:~$ \x1b[8D\x1b[J[00:00:01] <inf> main: up\r\nuart:~$ ": "[00:00:01] <inf> main: up\nuart:~$ ",
        b"$ lsx\b \b": "$ ls",
        b"Hit any key:  2 \b\b\b 1 \b\b\b 0 \n": "Hit any key:  0 \n",
        b"\x1b]0;never ended\nnext\n": "]0;never ended\nnext\n",
        b"spaces  \r\n": "spaces  \n",
    }.items():
        finished, open_line = read([said])
        assert finished + open_line == seen, said


def test_a_sequence_without_end_swallows_nothing_that_follows():
    for begin in (b"\x1b[", b"\x1b]", b"\x1bP", b"\x1b"):
        said = begin + b";" * (2 * LONGEST_SEQUENCE) + b"\nafter\n"
        for size in (1, 1000, len(said)):
            finished, _ = read([said[start : start + size] for start in range(0, len(said), size)])
            assert finished.endswith("\nafter\n"), (begin, size)
        assert read([said]) == read([said[:5000], said[5000:]])


def test_long_lines_are_cut_at_the_same_places_in_any_chunks():
    for length in (LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, 2 * LONGEST_LINE, 2 * LONGEST_LINE + 7):
        said = b"x" * length + b"\nnext\n"
        once = read([said])
        assert re.sub("\n", "", once[0]) == "x" * length + "next"
        assert max(map(len, once[0].split("\n"))) <= LONGEST_LINE
        for places in ([1], [LONGEST_LINE], [LONGEST_LINE + 1], [length], [length - 1, length, length + 1], [5000, 70000]):
            assert read(cut(said, places)) == once, (length, places)


def test_many_returns_and_escapes_take_no_more_time_than_text():
    # Each of these would take minutes if it were quadratic.
    for unit in (b"\r", b"\x1b", b"\x1b[", b"\x1b]", b"\xff", b"\0", b"\r\n\r", b"x\b", b"\x1b[999D", b"\xc3"):
        read([unit * (2_000_000 // len(unit))])


def test_a_line_of_50_megabytes_is_kept_in_pieces():
    reader, block, pieces = LineReader(), b"0123456789abcdef" * 4096, 0
    for _ in range(50 * 16):
        pieces += reader.feed(block).count("\n")
        assert len(reader.open_line) <= LONGEST_LINE
    assert pieces * LONGEST_LINE + len(reader.open_line) == 50 * 16 * len(block)


def test_an_interruption_forgets_halves_of_characters_and_sequences():
    for half in (b"\xe2\x82", b"\x1b[3", b"\x1b]0;title"):
        reader = LineReader()
        assert reader.feed(b"lost" + half) == ""
        assert reader.interrupt() == "lost"
        assert (reader.feed(b"1login: "), reader.open_line) == ("", "1login: ")


@pytest.mark.parametrize("length", [0, 1, LONGEST_LINE - 1, LONGEST_LINE, LONGEST_LINE + 1, 2 * LONGEST_LINE, 1_048_576])
def test_lines_that_were_cut_are_put_together_again(length):
    said = b"before\n" + b"x" * length + b"\nafter\n\nend"
    for chunks in ([said], cut(said, range(0, len(said), 5000)), cut(said, [length + 6, length + 7, length + 8])):
        finished, open_line = read(chunks)
        assert whole_lines(finished + open_line) == said.decode()


SECRET = "hunter2-Zebra"


@pytest.mark.parametrize("place", range(1, len(SECRET)))
@pytest.mark.parametrize("size", [1, 3, 1000])
def test_a_secret_that_the_terminals_edge_divides_stands_there_in_one_piece(place, size):
    said = f"# login --password {SECRET[:place]} \r{SECRET[place:]} now\r\n# ".encode()
    reader = LineReader(lambda: [SECRET, "other"])
    finished = "".join(reader.feed(said[start : start + size]) for start in range(0, len(said), size))
    assert (finished, reader.open_line) == (f"# login --password {SECRET} now\n", "# ")


def test_progress_is_overwritten_whatever_secrets_there_are():
    reader = LineReader(lambda: [SECRET])
    assert reader.feed(b" 10% \r 20% \r100% \r\n") == "100% \n"
