"""Documents to frozen dataclasses, as `shape` says; as far as they make sense.

A status may come from another release, a restore or somebody's hand. What is unknown or cannot be
read counts as absent, and is named; a member without which its object means something else takes
that object along (`About.vital`), an item of a list only itself.
"""

from __future__ import annotations

import datetime as dt
import enum
import math
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from tidegate.api import durations
from tidegate.api.shapes.shape import Form, Group, Member, item_type, members, tree
from tidegate.model.fields import NO_DEFAULT, About

Losses = list[str]
Read = Callable[[Any, Losses], Any]

_NO_MEMBER = object()  # stands where a group should have been


class UnreadableError(Exception):
    """A value that is not what its field asks for; `where` is its path from the value read."""

    def __init__(self, why: str, *, where: str = "") -> None:
        super().__init__(why)
        self.why = why
        self.where = where

    def within(self, name: str) -> UnreadableError:
        """The same, seen from the object around it."""
        return UnreadableError(self.why, where=_joined(name, self.where))

    def __str__(self) -> str:
        return f"{self.where}: {self.why}" if self.where else self.why


@cache
def reader(part: type, form: Form) -> Read:
    """What reads objects of a dataclass; what it leaves out is added to the losses it is given.

    Errors: UnreadableError for what is no such object at all.
    """
    read = _members_reader(part, form)
    shape = tree(part, form)
    groups = [(name, node.members) for name, node in shape.items() if isinstance(node, Group)]

    def checked(document: Any, losses: Losses) -> Any:
        if not isinstance(document, dict):
            raise UnreadableError("must be an object")
        losses += _unknown(document, shape)
        for name, known in groups:
            if isinstance(document.get(name), dict):
                losses += [_joined(name, one) for one in _unknown(document[name], known)]
        return read(document, losses)

    return checked


def _unknown(document: dict[str, Any], known: Mapping[str, object]) -> list[str]:
    if document.keys() <= known.keys():
        return []
    return [f"{name}: unknown" for name in sorted(map(str, document.keys() - known.keys()))]


def _members_reader(part: type, form: Form) -> Read:
    entries = [
        (
            member.attribute,
            member.default,
            ".".join(member.path),
            member.needed or member.about.vital,
            _finder(member.path),
            _decoder(member, form),
        )
        for member in members(part, form)
        if not member.shown
    ]

    def read(document: Any, losses: Losses) -> Any:
        values = {}
        for attribute, default, name, vital, find, decode in entries:
            # Most members stand in the object itself, and most documents have few of all.
            raw = document.get(name) if find is None else find(document)
            if raw is None:
                if default is NO_DEFAULT:
                    raise UnreadableError("must be given", where=name)
                values[attribute] = default
                continue
            value, before = default, len(losses)
            try:
                value = decode(raw, losses)
            except UnreadableError as error:
                _given_up(losses, before, error, name=name, vital=vital)
            else:
                if len(losses) > before:
                    _within(losses, before, name=name)
            values[attribute] = value
        return part(**values)

    return read


def _finder(path: tuple[str, ...]) -> Callable[[Any], Any] | None:
    """What gets the raw value out of the document of its object, or None where there is none.

    None where it is a member of that object, of the name that the path has.
    """
    if not path:
        return lambda document: document
    if len(path) == 1:
        return None
    group, name = path[0], path[-1]

    def find(document: Any) -> Any:
        holder = document.get(group)
        if holder is None:
            return None
        return holder.get(name) if isinstance(holder, dict) else _NO_MEMBER

    return find


def _decoder(member: Member, form: Form) -> Read:
    if member.inline:
        return _inline_reader(member.type, form)
    item = item_type(member.type)
    if item is None:
        return _value_decoder(member.type, form, duration=member.about.duration)
    return _list_reader(_value_decoder(item, form), member.about)


def _value_decoder(type_: Any, form: Form, *, duration: bool = False) -> Read:
    if type_ in _SCALARS:
        return _duration if duration else _SCALARS[type_]
    return _word_reader(type_) if issubclass(type_, enum.StrEnum) else reader(type_, form)


def _inline_reader(type_: Any, form: Form) -> Read:
    """Its members stand beside others, so what is unknown is a matter of the object around it."""
    inner = _members_reader(type_, form)

    def read(raw: Any, losses: Losses) -> Any:
        if not isinstance(raw, dict):
            raise UnreadableError("must be an object")
        return inner(raw, losses)

    return read


def _list_reader(decode: Read, about: About) -> Read:
    """Lists without the items that cannot be read or repeat a key; a vital list is read whole."""

    def read(raw: Any, losses: Losses) -> tuple[Any, ...]:
        if not isinstance(raw, list):
            raise UnreadableError("must be a list")
        kept: dict[Any, Any] = {}
        for index, one in enumerate(raw):
            name = f"[{index}]"
            before = len(losses)
            try:
                item = decode(one, losses)
            except UnreadableError as error:
                _given_up(losses, before, error, name=name, vital=about.vital)
                continue
            if len(losses) > before:
                _within(losses, before, name=name)
            key = getattr(item, about.key) if about.key else index
            if kept.setdefault(key, item) is not item:
                losses.append(f"{name}: {key} is used twice")
        return tuple(kept.values())

    return read


def _given_up(
    losses: Losses, before: int, error: UnreadableError, *, name: str, vital: bool
) -> None:
    """Name a value that could not be read, instead of what was lost within it.

    Errors: the same, seen from the object around it, where that cannot be read without the value.
    """
    if vital:
        raise error.within(name) from None
    losses[before:] = [str(error.within(name))]


def _within(losses: Losses, before: int, *, name: str) -> None:
    """What was lost since, seen from the object around it."""
    losses[before:] = [_joined(name, one) for one in losses[before:]]


# --- scalars -------------------------------------------------------------------------------------


def _word_reader(type_: type[enum.StrEnum]) -> Read:
    words = {str(one): one for one in type_}

    def read(raw: Any, _: Losses) -> Any:
        word = words.get(raw) if isinstance(raw, str) else None
        if word is None:
            raise UnreadableError(f"must be one of {', '.join(words)}")
        return word

    return read


def _plain(type_: type[Any], name: str) -> Read:
    def read(raw: Any, _: Losses) -> Any:
        if type(raw) is not type_:
            raise UnreadableError(f"must be {name}")
        return raw

    return read


def _number(raw: Any, _: Losses) -> float:
    if type(raw) is int or type(raw) is float:
        try:
            value = float(raw)
        except OverflowError:
            value = math.inf
        if math.isfinite(value):
            return value
    raise UnreadableError("must be a number")


def _duration(raw: Any, _: Losses) -> float:
    seconds = durations.parse(raw) if isinstance(raw, str) else None
    if seconds is None:
        raise UnreadableError("must be a duration such as 1h30m")
    return seconds


def _time(raw: Any, _: Losses) -> dt.datetime:
    try:
        time = dt.datetime.fromisoformat(raw)
        if time.tzinfo is not None:
            return time.astimezone(dt.UTC)
    except (TypeError, ValueError, OverflowError):
        pass  # no text, no time, or none that UTC can say
    raise UnreadableError("must be a time such as 2026-11-20T12:00:00Z")


_SCALARS: dict[Any, Read] = {
    str: _plain(str, "a text"),
    bool: _plain(bool, "true or false"),
    int: _plain(int, "a whole number"),
    float: _number,
    dt.datetime: _time,
}


def _joined(name: str, rest: str) -> str:
    if not name or not rest:
        return name or rest
    return f"{name}{rest}" if rest.startswith("[") else f"{name}.{rest}"
