"""Exporters that are older, newer or stranger than upstream's of today."""

from __future__ import annotations

import sys
import time

import grpc
import pytest
from helpers.robot_run import RobotRunner
from interop_support import wait_until
from jumpstarter_protocol import jumpstarter_pb2 as pb
from raw_exporter import COMPOSITE, POWER, UNKNOWN_FIELD, RawExporter, row, serving

from JumpstarterLibrary.client import Device, PowerClient, connect
from JumpstarterLibrary.errors import (
    DriverError,
    DriverNotFoundError,
    ExporterNotReadyError,
    FailureClass,
    InfrastructureError,
)
from JumpstarterLibrary.journal import LogGap, LogLine

pytestmark = pytest.mark.interop

SECONDS = 5.0


class TestOldExporters:
    """A missing RPC answers UNIMPLEMENTED, as those of 0.7 do (protocol §1.6)."""

    @pytest.mark.parametrize(
        "missing", [["GetStatus"], ["EndSession"], ["LogStream"], ["GetStatus", "EndSession", "LogStream"]], ids=",".join
    )
    def test_opens_calls_and_closes(self, missing: list[str]) -> None:
        with serving(RawExporter(missing=missing)) as exporter:
            with connect(exporter.address, timeout=SECONDS, logs=True) as device:
                assert device.call("on") == "root"
                assert list(device.stream_call("read")) == ["root"]
            assert exporter.calls == [("root", "on"), ("root", "read")]

    def test_missing_log_is_asked_for_once_and_is_no_gap(self) -> None:
        with serving(RawExporter(missing=["LogStream"])) as exporter:
            with connect(exporter.address, timeout=SECONDS, logs=True) as device:
                assert device.logs is not None
                wait_until(lambda: not device.logs._thread.is_alive())
                assert device.journal.events(LogGap) == []
                assert device.state == "open"

    def test_suite(self, run_robot: RobotRunner) -> None:
        with serving(RawExporter(missing=["GetStatus", "EndSession", "LogStream"])) as exporter:
            run = run_robot(
                """\
*** Settings ***
Library    JumpstarterLibrary

*** Test Cases ***
Old Exporter
    Open Jumpstarter Session    %{OLD}
    Power On
    Close Jumpstarter Session
""",
                env={"OLD": exporter.address},
            )
            assert run.tests["Old Exporter"].passed, run.stdout
            assert exporter.calls == [("root", "on")]

    def test_session_is_never_ended_by_us(self) -> None:
        """EndSession would disable a stand-alone exporter until it is started again (D16)."""
        with serving(RawExporter()) as exporter:
            with connect(exporter.address, timeout=SECONDS):
                pass
            assert "EndSession" not in exporter.asked


class TestNewerExporters:
    def test_unknown_fields_are_passed_over(self) -> None:
        log = [pb.LogStreamResponse(severity="INFO", message="hello")]
        with serving(RawExporter(trailer=UNKNOWN_FIELD, log=log)) as exporter:
            with connect(exporter.address, timeout=SECONDS, logs=True) as device:
                assert device.call("on") == "root"
                wait_until(lambda: [line.message for line in device.journal.events(LogLine)][:1] == ["hello"])

    def test_unknown_status_is_waited_out(self) -> None:
        with serving(RawExporter(statuses=[42, 42, 4])) as exporter:
            with connect(exporter.address, timeout=SECONDS) as device:
                assert device.call("on") == "root"
            assert exporter.asked.count("GetStatus") == 3

    def test_unknown_status_for_good(self) -> None:
        with serving(RawExporter(statuses=[42])) as exporter:
            begin = time.monotonic()
            with pytest.raises(ExporterNotReadyError, match="status is still status 42 after 500 ms"):
                connect(exporter.address, timeout=0.5).__enter__()
            assert time.monotonic() - begin < 1.5

    def test_unknown_log_source_and_severity(self) -> None:
        log = [pb.LogStreamResponse(severity="NOTICE", message="hello", source=99), pb.LogStreamResponse(message="bare")]
        with serving(RawExporter(log=log)) as exporter, connect(exporter.address, timeout=SECONDS, logs=True) as device:
            wait_until(lambda: len(device.journal.events(LogLine)) >= 2)
            seen = [(line.severity, line.source, line.message) for line in device.journal.events(LogLine)[:2]]
        assert seen == [("NOTICE", "system", "hello"), ("INFO", "system", "bare")]

    @pytest.mark.parametrize(
        ("code", "text"),
        [
            # What the next version sends for a driver's ConnectionError and OSError (protocol §3.3).
            (grpc.StatusCode.UNAVAILABLE, "[Errno 111] Connection refused"),
            (grpc.StatusCode.UNAVAILABLE, "the power strip does not answer"),
            (grpc.StatusCode.INTERNAL, "[Errno 5] Input/output error"),
            (grpc.StatusCode.DATA_LOSS, "a status that nobody expects"),
        ],
    )
    def test_statuses_for_the_driver_s_errors(self, code: grpc.StatusCode, text: str) -> None:
        with serving(RawExporter(refusal=(code, text))) as exporter, connect(exporter.address, timeout=SECONDS) as device:
            for call in (lambda: device.call("on"), lambda: list(device.stream_call("read"))):
                with pytest.raises(DriverError) as caught:
                    call()
                assert caught.value.failure_class is FailureClass.DEVICE
                assert text in str(caught.value)
            assert device.state == "open"

    def test_refusal_because_of_the_status(self) -> None:
        refusal = (grpc.StatusCode.FAILED_PRECONDITION, "Exporter not ready for driver calls (status: AFTER_LEASE_HOOK_FAILED)")
        with serving(RawExporter(refusal=refusal)) as exporter, connect(exporter.address, timeout=SECONDS) as device:
            with pytest.raises(ExporterNotReadyError, match="AFTER_LEASE_HOOK_FAILED"):
                device.call("on")


