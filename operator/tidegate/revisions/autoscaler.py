"""The autoscaler of a revision, as it is written and read; and whose else there is.

Source: api.md, 5.1 (`workload.autoscaling`); autoscaling/v2 of Kubernetes.
"""

from __future__ import annotations

from tidegate import model
from tidegate.model import objects


def render(meta: model.ObjectMeta, *, revision: str, limits: model.Autoscaler) -> model.Document:
    """The HorizontalPodAutoscaler `<name>-<revision>` over the Deployment of that name."""
    name = objects.revision_object_name(meta.name, revision=revision)
    labels = objects.common_labels(meta.name, component="autoscaler")
    return {
        "apiVersion": "autoscaling/v2",
        "kind": "HorizontalPodAutoscaler",
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": {**labels, objects.LABEL_REVISION: revision},
            "ownerReferences": [objects.owner_reference(meta)],
        },
        "spec": {
            "scaleTargetRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": name},
            "minReplicas": limits.least,
            "maxReplicas": limits.most,
            "metrics": [_cpu(limits.cpu_percent)],
        },
    }


def read(document: model.Document) -> model.Autoscaler:
    """The limits that an autoscaler has; 0 where it says nothing that we would write."""
    spec = objects.mapping(document.get("spec"))
    metrics = objects.items(spec.get("metrics"))
    target = objects.at(metrics[0], "resource", "target") if len(metrics) == 1 else None
    return model.Autoscaler(
        least=objects.whole(spec.get("minReplicas")),
        most=objects.whole(spec.get("maxReplicas")),
        cpu_percent=objects.whole(objects.at(target, "averageUtilization")),
    )


def target(document: model.Document) -> str:
    """The Deployment whose pods an autoscaler counts; empty for other kinds of targets."""
    reference = objects.mapping(objects.at(document, "spec", "scaleTargetRef"))
    return objects.text(reference.get("name")) if reference.get("kind") == "Deployment" else ""


def described(document: model.Document) -> str:
    """Which autoscaler that is, for people: KEDA makes its own for each ScaledObject."""
    for owner in objects.items(objects.at(document, "metadata", "ownerReferences")):
        if objects.at(owner, "kind") == "ScaledObject":
            return f"ScaledObject {objects.text(objects.at(owner, 'name'))}"
    return f"HorizontalPodAutoscaler {objects.object_name(document)}"


def _cpu(percent: int) -> model.Document:
    target: model.Document = {"type": "Utilization", "averageUtilization": percent}
    return {"type": "Resource", "resource": {"name": "cpu", "target": target}}
