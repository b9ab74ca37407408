"""The entry Service: the one that clients use, with a selector that moves between revisions.

Source: api.md, 2.6; architecture.md, 6 (created once, then patched).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from tidegate import model
from tidegate.model import objects
from tidegate.traffic.interface import Mechanism, Reference, WantedDocument


@dataclass(frozen=True, slots=True, kw_only=True)
class EntryState:
    """The entry Service as read. `revision` is empty when it selects every revision."""

    exists: bool
    revision: str = ""
    marker: str = ""
    lowered_rollout: str = ""
    resource_version: str = ""
    conflict: str = ""


def reference(*, meta: model.ObjectMeta, spec: model.Spec) -> Reference:
    """Where the entry Service is found: `spec.service.name`, in the namespace of `meta`."""
    assert meta.name, meta
    return Reference(kind="Service", name=spec.service.name)


def document(
    *,
    meta: model.ObjectMeta,
    spec: model.Spec,
    revision: str,
    marker: str,
    carries_weights: bool,
    fence: str = "",
) -> WantedDocument:
    """The entry Service that selects `revision`, or every revision when that is empty."""
    selector = (
        objects.revision_selector(meta.name, revision=revision)
        if revision
        else objects.model_selector(meta.name)
    )
    body: model.Document = {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {
            "name": spec.service.name,
            "namespace": meta.namespace,
            "labels": objects.common_labels(meta.name, component="entry"),
            **mark_metadata(marker=marker, fence=fence),
            "ownerReferences": [objects.owner_reference(meta)],
        },
        "spec": {
            "type": "ClusterIP",
            "selector": selector,
            "ports": [objects.service_port(spec.service, port=spec.service.port)],
        },
    }
    return WantedDocument(
        reference=reference(meta=meta, spec=spec),
        body=body,
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
    live = found.get(reference(meta=meta, spec=spec))
    if live is None:
        return EntryState(exists=False)
    if not objects.is_controlled_by(live, uid=meta.uid):
        return EntryState(exists=False, conflict=name_conflict("Service", spec.service.name))
    return EntryState(
        exists=True,
        revision=objects.text(objects.at(live, "spec", "selector", objects.LABEL_REVISION)),
        marker=objects.annotation(live, objects.ANNOTATION_ROLLED_BACK),
        lowered_rollout=objects.annotation(live, objects.ANNOTATION_FENCE),
        resource_version=objects.resource_version(live),
    )


def name_conflict(kind: str, name: str) -> str:
    """What to tell a person when another owner's object has a name that we need (api.md, 14.2)."""
    return (
        f"NameConflict: {kind} {name} exists and is not controlled by this ModelDeployment; "
        f"delete or rename it, or choose another name"
    )
