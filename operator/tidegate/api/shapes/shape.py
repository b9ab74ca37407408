"""The shape that a frozen dataclass has in the cluster, from the notes on its fields.

`model.fields.About` says what a note may hold. Schema, writer and reader are made from the shape, so
none of them can know a field that the others do not.
"""

from __future__ import annotations

import dataclasses
import enum
import types
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from typing import Annotated, Any, get_args, get_origin, get_type_hints

from pydantic.alias_generators import to_camel

from tidegate.model.fields import NO_DEFAULT, About

INLINE = "."


class Form(enum.Enum):
    """Which fields are meant: all, in an object that is written often; or what a record keeps.

    A record leaves out what is the default, since it has to stay small for years.
    """

    FULL = enum.auto()
    RECORDED = enum.auto()


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """A field of a dataclass.

    `attribute` leads to its value, dotted where that is an attribute of another one. `path` is where
    it stands in the document of its object: a name, or a group and a name, or nothing where its own
    members stand there. `default` is what a document without it says. `shown` is only written.
    """

    attribute: str
    path: tuple[str, ...]
    about: About
    type: Any
    default: Any = NO_DEFAULT
    inline: bool = False
    shown: bool = False

    @property
    def needed(self) -> bool:
        """Whether a document without it cannot be read."""
        return self.default is NO_DEFAULT


@dataclass(frozen=True, slots=True)
class Group:
    """Members that stand together in an object of their own, which no dataclass stands for."""

    text: str
    members: dict[str, Member]
    needed: bool


Tree = dict[str, Member | Group]


@cache
def members(part: type, form: Form) -> tuple[Member, ...]:
    """The fields of a dataclass in their order, what is only shown before the first of them."""
    hints = get_type_hints(part, include_extras=True)
    found = [
        _member(field.name, hints[field.name], default=_default(field), form=form)
        for field in dataclasses.fields(part)
    ]
    if form is Form.RECORDED and any(one.about.recorded for one in found):
        return tuple(one for one in found if one.about.recorded)
    return (*_shown(part), *found)


@cache
def tree(part: type, form: Form) -> Tree:
    """All that the document of a dataclass may have, by name; attributes lead from the dataclass."""
    found: Tree = {}
    for member in _flat(part, form):
        group, name = member.path[:-1], member.path[-1]
        if not group:
            found[name] = member
            continue
        known = found.get(group[0])
        text, more, needed = member.about.group, {name: member}, False
        if isinstance(known, Group):
            text, more, needed = known.text or text, known.members | more, known.needed
        found[group[0]] = Group(text, more, needed)
    return found


def item_type(type_: Any) -> Any:
    """The type of the items of a list; None for what is no list."""
    return get_args(type_)[0] if get_origin(type_) is tuple else None


def _flat(part: type, form: Form) -> Iterator[Member]:
    for member in members(part, form):
        if not member.inline:
            yield member
            continue
        for inner in _flat(member.type, form):
            yield dataclasses.replace(
                inner,
                attribute=f"{member.attribute}.{inner.attribute}",
                path=(*member.path, *inner.path),
                about=dataclasses.replace(inner.about, group=member.about.text),
            )


def _member(name: str, hint: Any, *, default: Any, form: Form) -> Member:
    """A field from its hint, `Annotated[type, About(...)]` or the same of a type or None."""
    about = next(it for it in get_args(hint) if isinstance(it, About))
    recorded_as = about.recorded_as if form is Form.RECORDED else ""
    spelled = recorded_as or about.name or ("" if about.inline else to_camel(name))
    return Member(
        attribute=name,
        path=() if spelled in {"", INLINE} else tuple(spelled.split(".")),
        about=about,
        type=_without_none(get_args(hint)[0]),
        default=default if about.absent is NO_DEFAULT else about.absent,
        inline=about.inline or spelled == INLINE,
    )


def _default(field: dataclasses.Field[Any]) -> Any:
    return NO_DEFAULT if field.default is dataclasses.MISSING else field.default


def _without_none(type_: Any) -> Any:
    if isinstance(type_, types.UnionType):
        (type_,) = (it for it in get_args(type_) if it is not types.NoneType)
    return type_


def _shown(part: type) -> Iterator[Member]:
    """Properties that stand in the cluster for readers, and are worked out anew on reading."""
    for name, about in getattr(part, "SHOWN", {}).items():
        result = get_type_hints(getattr(part, name).fget)["return"]
        member = _member(name, Annotated[result, about], default=None, form=Form.FULL)
        yield dataclasses.replace(member, shown=True)
