"""Data classes without their guards, for this process only: half of a pass would go into them.

A frozen data class sets each field through `object.__setattr__`, and `dataclasses.replace` asks
every field how it may be set. That nobody changes such a value is proven elsewhere: by mypy, and by
the unit tests, which run with the guards. Must be installed before the first import of tidegate.
"""

from __future__ import annotations

import dataclasses
import operator
from collections.abc import Callable
from typing import Any

_dataclass = dataclasses.dataclass
_replace = dataclasses.replace
_Reader = tuple[tuple[str, ...], Callable[[Any], Any]] | None
_readers: dict[type, _Reader] = {}


def _unguarded(cls: type | None = None, /, **options: Any) -> Any:
    """`dataclass`, where frozen means hashed by value and nothing more."""
    if options.pop("frozen", False):
        options["unsafe_hash"] = options.get("eq", True)
    return _dataclass(cls, **options)


def _reader(cls: Any) -> _Reader:
    """The names of all fields, and what reads them at once; None for a class with other fields."""
    fields = dataclasses.fields(cls)
    names = tuple(one.name for one in fields)
    plain = len(names) > 1 and all(one.init for one in fields)
    return (names, operator.attrgetter(*names)) if plain else None


def _replaced(value: Any, /, **changes: Any) -> Any:
    cls = type(value)
    if cls not in _readers:
        _readers[cls] = _reader(cls)
    known = _readers[cls]
    if known is None:
        return _replace(value, **changes)
    names, read = known
    return cls(**{**dict(zip(names, read(value), strict=True)), **changes})


def install() -> None:
    """Take the guards off; once per process."""
    dataclasses.dataclass = _unguarded
    dataclasses.replace = _replaced
