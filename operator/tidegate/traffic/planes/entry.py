"""The entry Service: the one that clients use, with a selector that moves between revisions.

Source: api.md, 2.6; architecture.md, 6 (created once, then patched).
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import Mechanism, Reference, Shape, Target, WantedDocument

SECOND = "-candidate"


def _parts(service: model.Document) -> dict[str, model.Json]:
    """What we patch: the rest belongs to the API server, and would never become equal."""
    return {f"spec.{name}": objects.at(service, "spec", name) for name in ("selector", "ports")}


SHAPE = Shape(parts=_parts, moves=re.compile(r"spec\.selector.*"))


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryState:
    """The entry Service as read. `revision` is empty when it selects every revision.

    `port` is where it sends requests: a port of the pods, or its name.
    """

    exists: bool
    revision: str = ""
    marker: str = ""
    lowered_rollout: str = ""
    resource_version: str = ""
    conflict: str = ""
    port: str | int = 0


def reference(*, meta: model.ObjectMeta, spec: model.Spec) -> Reference:
    """Where the entry Service is found: `spec.service.name`, in the namespace of `meta`."""
    assert meta.name, meta
    return Reference(kind="Service", name=spec.service.name)


def second_reference(spec: model.Spec) -> Reference:
    """The Service beside it that is for a candidate, where a route of the user names both."""
    return Reference(kind="Service", name=f"{spec.service.name}{SECOND}")


def common_port(ports: Iterable[model.PodPort]) -> str | int | None:
    """Where one Service reaches all of these pods: a name that they share, else a number.

    None where they share neither.
    """
    known = list(ports)
    names, numbers = {port.name for port in known}, {port.number for port in known}
    if len(names) == 1 and "" not in names:
        return names.pop()
    return numbers.pop() if len(numbers) == 1 else None


def _target_port(target: Target, *, revision: str) -> str | int:
    """Where the pods of `revision` answer, or those of all; where they differ, those of stable.

    What differs never comes to share one Service: that is waited for before traffic moves.
    """
    selected = (port for hash_, port in target.ports.items() if revision in {"", hash_})
    if (common := common_port(selected)) is not None:
        return common
    stable = target.ports.get(target.stable)
    return stable.number if stable is not None else target.spec.service.target_port


def document(
    target: Target, *, revision: str, marker: str, carries_weights: bool, fence: str = ""
) -> WantedDocument:
    """The entry Service that selects `revision`, or every revision when that is empty."""
    marks = mark_metadata(marker=marker, fence=fence)
    return service(
        target,
        reference(meta=target.meta, spec=target.spec),
        revision=revision,
        marks=marks,
        carries_weights=carries_weights,
    )


def second_document(
    target: Target, *, revision: str, annotations: Mapping[str, str]
) -> WantedDocument:
    """The Service for a candidate; what cannot be noted on the user's route is noted here."""
    given: dict[str, model.Json] = {name: text for name, text in annotations.items() if text}
    return service(
        target,
        second_reference(target.spec),
        revision=revision,
        marks={"annotations": given} if given else {},
    )


def service(
    target: Target,
    where: Reference,
    *,
    revision: str,
    component: str = "entry",
    marks: Mapping[str, model.Json] = MappingProxyType({}),
    carries_weights: bool = False,
) -> WantedDocument:
    """A Service beside those of the revisions, whose selector moves between them."""
    meta, spec = target.meta, target.spec
    port = _target_port(target, revision=revision)
    selector = (
        objects.revision_selector(meta.name, revision=revision)
        if revision
        else objects.model_selector(meta.name)
    )
    body: model.Document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": where.name,
            "namespace": meta.namespace,
            "labels": objects.common_labels(meta.name, component=component),
            **marks,
            "ownerReferences": [objects.owner_reference(meta)],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [objects.service_port(spec.service, port=spec.service.port, target=port)],
        },
    }
    return WantedDocument(
        reference=where,
        body=body,
        shape=SHAPE,
        mechanism=Mechanism.CREATE_THEN_PATCH,
        carries_weights=carries_weights,
    )


def mark_metadata(*, marker: str, fence: str) -> dict[str, model.Json]:
    """The metadata that names a rolled-back revision and an ended rollout; none without them."""
    marks = {objects.ANNOTATION_ROLLED_BACK: marker, objects.ANNOTATION_FENCE: fence}
    given: model.Document = {name: value for name, value in marks.items() if value}
    return {"annotations": given} if given else {}


def read(
    found: Mapping[Reference, model.Document], *, meta: model.ObjectMeta, spec: model.Spec
) -> EntryState:
    """What the live entry Service selects; a foreign Service of that name is a conflict."""
    return _read(found, reference(meta=meta, spec=spec), meta=meta)


def read_second(
    found: Mapping[Reference, model.Document], *, meta: model.ObjectMeta, spec: model.Spec
) -> EntryState:
    """The same of the Service for a candidate."""
    return _read(found, second_reference(spec), meta=meta)


def _read(
    found: Mapping[Reference, model.Document], where: Reference, *, meta: model.ObjectMeta
) -> EntryState:
    live = found.get(where)
    if live is None:
        return EntryState(exists=False)
    if objects.is_offered(live, name=meta.name):
        return EntryState(exists=False)
    if not objects.is_controlled_by(live, uid=meta.uid):
        return EntryState(exists=False, conflict=service_conflict(where.name, meta=meta))
    return EntryState(
        exists=True,
        revision=objects.text(objects.at(live, "spec", "selector", objects.LABEL_REVISION)),
        marker=objects.annotation(live, objects.ANNOTATION_ROLLED_BACK),
        lowered_rollout=objects.annotation(live, objects.ANNOTATION_FENCE),
        resource_version=objects.resource_version(live),
        port=_read_port(live),
    )


def _read_port(live: model.Document) -> str | int:
    for port in objects.items(objects.at(live, "spec", "ports")):
        target = objects.at(port, "targetPort")
        return target if isinstance(target, str) else objects.whole(target)
    return 0


def service_conflict(name: str, *, meta: model.ObjectMeta) -> str:
    """The same of the entry Service, which its owner may hand over."""
    offer = f"annotate it with {objects.ANNOTATION_ADOPT}: {meta.name} to have it taken over"
    return f"{name_conflict('Service', name)}; or {offer}"


def name_conflict(kind: str, name: str) -> str:
    """What to tell a person when another owner's object has a name that we need (api.md, 14.2)."""
    return (
        f"NameConflict: {kind} {name} exists and is not controlled by this ModelDeployment; "
        f"delete or rename it, or choose another name"
    )
