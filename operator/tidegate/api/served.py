"""What the cluster's CRDs lack of what this release writes and reads (api.md, 2.4).

CRDs that are older than the operator drop fields of users in silence, and refuse a whole status for
one field that they do not know. What they have besides is nobody's business here.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tidegate import ports
from tidegate.api import crdgen
from tidegate.api.revision import mapping

Schema = Mapping[str, Any]

FIX = "install the kinds of this release: tidegate crd | kubectl apply --server-side -f -"
MOST_NAMED = 5
# What the operator writes by itself; elsewhere a narrower limit is between users and their cluster.
_WRITTEN = (
    (ports.MODEL_DEPLOYMENT, "status"),
    (ports.ROLLOUT_RECORD, "spec"),
    *(
        (it, "status")
        for it in (
            ports.ROLLOUT_POLICY,
            ports.CLUSTER_ROLLOUT_POLICY,
            ports.ROLLOUT_APPROVAL,
            ports.NOTIFICATION_PROVIDER,
        )
    ),
)
_LIMITS = {"maxLength": "characters", "maxItems": "items"}


def lacking(wanted: crdgen.Definition, served: Schema) -> tuple[str, ...]:
    """Where the schema of whole objects that is served falls short of this release's, in words.

    A field that is missing is named by its path, such as `status.rollout.plan[].name`; one of
    another type, a shorter limit, and one that must be given but is unknown here, with a reason.
    """
    found: list[str] = []
    ours, theirs = crdgen.object_schema(wanted)["properties"], mapping(served.get("properties"))
    for part in ("spec", "status"):
        if part not in ours:
            continue
        if part not in theirs:
            if not served.get(crdgen.PRESERVE):
                found.append(part)
            continue
        written = (wanted.resource, part) in _WRITTEN
        found += _node(ours[part], mapping(theirs[part]), at=part, written=written)
    return tuple(found)


def named(missing: tuple[str, ...]) -> str:
    """The first of them, and how many more there are."""
    more = len(missing) - MOST_NAMED
    return ", ".join(missing[:MOST_NAMED]) + (f" and {more} more" if more > 0 else "")


def _node(ours: Schema, theirs: Schema, *, at: str, written: bool) -> Iterator[str]:
    wanted, there = ours.get("type"), theirs.get("type")
    if wanted and there and wanted != there and not (wanted == "integer" and there == "number"):
        yield f"{at} ({there} there, {wanted} here)"
        return
    if written:
        yield from _narrower(ours, theirs, at=at)
    yield from _members(ours, theirs, at=at, written=written)
    for below, mark in (("items", "[]"), ("additionalProperties", "{}")):
        if isinstance(ours.get(below), Mapping) and isinstance(theirs.get(below), Mapping):
            yield from _node(ours[below], theirs[below], at=f"{at}{mark}", written=written)


def _members(ours: Schema, theirs: Schema, *, at: str, written: bool) -> Iterator[str]:
    known = mapping(theirs.get("properties"))
    for name, below in mapping(ours.get("properties")).items():
        path = f"{at}.{name}"
        if name in known:
            yield from _node(below, mapping(known[name]), at=path, written=written)
        elif not theirs.get(crdgen.PRESERVE):
            yield path


def _narrower(ours: Schema, theirs: Schema, *, at: str) -> Iterator[str]:
    """What would refuse a write of ours although each field is known."""
    for word, unit in _LIMITS.items():
        here, there = ours.get(word), theirs.get(word)
        if there is not None and (here is None or there < here):
            yield f"{at} (at most {there} {unit} there, {'any' if here is None else here} here)"
    for name in theirs.get("required") or ():
        if name not in mapping(ours.get("properties")):
            yield f"{at}.{name} (must be given there, unknown here)"
