"""Addresses, deadlines, secrets, and the one event loop."""

from __future__ import annotations

import html
import subprocess
import sys
import threading
import time
from datetime import timedelta

import anyio
import pytest

from JumpstarterLibrary.errors import ConfigurationError
from JumpstarterLibrary.wire import event_loop
from JumpstarterLibrary.wire.address import LONGEST_SOCKET_PATH, Address, parse_address
from JumpstarterLibrary.wire.deadline import Deadline, in_words, seconds
from JumpstarterLibrary.wire.frames import split
from JumpstarterLibrary.wire.protocol import ExporterStatus, log_source_name, status_name
from JumpstarterLibrary.wire.secrets import MASK, Redactor

# ------------------------------------------------------------------- addresses


@pytest.mark.parametrize(
    ("text", "expected", "target", "local"),
    [
        ("localhost:1234", Address(host="localhost", port=1234), "localhost:1234", True),
        ("127.0.0.1:1", Address(host="127.0.0.1", port=1), "127.0.0.1:1", True),
        (" lab-7.example.org:65535 ", Address(host="lab-7.example.org", port=65535), "lab-7.example.org:65535", False),
        ("[::1]:1234", Address(host="::1", port=1234), "[::1]:1234", True),
        ("[fe80::1%eth0]:80", Address(host="fe80::1%eth0", port=80), "[fe80::1%eth0]:80", False),
        ("/run/x/socket", Address(path="/run/x/socket"), "unix:/run/x/socket", True),
        ("/run/x:1234", Address(path="/run/x:1234"), "unix:/run/x%3A1234", True),
        ("unix:/run/x", Address(path="/run/x"), "unix:/run/x", True),
        ("unix:///run/x", Address(path="/run/x"), "unix:/run/x", True),
        ("10.0.0.1:80", Address(host="10.0.0.1", port=80), "10.0.0.1:80", False),
    ],
)
def test_forms_of_an_address(text: str, expected: Address, target: str, local: bool) -> None:
    address = parse_address(text)

    assert address == expected
    assert address.grpc_target == target
    assert address.is_local is local
    assert parse_address(str(address)) == address, "what it prints can be given again"


