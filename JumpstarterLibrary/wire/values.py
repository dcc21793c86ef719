"""Python values to and from `google.protobuf.Value` (protocol §3.1).

The wire knows null, booleans, doubles, text, lists and objects. What would arrive altered without anybody
noticing (NaN, integers above 2^53, bytes that are not UTF-8) is refused here instead.
"""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Generator, Mapping
from datetime import date, datetime, time, timedelta
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from uuid import UUID

from google.protobuf.struct_pb2 import ListValue, NullValue, Struct, Value

from ..errors import ValueNotSendableError
from .secrets import Hidden

LARGEST_INTEGER = 2**53
"""Doubles hold every integer up to here."""
DEEPEST_NESTING = 96
"""Nested messages; protobuf parsers stop at 100, with those around the value."""
_LIST_LEVELS, _OBJECT_LEVELS = 2, 3
"""Messages that a list and an object on the wire nest."""

_NULL = NullValue.NULL_VALUE


def encode(value: object) -> Value:
    """Turns a Python value into its wire form.

    Raises:
        ValueNotSendableError: the value would be altered on the way, or has no wire form. The message says where in
            the value the fault is.
    """
    target = Value()
    _encode(value, target, "")
    return target


def decode(value: Value, integers: bool = True) -> object:
    """Turns a wire value into Python; integral numbers become `int`, as the wire has only doubles."""
    kind = value.WhichOneof("kind")
    if kind == "number_value":
        number = value.number_value
        return int(number) if integers and number.is_integer() else number
    if kind == "string_value":
        return value.string_value
    if kind == "bool_value":
        return value.bool_value
    if kind == "struct_value":
        return {key: decode(item, integers) for key, item in value.struct_value.fields.items()}
    if kind == "list_value":
        return [decode(item, integers) for item in value.list_value.values]
    return None


def decode_exact(value: Value) -> object:
    """Turns a wire value into Python and leaves numbers as the doubles that they are."""
    return decode(value, integers=False)


def _encode(value: object, target: Value, where: str, depth: int = 0) -> None:
    if value is None:
        target.null_value = _NULL
    elif value is True or value is False:
        target.bool_value = value
    elif isinstance(value, Enum):
        _encode(value.value, target, where, depth)
    elif isinstance(value, str):
        target.string_value = _text(value, where)
    elif isinstance(value, (int, float)):
        target.number_value = _number(value, where)
    elif isinstance(value, Mapping):
        _encode_mapping(value, target.struct_value, where, _deeper(depth + _OBJECT_LEVELS, where))
    elif isinstance(value, (list, tuple, set, frozenset, Generator)):
        items = target.list_value
        items.SetInParent()
        _encode_items(value, items, where, _deeper(depth + _LIST_LEVELS, where))
    else:
        _encode(_plain(value, where), target, where, depth)


def _encode_items(
    items: list[object] | tuple[object, ...] | set[object] | frozenset[object] | Generator[object],
    target: ListValue,
    where: str,
    depth: int,
) -> None:
    for index, item in enumerate(items):
        _encode(item, target.values.add(), f"{where}[{index}]", depth)


def _encode_mapping(mapping: Mapping[object, object], target: Struct, where: str, depth: int) -> None:
    target.SetInParent()
    fields = target.fields
    for key, item in mapping.items():
        name = _key(key, where)
        if name in fields:
            raise ValueNotSendableError(f"{_at(where)}two keys become the same text {name!r} on the wire")
        _encode(item, fields[name], f"{where}[{name!r}]", depth)


def _plain(value: object, where: str) -> object:  # noqa: PLR0911 - one line per type reads best
    """Replaces a value of a richer type by the plain one that upstream sends for it."""
    if isinstance(value, Hidden):
        return value.reveal()
    if isinstance(value, (bytes, bytearray, memoryview)):
        return _bytes(bytes(value), where)
    if isinstance(value, (UUID, PurePath, Decimal)):
        return str(value)
    if isinstance(value, datetime):
        return value.isoformat().removesuffix("+00:00") + ("Z" if value.utcoffset() == timedelta(0) else "")
    if isinstance(value, (date, time)):
        return value.isoformat()
    if isinstance(value, timedelta):
        return iso_duration(value)
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {field.name: getattr(value, field.name) for field in dataclasses.fields(value)}
    if not isinstance(value, type) and callable(dump := getattr(value, "model_dump", None)):  # pydantic's models
        return dict(dump(mode="json"))
    raise ValueNotSendableError(f"{_at(where)}a value of type {type(value).__name__} has no form on the wire")


def _deeper(depth: int, where: str) -> int:
    if depth > DEEPEST_NESTING:
        most = f"{DEEPEST_NESTING // _LIST_LEVELS} lists or {DEEPEST_NESTING // _OBJECT_LEVELS} objects"
        raise ValueNotSendableError(f"{_at(where[:60])}nested more than {most} deep, or contains itself")
    return depth


def _text(text: str, where: str) -> str:
    try:
        text.encode()
    except UnicodeEncodeError:
        raise ValueNotSendableError(f"{_at(where)}the text holds lone surrogates, which UTF-8 cannot carry") from None
    return text


def _bytes(data: bytes, where: str) -> str:
    try:
        return data.decode()
    except UnicodeDecodeError:
        raise ValueNotSendableError(
            f"{_at(where)}bytes travel as UTF-8 text, and these {len(data)} bytes are not UTF-8; "
            "send hex or base64 text, or use a stream"
        ) from None


def _number(number: float, where: str) -> float:
    if isinstance(number, int):
        if -LARGEST_INTEGER <= number <= LARGEST_INTEGER:
            return number
        raise ValueNotSendableError(
            f"{_at(where)}numbers travel as doubles, and this integer is beyond 2^53, so it would arrive altered; send it as text"
        )
    if math.isfinite(number):
        return number
    raise ValueNotSendableError(f"{_at(where)}{number} would arrive as null; the wire carries finite numbers only")


def _key(key: object, where: str) -> str:
    if isinstance(key, Enum):
        key = key.value
    if isinstance(key, str):
        return _text(key, where)
    if isinstance(key, (bool, int, float, UUID)):
        return str(key).lower() if isinstance(key, bool) else str(key)
    raise ValueNotSendableError(f"{_at(where)}a key of type {type(key).__name__} has no form on the wire")


def _at(where: str) -> str:
    return f"at {where}: " if where else ""


def iso_duration(value: timedelta) -> str:
    """Writes a duration in the ISO 8601 form of protocol §3.1, for example `PT1M30S`."""
    sign, value = ("-", -value) if value < timedelta(0) else ("", value)
    hours, rest = divmod(value.seconds, 3600)
    minutes, seconds = divmod(rest, 60)
    second_text = f"{seconds}.{value.microseconds:06d}".rstrip("0") if value.microseconds else str(seconds)
    clock = "".join(
        f"{number}{letter}" for number, letter in ((hours, "H"), (minutes, "M"), (second_text, "S")) if number not in (0, "0")
    )
    years, rest = divmod(value.days, 365)  # as pydantic writes it
    days = (f"{years}Y" if years else "") + (f"{rest}D" if rest else "")
    return f"{sign}P{days}{'T' + clock if clock else ''}" if days or clock else "PT0S"
