"""What comes of errors and results of drivers."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

import grpc
import pytest
from exporter_peer import refusal
from jumpstarter_protocol import jumpstarter_pb2 as pb

from JumpstarterLibrary.exporter import Driver, export

Code = grpc.StatusCode


class Returning(Driver):
    def __init__(self, result, **driver):
        super().__init__(**driver)
        self.result = result

    @export
    def get(self):
        return self.result

    @export
    def size(self, value):
        return len(value)


class Failing(Driver):
    def __init__(self, error: BaseException, **driver):
        super().__init__(**driver)
        self.error = error

    @export
    def plain(self):
        raise self.error

    @export
    async def coroutine(self):
        raise self.error

    @export
    def generator(self):
        yield 1
        raise self.error

    @export
    async def async_generator(self):
        yield 1
        raise self.error


class UnspeakableError(Exception):
    def __str__(self):
        raise RuntimeError("no text")


ERRORS = [
    (NotImplementedError("not here"), Code.UNIMPLEMENTED, "not here"),
    (ValueError("bad"), Code.INVALID_ARGUMENT, "bad"),
    (UnicodeDecodeError("utf-8", b"x", 0, 1, "why"), Code.INVALID_ARGUMENT, "why"),
    (TimeoutError("late"), Code.DEADLINE_EXCEEDED, "late"),
    (TimeoutError(), Code.DEADLINE_EXCEEDED, "TimeoutError"),
    (ConnectionResetError("gone"), Code.UNKNOWN, "gone"),
    (OSError(5, "I/O"), Code.UNKNOWN, "I/O"),
    (TypeError("type"), Code.UNKNOWN, "type"),
    (KeyError("key"), Code.UNKNOWN, "key"),
    (RuntimeError(""), Code.UNKNOWN, "RuntimeError"),
    (RuntimeError("two\nlines\r\n\tand äöü 🤖"), Code.UNKNOWN, "two\nlines\r\n\tand äöü 🤖"),
    (RuntimeError("lone \ud800 surrogate"), Code.UNKNOWN, "lone ? surrogate"),
    (UnspeakableError(), Code.UNKNOWN, "UnspeakableError"),
    (asyncio.CancelledError(), Code.UNKNOWN, "CancelledError"),
    (SystemExit(3), Code.UNKNOWN, "3"),
    (KeyboardInterrupt(), Code.UNKNOWN, "KeyboardInterrupt"),
]


class TestErrors:
    @pytest.mark.parametrize("method", ["plain", "coroutine", "generator", "async_generator"])
    @pytest.mark.parametrize(("error", "code", "text"), ERRORS, ids=[type(e[0]).__name__ for e in ERRORS])
    def test_each_class_has_its_status_from_each_kind_of_method(self, peer, method, error, code, text):
        client = peer(Failing(error))
        invoke = client.items if "generator" in method else client.call
        found, details = refusal(lambda: invoke(method))
        assert found is code
        assert text in details

    @pytest.mark.parametrize("method", ["plain", "coroutine", "generator", "async_generator"])
    def test_stop_iteration_is_answered_and_not_taken_for_an_end(self, peer, method):
        client = peer(Failing(StopIteration("over")))
        invoke = client.items if "generator" in method else client.call
        code, details = refusal(lambda: invoke(method))
        assert code is Code.UNKNOWN
        assert "over" in details or "StopIteration" in details

    def test_items_already_yielded_arrive_before_the_error(self, peer):
        for method in ("generator", "async_generator"):
            answers = peer(Failing(ValueError("after one"))).stream_call(method)
            assert next(answers).result.number_value == 1
            assert refusal(lambda answers=answers: next(answers)) == (Code.INVALID_ARGUMENT, "after one")

    @pytest.mark.parametrize("character", ["x", "\n", "€", "🤖", "%"])
    def test_an_error_text_of_a_mebibyte_is_cut_with_a_note_and_arrives_with_default_settings(self, peer, character):
        code, details = refusal(lambda: peer(Failing(ValueError(character * 2**20))).call("plain"))
        assert code is Code.INVALID_ARGUMENT
        assert details.startswith(character * 400)
        assert details.endswith("characters cut]")

    @pytest.mark.parametrize(
        ("result", "text"),
        [
            (object(), "type object has no form"),
            (float("nan"), "nan would arrive as null"),
            (2**53 + 1, "beyond 2^53"),
            (b"\xff", "not UTF-8"),
            ({"deep": [1, {"x": float("inf")}]}, "['deep'][1]['x']"),
        ],
    )
    def test_a_result_that_would_arrive_altered_is_refused(self, peer, result, text):
        code, details = refusal(lambda: peer(Returning(result)).call("get"))
        assert code is Code.INVALID_ARGUMENT
        assert text in details

    def test_a_result_that_fails_while_it_is_read_is_answered(self, peer):
        def broken():
            yield 1
            raise RuntimeError("half way")

        assert refusal(lambda: peer(Returning(broken())).call("get")) == (Code.UNKNOWN, "half way")

    def test_each_answer_good_or_bad_says_how_far_the_log_had_come(self, peer):
        class Chatty(Driver):
            @export
            def say(self, fail):
                self.logger.info("a line")
                if fail:
                    raise ValueError("after a line")

        client = peer(Chatty())
        request = pb.DriverCallRequest(uuid=client.uuid(), method="say")
        for number, fail in enumerate([False, True, False], start=1):
            del request.args[:]
            request.args.add().bool_value = fail
            rpc = client.exporter.DriverCall.future(request, timeout=5)
            rpc.exception()
            assert dict(rpc.trailing_metadata())["x-jumpstarter-log-position"] == str(number)


@dataclass
class Point:
    x: int
    y: float | None


class TestResults:
    @pytest.mark.parametrize(
        ("result", "arrives"),
        [(None, None), (3, 3.0), ("ä", "ä"), ([1, (2,)], [1.0, [2.0]]), ({1: b"text"}, {"1": "text"}),
         (Point(1, None), {"x": 1.0, "y": None}), ([], []), ({}, {})],
    )  # fmt: skip
    def test_values_arrive_in_wire_form(self, peer, result, arrives):
        assert peer(Returning(result)).call("get") == arrives

    def test_five_mebibytes_pass_both_ways(self, serve):
        session, client = serve(Returning("x" * 5 * 2**20))
        options = [("grpc.max_receive_message_length", -1), ("grpc.use_local_subchannel_pool", 1)]
        client.channel.close()
        with session.serve_unix() as path, grpc.insecure_channel(f"unix:{path}", options=options) as channel:
            client.__init__(path)
            client.exporter = type(client.exporter)(channel)
            assert len(client.call("get")) == 5 * 2**20
            assert client.call("size", "x" * 5 * 2**20) == 5 * 2**20

    def test_a_result_beyond_the_client_limit_leaves_the_session_usable(self, peer):
        client = peer(Returning("x" * 5 * 2**20))
        assert refusal(lambda: client.call("get"))[0] is Code.RESOURCE_EXHAUSTED
        assert client.call("size", "abc") == 3
