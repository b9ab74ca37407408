"""The JSON Schema of a frozen dataclass as it stands in the cluster, spelled as pydantic spells it.

Words of enums may grow: the schema takes any word, so that it never refuses what a newer operator
writes. Every field is declared: an applied status with an undeclared one is answered with 500.
"""

from __future__ import annotations

import datetime as dt
import enum
import inspect
from typing import Any

from tidegate.api import durations
from tidegate.api.shapes.shape import Form, Group, Member, Tree, item_type, tree
from tidegate.model.fields import LINE, About

Schema = dict[str, Any]

_WORD_LENGTH, _TIME_LENGTH = 63, 64
_MAP_TYPE, _LIST_TYPE = "x-kubernetes-map-type", "x-kubernetes-list-type"
_LIST_KEYS = "x-kubernetes-list-map-keys"


def schema_of(part: type, form: Form = Form.FULL) -> Schema:
    """The schema of whole objects; its description is the first paragraph of the docstring."""
    first = (inspect.getdoc(part) or "").partition("\n\n")[0]
    return {"description": " ".join(first.split())} | _object(tree(part, form), form)


def _object(shape: Tree, form: Form) -> Schema:
    members = {name: _node(node, form) for name, node in shape.items()}
    needed = [name for name, node in shape.items() if _is_needed(node, form)]
    return {"properties": members} | ({"required": needed} if needed else {}) | {"type": "object"}


def _is_needed(node: Member | Group, form: Form) -> bool:
    told = isinstance(node, Member) and node.about.told and form is Form.RECORDED
    return node.needed or told


def _node(node: Member | Group, form: Form) -> Schema:
    if isinstance(node, Group):
        return {"description": node.text} | _object(dict(node.members), form)
    about, shape = node.about, _typed(node.type, node.about, form)
    if isinstance(node.default, str | int | float):
        shape = {"default": node.default} | shape
    return shape | {"description": _described(node.type, about.text)}


def _described(type_: Any, text: str) -> str:
    """The text, with the words that there are today where it does not have them already."""
    words = (
        [it.value for it in type_]
        if inspect.isclass(type_) and issubclass(type_, enum.StrEnum)
        else []
    )
    if all(word in text for word in words):
        return text
    return f"{text} One of {', '.join(words)}."


def _typed(type_: Any, about: About, form: Form) -> Schema:
    item = item_type(type_)
    if item is not None:
        items = _typed(item, About(limit=about.each), form)
        return {"items": items, "maxItems": about.limit, "type": "array"} | _list_type(about)
    if type_ in _SCALARS:
        return _duration() if about.duration else _scalar(type_, limit=about.limit)
    if issubclass(type_, enum.StrEnum):
        return {"maxLength": _WORD_LENGTH, "type": "string"}
    return schema_of(type_, form) | ({_MAP_TYPE: "atomic"} if about.atomic else {})


def _list_type(about: About) -> Schema:
    if about.key:
        return {_LIST_KEYS: [about.key], _LIST_TYPE: "map"}
    return {_LIST_TYPE: "atomic"}


_SCALARS: dict[Any, Schema] = {
    str: {"maxLength": LINE, "type": "string"},
    bool: {"type": "boolean"},
    int: {"type": "integer"},
    float: {"type": "number"},
    dt.datetime: {"format": "date-time", "maxLength": _TIME_LENGTH, "type": "string"},
}


def _scalar(type_: Any, *, limit: int) -> Schema:
    return _SCALARS[type_] | ({"maxLength": limit} if type_ is str else {})


def _duration() -> Schema:
    return {"maxLength": durations.MAX_LENGTH, "pattern": durations.PATTERN, "type": "string"}
