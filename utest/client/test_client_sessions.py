"""Where a session comes from, aliases, and complete closing."""

from __future__ import annotations

from pathlib import Path

import pytest

from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.errors import (
    ConfigurationError,
    ConnectionFailedError,
    FailureClass,
    NoTargetError,
    PassphraseError,
    UnknownAliasError,
    UsageError,
)
from JumpstarterLibrary.exporter import Session
from JumpstarterLibrary.lab.wish import Wish
from JumpstarterLibrary.sessions import Kind, Sessions, locate

# ----------------------------------------------------------------------- where


@pytest.mark.parametrize(
    ("target", "kind", "name"),
    [
        ("mock", Kind.EMBEDDED, "mock"),
        ("mock:power", Kind.EMBEDDED, "mock-power"),
        (" mock ", Kind.EMBEDDED, "mock"),
        ("labs/bench.yaml", Kind.CONFIGURATION, "bench"),
        ("/labs/bench.yml", Kind.CONFIGURATION, "bench"),
        ("lab-7:8082", Kind.ADDRESS, "lab-7:8082"),
        ("[::1]:8082", Kind.ADDRESS, "[::1]:8082"),
        ("unix:/run/jumpstarter-ab12/socket", Kind.ADDRESS, "jumpstarter-ab12"),
        ("/run/jumpstarter-ab12/socket", Kind.ADDRESS, "jumpstarter-ab12"),
        ("/run/board:1234", Kind.ADDRESS, "/run/board:1234"),
    ],
)
def test_a_given_target_says_where(target: str, kind: Kind, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("JUMPSTARTER_HOST", "other:1")  # a given target wins

    place = locate(target)

    assert (place.kind, place.target, place.name) == (kind, target.strip(), name)
    assert place.origin != "JUMPSTARTER_HOST"


@pytest.mark.parametrize(
    ("host", "exporter", "name"),
    [
        ("lab-7:8082", None, "lab-7:8082"),
        ("/run/user/1000/jumpstarter-ab12/socket", None, "jumpstarter-ab12"),
        ("/run/user/1000/jumpstarter-ab12/socket", "rpi4-17", "rpi4-17"),
        ("lab-7:8082", "direct", "lab-7:8082"),
        ("lab-7:8082", "", "lab-7:8082"),
    ],
)
def test_without_a_target_the_surrounding_shell_says_where(
    host: str, exporter: str | None, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JUMPSTARTER_HOST", host)
    monkeypatch.setenv("JMP_LEASE", "direct")
    if exporter is not None:
        monkeypatch.setenv("JMP_EXPORTER", exporter)

    for wish in (None, Wish(selector="board=rpi4")):
        place = locate(None, wish)
        assert (place.kind, place.target, place.origin, place.name) == (Kind.ADDRESS, host, "JUMPSTARTER_HOST", name)
        assert ("board=rpi4 is not leased" in place.note) == (wish is not None)


@pytest.mark.parametrize("target", [None, ""])
def test_nothing_at_all_is_an_error_with_the_ways(target: str | None) -> None:
    with pytest.raises(NoTargetError) as raised:
        locate(target)

    message = str(raised.value)
    assert message.startswith("Nothing says where the device is. There are four ways:")
    assert [way in message for way in ("1. give a target", "2. set JUMPSTARTER_HOST", "3. run inside", "4. lease")] == [True] * 4
    assert raised.value.failure_class is FailureClass.CONFIGURATION


@pytest.mark.parametrize(
    ("environment", "wish", "leased", "note"),
    [
        ("", Wish(selector="board=rpi4"), "an exporter with board=rpi4", ""),
        ("", Wish(exporter_name="bench-1", selector="a=b"), "exporter 'bench-1' with a=b", ""),
        ("direct", Wish(exporter_name="bench-1"), "exporter 'bench-1'", ""),
        ("lease-7", None, "lease 'lease-7'", ""),
        ("lease-7", Wish(selector="board=rpi4"), "lease 'lease-7'", "board=rpi4 is not leased"),
        ("lease-7", Wish(lease="lease-8"), "lease 'lease-8'", ""),
    ],
)
def test_a_lease_is_taken_where_nothing_else_says_where(
    environment: str, wish: Wish | None, leased: str, note: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("JMP_LEASE", environment)

    place = locate(None, wish)

    assert (place.kind, str(place.wish)) == (Kind.LEASE, leased)
    assert note in place.note
    assert bool(note) == bool(place.note)


def test_a_target_and_a_lease_at_once_are_refused() -> None:
    with pytest.raises(UsageError, match=r"'mock'.*an exporter with board=rpi4.*two different devices"):
        locate("mock", Wish(selector="board=rpi4"))


@pytest.mark.parametrize("target", ["mock:pwoer", "rpi4", "nowhere.yaml", "unix:"])
def test_a_wrong_target_names_itself_and_leaves_nothing_open(target: str) -> None:
    sessions = Sessions()
    with pytest.raises(ConfigurationError, match=target.replace(":", ".")):
        sessions.open(target)
    assert len(sessions) == 0


# --------------------------------------------------------------------- aliases


@pytest.fixture
def sessions() -> Sessions:
    """Sessions that are closed at the end."""
    opened = Sessions()
    yield opened
    opened.close_all()


def test_the_alias_comes_from_the_target_and_is_numbered(sessions: Sessions) -> None:
    assert [sessions.open("mock:power").alias for _ in range(3)] == ["mock-power", "mock-power-2", "mock-power-3"]
    sessions.close("mock-power-2")
    assert sessions.open("mock:power").alias == "mock-power-2"


def test_a_taken_alias_is_refused_and_the_session_stays(sessions: Sessions) -> None:
    first = sessions.open("mock:power", alias="board")
    with pytest.raises(UsageError, match="'board' is taken") as raised:
        sessions.open("mock", alias="board")
    assert raised.value.failure_class is FailureClass.TEST
    assert sessions.current is first
    first.device.on()


@pytest.mark.parametrize("alias", ["1", "42", "", "  "])
def test_numbers_and_nothing_are_no_aliases(sessions: Sessions, alias: str) -> None:
    with pytest.raises(UsageError, match="cannot be an alias"):
        sessions.open("mock:power", alias=alias)
    assert len(sessions) == 0


def test_switching_returns_the_alias_before(sessions: Sessions) -> None:
    left, right = sessions.open("mock:power", alias="left"), sessions.open("mock:power", alias="right")
    assert sessions.current is right
    assert sessions.switch("left") == "right"
    assert sessions.switch("left") == "left"
    assert sessions.current is sessions.get() is sessions.get("left") is left
    with pytest.raises(UnknownAliasError, match="Open: 'left', 'right'"):
        sessions.switch("middle")
    assert sessions.current is left


def test_closing_makes_the_one_opened_last_current(sessions: Sessions) -> None:
    for alias in ("a", "b", "c"):
        sessions.open("mock:power", alias=alias)
    sessions.switch("a")
    sessions.close("b")
    assert sessions.current.alias == "a", "closing another one changes nothing"
    sessions.close()
    assert sessions.current.alias == "c"
    sessions.close()
    with pytest.raises(UnknownAliasError, match="No device session is open"):
        _ = sessions.current
    with pytest.raises(UnknownAliasError):
        sessions.close()


def test_a_lost_session_gives_its_alias_back(sessions: Sessions) -> None:
    with Session(root_device=MockPower()) as session, session.serve_unix() as path:
        lost = sessions.open(path, alias="board")
        other = sessions.open("mock:power", alias="other")
    with pytest.raises(Exception, match="board"):
        lost.device.on()
    assert lost.device.state == "lost"

    again = sessions.open("mock:power", alias="board")

    assert again is not lost
    assert lost.device.state == "closed"
    assert [session.alias for session in sessions] == ["other", "board"]
    assert other.device.state == "open"


# --------------------------------------------------------------------- closing


def test_close_all_closes_all_the_newest_first_and_then_raises(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    order = []
    for alias in ("a", "b", "c"):
        opened = sessions.open("mock:power", alias=alias)

        def close(alias: str = alias, really: object = opened._stack.close) -> None:
            really()  # type: ignore[operator]
            order.append(alias)
            if alias != "a":
                raise RuntimeError(f"{alias} failed")

        monkeypatch.setattr(opened, "close", close)
    devices = [session.device for session in sessions]

    with pytest.raises(RuntimeError, match="c failed"):
        sessions.close_all()

    assert order == ["c", "b", "a"]
    assert [device.state for device in devices] == ["closed"] * 3
    assert len(sessions) == 0
    sessions.close_all()


def test_close_all_of_one_owner(sessions: Sessions) -> None:
    for alias in ("a", "b"):
        sessions.open("mock:power", alias=alias).owner = f"suite {alias}"
    sessions.close_all("suite b")
    assert [session.alias for session in sessions] == ["a"]


def test_an_opening_that_fails_leaves_nothing(sessions: Sessions, tmp_path: Path) -> None:
    import threading

    before = {thread.name for thread in threading.enumerate()}
    with pytest.raises(ConnectionFailedError):
        sessions.open("127.0.0.1:1", timeout=1, journal_folder=tmp_path)

    assert len(sessions) == 0
    assert list(tmp_path.iterdir()) == []
    assert {thread.name for thread in threading.enumerate()} - before <= {"jumpstarter-journal"}


def test_the_passphrase_is_known_as_a_secret(sessions: Sessions, monkeypatch: pytest.MonkeyPatch) -> None:
    with Session(root_device=MockPower()) as session, session.serve_unix(passphrase="hunter2") as path:
        sessions.open(path, passphrase="hunter2").device.on()
        assert sessions.redact("login hunter2") == "login <secret>"
        sessions.close_all()
        monkeypatch.setenv("JMP_GRPC_PASSPHRASE", "from the shell")
        with pytest.raises(Exception, match="was refused"):
            sessions.open(path)
    assert sessions.redact("from the shell") == "<secret>"


@pytest.mark.parametrize("passphrase", ["hunter2\n", "hun\tter2", "h\u00fcnter2", "hunter2\udcff"])
def test_a_passphrase_that_no_header_takes_is_refused_and_not_shown(
    sessions: Sessions, monkeypatch: pytest.MonkeyPatch, passphrase: str
) -> None:
    with Session(root_device=MockPower()) as session, session.serve_unix(passphrase="hunter2") as path:
        with pytest.raises(PassphraseError, match=r"of passphrase= must be printable ASCII") as given:
            sessions.open(path, passphrase=passphrase)
        monkeypatch.setenv("JMP_GRPC_PASSPHRASE", passphrase)
        with pytest.raises(PassphraseError, match=r"of JMP_GRPC_PASSPHRASE must be printable ASCII") as found:
            sessions.open(path)

    assert "nter2" not in f"{given.value}{found.value}"


@pytest.mark.parametrize("alias", ["alias=board", "passhprase=hunter2"])
def test_an_alias_that_looks_like_a_named_argument_is_refused(sessions: Sessions, alias: str) -> None:
    with pytest.raises(UsageError, match="misspelt named argument") as raised:
        sessions.open("mock:power", alias=alias)
    assert raised.value.failure_class is FailureClass.TEST
    assert len(sessions) == 0
