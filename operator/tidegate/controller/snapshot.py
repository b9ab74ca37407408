"""What the store keeps of an object: no more than is asked for, and equal texts once.

Thousands of objects say mostly the same words. A watch decodes each of them anew, so without this
every document would hold its own copy of each member's name.
"""

from __future__ import annotations

import sys
from typing import Any

from tidegate import ports
from tidegate.api import frozen, record
from tidegate.model import objects

_LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
_LONGEST_SHARED = 128  # characters; longer texts are messages and arguments, which seldom repeat
_CONTAINERS = frozenset({dict, list})  # as JSON has them
_PLAIN = frozenset({bool, int, float, type(None)})
_DEEPEST_SHARED = 100  # levels; no object has half of them, and recursion must not end a watch


def slim(
    kind: ports.Kind, body: ports.Object, *, known: ports.Object | None = None
) -> ports.Object:
    """The object without `managedFields` and without kubectl's copy of it; the input is kept.

    Of a record, which may have 10 kB, of what was frozen, of an autoscaler and of somebody else's
    Deployment only what is asked of it stays. `known` is what was kept of an earlier version: an
    unchanged spec is the same object in both.
    """
    metadata = {name: value for name, value in body["metadata"].items() if name != "managedFields"}
    annotations = metadata.get("annotations")
    if annotations and _LAST_APPLIED in annotations:
        metadata["annotations"] = {k: v for k, v in annotations.items() if k != _LAST_APPLIED}
    kept: ports.Object = {**body, "metadata": metadata}
    if kind == ports.ROLLOUT_RECORD:
        kept = {"metadata": metadata, "spec": record.slim_spec(body["spec"])}
    elif kind == ports.CONTROLLER_REVISION:
        kept["data"] = frozen.slim_data(body["data"])
    elif is_foreign_deployment(kind, body):
        kept = {**kept, "spec": _as_source(body.get("spec") or {})}
        kept.pop("status", None)
    elif kind == ports.AUTOSCALER:
        kept = {"metadata": metadata, "spec": body["spec"]}
    if known is not None and _has_spec_of(known, kind, body):
        rest: ports.Object = _shared({name: it for name, it in kept.items() if name != "spec"})
        return {**rest, "spec": known["spec"]}
    shared: ports.Object = _shared(kept)
    return shared


def _has_spec_of(known: ports.Object, kind: ports.Kind, body: ports.Object) -> bool:
    """The spec has not changed since: the API server counts its versions in `generation`."""
    same = all(
        body["metadata"].get(name) is not None
        and body["metadata"][name] == known["metadata"].get(name)
        for name in ("uid", "generation")
    )
    whole = not any(is_foreign_deployment(kind, one) for one in (body, known))
    return same and whole and "spec" in known and "spec" in body


def is_foreign_deployment(kind: ports.Kind, body: ports.Object) -> bool:
    """A Deployment that no ModelDeployment owns: nothing is asked of it but its pod template."""
    if kind != ports.DEPLOYMENT or objects.label(body, objects.LABEL_MODEL_DEPLOYMENT):
        return False
    owners = body["metadata"].get("ownerReferences") or ()
    group = f"{ports.TIDEGATE_GROUP}/"
    return not any(str(owner.get("apiVersion", "")).startswith(group) for owner in owners)


def _as_source(spec: ports.Object) -> ports.Object:
    return {name: spec[name] for name in ("selector", "template") if name in spec}


def _shared(value: Any, depth: int = 0) -> Any:
    """The same document of shared texts, in containers that are no larger than they must be."""
    kind = type(value)
    if kind is str:
        return sys.intern(value) if len(value) <= _LONGEST_SHARED else value
    if kind not in _CONTAINERS or depth > _DEEPEST_SHARED:
        return value
    if kind is dict:
        return {
            sys.intern(name): item if type(item) in _PLAIN else _shared(item, depth + 1)
            for name, item in value.items()
        }
    return [_shared(item, depth + 1) for item in value]
