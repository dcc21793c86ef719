"""The files have every byte that was received, but no secret, in whatever pieces it was said."""

from __future__ import annotations

import random
import re
from pathlib import Path

import pytest
from console_support import PLACES, cut, random_chunks
from hypothesis import given, settings
from hypothesis import strategies as st

from JumpstarterLibrary.client.console import Match
from JumpstarterLibrary.client.console.files import ConsoleFiles
from JumpstarterLibrary.drivers.console import MockConsole

MASK = b"<secret>"


def written(tmp_path, secrets: list[str], chunks: list[bytes]) -> bytes:
    path = tmp_path / f"{random.random()}.log"
    files = ConsoleFiles(path, lambda: secrets)
    for chunk in chunks:
        files.write(chunk)
    files.close()
    return path.read_bytes()


def test_bytes_are_what_was_received(tmp_path):
    said = random.Random(1).randbytes(300_000)
    for secrets in ([], ["hunter2", "correct horse"]):
        assert written(tmp_path, secrets, random_chunks(said, 2, 500)) == said


def test_the_console_writes_all_that_it_received(serve, tmp_path):
    device = serve(MockConsole())
    device.files = tmp_path
    console = device.root.open_console()
    said = b"\x00\xffhello\r\n\x1b[31m" * 1000 + b"end"
    console.write(said)
    console.wait_for_bytes(b"end")
    console.close()
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [said]


BETWEEN = st.sampled_from(["", "", "", "\x1b[31m", "\x1b[0;1m", "\r\n", " \r", "\b", "\0", "\x1b]0;title\a", "\x1b(B", "\x1b[K"])
SECRETS = st.lists(st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=8), min_size=1, max_size=3)


@settings(max_examples=300, deadline=None)
@given(st.data(), SECRETS, st.binary(max_size=20), PLACES)
def test_a_secret_is_masked_in_any_pieces_and_colours(tmp_path_factory, data, secrets, around, places):
    secret = data.draw(st.sampled_from(secrets))
    echoed = "".join(letter + data.draw(BETWEEN) for letter in secret[:-1]) + secret[-1]

    log = written(tmp_path_factory.mktemp("log"), secrets, cut(around + b"\n" + echoed.encode() + b"\n" + around, places))

    plain = re.sub(rb"\x1b\[[0-9;]*[mK]|\x1b\]0;title\a|\x1b\(B| \r|[\x00\r\b]", b"", log.replace(MASK, b"\xff"))
    said = around + b"\n\n" + around
    assert secret.encode() not in plain or secret.encode() in said
    assert MASK in log


@settings(max_examples=200, deadline=None)
@given(SECRETS, st.binary(max_size=60), PLACES)
def test_the_file_is_the_same_in_whatever_chunks_it_came(tmp_path_factory, secrets, said, places):
    folder = tmp_path_factory.mktemp("log")
    said += "".join(secrets).encode() + said + secrets[0].encode()[:-1]

    assert written(folder, secrets, cut(said, places)) == written(folder, secrets, [said])


def test_a_secret_that_begins_another_one_does_not_show_its_rest(tmp_path):
    for chunks in ([b"pass hunter2000!"], [b"pass hunter2", b"000!"], [b"pass hunter2000"]):
        assert b"hunter" not in (log := written(tmp_path, ["hunter2", "hunter2000"], chunks))
        assert b"000" not in log


def test_an_end_that_was_held_back_is_written_at_the_close(tmp_path):
    path = tmp_path / "serial.log"
    files = ConsoleFiles(path, lambda: ["hunter2"])
    files.write(b"password: hunt")
    assert path.read_bytes() == b"password: "
    files.close()
    assert path.read_bytes() == b"password: hunt"


def test_a_secret_that_is_said_while_a_test_begins_is_in_neither_file(tmp_path):
    files = ConsoleFiles(tmp_path / "serial.log", lambda: ["hunter2"])
    files.start_test("First Test")
    files.write(b"one hun")
    files.start_test("Second: Test")
    files.write(b"ter2 two")
    files.end_test()
    files.write(b" three")
    files.close()
    logs = {path.parent.name: path.read_bytes() for path in tmp_path.rglob("serial.log")}
    assert logs == {tmp_path.name: b"one <secret> two three", "First_Test": b"one ", "Second_Test": b"<secret> two"}


def test_a_secret_that_becomes_known_later_is_masked_from_then_on(tmp_path):
    known: list[str] = []
    files = ConsoleFiles(tmp_path / "serial.log", lambda: list(known))
    files.write(b"hunter2 ")
    known.append("hunter2")
    files.write(b"hunter2")
    files.close()
    assert (tmp_path / "serial.log").read_bytes() == b"hunter2 <secret>"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs /dev/full")
def test_a_full_disk_disturbs_nobody(tmp_path, serve):
    (tmp_path / "console.log").symlink_to("/dev/full")
    device = serve(MockConsole())
    device.files = tmp_path
    console = device.root.open_console()
    for _ in range(20):
        console.write(b"hello\n" * 1000)
    assert console.wait_for_line(r"^hello$", match=Match.REGEX).line == "hello"
    console.write_line("still here")
    assert console.wait_for_line("still here").line == "still here"
    console.close()
    assert console.closed


def test_a_folder_that_cannot_be_made_disturbs_nobody(tmp_path):
    (tmp_path / "file").write_text("")
    files = ConsoleFiles(tmp_path / "file" / "serial.log", list)
    files.start_test("Test")
    files.write(b"hello")
    files.close()
    assert isinstance(files.error, OSError)
