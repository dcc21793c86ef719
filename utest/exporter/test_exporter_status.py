"""The status gate, and the RPCs about the session itself."""

from __future__ import annotations

from contextlib import asynccontextmanager

import anyio
import grpc
import pytest
from exporter_peer import Stream
from jumpstarter_protocol import jumpstarter_pb2 as pb

from JumpstarterLibrary.drivers import Composite
from JumpstarterLibrary.errors import DriverError
from JumpstarterLibrary.exporter import Driver, ExporterStatus, Session, export, exportstream
from JumpstarterLibrary.exporter import session as session_module

Code = grpc.StatusCode
OPEN = {ExporterStatus.BEFORE_LEASE_HOOK, ExporterStatus.LEASE_READY, ExporterStatus.AFTER_LEASE_HOOK}


class Everything(Driver):
    def __init__(self, **driver):
        super().__init__(**driver)
        self.calls = []

    @export
    def unary(self):
        self.calls.append("unary")

    @export
    async def streaming(self):
        self.calls.append("streaming")
        yield 1

    @exportstream
    @asynccontextmanager
    async def connect(self):
        self.calls.append("connect")
        send, receive = anyio.create_memory_object_stream[bytes](1)
        async with anyio.streams.stapled.StapledObjectStream(send, receive) as stream:
            yield stream

    def reset(self):
        self.calls.append("reset")


def attempt(client, kind):
    if kind == "unary":
        client.call("unary")
    elif kind == "streaming":
        client.items("streaming")
    elif kind == "reset":
        client.exporter.Reset(pb.ResetRequest(), timeout=5)
    else:
        request = {"kind": kind, "uuid": client.uuid()}
        stream = Stream(client, request)
        stream.initial()
        stream.goaway()
        if kind == "resource":
            stream.cancel()
        else:
            stream.rest()
        if stream.code() not in (Code.OK, Code.CANCELLED):
            raise stream.rpc


class TestGate:
    @pytest.mark.parametrize("kind", ["unary", "streaming", "driver", "resource", "reset"])
    @pytest.mark.parametrize("status", list(ExporterStatus), ids=lambda status: status.name)
    def test_calls_and_streams_pass_in_three_of_the_eight_statuses(self, serve, status, kind):
        driver = Everything()
        session, client = serve(driver)
        session.update_status(status)
        driver.calls.clear()
        if status in OPEN:
            attempt(client, kind)
            return
        with pytest.raises(grpc.RpcError) as caught:
            attempt(client, kind)
        assert caught.value.code() is Code.FAILED_PRECONDITION
        assert caught.value.details() == f"Exporter not ready for driver calls (status: {status.name})"
        assert driver.calls == []

    def test_report_status_and_log_are_open_in_every_status(self, serve):
        session, client = serve(Everything())
        for status in ExporterStatus:
            session.update_status(status)
            assert len(client.report().reports) == 1
            assert client.status().status == status
            session.logger.info("status %s", status.name)
            answers = client.logs()
            assert next(answers).message.startswith("status")
            answers.cancel()


class TestStatus:
    def test_a_session_without_lease_is_ready_at_once(self, peer):
        answer = peer(Everything()).status()
        assert (answer.status, answer.status_version, answer.message) == (ExporterStatus.LEASE_READY, 0, "")
        assert not answer.HasField("previous_status")
        assert answer.HasField("message")

    def test_a_session_with_lease_begins_as_available(self, peer):
        assert peer(Everything(), lease="l1").status().status == ExporterStatus.AVAILABLE

    def test_each_update_raises_the_version_even_to_the_same_status(self, serve):
        session, client = serve(Everything())
        session.update_status("BEFORE_LEASE_HOOK", "running the hook")
        session.update_status(ExporterStatus.BEFORE_LEASE_HOOK)
        answer = client.status()
        assert answer.status_version == 2
        assert answer.previous_status == ExporterStatus.BEFORE_LEASE_HOOK
        session.update_status(4, "[HOOK_WARNING] it failed")
        answer = client.status()
        assert (answer.status, answer.message, answer.status_version) == (4, "[HOOK_WARNING] it failed", 3)

    @pytest.mark.parametrize("wrong", ["READY", 8, -1])
    def test_an_unknown_status_is_refused(self, serve, wrong):
        session, client = serve(Everything())
        with pytest.raises((KeyError, ValueError)):
            session.update_status(wrong)
        assert client.status().status_version == 0


