"""The journal in memory: order, bounds, subscribers."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator

import pytest

from JumpstarterLibrary.journal import CallEnded, Event, Journal, KeywordStarted, LogLine, Reading


def line(text: object) -> LogLine:
    return LogLine(severity="INFO", source="driver", message=str(text))


def messages(events: list[Event]) -> list[str]:
    return [event.message for event in events if isinstance(event, LogLine)]


def test_events_have_both_times_in_order() -> None:
    journal = Journal()
    for number in range(3):
        journal.append(line(number))

    events = journal.events()
    assert messages(events) == ["0", "1", "2"]
    assert sorted(events, key=lambda event: event.monotonic) == events
    assert all(event.wall > 1_700_000_000 for event in events)


def test_events_are_compared_and_shown_with_all_their_fields() -> None:
    def reading(current: float) -> Reading:
        return Reading(driver="power", voltage=5, current=current, monotonic=1, wall=2)

    assert reading(1) == reading(1)
    assert reading(1) != reading(2)
    assert reading(1) != line("power")
    assert repr(reading(1)) == "Reading(monotonic=1, wall=2, driver='power', voltage=5, current=1)"


def test_events_of_one_class() -> None:
    journal = Journal()
    journal.append(line("a"))
    journal.append(Reading(driver="power", voltage=5, current=1))
    journal.append(line("b"))

    assert messages(journal.events(LogLine)) == ["a", "b"]
    assert len(journal.events(Reading)) == 1
    assert journal.events(CallEnded) == []
    assert len(journal) == journal.position == 3


@pytest.fixture
def switch_often() -> Iterator[None]:
    before = sys.getswitchinterval()
    sys.setswitchinterval(1e-6)
    yield
    sys.setswitchinterval(before)


@pytest.mark.usefixtures("switch_often")
def test_all_subscribers_see_the_same_order_as_the_journal_over_threads() -> None:
    journal = Journal()
    left: list[Event] = []
    right: list[Event] = []
    journal.subscribe(left.append)
    journal.subscribe(right.append)

    def write(thread: int) -> None:
        for number in range(300):
            journal.append(line(f"{thread} {number}"))

    threads = [threading.Thread(target=write, args=[number]) for number in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()

    assert journal.position == 2400
    assert left == right == journal.events()
    for number in range(8):
        own = [text for text in messages(left) if text.startswith(f"{number} ")]
        assert own == [f"{number} {each}" for each in range(300)], "the order of one thread is kept"


def test_memory_is_bounded_and_since_tells_what_was_dropped() -> None:
    journal = Journal(limit=5)
    for number in range(3):
        journal.append(line(number))
    first, position, dropped = journal.since(0)
    assert (messages(first), position, dropped) == (["0", "1", "2"], 3, 0)
    assert journal.since(position) == ([], 3, 0)

    for number in range(3, 12):
        journal.append(line(number))
    rest, position, dropped = journal.since(position)
    assert (messages(rest), position, dropped) == (["7", "8", "9", "10", "11"], 12, 4)
    assert len(journal) == 5
    assert messages(journal.events()) == ["7", "8", "9", "10", "11"]


@pytest.mark.usefixtures("switch_often")
def test_since_gives_each_event_once_while_others_append() -> None:
    journal = Journal(limit=10_000)
    done = threading.Event()

    def write() -> None:
        for number in range(3000):
            journal.append(line(number))
        done.set()

    thread = threading.Thread(target=write)
    thread.start()
    seen: list[str] = []
    position = 0
    while not done.is_set() or position < 3000:
        events, position, dropped = journal.since(position)
        seen += messages(events)
        assert dropped == 0
    thread.join()

    assert seen == [str(number) for number in range(3000)]


def test_a_subscriber_that_fails_is_taken_off_and_the_others_stay(caplog: pytest.LogCaptureFixture) -> None:
    journal = Journal()
    seen: list[Event] = []
    calls = []

    def bad(event: Event) -> None:
        calls.append(event)
        raise RuntimeError("disk on fire")

    journal.subscribe(bad)
    journal.subscribe(seen.append)
    journal.append(line("a"))
    journal.append(line("b"))

    assert messages(seen) == ["a", "b"]
    assert len(calls) == 1
    assert messages(journal.events()) == ["a", "b"]
    assert "disk on fire" in caplog.text


def test_unsubscribing_ends_it_and_may_be_done_twice() -> None:
    journal = Journal()
    seen: list[Event] = []
    stop = journal.subscribe(seen.append)
    journal.append(line("a"))
    stop()
    stop()
    journal.append(line("b"))

    assert messages(seen) == ["a"]


def test_a_subscriber_sees_only_what_comes_after() -> None:
    journal = Journal()
    journal.append(KeywordStarted(name="Power On"))
    seen: list[Event] = []
    journal.subscribe(seen.append)
    journal.append(line("a"))

    assert messages(seen) == ["a"]
    assert len(seen) == 1
