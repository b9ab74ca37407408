"""Whether a live object already holds what is wanted, and the patch that makes it so.

Source: architecture.md, 6: equal objects are not written; the entry Service is patched with a
`test` on its resourceVersion.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import assert_never

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import Mechanism, WantedDocument
from tidegate.traffic.rules import weight_operations

MARKS = "metadata.annotations"
_ALLOCATED = frozenset({"nodePort"})  # by the API server, where somebody made the Service public


def is_current(live: model.Document, wanted: WantedDocument) -> bool:
    """Whether writing `wanted` by its mechanism would change nothing that matters."""
    return not differences(live, wanted)


def differences(live: model.Document, wanted: WantedDocument) -> tuple[str, ...]:
    """Paths of what writing `wanted` by its mechanism would change.

    What the API server fills in and what other tools put on is no difference; what would act
    otherwise is, such as a label left over in a selector, or a filter that nobody asked for. Of a
    patched object only what the patch touches counts: the rest would never become equal.
    """
    parts_of = wanted.shape.parts
    have, want = parts_of(live), parts_of(_as_named(live, wanted))
    return (
        *_metadata(live, wanted),
        *(path for at in {**want, **have} for path in _paths(have.get(at), want.get(at), at=at)),
    )


def _metadata(live: model.Document, wanted: WantedDocument) -> tuple[str, ...]:
    """Marks and labels, as far as the mechanism writes them."""
    match wanted.mechanism:
        case Mechanism.PATCH_WEIGHTS:
            return ()
        case Mechanism.CREATE_THEN_PATCH:
            return _marks(live, wanted.body)
        case Mechanism.APPLY:
            labels = _missing(_labels(live), wanted=_labels(wanted.body))
            return (*_marks(live, wanted.body), *labels)
        case _:
            assert_never(wanted.mechanism)


def _marks(live: model.Document, wanted: model.Document) -> tuple[str, ...]:
    """A fence that is there already may stay, a marker may not."""
    same = _marker(live) == _marker(wanted) and _fence(wanted) in {"", _fence(live)}
    same = same and _sums(live) == _sums(wanted)
    return () if same else (MARKS,)


def _labels(document: model.Document) -> model.Document:
    return objects.mapping(objects.at(document, "metadata", "labels"))


def _missing(have: model.Document, *, wanted: model.Document) -> tuple[str, ...]:
    """Labels that are missing or different; others may stand beside them."""
    return tuple(f"metadata.labels.{key}" for key in wanted if have.get(key) != wanted[key])


def _paths(have: model.Json, want: model.Json, *, at: str) -> Iterator[str]:
    """Where two values differ, each place by its shortest path."""
    if have == want or (not have and not want):
        return
    if isinstance(want, Mapping) and isinstance(have, Mapping):
        for key in sorted((want.keys() | have.keys()) - _ALLOCATED):
            yield from _paths(have.get(key), want.get(key), at=f"{at}.{key}")
    elif isinstance(want, list) and isinstance(have, list) and len(want) == len(have):
        for index, (there, wanted) in enumerate(zip(have, want, strict=True)):
            yield from _paths(there, wanted, at=f"{at}[{index}]")
    else:
        yield at


def patch_operations(live: model.Document, wanted: WantedDocument) -> tuple[model.Document, ...]:
    """JSON Patch that moves the selector, ports and marker of a live Service, or weights of a route.

    Guarded by the resourceVersion of `live`; empty when there is nothing to change.
    """
    if is_current(live, wanted):
        return ()
    if wanted.mechanism is Mechanism.PATCH_WEIGHTS:
        return weight_operations(live, wanted.body)
    spec = objects.mapping(_as_named(live, wanted)["spec"])
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


def _as_named(live: model.Document, wanted: WantedDocument) -> model.Document:
    """The body as it is patched: a Service that was taken over may have a port without a name."""
    if wanted.mechanism is not Mechanism.CREATE_THEN_PATCH:
        return wanted.body
    spec = objects.mapping(wanted.body["spec"])
    return {**wanted.body, "spec": {**spec, "ports": ports_of(live, wanted)}}


def ports_of(live: model.Document, wanted: WantedDocument) -> list[model.Json]:
    """The wanted ports of a Service; the only port of a live one stays without a name if it has none.

    A proxy of a node knows a port by its name, and has no pods for a new one until the slices of
    the Service follow: until then it refuses connections. Source: EndpointSlice, `ports[].name`.
    """
    have = objects.items(objects.at(live, "spec", "ports"))
    want = [objects.mapping(it) for it in objects.items(objects.at(wanted.body, "spec", "ports"))]
    if len(have) != 1 or objects.at(have[0], "name"):
        return [*want]
    return [{key: value for key, value in it.items() if key != "name"} for it in want]


def _marker(document: model.Document) -> str:
    return objects.annotation(document, objects.ANNOTATION_ROLLED_BACK)


def _fence(document: model.Document) -> str:
    return objects.annotation(document, objects.ANNOTATION_FENCE)


def _sums(document: model.Document) -> str:
    return objects.annotation(document, objects.ANNOTATION_SUMS)


def _mark_operations(live: model.Document, wanted: model.Document) -> tuple[model.Document, ...]:
    """Annotations as wanted, one by one; a fence that is there already may stay, a marker may not."""
    have = objects.at(live, "metadata", "annotations")
    marks = {
        objects.ANNOTATION_ROLLED_BACK: _marker(wanted),
        objects.ANNOTATION_SUMS: _sums(wanted),
    }
    if fence := _fence(wanted):
        marks[objects.ANNOTATION_FENCE] = fence
    changed = {name: to for name, to in marks.items() if objects.annotation(live, name) != to}
    if have is None and changed:
        return ({"op": "add", "path": "/metadata/annotations", "value": changed},)
    return tuple(_annotate(name, to=to) for name, to in changed.items())


def _annotate(name: str, *, to: str) -> model.Document:
    path = "/metadata/annotations/" + name.replace("/", "~1")
    return {"op": "add", "path": path, "value": to} if to else {"op": "remove", "path": path}
