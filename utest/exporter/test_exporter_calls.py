"""Driver calls: dispatch, arguments, cancellation, threads."""

from __future__ import annotations

import asyncio
import threading
import time
from collections.abc import AsyncGenerator, Generator
from concurrent.futures import ThreadPoolExecutor
from typing import Annotated

import anyio
import grpc
import pytest
from exporter_peer import eventually, in_background, refusal
from jumpstarter_protocol import jumpstarter_pb2 as pb
from test_exporter_results import Failing

from JumpstarterLibrary.drivers import MockPower, SyncMockPower
from JumpstarterLibrary.exporter import Driver, calls, export
from JumpstarterLibrary.wire import event_loop

Code = grpc.StatusCode


class Kinds(Driver):
    @export
    def plain(self, value):
        return ["plain", value]

    @export
    async def coroutine(self, value):
        return ["coroutine", value]

    @export
    def generator(self, count: int) -> Generator[int, None, None]:
        yield from range(count)

    @export
    async def async_generator(self, count: int) -> AsyncGenerator[int, None]:
        for number in range(count):
            await anyio.sleep(0)
            yield number

    @classmethod
    @export
    def of_class(cls):
        return cls.__name__

    @staticmethod
    @export
    def static(value):
        return value

    def hidden(self):
        raise AssertionError("a method without mark was called")


class TestDispatch:
    def test_each_kind_of_method_is_called_with_its_rpc(self, peer):
        client = peer(Kinds())
        assert client.call("plain", "x") == ["plain", "x"]
        assert client.call("coroutine", {"a": [1.5, None, True]}) == ["coroutine", {"a": [1.5, None, True]}]
        assert client.items("generator", 3) == [0, 1, 2]
        assert client.items("async_generator", 3) == [0, 1, 2]
        assert client.call("of_class") == "Kinds"
        assert client.call("static", "s") == "s"

    @pytest.mark.parametrize("power", [MockPower, SyncMockPower])
    def test_the_mocks_give_exactly_two_readings(self, peer, power):
        client = peer(power())
        assert client.call("on") is None
        assert client.call("off") is None
        assert client.items("read") == [{"voltage": 0.0, "current": 0.0}, {"voltage": 5.0, "current": 2.0}]

    @pytest.mark.parametrize(
        ("method", "text"),
        [
            ("generator", "method generator missing marker marker_drivercall"),
            ("hidden", "method hidden missing marker marker_drivercall: it is not exported"),
            ("plian", "method plian not found on driver; did you mean plain?"),
            ("__class__", "not found"),
            ("_hub", "not found"),
            ("", "not found"),
            ("reset", "not exported"),
            ("close", "not exported"),
            ("client", "not exported"),
            ("resource", "not exported"),
        ],
    )
    def test_anything_but_an_exported_unary_method_is_not_found(self, peer, method, text):
        code, details = refusal(lambda: peer(Kinds()).call(method, 1))
        assert code is Code.NOT_FOUND
        assert text in details

    def test_a_unary_method_is_not_found_as_a_stream(self, peer):
        code, details = refusal(lambda: peer(Kinds()).items("plain", 1))
        assert (code, "marker_streamingdrivercall" in details) == (Code.NOT_FOUND, True)

    def test_a_long_unknown_name_is_answered_briefly(self, peer):
        code, details = refusal(lambda: peer(Kinds()).call("n" * 100_000))
        assert code is Code.NOT_FOUND
        assert len(details) < 500

    def test_overriding_a_method_without_the_mark_withdraws_it(self, peer):
        class Careful(Kinds):
            def plain(self, value):
                raise AssertionError("withdrawn")

        assert refusal(lambda: peer(Careful()).call("plain", 1))[0] is Code.NOT_FOUND

    @pytest.mark.parametrize("uuid", ["", "nonsense", "\x00", "0" * 5000, "{}", "123"])
    def test_a_malformed_uuid_is_an_invalid_argument(self, peer, uuid):
        client = peer(Kinds())
        for rpc, request in (
            (client.exporter.DriverCall, pb.DriverCallRequest(uuid=uuid, method="plain")),
            (
                lambda r, timeout: list(client.exporter.StreamingDriverCall(r, timeout=timeout)),
                pb.StreamingDriverCallRequest(uuid=uuid, method="generator"),
            ),
        ):
            code, details = refusal(lambda rpc=rpc, request=request: rpc(request, timeout=5))
            assert code is Code.INVALID_ARGUMENT
            assert "malformed driver uuid" in details

    def test_an_unknown_uuid_is_not_found(self, peer):
        request = pb.DriverCallRequest(uuid="12345678-1234-5678-1234-567812345678", method="plain")
        client = peer(Kinds())
        assert refusal(lambda: client.exporter.DriverCall(request, timeout=5)) == (
            Code.NOT_FOUND, "no driver with uuid 12345678-1234-5678-1234-567812345678")  # fmt: skip


class Typed(Driver):
    @export
    def types_of(self, i: int, f: float, o: int | None, a: Annotated[int, "x"], either: int | float, free, *rest: int):
        return [type(value).__name__ for value in (i, f, o, a, either, free, *rest)]

    @export
    def named(self, first, second=2, *, third=3):
        return [first, second, third]

    @export
    def strange(self, value: NoSuchType, count: int) -> NoSuchModule.Type:  # noqa: F821 - that is the point
        return [value, type(count).__name__]


