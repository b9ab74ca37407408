"""Data classes without their guards, for this process only: half of a pass would go into them.

A frozen data class sets each field through `object.__setattr__`, and `dataclasses.replace` asks
every field how it may be set. That nobody changes such a value is proven elsewhere: by mypy, and by
the unit tests, which run with the guards: a process that has imported tidegate already keeps them.
"""

from __future__ import annotations

import dataclasses
import sys
from collections.abc import Callable
from typing import Any

_dataclass = dataclasses.dataclass
_replace = dataclasses.replace
_Copy = Callable[[Any, dict[str, Any]], Any]
_copies: dict[type, _Copy] = {}


def _unguarded(cls: type | None = None, /, **options: Any) -> Any:
    """`dataclass`, where frozen means hashed by value and nothing more."""
    if options.pop("frozen", False):
        options["unsafe_hash"] = options.get("eq", True)
    return _dataclass(cls, **options)


def _copy_of(cls: Any) -> _Copy:
    """What copies a value of this class with some fields changed: one line per field, no dictionary."""
    fields = dataclasses.fields(cls)
    if hasattr(cls, "__post_init__") or not all(one.init for one in fields):
        return lambda value, changes: _replace(value, **changes)
    lines = [f"    new.{one.name} = value.{one.name}" for one in fields]
    source = "\n".join(
        (
            "def copy(value, changes):",
            "    new = made(cls)",
            *lines,
            "    for name, item in changes.items():",
            "        setattr(new, name, item)",
            "    return new",
        )
    )
    found: dict[str, Any] = {"made": object.__new__, "cls": cls}
    exec(source, found)  # as dataclasses makes its own methods
    copy: _Copy = found["copy"]
    return copy


def _replaced(value: Any, /, **changes: Any) -> Any:
    cls = type(value)
    copy = _copies.get(cls)
    if copy is None:
        copy = _copies[cls] = _copy_of(cls)
    return copy(value, changes)


def install() -> None:
    """Take the guards off; once per process, and only before its classes are made."""
    if "tidegate.model" in sys.modules:
        return
    dataclasses.dataclass = _unguarded
    dataclasses.replace = _replaced
