"""Deployment and Service of a revision: how they are written and what live ones say.

The pod template of a revision is the user's template plus what is injected here: two labels,
identity variables, scrape annotations and a drain pause. It never changes after creation.
Source: api.md, 2.3 and 2.6; architecture.md, 6.
"""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from typing import Final

from tidegate.rollout import model, objects, pod_trouble

# A pod that is removed keeps answering for this long, so that endpoint controller, kube-proxy and
# gateways stop sending to it before its server stops listening.
DRAIN_SECONDS: Final = 10
_DEFAULT_GRACE_SECONDS: Final = 30  # of Kubernetes, where the template names none
_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def render_deployment(
    meta: model.ObjectMeta,
    spec: model.Spec,
    revision: model.Revision,
    *,
    replicas: int,
    role: model.Role,
) -> model.Document:
    """The Deployment `<name>-<revision>`. Nothing of `spec.template` is changed in place.

    Its selector and template stay as created; only replicas and the role label move later.
    """
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(meta, spec, revision, role=role),
        "spec": {
            "replicas": replicas,
            # The template never changes, so there is one ReplicaSet and no history to keep.
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": round(spec.progress_deadline_seconds),
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "selector": {
                "matchLabels": objects.revision_selector(meta.name, revision=revision.hash)
            },
            "template": _template(meta, spec, revision),
        },
    }


def render_service(
    meta: model.ObjectMeta, spec: model.Spec, revision: model.Revision, *, role: model.Role
) -> model.Document:
    """The Service `<name>-<revision>` over the pods of one revision, always on port 80."""
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(meta, spec, revision, role=role),
        "spec": {
            "type": "ClusterIP",
            "selector": objects.revision_selector(meta.name, revision=revision.hash),
            "ports": [objects.service_port(spec.service, port=objects.REVISION_SERVICE_PORT)],
        },
    }


def _metadata(
    meta: model.ObjectMeta, spec: model.Spec, revision: model.Revision, *, role: model.Role
) -> model.Document:
    return {
        "name": objects.revision_object_name(meta.name, revision=revision.hash),
        "namespace": meta.namespace,
        "labels": {
            **objects.common_labels(meta.name, component="model-server"),
            "app.kubernetes.io/version": spec.model.version,
            objects.LABEL_REVISION: revision.hash,
            objects.LABEL_ROLE: role.value,
        },
        "annotations": {
            objects.ANNOTATION_SPEC_HASH: revision.digest,
            objects.ANNOTATION_HASH_VERSION: objects.HASH_VERSION,
            objects.ANNOTATION_MODEL_VERSION: revision.model_version,
        },
        "ownerReferences": [objects.owner_reference(meta)],
    }


def _template(meta: model.ObjectMeta, spec: model.Spec, revision: model.Revision) -> model.Document:
    """The user's template with labels, annotations and containers completed."""
    own = objects.mapping(spec.template.get("metadata"))
    pod = objects.mapping(spec.template.get("spec"))
    drain_seconds = _drain_seconds(pod)
    identity = _identity(spec, revision)
    containers = [
        _with_drain(_with_identity(container, identity), seconds=drain_seconds)
        for container in _containers(pod, "containers")
    ]
    prepared = [_with_identity(c, identity) for c in _containers(pod, "initContainers")]
    return {
        **spec.template,
        "metadata": {
            **own,
            "labels": {
                **objects.mapping(own.get("labels")),
                **objects.revision_selector(meta.name, revision=revision.hash),
            },
            "annotations": {
                **_scrape_annotations(spec.server),
                **objects.mapping(own.get("annotations")),
            },
        },
        "spec": {
            **pod,
            "containers": containers,
            **({"initContainers": prepared} if prepared else {}),
        },
    }


def _containers(pod: model.Document, member: str) -> list[model.Document]:
    return [objects.mapping(container) for container in objects.items(pod.get(member))]


def _identity(spec: model.Spec, revision: model.Revision) -> dict[str, str]:
    return {
        "TIDEGATE_MODEL_NAME": spec.model.name,
        "TIDEGATE_MODEL_VERSION": spec.model.version,
        "TIDEGATE_MODEL_URI": spec.model.uri,
        "TIDEGATE_REVISION": revision.hash,
    }


