"""Profiles of training data, as the package tidegate-probe writes them: read strictly, or not at all.

The operator shares no code with the probe (ADR 0060), so what it relies on is checked here: the format,
whole counts that add up to the rows, and the digest of the content. Source: ADR 0063.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tidegate.evidence.drift.bins import MISSING, OTHER
from tidegate.evidence.terms import Problem, Reason, TrainingData
from tidegate.model import Document, Json

FORMAT = "tidegate-profile/1"
MAX_BYTES = 1 << 20  # what a ConfigMap holds
MAX_ROWS = 2**53  # the whole numbers that every reader of JSON keeps exact
_KEYS = frozenset(
    {"format", "model", "modelVersion", "rows", "features", "outputs", "positive", "digest"}
)
_LEFT_OUT = frozenset({"outputs", "positive"})  # may be

ByBin = Mapping[str, float]


@dataclass(frozen=True, slots=True, kw_only=True)
class Profile:
    """Rows of the training data of one version of a model, by feature or output, and by bin."""

    version: str
    features: Mapping[str, ByBin]
    outputs: Mapping[str, ByBin]


class ProfileError(ValueError):
    """The message names the field of the profile and what to do about it."""


def parsed(text: str) -> Profile:
    """The profile in a document. Errors: ProfileError."""
    document = _loaded(text)
    unknown = sorted(document.keys() - _KEYS)
    if unknown:
        raise ProfileError(f"{unknown[0]} is unknown: remove it, or update Tidegate")
    lacking = sorted(_KEYS - _LEFT_OUT - document.keys())
    if lacking:
        raise ProfileError(f"{lacking[0]} is missing: write the file with Profile.write")
    if document["format"] != FORMAT:
        raise ProfileError(f"format is {document['format']!r}, and {FORMAT} is read here")
    _check_digest(document)
    version, rows = document["modelVersion"], document["rows"]
    if not isinstance(version, str) or not version:
        raise ProfileError("modelVersion is no text")
    if type(rows) is not int or not 1 <= rows <= MAX_ROWS:
        raise ProfileError(f"rows is {rows!r}: a profile of at least one row is needed")
    return Profile(
        version=version,
        features=_fields(document["features"], path="features", rows=rows),
        outputs=_fields(document.get("outputs", {}), path="outputs", rows=rows),
    )


def reference_of(found: Profile | Problem, *, version: str, outputs: bool) -> TrainingData:
    """What a candidate of a model version is held against: features, or outputs."""
    if isinstance(found, Problem):
        return TrainingData(problem=found)
    if found.version != version:
        message = (
            f"the profile is of model version {found.version}, and the candidate is {version}: put"
            " its own profile there, or set spec.model.version"
        )
        return TrainingData(problem=Problem(reason=Reason.PROFILE_MISMATCH, message=message))
    counts = found.outputs if outputs else found.features
    if not counts:
        what = "outputs" if outputs else "features"
        message = f"the profile has no {what}: make it with Profile.fit(..., {what}=...)"
        return TrainingData(problem=Problem(reason=Reason.NO_BASELINE, message=message))
    return TrainingData(counts=counts)


def _loaded(text: str) -> Document:
    if len(text.encode()) > MAX_BYTES:
        raise ProfileError(f"it has more than {MAX_BYTES} bytes: leave features out")
    try:
        document = json.loads(
            text, object_pairs_hook=_without_duplicates, parse_constant=_no_constant
        )
    except ProfileError:
        raise
    except (ValueError, RecursionError) as error:
        raise ProfileError(f"it is no JSON: {error}") from error
    return _object(document, path="it")


def _without_duplicates(pairs: Sequence[tuple[str, Json]]) -> Document:
    document = dict(pairs)
    if len(document) < len(pairs):
        names = [name for name, _ in pairs]
        twice = next(name for name in names if names.count(name) > 1)
        raise ProfileError(f"{twice} stands twice in one object: keep one of them")
    return document


def _no_constant(constant: str) -> Json:
    raise ProfileError(f"{constant} is no number of JSON")


def _check_digest(document: Document) -> None:
    """The digest is that of the canonical text of everything else, where what may be missing is empty."""
    content = {"outputs": {}, **document}
    said = content.pop("digest")
    try:
        canonical = json.dumps(
            content, sort_keys=True, separators=(",", ":"), ensure_ascii=False
        ).encode()
    except UnicodeEncodeError as error:
        raise ProfileError(f"it is no text: {error.reason}") from error
    if said != f"sha256:{hashlib.sha256(canonical).hexdigest()}":
        raise ProfileError(
            "digest does not fit the content, so it was edited or damaged: write it anew"
        )


def _fields(value: Json, *, path: str, rows: int) -> Mapping[str, ByBin]:
    return {
        name: _counts(field, path=f"{path}.{name}", rows=rows)
        for name, field in _object(value, path=path).items()
    }


def _counts(value: Json, *, path: str, rows: int) -> ByBin:
    field = _object(value, path=path)
    if field.keys() != {"kind", "bins"} or field["kind"] not in ("numeric", "categorical"):
        raise ProfileError(f"{path} needs kind, numeric or categorical, and bins, and no more")
    bins = _object(field["bins"], path=f"{path}.bins")
    if list(bins)[-2:] != [MISSING, OTHER] or len(bins) < 3:
        raise ProfileError(f"{path}.bins: the last two of them are {MISSING} and {OTHER}")
    counts: dict[str, float] = {}
    for label, count in bins.items():
        if type(count) is not int or count < 0:
            raise ProfileError(f"{path}.bins.{label} is {count!r}, and no number of rows")
        counts[label] = count
    total = sum(counts.values())
    if total != rows:
        raise ProfileError(f"{path}.bins add up to {total}, and rows is {rows}")
    return counts


def _object(value: Json, *, path: str) -> Document:
    if not isinstance(value, dict):
        raise ProfileError(f"{path} is no JSON object but {type(value).__name__}")
    return value
