"""The journal as a file of JSON lines."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from JumpstarterLibrary.errors import ConfigurationError, FailureClass
from JumpstarterLibrary.journal import (
    CallEnded,
    Event,
    Journal,
    JsonLinesFile,
    KeywordEnded,
    KeywordStarted,
    LogGap,
    LogLine,
    Reading,
    SessionClosed,
    SessionLost,
    SessionOpened,
    TestEnded,
    TestStarted,
)
from JumpstarterLibrary.sessions import Sessions
from JumpstarterLibrary.wire.secrets import Redactor

EVENTS: list[Event] = [
    SessionOpened(alias="a", target="mock", origin="given", drivers=2),
    SessionLost(alias="a", reason="gone"),
    SessionClosed(alias="a"),
    CallEnded(driver="power", method="on", arguments="", seconds=0.1, outcome="ok", detail="None"),
    Reading(driver="power", voltage=5.0, current=0.5),
    LogLine(severity="INFO", source="driver", message='a\nb \u2028 µ "q" \\'),
    LogGap(reason="broke"),
    TestStarted(name="t"),
    TestEnded(name="t", status="PASS"),
    KeywordStarted(name="k"),
    KeywordEnded(name="k", status="FAIL"),
]


def read(path: Path) -> list[dict[str, object]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def write(path: Path, events: list[Event], redact: Redactor | None = None) -> JsonLinesFile:
    journal = Journal()
    file = JsonLinesFile(path, redact or Redactor())
    journal.subscribe(file.append)
    for event in events:
        journal.append(event)
    file.close()
    return file


def test_every_kind_of_event_is_one_line_with_all_its_fields(tmp_path: Path) -> None:
    write(tmp_path / "deep" / "folder" / "a.jsonl", EVENTS)

    lines = read(tmp_path / "deep" / "folder" / "a.jsonl")
    assert [line["kind"] for line in lines] == [event.kind for event in EVENTS]
    for line, event in zip(lines, EVENTS, strict=True):
        assert list(line)[:3] == ["kind", "time", "monotonic"]
        assert str(line["time"]).endswith("Z")
        for name, value in line.items():
            if name not in ("kind", "time", "monotonic"):
                assert value == getattr(event, name)
    assert {event.kind for event in EVENTS} == {kind.kind for kind in Event.__subclasses__()} & {e.kind for e in EVENTS}


def test_the_file_is_complete_over_threads_beyond_what_memory_keeps(tmp_path: Path) -> None:
    journal = Journal(limit=10)
    files = [JsonLinesFile(tmp_path / f"{number}.jsonl") for number in range(2)]
    for file in files:
        journal.subscribe(file.append)

    def work(thread: int) -> None:
        for number in range(500):
            journal.append(LogLine(severity="INFO", source="driver", message=f"{thread} {number}"))

    threads = [threading.Thread(target=work, args=[number]) for number in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for file in files:
        file.close()

    first, second = (read(file.path) for file in files)
    assert len(first) == 2000
    assert first == second
    assert [line["message"] for line in first if str(line["message"]).startswith("3 ")] == [
        f"3 {number}" for number in range(500)
    ]
    assert [thread.name for thread in threading.enumerate()].count("jumpstarter-journal") == 1


@pytest.mark.parametrize("secret", ["hunter2", 'say "it\'s"', "a\nb", "back\\slash", "µ≤🔥", "<&>"])
def test_secrets_are_masked_whatever_is_in_them(tmp_path: Path, secret: str) -> None:
    redact = Redactor()
    redact.add(secret)
    write(
        tmp_path / "a.jsonl",
        [
            LogLine(severity="INFO", source="driver", message=f"login as {secret} done"),
            CallEnded(driver="d", method="m", arguments=repr(secret), seconds=0, outcome="ok", detail=repr({"a": [secret]})),
            SessionLost(alias="a", reason=str(KeyError(secret))),
        ],
        redact,
    )

    text = (tmp_path / "a.jsonl").read_text(encoding="utf-8")
    for form in (secret, json.dumps(secret)[1:-1], json.dumps(secret, ensure_ascii=False)[1:-1], repr(secret)[1:-1]):
        assert form not in text
    assert read(tmp_path / "a.jsonl")[0]["message"] == "login as <secret> done"


def test_a_file_is_continued_and_never_overwritten(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", EVENTS[:2])
    write(tmp_path / "a.jsonl", EVENTS[2:3])
    assert [line["kind"] for line in read(tmp_path / "a.jsonl")] == ["session-opened", "session-lost", "session-closed"]


def test_closing_twice_and_appending_afterwards_do_no_harm(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", EVENTS[:1])
    file.close()
    file.append(EVENTS[1])
    file.close()
    assert len(read(tmp_path / "a.jsonl")) == 1


def test_a_full_disk_disturbs_nobody(tmp_path: Path) -> None:
    journal = Journal()
    full = JsonLinesFile(Path("/dev/full"))
    good = JsonLinesFile(tmp_path / "good.jsonl")
    for file in (full, good):
        journal.subscribe(file.append)
    for _ in range(3000):  # more than one buffer
        journal.append(EVENTS[5])
    full.close()
    good.close()

    assert full.error is not None
    assert "No space left" in str(full.error)
    assert len(read(good.path)) == len(journal) == 3000


def test_a_value_that_json_does_not_know_is_text(tmp_path: Path) -> None:
    write(tmp_path / "a.jsonl", [Reading(driver="power", voltage={1, 2}, current=1.0), EVENTS[6]])  # type: ignore[arg-type]
    assert [line["kind"] for line in read(tmp_path / "a.jsonl")] == ["reading", "log-gap"]


def test_lone_surrogates_do_not_stop_the_file(tmp_path: Path) -> None:
    file = write(tmp_path / "a.jsonl", [LogLine(severity="INFO", source="driver", message="bad \ud800 text"), EVENTS[6]])
    assert file.error is None
    assert [line["kind"] for line in read(tmp_path / "a.jsonl")] == ["log", "log-gap"]


def test_a_folder_that_cannot_be_written_is_told_when_opening(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    sessions = Sessions()
    with pytest.raises(ConfigurationError, match=r"Cannot write the journal '.*mock\.jsonl'") as raised:
        sessions.open("mock", journal_folder=tmp_path / "file")

    assert raised.value.failure_class is FailureClass.CONFIGURATION
    assert len(sessions) == 0


def test_a_session_writes_its_life_and_a_failed_opening_leaves_no_file(tmp_path: Path) -> None:
    sessions = Sessions()
    sessions.open("mock:power", alias="my board/1", journal_folder=tmp_path).device.on()
    sessions.close_all()
    with pytest.raises(Exception, match="Cannot open"):
        sessions.open("127.0.0.1:1", timeout=1, journal_folder=tmp_path)

    assert [path.name for path in tmp_path.iterdir()] == ["my_board_1.jsonl"]
    kinds = [line["kind"] for line in read(tmp_path / "my_board_1.jsonl")]
    assert kinds[0] == "session-opened"
    assert "call" in kinds
    assert kinds[-1] == "session-closed"


def test_a_file_that_nobody_closes_is_complete_when_the_process_ends(tmp_path: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from JumpstarterLibrary.journal import JsonLinesFile, KeywordStarted\n"
        "file = JsonLinesFile(Path(sys.argv[1]))\n"
        "for number in range(100): file.append(KeywordStarted(name=str(number)))\n"
    )

    subprocess.run([sys.executable, "-c", program, str(tmp_path / "a.jsonl")], check=True, timeout=30)

    assert [line["name"] for line in read(tmp_path / "a.jsonl")] == [str(number) for number in range(100)]
