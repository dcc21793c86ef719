"""The tunnel: every refusal of Dial, breaks and returns, hooks, and the same socket for others (protocol §8.6 to §8.8)."""

from __future__ import annotations

import hashlib
import os
import re
import stat
import threading
import time
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import pytest
from lab_support import SOON, Bench, Stopwatch, bench_with_exporter

from JumpstarterLibrary.client import connect
from JumpstarterLibrary.client.images import Source
from JumpstarterLibrary.errors import (
    ConfigurationError,
    ConnectionFailedError,
    ExporterNotReadyError,
    FailureClass,
    HookFailedError,
    InfrastructureError,
    JumpstarterError,
    LeaseError,
    TokenError,
)
from JumpstarterLibrary.journal import LogLine, SessionRegained
from JumpstarterLibrary.lab import lease as lease_module

HOST_PATH = re.compile(r"jumpstarter-\w+/socket$")


@pytest.fixture(scope="module")
def shared_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Bench]:
    """One lab for all tests of this file."""
    with bench_with_exporter(tmp_path_factory.mktemp("tunnel")) as bench:
        yield bench


@pytest.fixture
def bench(shared_bench: Bench, monkeypatch: pytest.MonkeyPatch) -> Iterator[Bench]:
    """The lab, in order before and after each test."""
    monkeypatch.setattr(lease_module, "WATCH_INTERVAL", 0.2)
    shared_bench.tidy()
    yield shared_bench
    shared_bench.tidy()


# ----------------------------------------------------------------------- Dial

FINAL = [
    ("FAILED_PRECONDITION", "exporter is offline", ConnectionFailedError),
    ("FAILED_PRECONDITION", "exporter beforeLease hook failed", ConnectionFailedError),
    ("FAILED_PRECONDITION", "exporter afterLease hook failed", ConnectionFailedError),
    ("UNKNOWN", "permission denied", ConnectionFailedError),
    ("UNKNOWN", "lease not active", ConnectionFailedError),
    ("UNKNOWN", "empty lease name", ConnectionFailedError),
    ("UNKNOWN", 'leases.jumpstarter.dev "x" not found', ConnectionFailedError),
    ("UNKNOWN", "no router available", ConnectionFailedError),
    ("UNKNOWN", "oidc: token is expired (Token Expiry: …)", TokenError),
    # Not in the table of §8.6: what a controller of another age may say.
    ("UNAUTHENTICATED", "missing authorization header", TokenError),
    ("PERMISSION_DENIED", "permission denied", ConnectionFailedError),
    ("NOT_FOUND", "lease x not found", ConnectionFailedError),
    ("INTERNAL", "something is broken", ConnectionFailedError),
    ("UNKNOWN", "something that nobody has heard of", ConnectionFailedError),
]
TRANSIENT = [
    ("FAILED_PRECONDITION", "exporter is not ready (status: Available)"),
    ("UNAVAILABLE", "exporter is not listening on lease x"),
    ("RESOURCE_EXHAUSTED", "listener buffer full on lease x"),
    ("ABORTED", "try again"),
]


@pytest.mark.parametrize(("code", "text", "error"), FINAL)
def test_a_final_refusal_of_dial_stops_at_once_with_the_controllers_words(
    bench: Bench, code: str, text: str, error: type[JumpstarterError]
) -> None:
    bench.lab.refuse("Dial", code, text, times=None)
    watch = Stopwatch()

    with pytest.raises(error, match=re.escape(text)) as raised:
        bench.open(timeout=60)

    assert raised.value.failure_class is (FailureClass.CONFIGURATION if error is TokenError else FailureClass.INFRASTRUCTURE)
    assert watch.seconds < SOON
    assert bench.lab.leases() == []


@pytest.mark.parametrize(("code", "text"), TRANSIENT)
def test_a_transient_refusal_of_dial_is_tried_again(bench: Bench, code: str, text: str) -> None:
    bench.lab.refuse("Dial", code, text, times=2)

    bench.open().device.power.on()

    assert len(bench.asked("Dial")) == 3


