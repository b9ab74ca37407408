"""The document `profile.json`: strict to read, the same bytes for the same profile.

`profile.schema.json` beside this module describes it for other tools. What a schema cannot say is
checked here: edges that ascend, counts that add up to the rows, a digest that fits.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Iterable, Mapping, Sequence
from itertools import pairwise
from typing import Any, NoReturn

from tidegate_probe.bins import MISSING, OTHER, TOP, Bins, CategoryBins, NumericBins, edge_text
from tidegate_probe.fields import Field, Parts, Positive, ProfileError

FORMAT = "tidegate-profile/1"
MAX_BYTES = 1 << 20  # what a ConfigMap holds
MAX_BINS = 12_000  # of all fields: the series that one pod may export
MAX_NAME = 128  # bytes of UTF-8
MAX_ROWS = 2**53  # the whole numbers that every reader of JSON keeps exact
_KEYS = ("format", "model", "modelVersion", "rows", "features", "outputs", "positive", "digest")
_LEFT_OUT = ("outputs", "positive")  # may be

Document = dict[str, Any]


def text(parts: Parts) -> str:
    """The document, one field of the model per line.

    Errors: ProfileError for parts that `parsed` would refuse, and above 1 MiB.
    """
    document = content(parts) | {"digest": f"sha256:{digest(parts)}"}
    lines = [f" {_json(key)}: {_value(value)}" for key, value in document.items()]
    written = "{\n" + ",\n".join(lines) + "\n}\n"
    _within_size(written.encode())
    return written


def parsed(source: str | bytes) -> Parts:
    """The parts of a document. Errors: ProfileError, which names the field and the fix."""
    document = _object(_loaded(source), "the document")
    _keys(document, of="the document", known=_KEYS, left_out=_LEFT_OUT)
    if document["format"] != FORMAT:
        raise ProfileError(
            f"format: {document['format']!r} is unknown here; this version reads {FORMAT}. "
            "Make the profile anew, or update tidegate-probe"
        )
    parts = Parts(
        model=document["model"],
        model_version=document["modelVersion"],
        rows=document["rows"],
        features=_fields(document["features"], path="features"),
        outputs=_fields(document.get("outputs", {}), path="outputs"),
        positive=_positive(document.get("positive")),
    )
    check(parts)
    if document["digest"] != f"sha256:{digest(parts)}":
        raise ProfileError(
            "digest: does not fit the content, so the file was edited or damaged; "
            "make the profile anew"
        )
    return parts


def digest(parts: Parts) -> str:
    """The SHA-256 of the canonical document without its digest, in hexadecimal digits."""
    canonical = json.dumps(
        content(parts), sort_keys=True, separators=(",", ":"), ensure_ascii=False, allow_nan=False
    )
    return hashlib.sha256(canonical.encode()).hexdigest()


def content(parts: Parts) -> Document:
    """The document without its digest."""
    document: Document = {
        "format": FORMAT,
        "model": parts["model"],
        "modelVersion": parts["model_version"],
        "rows": parts["rows"],
        "features": {name: _field_document(field) for name, field in parts["features"].items()},
        "outputs": {name: _field_document(field) for name, field in parts["outputs"].items()},
    }
    positive = parts["positive"]
    if positive is not None:
        limit = {"threshold": positive.threshold, "category": positive.category}
        chosen = {key: value for key, value in limit.items() if value is not None}
        document["positive"] = {"output": positive.output, **chosen}
    return document


def check(parts: Parts) -> None:
    """Whether the parts are a profile. Errors: ProfileError, which names the field and the fix."""
    for key, name in (("model", parts["model"]), ("modelVersion", parts["model_version"])):
        _name(name, path=key)
    _whole(parts["rows"], path="rows")
    if not parts["features"]:
        _refuse("features", "is empty; a profile has at least one feature")
    for group, fields in (("features", parts["features"]), ("outputs", parts["outputs"])):
        for name, field in fields.items():
            _name(name, path=f"{group}: the name of a field")
            _check_bins(field.bins, path=f"{group}.{name}.bins")
            _counts(field, path=f"{group}.{name}.bins", rows=parts["rows"])
    _within_bins((*parts["features"].values(), *parts["outputs"].values()))
    if parts["positive"] is not None:
        _check_positive(parts["positive"], parts["outputs"])


def _loaded(source: str | bytes) -> object:
    raw = source.encode() if isinstance(source, str) else source
    _within_size(raw)
    try:
        return json.loads(
            raw.decode(), object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except (ValueError, RecursionError) as error:
        if isinstance(error, ProfileError):
            raise
        raise ProfileError(f"the document is no JSON: {error}") from error


def _without_duplicates(pairs: Sequence[tuple[str, object]]) -> Document:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        _refuse(repr(twice), "stands twice in one object; keep one of them")
    return document


def _no_constant(constant: str) -> NoReturn:
    _refuse(constant, "is no number of JSON; write null or leave it out")


def _fields(document: object, *, path: str) -> dict[str, Field]:
    return {
        name: _field(_object(field, f"{path}.{name}"), path=f"{path}.{name}")
        for name, field in _object(document, path).items()
    }


def _field(document: Document, *, path: str) -> Field:
    _keys(document, of=path, known=("kind", "bins"))
    counts = _object(document["bins"], f"{path}.bins")
    *labels, missing, other = [*counts, "", ""] if len(counts) < 2 else counts
    if (missing, other) != (MISSING, OTHER):
        _refuse(f"{path}.bins", f'the last two bins are "{MISSING}" and "{OTHER}", in this order')
    return Field(_bins(document["kind"], labels, path=path), tuple(counts.values()))


def _bins(kind: object, labels: Sequence[str], *, path: str) -> Bins:
    if kind == "numeric":
        return _numeric(labels, path=f"{path}.bins")
    if kind == "categorical":
        return CategoryBins(tuple(labels))
    raise ProfileError(f'{path}.kind: {kind!r} is neither "numeric" nor "categorical"')


def _numeric(labels: Sequence[str], *, path: str) -> NumericBins:
    if not labels or labels[-1] != TOP:
        _refuse(path, f'the last bin of numbers is "{TOP}"')
    return NumericBins(tuple(_edge(label, path=path) for label in labels[:-1]))


def _edge(label: str, *, path: str) -> float:
    try:
        edge = float(label)
    except ValueError:
        edge = math.nan
    if not math.isfinite(edge):
        _refuse(path, f'"{label}" is no upper edge: write a finite number')
    if edge_text(edge) != label:
        _refuse(path, f'write the edge "{label}" as "{edge_text(edge)}": it is a label of metrics')
    return edge


def _positive(document: object) -> Positive | None:
    if document is None:
        return None
    positive = _object(document, "positive")
    limits = ("threshold", "category")
    _keys(positive, of="positive", known=("output", *limits), left_out=limits)
    if not isinstance(positive["output"], str):
        _refuse("positive.output", "is no text")
    return Positive(**positive)


def _check_positive(positive: Positive, outputs: Mapping[str, Field]) -> None:
    output = outputs.get(positive.output)
    if output is None:
        _refuse("positive.output", f"{positive.output!r} is none of outputs: {list(outputs)}")
    if (positive.threshold is None) == (positive.category is None):
        _refuse("positive", "needs exactly one of threshold and category")
    if positive.category is not None:
        if positive.category not in getattr(output.bins, "categories", ()):
            _refuse(
                "positive.category",
                f"{positive.category!r} is no category of outputs.{positive.output}",
            )
    elif output.bins.kind != "numeric" or not _is_finite(positive.threshold):
        _refuse("positive.threshold", "needs a finite number and an output of kind numeric")


def _field_document(field: Field) -> Document:
    return {
        "kind": field.bins.kind,
        "bins": dict(zip(field.bins.labels, field.counts, strict=True)),
    }


def _check_bins(bins: Bins, *, path: str) -> None:
    if isinstance(bins, NumericBins):
        for lower, upper in pairwise(bins.edges):
            if lower >= upper:
                texts = f'"{edge_text(upper)}" follows "{edge_text(lower)}"'
                _refuse(path, f"the edges ascend, but {texts}")
        return
    for category in bins.categories:
        _name(category, path=f"{path}: a category")
    if len(set(bins.labels)) < len(bins.labels):
        _refuse(path, f'categories are distinct, and none is "{MISSING}" or "{OTHER}"')


def _counts(field: Field, *, path: str, rows: int) -> None:
    if len(field.counts) != len(field.bins.labels):
        _refuse(path, f"{len(field.counts)} counts for {len(field.bins.labels)} bins")
    for label, rows_of_bin in zip(field.bins.labels, field.counts, strict=True):
        _whole(rows_of_bin, path=f"{path}.{label}")
    if sum(field.counts) != rows:
        _refuse(path, f"add up to {sum(field.counts)}, but rows is {rows}: a row is in one bin")


def _within_bins(fields: Iterable[Field]) -> None:
    bins = sum(len(field.counts) for field in fields)
    if bins > MAX_BINS:
        _refuse(
            "features",
            f"have {bins} bins with outputs; {MAX_BINS} are the limit. "
            "Leave features out, or use fewer categories",
        )


def _within_size(raw: bytes) -> None:
    if len(raw) > MAX_BYTES:
        _refuse(
            "the document",
            f"has {len(raw)} bytes; {MAX_BYTES} are the limit of a ConfigMap. Leave features out",
        )


def _name(name: object, *, path: str) -> None:
    if not isinstance(name, str) or not name or not name.isprintable():
        _refuse(path, f"{name!r} is no printable text")
    if len(name.encode(errors="replace")) > MAX_NAME:
        _refuse(path, f"{name[:20]!r}... has more than {MAX_NAME} bytes")


def _whole(number: object, *, path: str) -> None:
    if type(number) is not int or not 0 <= number <= MAX_ROWS:
        _refuse(path, f"{number!r} is no whole number from 0 to 2^53")


def _is_finite(number: object) -> bool:
    return (
        isinstance(number, (int, float)) and not isinstance(number, bool) and math.isfinite(number)
    )


def _object(document: object, path: str) -> Document:
    if not isinstance(document, dict):
        _refuse(path, f"is no JSON object but {type(document).__name__}")
    return document


def _keys(
    document: Document, *, of: str, known: Sequence[str], left_out: Sequence[str] = ()
) -> None:
    unknown = [key for key in document if key not in known]
    if unknown:
        _refuse(of, f"{unknown[0]!r} is unknown; known are {', '.join(known)}")
    lacking = [key for key in known if key not in document and key not in left_out]
    if lacking:
        _refuse(of, f"{lacking[0]!r} is missing")


def _refuse(path: str, why: str) -> NoReturn:
    raise ProfileError(f"{path}: {why}")


def _value(value: object) -> str:
    """JSON with one line per field of the model."""
    if isinstance(value, dict) and value and all(isinstance(part, dict) for part in value.values()):
        return "{\n" + ",\n".join(f"  {_json(k)}: {_json(v)}" for k, v in value.items()) + "\n }"
    return _json(value)


def _json(value: object) -> str:
    return json.dumps(value, ensure_ascii=False, allow_nan=False)
