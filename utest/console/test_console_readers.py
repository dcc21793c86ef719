"""Three readers of one console see every byte that was sent, all the same, however fast and in whatever pieces it came."""

from __future__ import annotations

import contextlib
import hashlib
import os
import random
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from console_support import random_chunks
from helpers.exporters import start_our_exporter, start_upstream_exporter
from helpers.processes import Process
from helpers.programs import needs

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.console import Console

RUNS = 20
SIZE = 10_000_000
LINES = bytes(ord("\n") if byte % 64 == 0 else 33 + byte % 94 for byte in range(256))
YAML = """\
apiVersion: jumpstarter.dev/v1alpha1
kind: ExporterConfig
metadata: {namespace: default, name: readers}
export:
  serial: TYPE
"""


def flood(seed: int) -> bytes:
    """Random lines."""
    return random.Random(seed).randbytes(SIZE - 6).translate(LINES) + b"\nEND \n"


def longest_chunk(run: int) -> int:
    """Short ones once only: each costs as much as a long one."""
    return 2_000 if run == 0 else random.Random(run).choice([10_000, 30_000, 60_000])


class Cursor(threading.Thread):
    """Reads a console's text from its own place, as a wait does, until the end of a flood."""

    def __init__(self, console: Console, rest: float) -> None:
        super().__init__(daemon=True)
        self.console, self.rest = console, rest
        self.digest = hashlib.sha256()
        self.position = console.transcript.mark().text
        self.start()

    def run(self) -> None:
        ended, transcript = False, self.console.transcript
        while not ended:
            with transcript.changed:
                version = transcript.version
            for segment in transcript.view(self.position).segments:
                self.digest.update(segment.text[max(0, self.position - segment.start) :].encode())
                ended = segment.text.endswith("END \n")
                self.position = segment.end
            time.sleep(self.rest)
            with transcript.changed:
                if transcript.version == version and not ended:
                    transcript.changed.wait(1)


@contextlib.contextmanager
def opened(device: Device, folder: Path) -> Iterator[Console]:
    """Opens the console with a file of its own."""
    device.files = folder
    console = device.serial.open_console()
    yield console
    console.close()


def file_digest(console: Console) -> str:
    """SHA-256 of the console's file; the memory has only the last 8 MiB."""
    return hashlib.sha256(Path(console.log_file).read_bytes()).hexdigest()


def test_three_clients_of_our_exporter_see_the_same(tmp_path):
    with contextlib.ExitStack() as stack:
        yaml = YAML.replace("TYPE", "{type: JumpstarterLibrary.drivers.console.MockConsole}")
        exporter = stack.enter_context(start_our_exporter(yaml))
        devices = [stack.enter_context(connect(exporter.address, timeout=60)) for _ in range(3)]
        for run in range(RUNS):
            with contextlib.ExitStack() as readers:
                consoles = [
                    readers.enter_context(opened(device, tmp_path / f"{run}-{number}")) for number, device in enumerate(devices)
                ]
                digest = devices[run % 3].serial.call("flood", SIZE, run, longest_chunk(run))
                for console in consoles:
                    wait_for_size(console, SIZE)
                    assert file_digest(console) == digest, (run, console)
                    assert console.raw() == Path(console.log_file).read_bytes()[-len(console.raw()) :]


def wait_for_size(console: Console, size: int) -> None:
    end = time.monotonic() + 60
    while console.transcript.bytes_received < size:
        assert time.monotonic() < end, f"{console.transcript.bytes_received} of {size} bytes; {console.transcript.gaps}"
        time.sleep(0.005)


@pytest.fixture
def pty(tmp_path) -> Iterator[tuple[Path, Path]]:
    """Two ends of a serial line."""
    socat = needs("socat", "socat")
    ends = tmp_path / "device", tmp_path / "host"
    with Process([socat, *(f"pty,raw,echo=0,link={end}" for end in ends)]):
        end = time.monotonic() + 10
        while not all(path.exists() for path in ends):
            assert time.monotonic() < end
            time.sleep(0.01)
        yield ends


@pytest.mark.interop
def test_three_cursors_on_a_serial_line_of_upstreams_exporter_see_the_same(tmp_path, pty):
    device_end, host_end = pty
    line = os.open(device_end, os.O_RDWR | os.O_NOCTTY)

    def send(console: Console, chunks: list[bytes]) -> None:
        for chunk in chunks:
            rest = memoryview(chunk)
            while rest:
                rest = rest[os.write(line, rest) :]

    yaml = YAML.replace("TYPE", f"{{type: jumpstarter_driver_pyserial.driver.PySerial, config: {{url: '{host_end}'}}}}")
    try:
        check_upstream(yaml, tmp_path, send)
    finally:
        os.close(line)


@pytest.mark.interop
def test_three_cursors_on_a_looped_serial_line_of_upstreams_exporter_see_the_same(tmp_path):
    def send(console: Console, chunks: list[bytes]) -> None:
        for chunk in chunks:
            console.write(chunk, timeout=60)

    yaml = YAML.replace("TYPE", "{type: jumpstarter_driver_pyserial.driver.PySerial, config: {url: 'loop://'}}")
    check_upstream(yaml, tmp_path, send)


def check_upstream(yaml: str, folder: Path, send: Callable[[Console, list[bytes]], None]) -> None:
    """Floods a console, which upstream opens once only, and reads it with three cursors."""
    with start_upstream_exporter(yaml) as exporter, connect(exporter.address, timeout=60) as device:
        for run in range(RUNS):
            said = flood(run)
            with opened(device, folder / str(run)) as console:
                cursors = [Cursor(console, rest) for rest in (0.0005, 0.005, 0.05)]
                send(console, random_chunks(said, run, longest_chunk(run)))
                wait_for_size(console, len(said))
                digest = hashlib.sha256(said).hexdigest()
                assert file_digest(console) == digest, run
                for cursor in cursors:
                    cursor.join(30)
                    assert cursor.digest.hexdigest() == digest, run