@pytest.mark.parametrize(("code", "text"), TRANSIENT)
def test_a_transient_refusal_that_stays_is_an_error_in_time(bench: Bench, code: str, text: str) -> None:
    bench.lab.refuse("Dial", code, text, times=None)
    watch = Stopwatch()

    with pytest.raises(ConnectionFailedError, match=re.escape(text)):
        bench.open(timeout=1)

    assert watch.seconds < SOON
    assert bench.lab.leases() == []


@pytest.mark.parametrize(("code", "text"), [*((code, text) for code, text, _ in FINAL), *TRANSIENT])
def test_a_refusal_of_dial_in_an_open_session_is_told_in_time_and_the_session_goes_on(bench: Bench, code: str, text: str) -> None:
    session = bench.open()
    bench.lab.refuse("Dial", code, text, times=None)
    bench.lab.cut_tunnels()
    bench.lab.wait_for(lambda: bench.lab.requests("Dial")[-1]["code"] not in (None, "OK"), "a refusal")
    watch = Stopwatch()

    with pytest.raises(InfrastructureError, match=re.escape(text)):
        session.device.power.call("on", timeout=0.7)

    assert watch.seconds < SOON
    bench.lab.refuse("Dial", times=0)
    session.device.power.on()
    assert session.device.state == "open"


@pytest.mark.parametrize(("code", "text"), [("INVALID_ARGUMENT", "invalid jwt token"), ("UNAVAILABLE", "the router is full")])
def test_a_router_that_refuses_is_asked_again_with_another_token_and_named_if_it_stays_so(
    bench: Bench, code: str, text: str
) -> None:
    bench.lab.refuse("Stream", code, text, times=None)
    watch = Stopwatch()

    with pytest.raises(ConnectionFailedError, match=re.escape(text)):
        bench.open(timeout=4)

    assert watch.seconds < SOON + 2
    assert len(bench.asked("Dial")) > 1
    bench.lab.refuse("Stream", times=0)
    bench.lab.refuse("Stream", code, text)
    bench.open().device.power.on()


# ------------------------------------------------------------ breaks and returns


def test_one_tunnel_carries_the_session_and_nothing_is_probed(bench: Bench) -> None:
    session = bench.open()
    for _ in range(3):
        session.device.power.on()

    assert len(bench.asked("Dial")) == 1  # D41


