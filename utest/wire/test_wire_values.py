"""Values on the wire: what arrives as it was, what arrives as upstream sends it, and what is refused."""

from __future__ import annotations

import dataclasses
import enum
from datetime import UTC, date, datetime, time, timedelta, timezone
from decimal import Decimal
from pathlib import Path, PurePosixPath
from typing import Any
from uuid import UUID

import pytest
from google.protobuf import json_format
from google.protobuf.struct_pb2 import Value
from hypothesis import given, settings
from hypothesis import strategies as st
from jumpstarter_protocol import jumpstarter_pb2 as pb
from pydantic import BaseModel, TypeAdapter

from JumpstarterLibrary.errors import FailureClass, ValueNotSendableError
from JumpstarterLibrary.wire.secrets import Hidden
from JumpstarterLibrary.wire.values import DEEPEST_NESTING, LARGEST_INTEGER, decode, decode_exact, encode, iso_duration

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
NUMBERS = st.integers(-LARGEST_INTEGER, LARGEST_INTEGER) | st.floats(allow_nan=False, allow_infinity=False)
PLAIN = st.recursive(
    st.none() | st.booleans() | TEXT | NUMBERS,
    lambda inner: st.lists(inner, max_size=5) | st.dictionaries(TEXT, inner, max_size=5),
    max_leaves=20,
)


class Colour(enum.Enum):
    RED = "red"
    NESTED = ("a", 1)


class Level(enum.IntEnum):
    HIGH = 3


@dataclasses.dataclass
class Reading:
    voltage: float
    when: timedelta


class Model(BaseModel):
    name: str
    number: int


def wire(value: object) -> object:
    """The value after a trip over the wire, bytes and all."""
    return decode(Value.FromString(encode(value).SerializeToString()))


def as_upstream(value: object) -> object:
    """What arrives when upstream sends the value (protocol §3.1)."""
    plain = TypeAdapter(Any).dump_python(value, mode="json")
    return decode(json_format.ParseDict(plain, Value()))


@given(PLAIN)
@settings(max_examples=200, deadline=None)
def test_plain_values_arrive_as_they_were(value: object) -> None:
    assert wire(value) == value
    assert wire(value) == as_upstream(value)
    assert decode_exact(encode(value)) == value


@pytest.mark.parametrize("number", [0, 1, -1, LARGEST_INTEGER, -LARGEST_INTEGER, 3.0])
def test_integral_numbers_are_integers_again(number: float) -> None:
    assert type(wire(number)) is int
    assert type(decode_exact(encode(number))) is float


@pytest.mark.parametrize("value", [True, False])
def test_booleans_stay_booleans(value: bool) -> None:
    assert wire(value) is value


RICH = {
    "enum": Colour.RED,
    "enum of a tuple": Colour.NESTED,
    "int enum": Level.HIGH,
    "dataclass": Reading(4.5, timedelta(seconds=90)),
    "model": Model(name="a", number=3),
    "uuid": UUID(int=5),
    "path": Path("/a/b"),
    "bytes": "µ".encode(),
    "decimal": Decimal("1.50"),
    "tuple": (1, "two", (3,)),
    "date": date(2026, 2, 28),
    "time": time(23, 59, 1, 5),
    "naive datetime": datetime(2026, 2, 28, 1, 2, 3),  # noqa: DTZ001 - drivers send these
    "datetime with microseconds": datetime(2026, 2, 28, 1, 2, 3, 40),  # noqa: DTZ001 - drivers send these
    "datetime in UTC": datetime(2026, 2, 28, 1, 2, 3, tzinfo=UTC),
    "datetime elsewhere": datetime(2026, 2, 28, 1, 2, 3, tzinfo=timezone(timedelta(hours=-3, minutes=-30))),
    "nested": {"a": [Colour.RED, {"b": (Level.HIGH, None)}]},
    "empty": [[], {}, ""],
    "integer keys": {1: "a", 2: "b"},
    "enum keys": {Colour.RED: 1},
    "uuid keys": {UUID(int=5): 1},
    "boolean keys": {True: 1},
    "path in a list": [Path("x")],
}


