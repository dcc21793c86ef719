"""Exporters and tunnels that go and come back: consoles, logs and forwardings go on, by the drivers' paths."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from helpers.exporters import Exporter, free_port, start_our_exporter
from helpers.results import eventually
from lab_support import SOON, Bench, bench_with_exporter

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.forward import forward_port
from JumpstarterLibrary.client.serial import SerialClient
from JumpstarterLibrary.errors import CallTimeoutError, InfrastructureError, SessionLostError
from JumpstarterLibrary.journal import ConsoleGap, LogGap, LogLine, SessionLost, SessionRegained
from JumpstarterLibrary.lab import tunnel
from JumpstarterLibrary.sessions import Sessions

PATIENT = 20.0
"""Seconds for what comes back by itself."""


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    """A lab of the test's own."""
    with bench_with_exporter(tmp_path) as running:
        yield running
        running.sessions.close_all()


def drivers_lines(device: Device) -> list[str]:
    return [line.message for line in device.journal.events(LogLine) if line.source == "driver" and line.driver == "power"]


def echoes(address: str) -> bool:
    """Whether the device's echo answers through a forwarding."""
    host, port = address.split(":")
    with contextlib.suppress(OSError), socket.create_connection((host, int(port)), timeout=5) as connection:
        connection.sendall(b"hello")
        return connection.recv(100) == b"hello"
    return False


def everything_works(device: Device, address: str) -> None:
    """Calls, streams of values, byte streams, the console, the log and a forwarding, all by the tree of the first exporter."""
    console = device.consoles["console"]
    assert eventually(lambda: console.connected, PATIENT), "the console is not open again"
    said, logged = len(console.text()), len(drivers_lines(device))
    device["power"].call("on", timeout=PATIENT)
    assert next(device["power"].stream_call("read", timeout=PATIENT))
    assert eventually(lambda: len(console.text()) > said, PATIENT), "the console says nothing more"
    assert eventually(lambda: len(drivers_lines(device)) > logged, PATIENT), "the log says nothing more"
    assert echoes(address), "the forwarding leads nowhere"


# ------------------------------------------------------------------- in a lab


def test_consoles_the_log_and_forwardings_survive_an_exporter_that_begins_anew(bench: Bench) -> None:
    first = bench.lab.start_session_exporter("again", {"board": "again"})
    session = bench.open(selector="board=again", timeout=PATIENT)
    device = session.device
    device.driver_of(SerialClient).open_console()
    address = forward_port(device["network.echo"]).address
    everything_works(device, address)
    uuids = {node.uuid for node in device.tree.walk()}

    first.kill()
    assert eventually(lambda: not device.consoles["console"].connected, SOON)
    bench.lab.start_session_exporter("again", {"board": "again"}, wait=False)

    device.power.call("off", timeout=PATIENT)
    everything_works(device, address)

    assert device.state == "open"
    assert not uuids & {device.connection.uuid(uuid) for uuid in uuids}, "the second exporter has the first one's uuids"
    assert device.journal.events(ConsoleGap)
    # Each stream notices by itself, and the log may be the last.
    assert eventually(lambda: any("began anew" in gap.reason for gap in device.journal.events(LogGap)), SOON)
    assert eventually(lambda: device.journal.events(SessionRegained), SOON)
    (regained,) = device.journal.events(SessionRegained)
    assert regained.alias == "again"
    assert regained.seconds > 0
    assert device.journal.events(SessionLost) == []


def test_a_stream_of_values_that_was_never_sent_waits_for_the_tunnel(bench: Bench) -> None:
    session = bench.open()
    bench.lab.router_down()
    bench.lab.wait_for(lambda: any("broke" in line.message for line in session.journal.events(LogLine)), "the break")
    back = threading.Timer(0.5, bench.lab.router_up)
    back.start()

    assert next(session.device["power"].stream_call("read", timeout=PATIENT))

    back.join()