class TestStrangeTrees:
    def tree(self, *rows: object) -> dict[str, str]:
        """Paths of the assembled tree, each with the uuid that a call to it names."""
        with serving(RawExporter(rows=rows)) as exporter, connect(exporter.address, timeout=SECONDS) as device:
            assert repr(device)
            return {node.path: str(device.client_for(node).call("on")) for node in device.tree.walk()}

    def test_orphan_hangs_below_the_root(self) -> None:
        rows = row("r", tag=COMPOSITE), row("a", "power", "r"), row("b", "lost", "nobody")
        assert self.tree(*rows) == {"": "r", "power": "a", "lost": "b"}

    def test_child_before_its_parent(self) -> None:
        rows = row("a", "power", "d"), row("d", "dut", "r", COMPOSITE), row("r", tag=COMPOSITE)
        assert self.tree(*rows) == {"": "r", "dut": "d", "dut.power": "a"}

    def test_two_roots(self) -> None:
        rows = row("r", tag=COMPOSITE), row("a", "power", "r"), row("s", tag=COMPOSITE), row("b", "other", "s")
        assert self.tree(*rows) == {"": "r", "power": "a", "unnamed-s": "s", "unnamed-s.other": "b"}

    def test_repeated_uuid_with_its_subtree(self) -> None:
        rows = (
            *(row("r", tag=COMPOSITE), row("d", "dut", "r", COMPOSITE), row("a", "power", "d")),
            *(row("d", "again", "r", COMPOSITE), row("a", "power", "d")),
        )
        assert self.tree(*rows) == {"": "r", "dut": "d", "dut.power": "a", "again": "d", "again.power": "a"}

    def test_siblings_of_one_name(self) -> None:
        rows = row("r", tag=COMPOSITE), row("a", "power", "r"), row("b", "power", "r")
        assert self.tree(*rows) == {"": "r", "power": "a", "power~2": "b"}

    def test_without_labels(self) -> None:
        rows = row("r", tag=None), row("abcdefghijk", None, "r", tag=None)
        assert self.tree(*rows) == {"": "r", "unnamed-abcdefgh": "abcdefghijk"}

    def test_rows_that_are_each_other_s_parents(self) -> None:
        round_trip = row("a", "one", "b"), row("b", "two", "a"), row("c", "self", "c")
        assert self.tree(row("r", tag=COMPOSITE), *round_trip) == {"": "r", "one": "a", "one.two": "b", "self": "c"}
        # Nobody is the root: then the first row is.
        assert self.tree(*round_trip) == {"": "a", "two": "b", "self": "c"}

    def test_names_that_look_like_paths_or_members(self) -> None:
        rows = row("r", tag=COMPOSITE), row("a", "call", "r"), row("b", "a-b", "r"), row("c", "a.b", "r")
        assert self.tree(*rows) == {"": "r", "call": "a", "a-b": "b", "a.b": "c"}
        with serving(RawExporter(rows=rows)) as exporter, connect(exporter.address, timeout=SECONDS) as device:
            assert device["call"].call("on") == "a"
            assert device.root.call("on") == "r"

    def test_no_rows(self) -> None:
        with serving(RawExporter(rows=())) as exporter:
            with pytest.raises(InfrastructureError, match="reports no drivers at all"):
                connect(exporter.address, timeout=SECONDS).__enter__()

    def test_deep_and_wide(self) -> None:
        deep = [row("0", tag=COMPOSITE), *(row(str(n), f"n{n}", str(n - 1)) for n in range(1, 200))]
        with serving(RawExporter(rows=deep)) as exporter, connect(exporter.address, timeout=SECONDS) as device:
            assert len(list(device.tree.walk())) == 200
        wide = [row("0", tag=COMPOSITE), *(row(str(n), f"n{n}", "0") for n in range(1, 2000))]
        with serving(RawExporter(rows=wide)) as exporter, connect(exporter.address, timeout=SECONDS) as device:
            assert len(device.root.children) == 1999
            with pytest.raises(DriverNotFoundError, match="and 1979 more"):
                device.driver_of(PowerClient)

    def test_type_tag_is_only_a_tag(self) -> None:
        """Nothing that a report names is imported (protocol §6.6)."""
        tags = ("os.path.join", "no.such.module.Client", "", "jumpstarter_driver_opendal.client.FlasherClient", POWER)
        rows = row("r", tag=COMPOSITE), *(row(str(n), f"n{n}", "r", tag) for n, tag in enumerate(tags))
        before = set(sys.modules)
        with serving(RawExporter(rows=rows)) as exporter, connect(exporter.address, timeout=SECONDS) as device:
            self.check_calls(device, len(tags))
        assert "jumpstarter_driver_opendal" not in set(sys.modules) - before

    def check_calls(self, device: Device, count: int) -> None:
        assert [device[f"n{number}"].call("on") for number in range(count)] == [str(number) for number in range(count)]
        assert isinstance(device.driver_of(PowerClient), PowerClient)
