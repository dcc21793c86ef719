"""Byte streams to any driver, and what keywords say about transfers."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import asynccontextmanager

import anyio
import pytest
from anyio.streams.stapled import StapledObjectStream
from helpers.results import eventually
from transfer_support import KIB, nothing_left

from JumpstarterLibrary.client import Device, connect
from JumpstarterLibrary.client.driver_stream import BYTES_AHEAD, DriverStream
from JumpstarterLibrary.client.hand_over import HandOver
from JumpstarterLibrary.client.transfer import Transfer
from JumpstarterLibrary.errors import DriverMethodNotFoundError, DriverTimeoutError, UsageError
from JumpstarterLibrary.exporter import Driver, Session, exportstream
from JumpstarterLibrary.report.transfers import describe, in_units


class Echo(Driver):
    """Gives back what it gets, and closes when it gets `bye`."""

    open = 0

    @exportstream
    @asynccontextmanager
    async def connect(self):
        to_driver, ours = anyio.create_memory_object_stream[bytes](1000)
        back, from_driver = anyio.create_memory_object_stream[bytes](1000)

        async def echo():
            async with back, ours:
                async for data in ours:
                    if data == b"bye":
                        return
                    await back.send(data)

        async with to_driver, from_driver, anyio.create_task_group() as tasks:
            tasks.start_soon(echo)
            self.open += 1
            try:
                yield StapledObjectStream(to_driver, from_driver)
            finally:
                self.open -= 1
                tasks.cancel_scope.cancel()


@pytest.fixture
def echo() -> Iterator[tuple[Echo, Device]]:
    driver = Echo()
    with Session(root_device=driver) as session, session.serve_unix() as path, connect(path, timeout=5) as device:
        yield driver, device


class TestStreams:
    def test_counts_marks_and_messages(self, echo):
        with nothing_left(), DriverStream(echo[1].root) as stream:
            stream.send(b"one\ntwo\nthree")
            assert stream.receive(until=b"\n") == b"one\n"
            assert stream.receive(count=2) == b"tw"
            assert stream.receive(count=7) == b"o\nthree"
            for message in (b"a", b"bc"):
                stream.send(message)
            assert [stream.receive_message(), stream.receive_message()] == [b"a", b"bc"]
            stream.send(b"x" * 300 * KIB)
            assert stream.receive(count=300 * KIB) == b"x" * 300 * KIB

    def test_what_does_not_come_is_a_timeout_and_nothing_is_lost(self, echo):
        with DriverStream(echo[1].root) as stream:
            stream.send(b"some")
            begin = time.monotonic()
            with pytest.raises(DriverTimeoutError, match=r"within 200 ms\. 4 bytes came so far"):
                stream.receive(count=5, timeout=0.2)
            assert time.monotonic() - begin < 2
            assert stream.receive() == b"some"

    def test_the_end(self, echo):
        with DriverStream(echo[1].root) as stream:
            stream.send(b"last words")
            assert eventually(lambda: stream._messages.waiting)
            stream.send(b"bye")
            assert eventually(lambda: stream._messages._complete)
            assert not stream.ended
            assert stream.receive(count=100) == b"last words"
            assert stream.ended
            assert stream.receive() == b""

    def test_closing_ends_it_at_the_driver(self, echo):
        driver, device = echo
        stream = DriverStream(device.root)
        assert driver.open == 1
        stream.close()
        stream.close()
        assert eventually(lambda: driver.open == 0)
        with pytest.raises(UsageError, match="was closed"):
            stream.send(b"x")
        with pytest.raises(UsageError, match="was closed"):
            stream.receive()

    def test_the_device_closes_what_is_open(self, echo):
        driver, device = echo
        stream = DriverStream(device.root)
        device.close()
        assert stream.closed
        assert eventually(lambda: driver.open == 0)

    def test_a_method_that_is_not_there(self, echo):
        with nothing_left(), pytest.raises(DriverMethodNotFoundError):
            DriverStream(echo[1].root, "nothing")


class TestHandOver:
    def test_a_full_one_waits_and_a_closed_one_takes_nothing(self):
        queue: HandOver[int] = HandOver(1)
        assert queue.put(1)
        outcome = []
        thread = threading.Thread(target=lambda: outcome.append(queue.put(2)))
        thread.start()
        assert queue.get() == 1
        thread.join(5)
        assert outcome == [True]
        queue.close()
        assert not queue.put(3)
        assert queue.get(0) is None

    def test_an_error_is_known_before_what_waits_is_taken(self):
        queue: HandOver[int] = HandOver(5)
        queue.put(1)
        queue.finish(ValueError("x"))
        assert str(queue.error) == "x"
        assert not queue.exhausted
        assert queue.get() == 1
        assert queue.exhausted


class TestWords:
    @pytest.mark.parametrize(
        ("count", "text"),
        [
            (0, "0 B"),
            (1023, "1023 B"),
            (1024, "1.0 KiB"),
            (1536, "1.5 KiB"),
            (2**20 - 1, "1.0 MiB"),
            (2**40 * 5000, "5000.0 TiB"),
        ],
    )
    def test_sizes(self, count, text):
        assert in_units(count) == text

    def test_a_transfer(self):
        line = describe(Transfer("/images/a b", 3 * 2**20, 1.5, "ab" * 32, None))
        assert line == f"/images/a b: 3.0 MiB in 1.5 s, 2.0 MiB/s, SHA-256 {'ab' * 32}"


SUITE = """\
*** Settings ***
Library    JumpstarterLibrary
Library    OperatingSystem

