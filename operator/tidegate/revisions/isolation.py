"""The NetworkPolicy that keeps a shadow from sending: how it is written, and what one says.

Source: networking.k8s.io/v1 NetworkPolicy; docs/adr/0072.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from tidegate import model
from tidegate.model import objects

COMPONENT: Final = "shadow-egress"
DNS_PORT: Final = 53


def policy_name(meta: model.ObjectMeta, *, revision: str) -> str:
    """One for each revision, so that a late deletion never meets that of another."""
    return f"{objects.revision_object_name(meta.name, revision=revision)}-egress"


def render(
    meta: model.ObjectMeta, *, revision: model.Revision, allow: Iterable[model.Document]
) -> model.Document:
    """Pods of this revision may send to port 53 of anybody, and to what is allowed; answers always pass."""
    labels = objects.common_labels(meta.name, component=COMPONENT)
    selector = objects.revision_selector(meta.name, revision=revision.hash)
    return {
        "apiVersion": "networking.k8s.io/v1",
        "kind": "NetworkPolicy",
        "metadata": {
            "name": policy_name(meta, revision=revision.hash),
            "namespace": meta.namespace,
            "labels": {**labels, objects.LABEL_REVISION: revision.hash},
            "annotations": objects.revision_annotations(revision),
            "ownerReferences": [objects.owner_reference(meta)],
        },
        "spec": {
            "podSelector": {"matchLabels": selector},
            "policyTypes": ["Egress"],
            "egress": [_dns(), *allow],
        },
    }


def revision_of(body: model.Document, meta: model.ObjectMeta) -> str:
    """The revision that a live policy is about; empty where it is none of ours."""
    revision = objects.label(body, objects.LABEL_REVISION)
    ours = objects.is_controlled_by(body, uid=meta.uid)
    named = objects.object_name(body) == policy_name(meta, revision=revision)
    return revision if ours and named and revision else ""


def _dns() -> model.Document:
    return {"ports": [{"protocol": protocol, "port": DNS_PORT} for protocol in ("UDP", "TCP")]}
