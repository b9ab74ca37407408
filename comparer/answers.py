"""Two answers to the same request: equal or not, and how far their scores lie apart.

Known are the open inference protocol (outputs), its first version (predictions) and any other JSON,
of which names and numbers of the answer itself are left out. Whole numbers, texts and truth values are
labels and equal or not; scores, numbers with a fraction, are equal within a tolerance.
"""

from __future__ import annotations

import enum
import json
import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

# What belongs to the answer and not to what it says.
_OF_THE_ANSWER = frozenset(
    {
        "id",
        "created",
        "model",
        "model_name",
        "model_version",
        "parameters",
        "service_tier",
        "system_fingerprint",
        "usage",
    }
)
_CALLS = "tool_calls"  # each has an id that is drawn anew


class UnparsableError(ValueError):
    """What was logged is no JSON, or says nothing."""


class Kind(enum.StrEnum):
    """In what two answers differ, what weighs most first."""

    SHAPE = "Shape"  # other names, lengths or types
    NOT_FINITE = (
        "NotFinite"  # a score is no number, which agrees with nothing, not even with itself
    )
    VALUE = "Value"


@dataclass(frozen=True, slots=True, kw_only=True)
class Difference:
    """What two answers have shown. `kind` is None where they agree.

    `score` is the largest difference of two scores in them, None without any finite scores.
    """

    kind: Kind | None
    score: float | None = None


def read(body: bytes) -> Any:
    """What an answer says. Errors: UnparsableError."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise UnparsableError(f"no JSON: {error}") from error
    if not isinstance(document, dict):
        return document
    if isinstance(document.get("outputs"), list):
        return _outputs(document["outputs"])
    if "predictions" in document:
        return document["predictions"]
    said = {name: value for name, value in document.items() if name not in _OF_THE_ANSWER}
    if not said:
        raise UnparsableError("nothing in it that could be compared")
    return _without_call_ids(said)


def _without_call_ids(said: dict[str, Any]) -> dict[str, Any]:
    """The same answer; what calls of tools are named is no part of it, at any depth."""
    stack: list[Any] = [said]
    while stack:
        one = stack.pop()
        if isinstance(one, dict):
            calls = one.get(_CALLS)
            for call in calls if isinstance(calls, list) else ():
                if isinstance(call, dict):
                    call.pop("id", None)
        if isinstance(one, dict | list):
            stack += one.values() if isinstance(one, dict) else one
    return said


def _outputs(given: list[Any]) -> list[Any]:
    """Tensors by their names, which the protocol tells them by, whatever their order."""
    found = [_output(one) for one in given]
    names = [one["name"] if isinstance(one, dict) else None for one in found]
    named = all(isinstance(name, str) for name in names) and len(set(names)) == len(names)
    return sorted(found, key=lambda one: str(one["name"])) if named else found


def _output(given: Any) -> Any:
    """Name, shape and numbers of a tensor; its data may come nested or flat."""
    if not isinstance(given, dict):
        return given
    data = given.get("data")
    return {
        "name": given.get("name"),
        "shape": given.get("shape"),
        "data": list(_leaves(data)) if isinstance(data, list) else data,
    }


def _leaves(value: list[Any]) -> Iterator[Any]:
    """The values of nested lists in their order, however deep."""
    stack = [iter(value)]
    while stack:
        for one in stack[-1]:
            if isinstance(one, list):
                stack.append(iter(one))
                break
            yield one
        else:
            stack.pop()


def compare(one: Any, other: Any, *, tolerance: float) -> Difference:
    """Hold what two answers say against each other; `tolerance` is in the unit of the scores."""
    kinds: set[Kind] = set()
    scores: list[float] = []
    pairs = [(one, other)]
    while pairs:
        first, second = pairs.pop()
        if _is_score(first, second):
            apart = _apart(first, second)
            if apart is None:
                kinds.add(Kind.NOT_FINITE)
                continue
            scores.append(apart)
            kinds |= {Kind.VALUE} if apart > tolerance else set()
        elif type(first) is not type(second):
            kinds.add(Kind.SHAPE)
        elif isinstance(first, dict | list):
            kinds |= set() if _alike(first, second) else {Kind.SHAPE}
            pairs += _inner(first, second)
        elif first != second:
            kinds.add(Kind.VALUE)
    worst = next((kind for kind in Kind if kind in kinds), None)
    return Difference(kind=worst, score=max(scores, default=None))


def _alike(first: Any, second: Any) -> bool:
    """The same names, or as many items."""
    if isinstance(first, dict):
        return bool(first.keys() == second.keys())
    return len(first) == len(second)


def _inner(first: Any, second: Any) -> list[tuple[Any, Any]]:
    """What stands at the same place in both."""
    if isinstance(first, dict):
        return [(first[name], second[name]) for name in first.keys() & second.keys()]
    return list(zip(first, second, strict=False))


def _is_score(first: Any, second: Any) -> bool:
    """Numbers, at least one of them with a fraction."""
    types = {type(first), type(second)}
    return float in types and types <= {int, float}


def _apart(first: float, second: float) -> float | None:
    """How far two scores lie apart; None where that is no finite number."""
    try:
        found = abs(float(first) - float(second))
    except OverflowError:
        return None
    return found if math.isfinite(found) else None
