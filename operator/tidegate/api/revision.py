"""What makes a revision: the hash over model and pod template (api.md, 2.3).

The hash decides whether pods are started, so its input never depends on our own types: a newer
operator with more fields must compute the same value for the same object.
"""

from __future__ import annotations

import hashlib
import json
import math
import operator
from collections.abc import Mapping
from typing import Any

from tidegate import model

DIGITS = 10

_MAX_DEPTH = 100
_TOO_DEEP = "(nested too deeply)"


def revision_of(
    body: Mapping[str, Any], *, config_maps: Mapping[str, str] | None = None
) -> model.Revision:
    """The revision that a ModelDeployment asks for, with the digests of its tracked ConfigMaps by name.

    Equal spellings have equal hashes: key order, absent or null, 1 or 1.0, a default or nothing.
    Errors: none; junk gets some hash, and `convert.read_spec` says what is wrong with it.
    Source: api.md, 2.3, hash version 1.
    """
    content = {
        "model": _model(mapping(body)),
        "template": _template(mapping(body)),
        **_decision_mode(mapping(body)),
        **({"configMaps": dict(config_maps)} if config_maps else {}),
    }
    digest = digest_of(content)
    version = content["model"].get("version")
    return model.Revision(
        hash=digest[:DIGITS],
        digest=digest,
        model_version=version if isinstance(version, str) else "",
    )


def analysis_key(given: Mapping[str, Any]) -> str:
    """Names a way of judging by what the user wrote of `spec.analysis`, without defaults.

    So neither a new field of a later release nor another spelling of a number changes it.
    """
    return f"{model.KEY_FORM}{digest_of(canonical(given))[:DIGITS]}"


def canonical(value: object, *, depth: int = 0) -> Any:
    """JSON with one spelling: no nulls in objects, whole numbers as integers, text keys.

    Parts that are canonical already are shared with the input, so neither may be changed.

    Errors: none; what is no JSON becomes a text, and nesting beyond 100 levels is cut.
    """
    if depth > _MAX_DEPTH:
        return _TOO_DEEP
    match value:
        case None | bool() | int() | str():
            return value
        case float():
            return _number(value)
        case Mapping():
            members = {
                str(key): canonical(item, depth=depth + 1)
                for key, item in value.items()
                if item is not None
            }
            return value if _same_members(members, value) else members
        case list() | tuple():
            items = [canonical(item, depth=depth + 1) for item in value]
            shared = isinstance(value, list) and all(map(operator.is_, items, value))
            return value if shared else items
        case _:
            return str(value)


def _same_members(made: dict[str, Any], given: Mapping[Any, Any]) -> bool:
    same = isinstance(given, dict) and len(made) == len(given)
    return same and all(made.get(key) is item for key, item in given.items())


def digest_of(content: object) -> str:
    """SHA-256 of canonical JSON, in hexadecimal digits."""
    text = json.dumps(content, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode("ascii")).hexdigest()


def mapping(value: object) -> Mapping[str, Any]:
    """The value if it is an object, else an empty one."""
    return value if isinstance(value, Mapping) else {}


def _number(value: float) -> float | int | str:
    if not math.isfinite(value):
        return str(value)
    return int(value) if value.is_integer() else value


def _model(body: Mapping[str, Any]) -> dict[str, Any]:
    given = dict(canonical(mapping(mapping(body.get("spec")).get("model"))))
    given.pop("provenance", None)  # shown only; a later field, known already to stay outside
    if given.get("name") == mapping(body.get("metadata")).get("name"):
        given.pop("name", None)
    return {key: value for key, value in given.items() if value not in ("", [])}


def _decision_mode(body: Mapping[str, Any]) -> dict[str, Any]:
    """It is handed to the pods, and moving up its ladder deserves steps; not said, it is no part."""
    automation = mapping(mapping(body.get("spec")).get("automation"))
    mode = canonical(automation.get("decisionMode"))
    return {} if mode in (None, "") else {"decisionMode": mode}


def _template(body: Mapping[str, Any]) -> dict[str, Any]:
    workload = mapping(mapping(body.get("spec")).get("workload"))
    template = dict(canonical(mapping(workload.get("template"))))
    metadata = dict(mapping(template.pop("metadata", None)))
    metadata.pop("creationTimestamp", None)
    metadata = {key: value for key, value in metadata.items() if value not in ({}, [])}
    return template | ({"metadata": metadata} if metadata else {})
