"""Names that come out the same as file names do not share a file."""

from __future__ import annotations

import json
from pathlib import Path

from JumpstarterLibrary.journal.files import LONGEST_NAME, own_path
from JumpstarterLibrary.sessions import Sessions


def test_who_comes_second_gets_a_number_and_keeps_it(tmp_path: Path) -> None:
    assert own_path(tmp_path, "lab/board 1", ".jsonl") == tmp_path / "lab_board_1.jsonl"
    assert own_path(tmp_path, "lab_board_1", ".jsonl") == tmp_path / "lab_board_1-2.jsonl"
    assert own_path(tmp_path, "lab board 1", ".jsonl") == tmp_path / "lab_board_1-3.jsonl"
    assert own_path(tmp_path, "lab_board_1", ".jsonl") == tmp_path / "lab_board_1-2.jsonl"
    assert own_path(tmp_path, "lab/board 1", ".jsonl") == tmp_path / "lab_board_1.jsonl"
    assert own_path(tmp_path / "other", "lab_board_1", ".jsonl") == tmp_path / "other" / "lab_board_1.jsonl"


def test_the_same_name_of_two_owners(tmp_path: Path) -> None:
    names = [own_path(tmp_path, "Test", owner=owner).name for owner in ("A.Test", "B.Test", "A.Test")]
    assert names == ["Test", "Test-2", "Test"]


def test_a_folder_that_is_called_like_a_file(tmp_path: Path) -> None:
    assert own_path(tmp_path, "uart", ".log").name == "uart.log"
    assert own_path(tmp_path, "uart.log").name == "uart.log-2"


def test_long_names_stay_apart(tmp_path: Path) -> None:
    first, second = (own_path(tmp_path, "x" * 500 + end) for end in "ab")
    assert first != second
    assert len(first.name) <= LONGEST_NAME


def test_sessions_whose_aliases_look_alike_have_journals_and_consoles_of_their_own(tmp_path: Path) -> None:
    sessions = Sessions()
    for alias in ("lab/board 1", "lab_board_1"):
        device = sessions.open("mock", alias=alias, journal_folder=tmp_path).device
        device.console.open_console()
    sessions.close_all()

    told = {}
    for path in tmp_path.glob("*.jsonl"):
        events = [json.loads(line) for line in path.read_text().splitlines()]
        told[path.name] = [event["alias"] for event in events if event["kind"] in ("session-opened", "session-closed")]
    assert told == {"lab_board_1.jsonl": ["lab/board 1"] * 2, "lab_board_1-2.jsonl": ["lab_board_1"] * 2}
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_dir()) == ["lab_board_1", "lab_board_1-2"]


def test_two_libraries_with_sessions_of_one_name_have_journals_of_their_own(tmp_path: Path) -> None:
    left, right = Sessions(), Sessions()
    for sessions in (left, right):
        sessions.open("mock:power", alias="board", journal_folder=tmp_path)
    for sessions in (left, right):
        sessions.close_all()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["board-2.jsonl", "board.jsonl"]


def test_the_journal_names_the_target_as_it_was_given(tmp_path: Path) -> None:
    sessions = Sessions()
    sessions.open("mock:power", alias="board", journal_folder=tmp_path)
    sessions.close_all()
    first = json.loads((tmp_path / "board.jsonl").read_text().splitlines()[0])
    assert (first["kind"], first["target"]) == ("session-opened", "mock:power")
