"""What the live objects of a revision say."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Final

from tidegate import model
from tidegate.model import objects
from tidegate.revisions import note, trouble

_LONG_AGO: Final = datetime(1970, 1, 1, tzinfo=UTC)


def revision_state(
    deployment: model.Document,
    *,
    service: model.Document | None,
    endpoint_slices: Sequence[model.Document] | None,
    pods: Sequence[model.Document],
    template_hash: str,
) -> model.RevisionState | None:
    """What the live objects of a revision say; None for a Deployment that bears no revision.

    `endpoint_slices` and `pods` may hold those of other revisions too. With slices given
    (not None) a pod counts as ready only when its endpoint is ready as well. `template_hash` is that
    of the Deployment's template: it takes as long as all the rest, so it is worked out once.
    """
    revision = objects.label(deployment, objects.LABEL_REVISION)
    if not revision:
        return None
    status = objects.mapping(deployment.get("status"))
    ready = objects.whole(status.get("readyReplicas"))
    ready_pods: Mapping[str, tuple[str, ...]] = {}
    if endpoint_slices is not None:
        ready_pods = _ready_endpoints(deployment, endpoint_slices)
        ready = min(ready, len(ready_pods))
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
        created_at=_instant(_made_at(deployment)) or _LONG_AGO,
        has_service=service is not None,
        current=observed >= objects.generation(deployment),
        failure=trouble.failure(own_pods) or trouble.creation_failure(deployment),
        crash=trouble.crash(own_pods),
        unschedulable=trouble.unschedulable(own_pods) or trouble.not_created(deployment),
        starting=trouble.starting(own_pods),
        lost=trouble.lost(own_pods),
        unready_since=_instant(trouble.unready_since(own_pods)),
        watched=objects.label(deployment, objects.LABEL_WATCH) == "true",
        resource_version=objects.resource_version(deployment),
        template_hash=template_hash,
        made_with=note.read_template(deployment, service=service),
        noted=note.is_lasting(deployment),
        ready_pods=ready_pods,
        asked=note.read_replicas(deployment),
        autoscaled=note.may_be_autoscaled(deployment),
        pods=objects.whole(status.get("replicas")),
    )


def template_hash(deployment: model.Document) -> str:
    """One value for one template. Kubernetes never adds defaults to stored ones: pods would restart."""
    template = objects.at(deployment, "spec", "template")
    text = json.dumps(template, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _role(deployment: model.Document) -> model.Role | None:
    value = objects.label(deployment, objects.LABEL_ROLE)
    return model.Role(value) if value in set(model.Role) else None


def _made_at(document: model.Document) -> str:
    return objects.text(objects.at(document, "metadata", "creationTimestamp"))


def _instant(written: str) -> datetime | None:
    """A time as Kubernetes writes it; None for one that cannot be read."""
    try:
        read = datetime.fromisoformat(written)
    except ValueError:
        return None
    return read if read.tzinfo else read.replace(tzinfo=UTC)


def _ready_endpoints(
    deployment: model.Document, endpoint_slices: Sequence[model.Document]
) -> Mapping[str, tuple[str, ...]]:
    """Ready pods behind the revision's Service; dual-stack slices name each pod twice."""
    service_name = objects.object_name(deployment)
    ready: dict[str, tuple[str, ...]] = {}
    for endpoint_slice in endpoint_slices:
        if objects.label(endpoint_slice, objects.LABEL_SERVICE_NAME) != service_name:
            continue
        for endpoint in objects.items(endpoint_slice.get("endpoints")):
            if objects.at(endpoint, "conditions", "ready") is not False:
                addresses = tuple(
                    map(objects.text, objects.items(objects.at(endpoint, "addresses")))
                )
                name = objects.text(objects.at(endpoint, "targetRef", "name")) or ",".join(
                    addresses
                )
                ready[name] = (*ready.get(name, ()), *addresses)
    return ready
