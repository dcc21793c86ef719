"""Finding drivers again by their paths, when another thread has done so meanwhile, and when there is nothing to find."""

from __future__ import annotations

import threading
from types import SimpleNamespace
from typing import Any

import grpc
import pytest
from jumpstarter_protocol import jumpstarter_pb2 as pb

from JumpstarterLibrary.client.returning import Way
from JumpstarterLibrary.client.tree import Node
from JumpstarterLibrary.wire.address import Address
from JumpstarterLibrary.wire.protocol import NAME_LABEL


class Refused(grpc.RpcError):
    """How a call fails."""

    def __init__(self, code: grpc.StatusCode, text: str) -> None:
        self._code, self._text = code, text

    def code(self) -> grpc.StatusCode:
        return self._code

    def details(self) -> str:
        return self._text


UNKNOWN = Refused(grpc.StatusCode.NOT_FOUND, "no driver with uuid old-power")


class Exporter:
    """An exporter that has begun anew: it knows its second uuids only."""

    def __init__(self, names: tuple[str, ...] = ("power",)) -> None:
        self.names = names
        self.asked: list[str] = []
        self.meanwhile = lambda: None
        self.is_asked, self.may_answer = threading.Event(), threading.Event()
        self.may_answer.set()

    def report(self, *_: Any, **__: Any) -> Any:
        self.is_asked.set()
        assert self.may_answer.wait(10)
        root = pb.DriverInstanceReport(uuid="new-root")
        below = [pb.DriverInstanceReport(uuid=f"new-{n}", parent_uuid="new-root", labels={NAME_LABEL: n}) for n in self.names]
        return pb.GetReportResponse(reports=[root, *below])

    def with_call(self, request: Any, **_: Any) -> tuple[str, None]:
        self.asked.append(request.uuid)
        self.meanwhile()
        if not request.uuid.startswith("new-"):
            raise UNKNOWN
        return "done", None


def way_to(exporter: Exporter) -> Way:
    connection: Any = SimpleNamespace(
        name="bench",
        address=Address(host="127.0.0.1", port=1),
        metadata=None,
        closed=False,
        loss=None,
        stub=SimpleNamespace(GetReport=exporter.report),
    )
    root = Node("old-root", "", children={"power": Node("old-power", "power", "power")})
    return Way(connection, root.walk())


def call(way: Way, exporter: Exporter) -> Any:
    return way.send(exporter, SimpleNamespace(uuid=""), "old-power", 5)[0]


def test_a_call_that_no_exporter_knows_is_sent_to_the_same_path() -> None:
    exporter = Exporter()
    way = way_to(exporter)

    assert call(way, exporter) == "done"

    assert exporter.asked == ["old-power", "new-power"]
    assert (way.path("new-power"), way.path("old-power"), way.generation) == ("power", "", 1)


def test_a_call_is_sent_again_although_another_thread_found_the_drivers_first() -> None:
    exporter = Exporter()
    way = way_to(exporter)
    exporter.meanwhile = way.find_again

    assert call(way, exporter) == "done"


def test_a_driver_that_is_not_there_any_more_is_a_failure_and_no_endless_search() -> None:
    exporter = Exporter(names=("other",))

    with pytest.raises(Refused):
        call(way_to(exporter), exporter)

    assert exporter.asked == ["old-power"]


def test_after_a_break_the_drivers_are_found_before_anything_is_sent() -> None:
    exporter = Exporter()
    way = way_to(exporter)
    way.broke()

    assert call(way, exporter) == "done"

    assert exporter.asked == ["new-power"]


def test_a_driver_that_another_thread_is_asking_for_is_waited_for() -> None:
    exporter = Exporter()
    exporter.may_answer.clear()
    way = way_to(exporter)
    way.broke()
    asking = threading.Thread(target=way.find_again)
    asking.start()
    assert exporter.is_asked.wait(10)
    threading.Timer(0.2, exporter.may_answer.set).start()

    assert way.uuid("old-power") == "new-power"

    asking.join()
    assert way.generation == 1


def test_another_threads_question_without_an_answer_is_waited_for_no_longer_than_allowed() -> None:
    exporter = Exporter()
    exporter.may_answer.clear()
    way = way_to(exporter)
    asking = threading.Thread(target=way.find_again)
    asking.start()
    assert exporter.is_asked.wait(10)

    assert way.uuid("old-power", 0.05) == "old-power"

    exporter.may_answer.set()
    asking.join()


def test_a_call_that_may_have_happened_is_never_sent_again() -> None:
    exporter = Exporter()
    way = way_to(exporter)

    def broken() -> None:
        raise Refused(grpc.StatusCode.UNAVAILABLE, "Socket closed")

    exporter.meanwhile = broken
    with pytest.raises(Refused):
        call(way, exporter)

    assert len(exporter.asked) == 1