class TestEndSession:
    def test_without_lease_nothing_ends(self, peer):
        client = peer(Everything())
        answer = client.exporter.EndSession(pb.EndSessionRequest(), timeout=5)
        assert (answer.success, answer.message) == (False, "No active lease context")
        client.call("unary")

    def test_with_lease_it_ends_once_and_answers_the_same_again(self, serve):
        session, client = serve(Everything(), lease="l1")
        session.update_status("LEASE_READY")
        client.call("unary")
        answers = [client.exporter.EndSession(pb.EndSessionRequest(), timeout=5) for _ in range(2)]
        assert [answer.success for answer in answers] == [True, True]
        status = client.status()
        assert (status.status, status.status_version) == (ExporterStatus.AVAILABLE, 2)
        with pytest.raises(grpc.RpcError) as caught:
            client.call("unary")
        assert caught.value.code() is Code.FAILED_PRECONDITION

    def test_an_after_lease_hook_comes_between_the_end_and_available(self, serve):
        session, client = serve(Everything(), lease="l1")
        session.has_after_lease_hook = True
        session.update_status("LEASE_READY")
        answers = [client.exporter.EndSession(pb.EndSessionRequest(), timeout=5) for _ in range(2)]
        assert [answer.success for answer in answers] == [True, True]
        assert session.end_requested.is_set()
        assert client.status().status == ExporterStatus.LEASE_READY
        session.update_status("AFTER_LEASE_HOOK")
        client.call("unary")  # the hook's own commands


class Recorder(Driver):
    def __init__(self, record, name, error=None, **driver):
        super().__init__(**driver)
        self.record, self.name, self.error = record, name, error

    def reset(self):
        self.record.append(f"reset {self.name}")
        if self.error:
            raise self.error

    async def close(self):
        self.record.append(f"close {self.name}")
        raise RuntimeError("closing fails, and the others are closed all the same")


class TestResetAndClose:
    def test_drivers_are_reset_parents_first_and_closed_children_first(self):
        record = []
        root = Recorder(record, "root", children={"a": Recorder(record, "a"), "b": Recorder(record, "b")})
        with Session(root_device=root):
            assert record == ["reset root", "reset a", "reset b"]
            record.clear()
        assert record == ["close b", "close a", "close root"]

    def test_reset_resets_every_driver(self, peer):
        record = []
        client = peer(Recorder(record, "root", children={"a": Recorder(record, "a")}))
        record.clear()
        client.exporter.Reset(pb.ResetRequest(), timeout=5)
        assert record == ["reset root", "reset a"]

    def test_a_driver_that_cannot_be_reset_is_named_and_has_its_status(self, serve):
        bad = Recorder([], "bad")
        _, client = serve(Composite(children={"bad": bad}))
        bad.error = NotImplementedError("no such relay")
        with pytest.raises(grpc.RpcError) as caught:
            client.exporter.Reset(pb.ResetRequest(), timeout=5)
        assert caught.value.code() is Code.UNIMPLEMENTED
        assert caught.value.details() == "driver 'bad' (Recorder) could not be reset: no such relay"
        bad.error = None
        client.exporter.Reset(pb.ResetRequest(), timeout=5)

    def test_a_reset_that_hangs_is_given_up(self, serve, monkeypatch):
        class Hanging(Driver):
            hang = False

            async def reset(self):
                if self.hang:
                    await anyio.sleep(60)

        driver = Hanging()
        _, client = serve(driver)
        driver.hang = True
        monkeypatch.setattr(session_module, "DRIVER_BUDGET", 0.1)
        with pytest.raises(grpc.RpcError) as caught:
            client.exporter.Reset(pb.ResetRequest(), timeout=5)
        assert caught.value.code() is Code.DEADLINE_EXCEEDED
        assert caught.value.details() == "the root driver (Hanging) could not be reset: it took longer than 0.1 s"

    def test_a_session_whose_driver_cannot_be_reset_does_not_start_and_closes_what_it_has(self):
        record = []
        root = Composite(children={"good": Recorder(record, "good"), "bad": Recorder(record, "bad", OSError("no tty"))})
        with pytest.raises(DriverError, match=r"The session cannot start: driver 'bad' \(Recorder\) .*: no tty"):
            Session(root_device=root).__enter__()
        assert record[-2:] == ["close bad", "close good"]