class TestArguments:
    def test_integral_numbers_become_int_only_where_the_method_says_int(self, peer):
        assert peer(Typed()).call("types_of", 1, 1, 1, 1, 1, 1, 1, 1) == [
            "int", "float", "int", "int", "float", "float", "int", "int"]  # fmt: skip

    def test_a_fraction_stays_a_float(self, peer):
        assert peer(Typed()).call("types_of", *[1.5, 1, None, 2, 1, True])[:3] == ["float", "float", "NoneType"]

    @pytest.mark.parametrize("count", [0, 3])
    def test_the_wrong_number_of_arguments_is_an_invalid_argument_that_names_the_method(self, peer, count):
        code, details = refusal(lambda: peer(Typed()).call("named", *range(count)))
        assert code is Code.INVALID_ARGUMENT
        assert details.startswith("named(): ")
        assert f"{count} given" in details

    def test_a_type_error_inside_the_driver_is_not_taken_for_wrong_arguments(self, peer):
        assert refusal(lambda: peer(Failing(TypeError("inside it"))).call("plain")) == (Code.UNKNOWN, "inside it")

    def test_an_annotation_that_cannot_be_resolved_does_not_disturb_the_others(self, peer):
        assert peer(Typed()).call("strange", 1, 2) == [1.0, "int"]


class Slow(Driver):
    def __init__(self, **driver):
        super().__init__(**driver)
        self.started = threading.Event()
        self.ended = threading.Event()
        self.go_on = threading.Event()

    @export
    async def wait(self):
        self.started.set()
        try:
            await anyio.sleep(30)
        finally:
            self.ended.set()

    @export
    async def count(self):
        try:
            for number in range(10**9):
                yield number
                self.started.set()
                await anyio.sleep(0.001)
        finally:
            self.ended.set()

    @export
    def count_blocking(self):
        try:
            for number in range(10**9):
                yield number
                self.started.set()
                self.go_on.wait(20)
        finally:
            self.ended.set()

    @export
    def block(self):
        self.started.set()
        self.go_on.wait(20)

    @export
    def quick(self):
        return "quick"

    @export
    def echo(self, value):
        time.sleep(0.01)
        return value


class TestCancelling:
    def test_cancelling_a_call_cancels_its_coroutine(self, peer):
        driver = Slow()
        client = peer(driver)
        rpc = client.exporter.DriverCall.future(pb.DriverCallRequest(uuid=client.uuid(), method="wait"))
        assert driver.started.wait(5)
        rpc.cancel()
        assert driver.ended.wait(5)

    def test_a_deadline_cancels_the_coroutine_too(self, peer):
        driver = Slow()
        assert refusal(lambda: peer(driver).call("wait", timeout=0.2))[0] is Code.DEADLINE_EXCEEDED
        assert driver.ended.wait(5)

    def test_a_client_that_vanishes_cancels_the_coroutine(self, serve):
        driver = Slow()
        _, client = serve(driver)
        result = in_background(lambda: client.call("wait", timeout=15))
        assert driver.started.wait(5)
        client.channel.close()
        assert driver.ended.wait(5)
        with pytest.raises(grpc.RpcError):
            result()

    def test_cancelling_a_stream_ends_its_generator(self, peer):
        driver = Slow()
        answers = peer(driver).stream_call("count")
        next(answers)
        assert driver.started.wait(5)
        answers.cancel()
        assert driver.ended.wait(5)

    def test_cancelling_a_blocked_generator_closes_it_once_it_comes_back(self, peer):
        driver = Slow()
        client = peer(driver)
        answers = client.stream_call("count_blocking")
        next(answers)
        assert driver.started.wait(5)
        answers.cancel()
        assert client.call("quick") == "quick"
        assert not driver.ended.is_set()
        driver.go_on.set()
        assert driver.ended.wait(5)

    def test_a_generator_that_somebody_still_holds_is_closed_too(self):
        started, go_on, ended = threading.Event(), threading.Event(), threading.Event()

        def blocking():
            try:
                yield 1
                started.set()
                go_on.wait(20)
                yield 2
            finally:
                ended.set()

        held = blocking()

        async def break_off():
            limiter = anyio.CapacityLimiter(4)
            items = calls.stream(lambda: held, [], limiter)
            await anext(items)
            with anyio.move_on_after(0.1):
                await anext(items)
            await items.aclose()

        event_loop.run(break_off)
        assert started.is_set()
        assert not ended.is_set()
        go_on.set()
        assert ended.wait(5)

    def test_a_blocked_plain_method_stops_nobody_else(self, peer):
        driver = Slow()
        client = peer(driver)
        blocked = in_background(lambda: client.call("block"))
        assert driver.started.wait(5)
        assert client.call("quick", timeout=5) == "quick"
        driver.go_on.set()
        assert blocked() is None


class TestTogether:
    def test_a_blocking_generator_does_not_stall_the_server(self, peer):
        driver = Slow()
        client = peer(driver)
        answers = client.stream_call("count_blocking")
        next(answers)
        assert driver.started.wait(5)
        assert client.call("quick", timeout=5) == "quick"
        driver.go_on.set()
        assert next(answers).result.number_value == 1
        answers.cancel()

    def test_sixty_four_threads_get_their_own_answers(self, peer):
        client = peer(Slow())
        with ThreadPoolExecutor(64) as pool:
            numbers = list(range(256))
            assert list(pool.map(lambda number: client.call("echo", number), numbers)) == numbers

    def test_nothing_is_left_of_two_hundred_calls(self, serve):
        async def tasks():
            return len(asyncio.all_tasks())

        session, client = serve(Slow())
        client.call("quick")
        before = event_loop.run(tasks)
        for _ in range(50):
            client.call("quick")
            next(answers := client.stream_call("count"))
            answers.cancel()
            client.exporter.DriverCall.future(pb.DriverCallRequest(uuid=client.uuid(), method="wait")).cancel()
            refusal(lambda: client.call("nothing"))
        assert eventually(lambda: event_loop.run(tasks) <= before)
        assert session.threads.borrowed_tokens == 0
