"""What has left memory is read from the file; what cannot be known is said, and never guessed."""

from __future__ import annotations

import hashlib

import pytest
from console_support import open_console, random_chunks
from hypothesis import given
from hypothesis import strategies as st

from JumpstarterLibrary.client.console import transcript
from JumpstarterLibrary.client.console.files import ConsoleFiles
from JumpstarterLibrary.client.console.masking import StreamMask, TextMask
from JumpstarterLibrary.client.console.text import whole_lines
from JumpstarterLibrary.client.console.transcript import Transcript
from JumpstarterLibrary.drivers.console import MockConsole
from JumpstarterLibrary.errors import ConsoleTimeoutError, UsageError
from JumpstarterLibrary.wire.secrets import MASK

SIZE = 300_000


@pytest.fixture
def small(serve, monkeypatch, tmp_path):
    """A console that keeps only the last 64 KiB in memory, and writes a file."""
    monkeypatch.setattr(transcript, "LIMIT", 64 * 1024)
    device = serve(MockConsole(loopback=False))
    device.files = tmp_path
    return open_console(device)


def flood(console) -> str:
    digest = console.device.root.call("flood", SIZE)
    end = console.mark().raw
    while end < SIZE:
        with console.transcript.changed:
            console.transcript.changed.wait(1)
        end = console.mark().raw
    return digest


def test_what_has_left_memory_is_read_from_the_file(small):
    digest = flood(small)
    assert small.transcript.lost_before > 0
    said = "".join(small.output("session start"))
    assert hashlib.sha256(said.encode()).hexdigest() == digest
    assert len(small.text("session start")) < SIZE


def test_a_mark_in_the_middle_gives_the_file_from_there_on(small):
    small.device.root.call("send", "before\n")
    small.wait_for_line("before", timeout=5)
    mark = small.mark("here")
    digest = flood(small)
    assert mark.text < small.transcript.lost_before
    said = "".join(small.output("here"))
    assert hashlib.sha256(said.encode()).hexdigest() == digest


def test_secrets_are_masked_and_do_not_move_the_places_behind_them(small):
    small.device.connection.redact.add("sesame-street")
    small.device.root.call("send", "typed ses\x1b[31mame-street here\nsesame-street\n")
    small.wait_for_lines(["typed", "sesame-street"], timeout=5)
    small.mark("here")
    digest = flood(small)
    assert "".join(small.output("session start")).startswith(f"typed {MASK} here\n{MASK}\n")
    assert hashlib.sha256("".join(small.output("here")).encode()).hexdigest() == digest


def test_without_a_file_what_has_left_memory_is_an_error(small, monkeypatch):
    flood(small)
    small._files.close()
    monkeypatch.setattr(small, "_files", None)
    with pytest.raises(UsageError, match=r"characters have left memory\. .*there is no file of it"):
        list(small.output("session start"))


def test_a_file_that_could_not_be_written_is_not_trusted(small):
    flood(small)
    small._files.error = OSError(28, "No space left on device")
    with pytest.raises(UsageError, match="No space left"):
        list(small.output("session start"))


def test_nobody_says_that_something_was_not_said_when_it_has_left_memory(small):
    small.device.root.call("send", "kernel panic\n")
    flood(small)
    with pytest.raises(UsageError, match="so much since 'session start' that the begin of it is no longer in memory"):
        small.should_not_appear("panic", 0.1, since="session start")
    small.should_not_appear("panic", 0.1)


@pytest.mark.parametrize("last", ["", "end of it", "ses", "ame\n"])
def test_the_file_is_cut_where_the_stream_was_broken_as_memory_is(small, last):
    """What a file gives is the same as what memory would have given."""
    large = Transcript(1 << 30)
    small.device.connection.redact.add("sesame-street")
    parts = ("one\nhalf a line", "goes on?\nse", None, "same ses", None, "ame-street\n", "sesame-street\n", "x" * 200_000)
    for part in (*parts, "\nlogin: ", None, last):
        if part is None:
            small._arrived(b"", "cable pulled")
            large.add_gap("cable pulled")
        else:
            small._arrived(part.encode(), "")
            large.append(part.encode())

    assert small.transcript.lost_before > 0
    said = "".join(small.output("session start"))
    assert said == TextMask(lambda: ["sesame-street"])(whole_lines(large.text()))
    assert said.startswith(f"one\nhalf a linegoes on?\nse\nsame {MASK}\n\n{MASK}\nxxx")
    assert said.endswith(f"\nlogin: \n{last}")


def test_a_failed_wait_says_what_it_could_not_search(small):
    flood(small)
    lost = small.transcript.lost_before
    with pytest.raises(ConsoleTimeoutError, match=rf"the first {lost} characters .* were not searched"):
        small.wait_for_line("never", timeout=0.2, since="session start")
    with pytest.raises(ConsoleTimeoutError) as failure:
        small.wait_for_line("never", timeout=0.2, since="now")
    assert "not searched" not in str(failure.value)


SECRETS = ("secret", "s\x1b[31mecret", "secr\r\net", "\x1b[1ms"[4:] + "ecret")
PLAIN = ("se", "s", "x", "ecret ", " ", "\x1b[31m", "\r\n", "crete")


@given(st.lists(st.sampled_from((*SECRETS, *PLAIN)), max_size=30), st.integers(0, 1000), st.integers(1, 12))
def test_a_masked_stream_is_the_same_in_any_chunks_and_says_where_each_byte_went(pieces, seed, longest):
    pieces = [piece + " " for piece in pieces]  # so that a secret is one of the pieces, and not of their ends
    data = "".join(pieces).encode()
    expected = "".join(MASK + " " if piece[:-1] in SECRETS else piece for piece in pieces).encode()
    mask = StreamMask(lambda: ["secret"])
    assert b"".join(mask(chunk) for chunk in random_chunks(data, seed, longest)) + mask(b"", last=True) == expected
    come = gone = 0
    for piece in pieces:
        assert mask.place(come) == gone
        come += len(piece)
        gone += len(MASK) + 1 if piece[:-1] in SECRETS else len(piece)
    assert mask.place(come) == gone


@pytest.mark.parametrize(
    ("text", "certain"), [("login: se", 7), ("login: secre", 7), ("secret", 6), ("sec\n", 0), ("nothing", 7)]
)
def test_an_end_in_which_a_secret_may_have_begun_is_not_certain(text, certain):
    assert TextMask(lambda: ["secret"]).certain(text) == certain


def test_without_secrets_nothing_is_held_back(tmp_path):
    files = ConsoleFiles(tmp_path / "console.log", list)
    files.write(b"anything")
    assert (tmp_path / "console.log").read_bytes() == b"anything"
    assert files.place(5) == 5
    files.close()
