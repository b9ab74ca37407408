"""Bodies of inference requests and answers as columns of what a profile names.

Understood are the open inference protocol (V2: KServe, MLServer, Triton), `instances` and
`predictions` (V1: KServe, TensorFlow Serving), and plain JSON: one object for a row, or a list of
them. Source: the Open Inference Protocol v2 over REST; the predict API of TensorFlow Serving.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import chain
from typing import Any

from tidegate_probe.profile import Profile

Columns = dict[str, Sequence[object]]

# A request comes from anybody: its shape is multiplied before it is held against its data.
_MOST_DIMENSIONS = 8
_LARGEST = 2**31 - 1


class BodyError(ValueError):
    """A body that holds no rows of this model. The message never quotes a value."""


def loaded(body: bytes) -> Any:
    """The document of a body. Errors: BodyError."""
    try:
        return json.loads(body)
    except (ValueError, RecursionError) as error:
        raise BodyError("the body is no JSON") from error


def features(document: Any, profile: Profile) -> Columns:
    """The features of a request, one column each. Errors: BodyError."""
    names = list(profile.features)
    if isinstance(document, Mapping) and "inputs" in document:
        return _tensors(document["inputs"], names=names)
    return _rows(_listed(document, "instances"), names=names)


def outputs(document: Any, profile: Profile) -> Columns:
    """The outputs of an answer, one column each. Errors: BodyError."""
    names = list(profile.outputs)
    if not names:
        return {}
    if isinstance(document, Mapping) and "outputs" in document:
        return _tensors(document["outputs"], names=names)
    return _rows(_listed(document, "predictions"), names=names)


def identifier(document: Any) -> str | None:
    """The identifier that a V2 request or answer carries, if it has one."""
    found = document.get("id") if isinstance(document, Mapping) else None
    return found if isinstance(found, str) and found else None


def row_identifiers(identifier: str | None, *, rows: int) -> list[str]:
    """One per row: the identifier itself for one row, `ID/0`, `ID/1`, ... for several."""
    if identifier is None:
        return []
    return [identifier] if rows == 1 else [f"{identifier}/{row}" for row in range(rows)]


def _listed(document: Any, key: str) -> Any:
    if isinstance(document, Mapping):
        return document.get(key, [document])
    return document


def _tensors(tensors: Any, *, names: Sequence[str]) -> Columns:
    if not isinstance(tensors, Sequence) or not all(isinstance(one, Mapping) for one in tensors):
        raise BodyError("the tensors are no list of objects")
    found = {str(tensor.get("name")): tensor for tensor in tensors}
    named = {name: _column(found[name]) for name in names if name in found}
    if named:
        return named
    if len(tensors) == 1:
        return _split(tensors[0], names=names)
    raise BodyError("no tensor has the name of a field of the profile")


def _split(tensor: Mapping[str, Any], *, names: Sequence[str]) -> Columns:
    """The only tensor, whatever its name: one column per field, in the order of the profile."""
    if len(names) == 1:
        return {names[0]: _column(tensor)}
    shape, data = _flat(tensor)
    if len(shape) != 2 or shape[1] != len(names):
        raise BodyError(f"a tensor of {len(names)} fields has the shape [rows, {len(names)}]")
    return {name: data[at :: len(names)] for at, name in enumerate(names)}


def _column(tensor: Mapping[str, Any]) -> Sequence[object]:
    """One value per row; of two, as a binary classifier gives chances, the second."""
    shape, data = _flat(tensor)
    width = math.prod(shape[1:])
    if width not in (1, 2):
        raise BodyError(f"a tensor of {width} values per row is no field of a profile")
    return data[width - 1 :: width]


def _flat(tensor: Mapping[str, Any]) -> tuple[list[int], list[object]]:
    """Shape and data of a tensor; nested data in one row, as the protocol allows both."""
    shape, data = tensor.get("shape"), tensor.get("data")
    if not isinstance(shape, list) or not 0 < len(shape) <= _MOST_DIMENSIONS:
        raise BodyError(f"a shape is a list of numbers above 0, {_MOST_DIMENSIONS} at most")
    if not all(type(n) is int and 0 < n <= _LARGEST for n in shape):
        raise BodyError(f"a shape is a list of numbers above 0, none above {_LARGEST}")
    if not isinstance(data, list):
        raise BodyError("a tensor without a list of data")
    for _ in shape[1:]:
        if data and isinstance(data[0], list):
            data = list(chain.from_iterable(_lists(data)))
    if len(data) != math.prod(shape):
        raise BodyError("data and shape of a tensor differ")
    return shape, data


def _lists(data: Iterable[object]) -> Iterable[list[object]]:
    for part in data:
        if not isinstance(part, list):
            raise BodyError("the data of a tensor are nested unevenly")
        yield part


def _rows(rows: Any, *, names: Sequence[str]) -> Columns:
    if not isinstance(rows, list) or not rows:
        raise BodyError("the body holds no rows")
    if all(isinstance(row, Mapping) for row in rows):
        return {name: [row.get(name) for row in rows] for name in names}
    if all(isinstance(row, list) and len(row) == len(names) for row in rows):
        return dict(zip(names, map(list, zip(*rows, strict=True)), strict=True))
    if len(names) == 1:
        return {names[0]: [_last_of_two(row) for row in rows]}
    raise BodyError(f"a row is an object, or a list of {len(names)} values")


def _last_of_two(row: object) -> object:
    return row[1] if isinstance(row, list) and len(row) == 2 else row