def _with_identity(container: model.Document, identity: dict[str, str]) -> model.Document:
    """Put the identity in front: a variable may refer only to ones that stand before it."""
    own = objects.items(container.get("env"))
    taken = {objects.text(objects.at(variable, "name")) for variable in own}
    ours = [{"name": name, "value": value} for name, value in identity.items() if name not in taken]
    return {**container, "env": [*ours, *own]}


def _scrape_annotations(server: model.Server) -> dict[str, str]:
    return {
        "prometheus.io/scrape": "true",
        "prometheus.io/port": str(server.metrics_port),
        "prometheus.io/path": server.metrics_path,
    }


def _drain_seconds(pod: model.Document) -> int:
    """At most half of the grace period: the other half is for requests in flight."""
    grace_seconds = objects.whole(
        pod.get("terminationGracePeriodSeconds"), default=_DEFAULT_GRACE_SECONDS
    )
    return min(DRAIN_SECONDS, grace_seconds // 2)


def _with_drain(container: model.Document, *, seconds: int) -> model.Document:
    """Add a preStop sleep (Kubernetes 1.30 or newer) unless the user wrote a preStop hook."""
    lifecycle = objects.mapping(container.get("lifecycle"))
    if lifecycle.get("preStop") is not None or seconds < 1:
        return container
    return {
        **container,
        "lifecycle": {**lifecycle, "preStop": {"sleep": {"seconds": seconds}}},
    }


def revision_state(
    deployment: model.Document,
    *,
    service: model.Document | None,
    endpoint_slices: Sequence[model.Document] | None,
    pods: Sequence[model.Document],
) -> model.RevisionState | None:
    """What the live objects of a revision say; None for a Deployment that bears no revision.

    `endpoint_slices` and `pods` may hold those of other revisions too. With slices given
    (not None) a pod counts as ready only when its endpoint is ready as well.
    """
    revision = objects.label(deployment, objects.LABEL_REVISION)
    if not revision:
        return None
    status = objects.mapping(deployment.get("status"))
    ready = objects.whole(status.get("readyReplicas"))
    if endpoint_slices is not None:
        ready = min(ready, _ready_endpoints(deployment, endpoint_slices))
    own_pods = [p for p in pods if objects.label(p, objects.LABEL_REVISION) == revision]
    observed = objects.whole(status.get("observedGeneration"))
    return model.RevisionState(
        revision=model.Revision(
            hash=revision,
            digest=objects.annotation(deployment, objects.ANNOTATION_SPEC_HASH),
            model_version=objects.annotation(deployment, objects.ANNOTATION_MODEL_VERSION),
        ),
        wanted=objects.whole(objects.at(deployment, "spec", "replicas"), default=1),
        ready=ready,
        available=objects.whole(status.get("availableReplicas")),
        role=_role(deployment),
        created_at=_created_at(deployment),
        has_service=service is not None,
        current=observed >= objects.generation(deployment),
        failure=pod_trouble.failure(own_pods) or pod_trouble.creation_failure(deployment),
        unschedulable=pod_trouble.unschedulable(own_pods) or pod_trouble.quota_exceeded(deployment),
        resource_version=objects.resource_version(deployment),
    )


def _role(deployment: model.Document) -> model.Role | None:
    value = objects.label(deployment, objects.LABEL_ROLE)
    return model.Role(value) if value in set(model.Role) else None


def _created_at(deployment: model.Document) -> datetime:
    """When the object was created; one without a readable time counts as the oldest."""
    written = objects.text(objects.at(deployment, "metadata", "creationTimestamp"))
    try:
        created_at = datetime.fromisoformat(written)
    except ValueError:
        return _LONG_AGO
    return created_at if created_at.tzinfo else created_at.replace(tzinfo=UTC)


def _ready_endpoints(deployment: model.Document, endpoint_slices: Sequence[model.Document]) -> int:
    """Ready pods behind the revision's Service; dual-stack slices name each pod twice."""
    service_name = objects.object_name(deployment)
    ready = {
        _endpoint_identity(endpoint)
        for endpoint_slice in endpoint_slices
        if objects.label(endpoint_slice, objects.LABEL_SERVICE_NAME) == service_name
        for endpoint in objects.items(endpoint_slice.get("endpoints"))
        if objects.at(endpoint, "conditions", "ready") is not False
    }
    return len(ready)


def _endpoint_identity(endpoint: model.Json) -> str:
    pod_name = objects.text(objects.at(endpoint, "targetRef", "name"))
    addresses = objects.items(objects.at(endpoint, "addresses"))
    return pod_name or ",".join(objects.text(address) for address in addresses)