@pytest.mark.parametrize("name", RICH)
def test_rich_values_arrive_as_upstream_sends_them(name: str) -> None:
    assert wire(RICH[name]) == as_upstream(RICH[name])


@given(st.timedeltas(timedelta(days=-40_000), timedelta(days=40_000)))
@settings(max_examples=200, deadline=None)
def test_durations_arrive_as_upstream_sends_them(duration: timedelta) -> None:
    assert iso_duration(duration) == TypeAdapter(Any).dump_python(duration, mode="json")


@given(st.datetimes(timezones=st.none() | st.timezones() | st.just(UTC)))
@settings(max_examples=100, deadline=None)
def test_moments_arrive_as_upstream_sends_them(moment: datetime) -> None:
    offset = moment.utcoffset()
    if offset is None or offset % timedelta(minutes=1) == timedelta(0):  # local mean times of long ago have seconds
        assert wire(moment) == as_upstream(moment)


def test_what_upstream_refuses_and_has_a_plain_form() -> None:
    assert wire(PurePosixPath("a/b")) == "a/b"


def test_generators_are_lists() -> None:
    assert wire(number for number in range(3)) == [0, 1, 2]
    assert wire({3}) == [3]


def test_hidden_values_reach_the_wire_only() -> None:
    assert wire({"a": [Hidden("hunter2")]}) == {"a": ["hunter2"]}
    assert "hunter2" not in f"{Hidden('hunter2')!r} {Hidden('hunter2')}"


def loop() -> list[object]:
    inner: list[object] = []
    inner.append(inner)
    return inner


def nested(depth: int) -> object:
    value: object = 1
    for _ in range(depth):
        value = [value]
    return value


REFUSED = {
    "NaN": (float("nan"), "", "finite numbers"),
    "infinity": ([1, float("-inf")], "[1]", "finite numbers"),
    "large integer": ({"a": {"b": 2**53 + 1}}, "['a']['b']", "beyond 2^53"),
    "large negative integer": (-(2**53) - 1, "", "beyond 2^53"),
    "bytes that are no text": ({"data": b"\xff\xfe"}, "['data']", "not UTF-8"),
    "lone surrogates": (["a", "\ud800"], "[1]", "surrogates"),
    "lone surrogates as key": ({"\ud800": 1}, "", "surrogates"),
    "object": ([object()], "[0]", "type object"),
    "class": (Reading, "", "type type"),
    "function": (loop, "", "type function"),
    "key of a tuple": ({(1, 2): 3}, "", "key of type tuple"),
    "colliding keys": ({1: "a", "1": "b"}, "", "same text '1'"),
    "colliding booleans": ([{True: 1, "true": 2}], "[0]", "same text 'true'"),
    "contains itself": (loop(), "[0]", "contains itself"),
    "too deep": (nested(DEEPEST_NESTING // 2 + 1), "[0]", "nested more than"),
    "complex": (1j, "", "type complex"),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_would_arrive_altered_is_refused_and_told_where(name: str) -> None:
    value, where, reason = REFUSED[name]
    with pytest.raises(ValueNotSendableError) as raised:
        encode(value)

    assert str(raised.value).startswith(f"at {where}" if where else "")
    assert reason in str(raised.value)
    assert raised.value.failure_class is FailureClass.TEST
    assert isinstance(raised.value, ValueError)


def test_the_deepest_value_gets_through() -> None:
    lists = nested(DEEPEST_NESTING // 2)
    objects: dict[str, object] = {}
    for _ in range(DEEPEST_NESTING // 3 - 1):
        objects = {"a": objects}
    for deepest in (lists, objects):
        assert wire(deepest) == deepest
        request = pb.DriverCallRequest(args=[encode(deepest)])
        assert decode(pb.DriverCallRequest.FromString(request.SerializeToString()).args[0]) == deepest
    with pytest.raises(ValueNotSendableError, match="48 lists or 32 objects"):
        encode({"a": {"b": objects}})


def test_an_unset_value_is_none() -> None:
    assert decode(Value()) is None
