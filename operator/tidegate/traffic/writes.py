"""Whether a live object already holds what is wanted, and the patch that makes it so.

Source: architecture.md, 6: equal objects are not written; the entry Service is patched with a
`test` on its resourceVersion.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import assert_never

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import Mechanism, WantedDocument


def is_current(live: model.Document, wanted: WantedDocument) -> bool:
    """Whether writing `wanted` by its mechanism would change nothing that matters.

    The live object may have more than is wanted, such as fields that the API server fills in,
    but no other marker, selector, hostname or list item. Of a patched object only what the patch
    touches counts: the rest would never become equal.
    """
    body = wanted.body
    if _marker(live) != _marker(body) or _fence(body) not in {"", _fence(live)}:
        return False
    match wanted.mechanism:
        case Mechanism.CREATE_THEN_PATCH:
            ports = objects.at(body, "spec", "ports")
            return _same(live, body, "selector") and _includes(
                objects.at(live, "spec", "ports"), wanted=ports
            )
        case Mechanism.APPLY:
            return _same(live, body, "hostnames") and _includes(live, wanted=body)
        case _:
            assert_never(wanted.mechanism)


def _same(live: model.Document, wanted: model.Document, member: str) -> bool:
    """Equal as a whole: a label or hostname left over would still act."""
    return objects.at(live, "spec", member) == objects.at(wanted, "spec", member)


def patch_operations(live: model.Document, wanted: WantedDocument) -> tuple[model.Document, ...]:
    """JSON Patch that moves the selector, ports and marker of a live entry Service.

    Guarded by the resourceVersion of `live`; empty when there is nothing to change.
    """
    if is_current(live, wanted):
        return ()
    spec = objects.mapping(wanted.body.get("spec"))
    return (
        {
            "op": "test",
            "path": "/metadata/resourceVersion",
            "value": objects.resource_version(live),
        },
        {"op": "add", "path": "/spec/selector", "value": spec.get("selector")},
        {"op": "add", "path": "/spec/ports", "value": spec.get("ports")},
        *_mark_operations(live, wanted.body),
    )


def _marker(document: model.Document) -> str:
    return objects.annotation(document, objects.ANNOTATION_ROLLED_BACK)


def _fence(document: model.Document) -> str:
    return objects.annotation(document, objects.ANNOTATION_FENCE)


def _mark_operations(live: model.Document, wanted: model.Document) -> tuple[model.Document, ...]:
    """Annotations as wanted, one by one; a fence that is there already may stay, a marker may not."""
    have = objects.at(live, "metadata", "annotations")
    marks = {objects.ANNOTATION_ROLLED_BACK: _marker(wanted)}
    if fence := _fence(wanted):
        marks[objects.ANNOTATION_FENCE] = fence
    changed = {name: to for name, to in marks.items() if objects.annotation(live, name) != to}
    if have is None and changed:
        return ({"op": "add", "path": "/metadata/annotations", "value": changed},)
    return tuple(_annotate(name, to=to) for name, to in changed.items())


def _annotate(name: str, *, to: str) -> model.Document:
    path = "/metadata/annotations/" + name.replace("/", "~1")
    return {"op": "add", "path": path, "value": to} if to else {"op": "remove", "path": path}


def _includes(live: model.Json, *, wanted: model.Json) -> bool:
    """Whether `live` has every member of `wanted`; lists must match item by item."""
    pending: list[tuple[model.Json, model.Json]] = [(live, wanted)]
    while pending:
        have, want = pending.pop()
        if isinstance(want, Mapping):
            if not isinstance(have, Mapping) or not want.keys() <= have.keys():
                return False
            pending.extend((have[key], want[key]) for key in want)
        elif isinstance(want, list):
            if not isinstance(have, list) or len(have) != len(want):
                return False
            pending.extend(zip(have, want, strict=True))
        elif have != want:
            return False
    return True