def test_its_socket_lies_where_this_user_may_write_and_the_path_is_short(
    bench: Bench, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    deep = tmp_path / ("ä" * 60)
    deep.mkdir()
    for unusable in ("/proc/self", str(deep), "/does/not/exist"):
        monkeypatch.setenv("XDG_RUNTIME_DIR", unusable)
        session = bench.open()
        assert not session.leased.tunnel.path.startswith(unusable)
        bench.sessions.close_all()


def test_a_place_where_no_socket_can_be_made_is_the_configurations_mistake(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("JumpstarterLibrary.lab.tunnel.folder_for_sockets", lambda: "/proc/self")

    with pytest.raises(ConfigurationError, match="No folder for the tunnel's socket can be made in '/proc/self'"):
        bench.open()

    assert bench.lab.leases() == []


def test_a_tunnel_that_broke_while_idle_is_dialled_anew(bench: Bench) -> None:
    session = bench.open()
    assert bench.lab.cut_tunnels() >= 1
    bench.lab.wait_for(lambda: any("broke" in getattr(e, "message", "") for e in session.journal.since(0)[0]), "the break")

    session.device.power.on()

    assert session.device.state == "open"
    texts = [event.message for event in session.journal.events(LogLine) if event.source == "lab"]
    assert "The tunnel to exporter 'bench-1' broke" in texts[0]
    (regained,) = session.journal.events(SessionRegained)
    assert regained.alias == "bench-1"
    assert "the tunnel to exporter 'bench-1' broke: the router broke the stream (UNAVAILABLE: scripted cut)" in regained.reason
    assert 0 < regained.seconds < SOON


def test_a_router_that_comes_back_within_the_deadline_is_no_failure(bench: Bench) -> None:
    session = bench.open()
    bench.lab.router_down()
    bench.lab.wait_for(lambda: any("broke" in getattr(e, "message", "") for e in session.journal.since(0)[0]), "the break")
    back = threading.Timer(1.0, bench.lab.router_up)
    back.start()

    session.device.power.on()

    back.join()


def test_a_call_waits_for_a_tunnel_that_is_refused_for_a_while(bench: Bench) -> None:
    session = bench.open()
    bench.lab.refuse("Dial", "UNKNOWN", "no router available", times=None)
    bench.lab.cut_tunnels()
    bench.lab.wait_for(lambda: bench.lab.requests("Dial")[-1]["code"] == "UNKNOWN", "a refusal")
    back = threading.Timer(1.0, lambda: bench.lab.refuse("Dial", times=0))
    back.start()

    session.device.power.on()

    back.join()


def test_an_exporter_that_begins_anew_gives_its_drivers_back_by_their_paths(tmp_path: Path) -> None:
    with bench_with_exporter(tmp_path) as bench:
        first = bench.lab.start_session_exporter("again", {"board": "again"})
        session = bench.open(selector="board=again", timeout=20)
        session.device.power.on()
        first.kill()
        bench.lab.start_session_exporter("again", {"board": "again"}, wait=False)

        session.device.power.call("on", timeout=20)

        assert session.device.state == "open"
        bench.sessions.close_all()


def test_a_call_under_way_is_never_repeated_and_says_that_its_outcome_is_unknown(bench: Bench) -> None:
    session = bench.open()
    bench.lab.shape_tunnels(frozen=True)
    cut = threading.Timer(0.5, bench.lab.cut_tunnels)
    cut.start()

    with pytest.raises(InfrastructureError, match="The outcome of the call is unknown"):
        session.device.power.call("on", timeout=10)

    cut.join()
    bench.lab.shape_tunnels()
    session.device.power.off()
    messages = [event.message for event in session.journal.since(0)[0] if event.kind == "log" and event.source == "driver"]
    assert "power on" not in messages


def test_a_frozen_tunnel_ends_calls_at_their_deadline(bench: Bench) -> None:
    session = bench.open()
    bench.lab.shape_tunnels(frozen=True)
    watch = Stopwatch()

    with pytest.raises(InfrastructureError, match="got no answer within 1 s"):
        session.device.power.call("on", timeout=1)

    assert watch.seconds < SOON
    bench.lab.shape_tunnels()
    session.device.power.on()


def test_a_router_that_stays_away_ends_calls_at_their_deadline_and_the_session_goes_on(bench: Bench) -> None:
    session = bench.open()
    bench.lab.router_down()
    bench.lab.wait_for(lambda: any("broke" in getattr(e, "message", "") for e in session.journal.since(0)[0]), "the break")
    watch = Stopwatch()

    with pytest.raises(InfrastructureError, match="there is no way to exporter 'bench-1'"):
        session.device.power.call("on", timeout=1)

    assert watch.seconds < SOON
    bench.lab.router_up()
    session.device.power.on()


def test_a_controller_that_is_away_does_no_harm_to_an_open_session(bench: Bench) -> None:
    session = bench.open()
    bench.lab.controller_down()
    session.device.power.on()
    time.sleep(0.5)  # the watcher looks in vain
    session.device.power.off()
    bench.lab.controller_up()

    assert session.device.state == "open"


# ----------------------------------------------------------------------- hooks


def test_the_hook_is_waited_for_before_the_first_tunnel_and_its_output_is_shown(tmp_path: Path) -> None:
    with bench_with_exporter(tmp_path) as bench:
        bench.lab.start_session_exporter(
            "hooked", {"board": "hooked"}, before_lease={"seconds": 1.0, "output": ["flashing", "done"]}
        )
        session = bench.open(selector="board=hooked")
        session.device.power.on()
        bench.lab.wait_for(
            lambda: (
                [e.message for e in session.journal.since(0)[0] if getattr(e, "source", "") == "before_lease_hook"]
                == ["flashing", "done"]
            ),
            "the output",
        )
        assert any("runs its beforeLease hook" in text for text in bench.told)
        bench.sessions.close_all()


@pytest.mark.parametrize("mode", ["endLease", "exit"])
def test_a_hook_that_fails_is_an_error_with_its_output(tmp_path: Path, mode: str) -> None:
    with bench_with_exporter(tmp_path) as bench:
        hook = {"seconds": 0.5, "output": ["flashing", "no such image"], "fails": mode}
        bench.lab.start_session_exporter("hooked", {"board": "hooked"}, before_lease=hook)

        with pytest.raises((HookFailedError, LeaseError, ExporterNotReadyError)) as raised:
            bench.open(selector="board=hooked")

        assert raised.value.failure_class is FailureClass.INFRASTRUCTURE
        if mode == "endLease":
            assert "The beforeLease hook of exporter 'hooked' failed: beforeLease hook failed: exit code 1" in str(raised.value)
            assert "no such image" in str(raised.value)
        bench.lab.wait_until_free()


def test_a_hook_that_only_warns_lets_the_lease_go_on(tmp_path: Path) -> None:
    with bench_with_exporter(tmp_path) as bench:
        hook = {"seconds": 0.1, "output": ["hm"], "fails": "warn"}
        bench.lab.start_session_exporter("hooked", {"board": "hooked"}, before_lease=hook)
        bench.open(selector="board=hooked").device.power.on()
        bench.sessions.close_all()


def test_the_hook_after_the_lease_is_listened_to_until_it_ends(tmp_path: Path) -> None:
    with bench_with_exporter(tmp_path) as bench:
        hook = {"seconds": 0.8, "output": ["cooling down", "cold"]}
        bench.lab.start_session_exporter("hooked", {"board": "hooked"}, after_lease=hook)
        session = bench.open(selector="board=hooked")

        bench.sessions.close_all()

        lines = [line.message for line in session.journal.events(LogLine) if line.source == "after_lease_hook"]
        assert lines == ["cooling down", "cold"]
        assert not any("broke" in line.message for line in session.journal.events(LogLine))
        bench.lab.wait_until_free()


def test_a_hook_that_outlasts_the_wait_is_an_error_in_time(tmp_path: Path) -> None:
    with bench_with_exporter(tmp_path) as bench:
        bench.lab.start_session_exporter("hooked", {"board": "hooked"}, before_lease={"seconds": 30})
        with pytest.raises(ExporterNotReadyError, match="its status is still BEFORE_LEASE_HOOK"):
            bench.open(selector="board=hooked", acquisition_timeout=timedelta(seconds=1))
        assert bench.lab.leases() == []


# -------------------------------------------------------------------- the socket


def test_others_share_the_lease_through_the_socket(bench: Bench) -> None:
    session = bench.open()
    path = Path(session.leased.tunnel.path)
    assert HOST_PATH.search(str(path))
    assert stat.S_IMODE(path.parent.stat().st_mode) == 0o700

    with connect(str(path)) as device:
        device.power.on()
    assert session.device.power.latest().volt > 4

    bench.sessions.close_all()
    assert not path.parent.exists()
    assert not [thread for thread in threading.enumerate() if thread.name.startswith(("jumpstarter-tunnel", "jumpstarter-lease"))]


def test_large_data_goes_through_both_ways_unchanged(bench: Bench, tmp_path: Path) -> None:
    image = os.urandom(8_000_000)
    session = bench.open()

    store = session.device["files"]
    store.upload(Source.of_bytes(image, "image"), "image")
    store.download("image", tmp_path / "back")

    assert hashlib.sha256((tmp_path / "back").read_bytes()).digest() == hashlib.sha256(image).digest()