def test_a_way_that_loses_everything_and_tells_nobody_is_made_anew(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "SILENCE", 0.5)
    monkeypatch.setattr(tunnel, "PROBE_TIMEOUT", 0.5)
    session = bench.open()
    session.device.driver_of(SerialClient).open_console()
    bench.lab.shape_tunnels(frozen=True)
    with pytest.raises(CallTimeoutError, match="got no answer within 500 ms"):
        session.device.power.call("on", timeout=0.5)

    assert eventually(lambda: not session.device.consoles["console"].connected, SOON), "the silence was not noticed"
    bench.lab.shape_tunnels()
    session.device.power.call("on", timeout=PATIENT)

    (regained,) = session.journal.events(SessionRegained)
    assert "the exporter has answered nothing for" in regained.reason


def test_a_call_that_keeps_the_exporter_from_answering_has_its_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    """A driver whose asynchronous method blocks stops the exporter's event loop: nothing answers until it is done."""
    monkeypatch.setattr(tunnel, "SILENCE", 0.3)
    monkeypatch.setattr(tunnel, "PROBE_TIMEOUT", 0.3)
    session = bench.open()
    bench.lab.shape_tunnels(delay=1.5)

    session.device.power.call("on", timeout=PATIENT)

    assert session.device.state == "open"
    assert session.device.connection.under_way == set()
    assert [line.message for line in session.journal.events(LogLine) if line.source == "lab"] == []