def test_relative_socket_paths_are_made_absolute(tmp_path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert parse_address("unix:socket").path == str(tmp_path / "socket")
    assert parse_address("./socket").path == str(tmp_path / "socket")


@pytest.mark.parametrize(
    ("text", "reason"),
    [
        ("", "expected host:port"),
        ("rpi4", "expected host:port"),
        ("rpi4:", "expected host:port"),
        ("rpi4:http", "expected host:port"),
        (":80", "expected host:port"),
        ("host:0", "outside 1 to 65535"),
        ("host:65536", "outside 1 to 65535"),
        ("::1:80", "expected host:port"),
        ("http://host:80", "expected host:port"),
        ("a b:80", "expected host:port"),
        ("unix:", "path of the socket is missing"),
        ("/" + "x" * LONGEST_SOCKET_PATH, "bytes; Linux takes"),
    ],
)
def test_what_is_not_an_address(text: str, reason: str) -> None:
    with pytest.raises(ConfigurationError, match=reason):
        parse_address(text)


# ------------------------------------------------------------------- deadlines


def test_lengths_of_time() -> None:
    assert seconds(timedelta(minutes=1)) == 60
    assert seconds(1) == 1.0
    assert [in_words(length) for length in (0.25, 1, 1.5, 30, 119.94, 120, 125, timedelta(hours=1))] == [
        *("250 ms", "1 s", "1.5 s", "30 s", "119.9 s", "2 min", "2 min 5 s", "60 min")
    ]


def test_a_deadline_is_shared_and_never_negative() -> None:
    deadline = Deadline(timedelta(seconds=0.05))
    assert 0 < deadline.remaining <= 0.05
    assert not deadline.expired
    begin = time.monotonic()
    deadline.sleep(timedelta(seconds=5))
    assert time.monotonic() - begin < 2
    assert deadline.expired
    assert deadline.remaining == 0
    assert deadline.total == 0.05


# --------------------------------------------------------------------- secrets


@pytest.mark.parametrize("secret", ["hunter2", "it's", 'say "it\'s"', "a\nb", "back\\slash", "<&>", "µ≤🔥", "secret"])
def test_a_secret_is_masked_in_every_writing(secret: str) -> None:
    redact = Redactor()
    assert not redact
    assert redact(f"before {secret}") == f"before {secret}"
    redact.add(secret)
    assert redact
    for text in (
        secret,
        repr(secret),
        repr([secret, "'", '"']),
        repr(f"{secret} ' \""),
        html.escape(secret),
        html.escape(secret, quote=False),
        html.escape(repr(secret)),
        str(KeyError(secret)),
    ):
        masked = redact(f"a {text} b {text}")
        assert masked.count(MASK) >= 2
        assert secret not in masked.replace(MASK, "")
        assert redact(masked) == masked, "masking twice changes nothing"


def test_a_secret_that_begins_another_hides_both() -> None:
    redact = Redactor()
    redact.add("abc")
    redact.add("abcdef")
    redact.add("abc")
    assert redact("abcdef abc") == f"{MASK} {MASK}"


@pytest.mark.parametrize("nothing", [None, ""])
def test_nothing_is_no_secret(nothing: str | None) -> None:
    redact = Redactor()
    redact.add(nothing)
    assert not redact
    assert redact("text") == "text"


# -------------------------------------------------------------------- protocol


def test_names_of_numbers_of_newer_exporters() -> None:
    assert status_name(4) == "LEASE_READY"
    assert status_name(99) == "status 99"
    assert [log_source_name(number) for number in (0, 1, 2, 3, 4, 99)] == [
        *("system", "driver", "before_lease_hook", "after_lease_hook", "system", "system")
    ]
    assert {status for status in ExporterStatus if status.allows_calls} == {3, 4, 5}


def test_data_is_cut_into_frames() -> None:
    assert list(split(b"abcdefg", 3)) == [b"abc", b"def", b"g"]
    assert list(split(b"")) == []


# ------------------------------------------------------------------ event loop


async def thread_name() -> str:
    return threading.current_thread().name


def test_there_is_one_loop_thread_whoever_asks() -> None:
    names, threads = [], []
    for _ in range(8):
        threads.append(threading.Thread(target=lambda: names.append(event_loop.run(thread_name))))
        threads[-1].start()
    for thread in threads:
        thread.join()

    assert set(names) == {"jumpstarter-event-loop"}
    assert [thread.name for thread in threading.enumerate()].count("jumpstarter-event-loop") == 1


def test_after_closing_the_next_use_starts_a_new_loop() -> None:
    before = event_loop.portal()
    event_loop.close()
    assert "jumpstarter-event-loop" not in [thread.name for thread in threading.enumerate()]
    event_loop.close()
    assert event_loop.run(thread_name) == "jumpstarter-event-loop"
    assert event_loop.portal() is not before


def test_closing_cancels_what_runs() -> None:
    cancelled = threading.Event()

    async def wait() -> None:
        try:
            await anyio.sleep(60)
        except BaseException:
            cancelled.set()
            raise

    event_loop.portal().start_task_soon(wait)
    time.sleep(0.05)
    event_loop.close()
    assert cancelled.wait(2)


def test_an_interrupted_wait_cancels_what_it_waited_for() -> None:
    program = """
import signal, sys, threading, time, anyio
from JumpstarterLibrary.wire import event_loop

async def wait():
    threading.Timer(0.1, signal.pthread_kill, [threading.main_thread().ident, signal.SIGINT]).start()
    try:
        await anyio.sleep(60)
    except BaseException:
        print("cancelled", flush=True)
        raise

try:
    event_loop.run(wait)
except KeyboardInterrupt:
    time.sleep(0.2)
    print("interrupted")
"""
    assert run(program) == ["cancelled", "interrupted"]


def test_the_process_ends_with_the_loop_open() -> None:
    assert run("from JumpstarterLibrary.wire import event_loop\nevent_loop.portal()\nprint('done')") == ["done"]


def test_the_process_ends_with_a_served_session_open() -> None:
    program = """
from JumpstarterLibrary.client import connect
from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.sessions import Sessions
sessions = Sessions()
sessions.open("mock")
sessions.open("mock:power").device.on()
print("done")
"""
    assert run(program) == ["done"]


def run(program: str) -> list[str]:
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stderr) == (0, ""), ended
    return ended.stdout.splitlines()


def test_the_process_ends_when_a_server_was_never_stopped() -> None:
    program = """
from contextlib import ExitStack
from JumpstarterLibrary.drivers import MockPower
from JumpstarterLibrary.exporter import Session
stack = ExitStack()
path = stack.enter_context(stack.enter_context(Session(root_device=MockPower())).serve_unix())
print("done")
"""
    ended = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=20, check=False)
    assert (ended.returncode, ended.stdout, ended.stderr) == (0, "done\n", "")
