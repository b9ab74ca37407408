"""Frozen dataclasses to documents, as `shape` says.

No nulls; times in UTC, with a fraction of a second only where there is one. Texts and lists beyond
their limits are cut, so that they never block a write. What JSON cannot say (a bucket that ends at
infinity), and objects that would be empty, are left out: the API server refuses an empty object
that had members before.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
import operator
from collections.abc import Callable
from functools import cache
from typing import Any

from tidegate.api import durations
from tidegate.api.shapes.shape import Form, Group, Member, Tree, item_type, tree
from tidegate.model.fields import About

Write = Callable[[Any], Any]

_WHOLE_LIMIT = 2**53  # beyond it the API server would take an integer for a float


@cache
def writer(part: type, form: Form) -> Write:
    """What writes objects of a dataclass. Its result is a document, or None for an empty one."""
    return _object_writer(tree(part, form), form)


def _object_writer(shape: Tree, form: Form) -> Write:
    entries = [(name, *_entry(node, form)) for name, node in shape.items()]

    def write(value: Any) -> dict[str, Any] | None:
        document = {}
        for name, get, encode, left_out in entries:
            member = get(value)
            if member is None or (left_out is not None and member == left_out):
                continue
            written = encode(member)
            if written is not None:
                document[name] = written
        return document or None

    return write


def _entry(node: Member | Group, form: Form) -> tuple[Write, Write, Any]:
    """How a member is found in its object, how it is written, and the value that is left out."""
    if isinstance(node, Group):
        return _itself, _object_writer(dict(node.members), form), None
    small = form is Form.RECORDED and not node.about.told
    sparse = (small or node.about.quiet) and not node.needed
    encode = _encoder(node.type, about=node.about, form=form)
    return operator.attrgetter(node.attribute), encode, node.default if sparse else None


def _encoder(type_: Any, *, about: About, form: Form) -> Write:
    item = item_type(type_)
    if item is not None:
        return _list_writer(_encoder(item, about=About(limit=about.each), form=form), about)
    if type_ is float:
        return durations.text_of if about.duration else _number
    if type_ is dt.datetime:
        return _time
    if type_ is str:
        return _text_writer(about.limit)
    if type_ in {int, bool}:
        return _itself
    return str if issubclass(type_, enum.StrEnum) else writer(type_, form)


def _itself(value: Any) -> Any:
    return value


def _text_writer(limit: int) -> Write:
    def write(value: str) -> str:
        if type(value) is str and len(value) <= limit and value.isascii():
            return value
        # A word of an enum becomes a plain text. Half a surrogate pair is none for the API server;
        # it can only come from a log line.
        return str(value)[:limit].encode(errors="replace").decode()

    return write


def _list_writer(encode: Write, about: About) -> Write:
    limit = about.limit
    kept = slice(-limit, None) if about.newest_last else slice(limit)

    def write(value: tuple[Any, ...]) -> list[Any]:
        return [encode(item) for item in value[kept]]

    return write


def _number(value: float) -> float | int | None:
    """As the API server writes it back; None for what JSON cannot say."""
    if not math.isfinite(value):
        return None
    whole = int(value)
    return whole if whole == value and abs(whole) < _WHOLE_LIMIT else value


def _time(value: dt.datetime) -> str:
    if value.tzinfo is not dt.UTC:
        value = value.astimezone(dt.UTC)
    return value.isoformat().removesuffix("+00:00") + "Z"