def test_a_slow_network_is_not_taken_for_one_that_is_gone(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(tunnel, "SILENCE", 0.2)
    monkeypatch.setattr(tunnel, "PROBE_TIMEOUT", 5.0)
    session = bench.open()
    bench.lab.shape_tunnels(delay=0.5)

    for _ in range(2):
        session.device.power.call("on", timeout=PATIENT)

    assert session.journal.events(SessionRegained) == []
    assert [line.message for line in session.journal.events(LogLine) if line.source == "lab"] == []


# ----------------------------------------------------------------- by address


@pytest.fixture
def start(tmp_path: Path) -> Iterator[Callable[[str], Exporter]]:
    """Starts exporters of the simulated board at an address."""
    with ExitStack() as stack:
        yield lambda listen: stack.enter_context(start_our_exporter("mock", listen=listen))


def test_an_exporter_at_an_address_that_begins_anew_is_regained_by_the_next_act(start: Callable[[str], Exporter]) -> None:
    listen = f"127.0.0.1:{free_port()}"
    first = start(listen)
    with connect(listen, name="bench", timeout=PATIENT, logs=True) as device:
        device.driver_of(SerialClient).open_console()
        address = forward_port(device["network.echo"]).address
        everything_works(device, address)

        first.kill()
        assert eventually(lambda: device.state == "lost", SOON)
        with pytest.raises(SessionLostError, match="was lost"):
            device.power.on()
        start(listen)
        device.power.off()
        everything_works(device, address)

        assert device.state == "open"
        assert len(device.journal.events(SessionLost)) == 1
        (regained,) = device.journal.events(SessionRegained)
        assert "was lost" in regained.reason
        assert device.journal.events(ConsoleGap)


def test_an_exporter_that_began_anew_between_two_calls_is_no_failure(start: Callable[[str], Exporter]) -> None:
    listen = f"127.0.0.1:{free_port()}"
    first = start(listen)
    with connect(listen, name="bench", timeout=PATIENT) as device:
        device.power.on()
        first.kill()
        start(listen)

        device.power.on()
        assert next(device["power"].stream_call("read", timeout=PATIENT))


def test_another_device_at_the_same_address_is_not_taken_for_the_first(tmp_path: Path, start: Callable[[str], Exporter]) -> None:
    listen = f"127.0.0.1:{free_port()}"
    first = start(listen)
    with ExitStack() as stack:
        device = stack.enter_context(connect(listen, name="bench", timeout=PATIENT, logs=True))
        first.kill()
        assert eventually(lambda: device.state == "lost", SOON)
        stack.enter_context(start_our_exporter("mock:power", listen=listen))

        with pytest.raises(SessionLostError, match="is not possible"):
            device.power.on()

        assert device.state == "lost"
        assert device.journal.events(SessionRegained) == []


def test_a_lost_session_opens_anew_under_its_name_although_its_exporter_is_back(start: Callable[[str], Exporter]) -> None:
    listen = f"127.0.0.1:{free_port()}"
    sessions = Sessions()
    first = start(listen)
    lost = sessions.open(listen, alias="bench", timeout=PATIENT)
    first.kill()
    assert eventually(lambda: lost.device.state == "lost", SOON)
    start(listen)
    # What runs in the background does not bring it back by itself: then the name would be taken, or not, by chance.
    again = sessions.open(listen, alias="bench", timeout=PATIENT)

    assert (lost.device.state, again.device.state) == ("closed", "open")
    sessions.close_all()


# ------------------------------------------------------------- in a jmp shell


class Relay:
    """A socket as a `jmp shell` has it: what stands behind may go and come back, and then connections just end."""

    def __init__(self, path: Path, target: str) -> None:
        self.path, self.target, self.open = path, target, True
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen()
        self._pairs: list[tuple[socket.socket, socket.socket]] = []
        self._threads: list[threading.Thread] = []
        self._start(self._run)

    def cut(self) -> None:
        self.open = False
        for pair in self._pairs:
            _shut_down(*pair)

    def close(self) -> None:
        _shut_down(self._listener)
        self.cut()
        for thread in self._threads:
            thread.join(5)
        for each in (self._listener, *(end for pair in self._pairs for end in pair)):
            each.close()

    def _run(self) -> None:
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            if not self.open:
                near.close()
                continue
            far = socket.socket(socket.AF_UNIX)
            far.connect(self.target)
            self._pairs.append((near, far))
            self._start(self._copy, near, far)
            self._start(self._copy, far, near)

    def _start(self, run: Callable[..., None], *arguments: socket.socket) -> None:
        self._threads.append(threading.Thread(target=run, args=arguments, daemon=True))
        self._threads[-1].start()

    def _copy(self, source: socket.socket, target: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                target.sendall(data)
        _shut_down(source, target)


def _shut_down(*sockets: socket.socket) -> None:
    for each in sockets:
        with contextlib.suppress(OSError):
            each.shutdown(socket.SHUT_RDWR)


@pytest.fixture
def relay(tmp_path: Path) -> Iterator[Relay]:
    """A jmp shell's socket that leads to the simulated board."""
    from JumpstarterLibrary.drivers.targets import root_device_for
    from JumpstarterLibrary.exporter import Session

    with ExitStack() as stack:
        session = stack.enter_context(Session(root_device=root_device_for("mock")))
        found = Relay(tmp_path / "socket", stack.enter_context(session.serve_unix()))
        stack.callback(found.close)
        yield found


def test_a_jmp_shells_tunnel_that_comes_back_within_the_deadline_is_no_failure(relay: Relay) -> None:
    with connect(str(relay.path), name="bench", timeout=PATIENT, logs=True) as device:
        device.driver_of(SerialClient).open_console()
        device.power.on()
        relay.cut()
        assert eventually(lambda: not device.consoles["console"].connected, SOON)
        back = threading.Timer(1.5, lambda: setattr(relay, "open", True))
        back.start()

        device.power.off()

        back.join()
        assert device.state == "open"
        assert eventually(lambda: device.consoles["console"].connected, PATIENT)


def test_a_jmp_shells_tunnel_that_stays_away_is_a_failure_in_time_and_the_session_goes_on(relay: Relay) -> None:
    with connect(str(relay.path), name="bench", timeout=PATIENT, logs=True) as device:
        relay.cut()
        with pytest.raises(InfrastructureError, match=r"not sent|no answer within|broke after"):
            device.power.call("on", timeout=1)
        relay.open = True

        device.power.on()

        assert device.state == "open"


def test_a_jmp_shell_that_has_ended_is_told_at_once(relay: Relay) -> None:
    with connect(str(relay.path), name="bench", timeout=PATIENT, logs=True) as device:
        relay.close()
        relay.path.unlink()

        assert eventually(lambda: device.state == "lost", SOON)
        with pytest.raises(SessionLostError):
            device.power.on()
