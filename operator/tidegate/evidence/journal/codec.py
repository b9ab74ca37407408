"""Frozen values of the engine as JSON documents, and back.

A document has one key per field, under the field's name, so that no field can be forgotten. Equal
values have equal bytes: keys are sorted, a float has the shortest form that reads back as the same
float, and an infinite one is written as text, as JSON has no number for it.
Source: evidence.md, 14.
"""

from __future__ import annotations

import dataclasses
import enum
import json
import math
import types
import typing
from collections.abc import Mapping, Sequence

from tidegate.model import Document, Json

T = typing.TypeVar("T")


def canonical(document: Json) -> str:
    """The one text of a document."""
    return json.dumps(document, sort_keys=True, separators=(",", ":"), allow_nan=False)


def write(value: object) -> Document:
    """A frozen dataclass as a document; its fields may be dataclasses, enums and plain values."""
    assert dataclasses.is_dataclass(value), value
    return {one.name: _plain(getattr(value, one.name)) for one in dataclasses.fields(value)}


def read(kind: type[T], value: Json) -> T:
    """The dataclass that `write` made the document of.

    A field that is missing has its default. Raises TypeError or ValueError, in words, on anything
    else that does not fit, on unknown fields too: they are from another version of Tidegate.
    """
    document = mapping(value)
    hints = _hints(kind)
    unknown = sorted(set(document) - set(hints))
    if unknown:
        raise ValueError(f"{kind.__name__} has no field {unknown[0]}")
    values = {name: _typed(hints[name], one, name=name) for name, one in document.items()}
    try:
        return kind(**values)
    except AssertionError as error:
        raise ValueError(f"no valid {kind.__name__}: {error}") from error


def mapping(value: Json) -> Mapping[str, Json]:
    """An object; raises TypeError on anything else."""
    if not isinstance(value, Mapping):
        raise TypeError(f"{value!r} is no object")
    return value


def listed(value: Json) -> Sequence[Json]:
    """A list; raises TypeError on anything else."""
    if not isinstance(value, list | tuple):
        raise TypeError(f"{value!r} is no list")
    return value


def text(value: Json) -> str:
    """A string; raises TypeError on anything else."""
    if not isinstance(value, str):
        raise TypeError(f"{value!r} is no text")
    return value


def number(value: Json) -> float:
    """A finite number; raises TypeError on anything else."""
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError(f"{value!r} is no number")
    return value


def _plain(value: object) -> Json:
    match value:
        case enum.Enum():
            return str(value.value)
        case None | bool() | int() | str():
            return value
        case float():
            return float(value) if math.isfinite(value) else str(float(value))
        case Mapping():
            return {str(key): _plain(value[key]) for key in sorted(value)}
        case list() | tuple():
            return [_plain(one) for one in value]
        case _:
            return write(value)


def _hints(kind: type) -> Mapping[str, object]:
    return typing.get_type_hints(kind)


def _typed(kind: object, value: Json, *, name: str) -> object:
    """The value as the type of its field asks for it."""
    try:
        return _value(kind, value)
    except TypeError as error:
        raise TypeError(f"{name}: {error}") from error


def _value(kind: object, value: Json) -> object:
    origin, arguments = typing.get_origin(kind), typing.get_args(kind)
    if origin is types.UnionType:  # in these dataclasses always: or None
        return None if value is None else _value(arguments[0], value)
    if origin is tuple:
        return tuple(_value(arguments[0], one) for one in listed(value))
    if origin is Mapping:
        return {key: _value(arguments[1], one) for key, one in mapping(value).items()}
    assert isinstance(kind, type), kind
    if dataclasses.is_dataclass(kind):
        return read(kind, value)
    if issubclass(kind, enum.Enum):
        return kind(text(value))
    return _scalar(kind, value)


def _scalar(kind: type, value: Json) -> object:
    if kind is float:
        return float(value) if value in ("inf", "-inf") else number(value)
    if kind is str:
        return text(value)
    if type(value) is not kind:  # bool or int, and a bool is no int here
        raise TypeError(f"{value!r} is no {kind.__name__}")
    return value
