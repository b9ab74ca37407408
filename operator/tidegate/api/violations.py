"""Errors of our types as violations: the field as users know it, and what to change."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any, TypeVar

import pydantic
from pydantic_core import ErrorDetails

from tidegate import model

P = TypeVar("P", bound=pydantic.BaseModel)
_SHOWN = 60
UNKNOWN = "extra_forbidden"

_MESSAGES = {
    "missing": "is required: add it",
    UNKNOWN: "is not known: remove it, or check its spelling and its indentation",
    "string_type": "must be a text: put it in quotes",
    "bool_type": "must be true or false, without quotes",
    "int_type": "must be a whole number, without quotes",
    "int_from_float": "must be a whole number",
    "float_type": "must be a number, without quotes",
    "finite_number": "must be a finite number",
    "list_type": "must be a list",
    "dict_type": "must be an object",
    "model_type": "must be an object",
    "model_attributes_type": "must be an object",
}
_MESSAGES_WITH_LIMITS = {
    "string_pattern_mismatch": "must match {pattern}",
    "string_too_short": "must not be empty",
    "string_too_long": "must have at most {max_length} characters",
    "too_short": "needs at least {min_length} item(s)",
    "too_long": "takes at most {max_length} items",
    "greater_than": "must be above {gt}",
    "greater_than_equal": "must be at least {ge}",
    "less_than": "must be below {lt}",
    "less_than_equal": "must be at most {le}",
    "literal_error": "must be one of: {expected}",
    "enum": "must be one of: {expected}",
}


def parse(part: type[P], document: object, *, path: str) -> P | tuple[model.Violation, ...]:
    """The document as the given type, or everything that is wrong with it.

    Errors: none raised; a rule of an object is judged only where its own members are well formed.
    """
    try:
        return part.model_validate(document, by_alias=True, by_name=False)
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False)
        return tuple(_violation(it, path=path) for it in details)


def text(found: Iterable[model.Violation]) -> str:
    """All of them in one line, as the `problem` of an object that cannot be read."""
    return "; ".join(f"{one.path}: {one.message}" for one in found)


def parse_known(
    part: type[P], document: object, *, path: str
) -> tuple[P | None, tuple[model.Violation, ...]]:
    """The document as the given type without the fields that it does not have, and what is wrong.

    An object of a newer release can be read so, as far as this one understands it. None where more
    is wrong than unknown fields.
    """
    try:
        return part.model_validate(document, by_alias=True, by_name=False), ()
    except pydantic.ValidationError as error:
        details = error.errors(include_url=False)
    found = tuple(_violation(it, path=path) for it in details)
    if any(one.blocks for one in found):
        return None, found
    known = document
    for it in details:
        known = _without(known, it["loc"])
    # A rule of an object is judged only once its members are known, so more may come to light.
    spec = parse(part, known, path=path)
    return (None, (*found, *spec)) if isinstance(spec, tuple) else (spec, found)


def _without(document: Any, location: tuple[int | str, ...]) -> Any:
    """The document without the member at this place; itself where there is none."""
    step, *rest = location
    if isinstance(document, Mapping) and step in document:
        if not rest:
            return {key: value for key, value in document.items() if key != step}
        return {**document, step: _without(document[step], tuple(rest))}
    if isinstance(document, list) and isinstance(step, int) and rest and step < len(document):
        return [*document[:step], _without(document[step], tuple(rest)), *document[step + 1 :]]
    return document


def joined(path: str, location: tuple[int | str, ...]) -> str:
    """A field path such as `spec.analysis.metrics[0].threshold`."""
    steps = (f"[{it}]" if isinstance(it, int) else f".{it}" for it in _fields(location))
    return (path + "".join(steps)).removeprefix(".")


def _fields(location: tuple[int | str, ...]) -> Iterator[int | str]:
    # pydantic marks an error in the key of a map, not in its value, by this word.
    return (it for it in location if it != "[key]")


def _violation(details: ErrorDetails, *, path: str) -> model.Violation:
    context: Mapping[str, Any] = details.get("ctx", {})
    kind = details["type"]
    if kind in _MESSAGES:
        message = _MESSAGES[kind]
    elif kind in _MESSAGES_WITH_LIMITS:
        message = _MESSAGES_WITH_LIMITS[kind].format_map(context)
    else:
        message = details["msg"]
    return model.Violation(
        path=joined(path, details["loc"]),
        message=message + _given(details["input"]),
        reason=model.UNKNOWN_FIELD if kind == UNKNOWN else "InvalidSpec",
    )


def _given(value: object) -> str:
    """The refused value, where it is short enough to help."""
    if isinstance(value, str | int | float) and len(str(value)) <= _SHOWN:
        return f" (given: {value})"
    return ""