*** Test Cases ***
There And Back
    Open Jumpstarter Session    ${TARGET}
    Set Default Driver    store
    Create File    ${OUTPUT DIR}/Größe 1    twelve bytes
    ${up} =    Upload With Driver Method    write_last    ${OUTPUT DIR}/Größe 1    ${OUTPUT DIR}/copy    handle_position=1
    Should Be Equal    ${up.returned}[size]    ${12}
    File Should Exist    ${OUTPUT DIR}/copy
    ${down} =    Download With Driver Method    read    ${OUTPUT DIR}/down    ${2048}
    Should Be Equal    ${down.size}    ${2048}
    Run Keyword And Expect Error    TEST: handle_position=2 is not possible*
    ...    Upload With Driver Method    write    ${OUTPUT DIR}/copy    handle_position=2
    Run Keyword And Expect Error    CONFIGURATION: There is no file*
    ...    Upload With Driver Method    write    ${OUTPUT DIR}/none
    Run Keyword And Expect Error    DEVICE: write_and_fail() on driver 'store'*the card is broken*
    ...    Upload With Driver Method    write_and_fail    ${OUTPUT DIR}/copy    ${1}
    Run Keyword And Expect Error    DEVICE: ignore() on driver 'store'*it took 0 of 12 bytes*
    ...    Upload With Driver Method    ignore    ${OUTPUT DIR}/copy
"""


@pytest.mark.acceptance
def test_keywords_write_one_line_for_each_transfer(run_robot, our_transfer_exporter):
    run = run_robot(SUITE, "-v", f"TARGET:{our_transfer_exporter.address}")
    assert run.returncode == 0, run.stdout
    lines = [text for text in run.messages("Upload With Driver Method") if "SHA-256" in text]
    assert len(lines) == 1
    assert "Größe 1: 12 B in " in lines[0]
    assert any("down: 2.0 KiB in " in text for text in run.messages("Download With Driver Method"))
    assert "MB/s" not in run.stdout


class Flood(Driver):
    """Sends without end."""

    given = 0

    @exportstream
    @asynccontextmanager
    async def connect(self):
        to_driver, ours = anyio.create_memory_object_stream[bytes](4)
        back, from_driver = anyio.create_memory_object_stream[bytes](4)

        async def flood():
            while True:
                await back.send(b"x" * 64 * KIB)
                self.given += 64 * KIB

        async with to_driver, from_driver, ours, back, anyio.create_task_group() as tasks:
            tasks.start_soon(flood)
            try:
                yield StapledObjectStream(to_driver, from_driver)
            finally:
                tasks.cancel_scope.cancel()


class TestWhatNeverEndsToCome:
    @pytest.mark.parametrize("wanted", [{"until": b"never"}, {"count": 1 << 40}], ids=str)
    def test_a_timeout_holds_while_data_keeps_coming(self, wanted):
        with Session(root_device=Flood()) as session, session.serve_unix() as path, connect(path, timeout=5) as device:
            with DriverStream(device.root) as stream:
                begin = time.monotonic()
                with pytest.raises(DriverTimeoutError, match=r"within 300 ms\. \d+ bytes came so far"):
                    stream.receive(timeout=0.3, **wanted)
                assert time.monotonic() - begin < 4
                assert stream.receive(count=1000) == b"x" * 1000

    def test_a_mark_over_the_border_of_two_messages_is_found(self, echo):
        with DriverStream(echo[1].root) as stream:
            for part in (b"one-", b"-", b"-two"):
                stream.send(part)
            assert stream.receive(until=b"---") == b"one---"
            assert stream.receive(count=3) == b"two"

    def test_a_letter_that_is_cut_waits_for_its_rest(self, echo):
        with DriverStream(echo[1].root) as stream:
            stream.send(b"a\xe2\x82")
            assert stream.receive_whole("UTF-8") == b"a"
            with pytest.raises(DriverTimeoutError, match="2 bytes came so far"):
                stream.receive_whole("UTF-8", timeout=0.1)
            stream.send(b"\xac")
            assert stream.receive_whole("UTF-8") == "€".encode()
            stream.send(b"\xffno text")
            assert stream.receive_whole("UTF-8") == b"\xffno text"

    def test_what_nobody_reads_holds_the_driver(self):
        driver = Flood()
        with Session(root_device=driver) as session, session.serve_unix() as path, connect(path, timeout=5) as device:
            with DriverStream(device.root) as stream:
                assert eventually(lambda: stream._messages._weight >= BYTES_AHEAD, 20)
                assert not eventually(lambda: driver.given > 3 * BYTES_AHEAD, 0.5)  # gRPC's own buffers may fill, no more
                assert stream._messages._weight < BYTES_AHEAD + 128 * KIB
                assert stream.receive(count=10) == b"x" * 10
