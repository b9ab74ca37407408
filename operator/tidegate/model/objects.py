"""Names, labels and owners of the objects that Tidegate generates, and how live ones are read.

The readers narrow decoded JSON step by step: what is missing or of another type reads as empty,
so that no document, however odd, raises.

Source: api.md, 2.6 (labels and annotations), 14.2 (ownership).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tidegate import model

API_VERSION: Final = "tidegate.dev/v1alpha1"
KIND: Final = "ModelDeployment"

LABEL_MODEL_DEPLOYMENT: Final = "tidegate.dev/model-deployment"
LABEL_REVISION: Final = "tidegate.dev/revision"
LABEL_ROLE: Final = "tidegate.dev/role"
LABEL_WATCH: Final = "tidegate.dev/watch"
LABEL_DECISION_MODE: Final = "tidegate.dev/decision-mode"

LABEL_COMPONENT: Final = "app.kubernetes.io/component"
PREVIEW_COMPONENT: Final = "preview"
LABEL_SERVICE_NAME: Final = "kubernetes.io/service-name"  # set by Kubernetes on EndpointSlices

ANNOTATION_SPEC_HASH: Final = "tidegate.dev/spec-hash"
ANNOTATION_HASH_VERSION: Final = "tidegate.dev/hash-version"
ANNOTATION_MODEL_VERSION: Final = "tidegate.dev/model-version"
# The pod template as the API server stored it. It is known only once the Deployment exists, and it
# differs from what was sent by defaults and by whatever admission added.
ANNOTATION_TEMPLATE_HASH: Final = "tidegate.dev/template-hash"
# The replicas that Tidegate asked for last: another number was written by somebody else.
ANNOTATION_REPLICAS: Final = "tidegate.dev/replicas"
# On a Service of somebody else: the ModelDeployment that may take it over.
ANNOTATION_ADOPT: Final = "tidegate.dev/adopt"
ANNOTATION_ROLLED_BACK: Final = "tidegate.dev/rolled-back-revision"
# Names the rollout whose traffic was taken away last. So the write changes the target even where the
# target gave the candidate nothing, and a raise still on its way comes too late; and a rollback that
# was not written to status is told from the mark of an earlier attempt.
ANNOTATION_FENCE: Final = "tidegate.dev/lowered-rollout"
# What the weights of a user's route summed to where ours need another sum, by route and rule; it
# stands on a Service of ours, since nothing but weights is ever written to that route.
ANNOTATION_SUMS: Final = "tidegate.dev/route-sums"

# The way a revision is hashed (api.md, 2.3). It rises only when equal specs would hash differently.
HASH_VERSION: Final = "1"

# The port that Prometheus scrapes, by name in every pod. Kubernetes allows 15 characters.
METRICS_PORT_NAME: Final = "tidegate-metric"

# The port that answers requests, by name in every pod: it is looked up per pod, so one Service reaches
# revisions that listen on different numbers. Kubernetes allows 15 characters.
PORT_NAME: Final = "tidegate-http"

# Every revision Service listens here, whatever the entry Service does: a route names two revisions
# at once, and an edit of spec.service.port must not leave the older one unreachable.
REVISION_SERVICE_PORT: Final = 80


def revision_object_name(name: str, *, revision: str) -> str:
    """Name of a revision's Deployment and Service."""
    return f"{name}-{revision}"


def revision_of_object(object_name: str, *, name: str) -> str:
    """The revision in a generated name; a foreign name comes back whole, so that it stays seen."""
    prefix = f"{name}-"
    return object_name.removeprefix(prefix) if object_name.startswith(prefix) else object_name


def model_selector(name: str) -> dict[str, str]:
    """Selects the pods of all revisions of a ModelDeployment."""
    return {LABEL_MODEL_DEPLOYMENT: name}


def revision_selector(name: str, *, revision: str) -> dict[str, str]:
    """Selects the pods of one revision; the hash alone may repeat across ModelDeployments."""
    return {LABEL_MODEL_DEPLOYMENT: name, LABEL_REVISION: revision}


def selector_text(labels: Mapping[str, str]) -> str:
    """A selector as the API server takes it: `key=value`, parted by commas."""
    return ",".join(f"{key}={value}" for key, value in labels.items())


def common_labels(name: str, *, component: str) -> dict[str, str]:
    """Labels of every generated object. Never `instance`: Argo CD tracks its objects by it."""
    return {
        LABEL_MODEL_DEPLOYMENT: name,
        LABEL_WATCH: "true",
        "app.kubernetes.io/name": name,
        LABEL_COMPONENT: component,
        "app.kubernetes.io/part-of": name,
        "app.kubernetes.io/managed-by": "tidegate",
    }


def revision_annotations(revision: model.Revision) -> dict[str, str]:
    """Annotations of everything that belongs to one revision."""
    return {
        ANNOTATION_SPEC_HASH: revision.digest,
        ANNOTATION_HASH_VERSION: HASH_VERSION,
        ANNOTATION_MODEL_VERSION: revision.model_version,
    }


def service_port(service: model.EntryService, *, port: int, target: int | str) -> model.Document:
    """The one port of a generated Service, towards `target`: a port of the pods or its name."""
    named = {"appProtocol": service.app_protocol} if service.app_protocol else {}
    return {
        "name": "http",
        "protocol": "TCP",
        "port": port,
        "targetPort": target,
        **named,
    }


def owner_reference(meta: model.ObjectMeta) -> model.Document:
    """The controller reference; without blockOwnerDeletion, which needs a right we do not have."""
    return {
        "apiVersion": API_VERSION,
        "kind": KIND,
        "name": meta.name,
        "uid": meta.uid,
        "controller": True,
    }


def is_controlled_by(document: model.Document, *, uid: str) -> bool:
    """Whether the object's controller is the ModelDeployment with this uid."""
    return any(
        at(reference, "controller") is True and at(reference, "uid") == uid
        for reference in items(at(document, "metadata", "ownerReferences"))
    )


def is_offered(document: model.Document, *, name: str) -> bool:
    """Whether its owner lets the ModelDeployment of this name take an object over."""
    owners = items(at(document, "metadata", "ownerReferences"))
    controlled = any(at(reference, "controller") is True for reference in owners)
    return not controlled and annotation(document, ANNOTATION_ADOPT) == name


def at(document: model.Json, *path: str) -> model.Json:
    """The value under nested keys, or None where the path ends early."""
    value = document
    for key in path:
        # Documents come from JSON; asking for the abstract Mapping cost a tenth of every pass.
        if not isinstance(value, dict):
            return None
        value = value.get(key)
    return value


def items(value: model.Json) -> Sequence[model.Json]:
    """A list as it is, anything else as an empty one."""
    if type(value) is list:  # as JSON has it; the abstract class is much slower to ask
        return value
    return value if isinstance(value, Sequence) and not isinstance(value, str) else ()


def mapping(value: model.Json) -> model.Document:
    """An object as it is, anything else as an empty one."""
    return value if type(value) is dict or isinstance(value, Mapping) else {}


def text(value: model.Json) -> str:
    """A string as it is, anything else as the empty one."""
    return value if isinstance(value, str) else ""


def whole(value: model.Json, *, default: int = 0) -> int:
    """An integer as it is, anything else as the default."""
    return value if isinstance(value, int) and not isinstance(value, bool) else default


def label(document: model.Document, name: str) -> str:
    """A label of an object, or the empty string."""
    return text(at(document, "metadata", "labels", name))


def annotation(document: model.Document, name: str) -> str:
    """An annotation of an object, or the empty string."""
    return text(at(document, "metadata", "annotations", name))


def object_name(document: model.Document) -> str:
    """The name of an object, or the empty string."""
    return text(at(document, "metadata", "name"))


def uid(document: model.Document) -> str:
    """The uid of an object, or the empty string."""
    return text(at(document, "metadata", "uid"))


def resource_version(document: model.Document) -> str:
    """The version of an object, or the empty string."""
    return text(at(document, "metadata", "resourceVersion"))


def condition(conditions: model.Json, kind: str) -> model.Document:
    """The condition of this type, or an empty object."""
    for candidate in items(conditions):
        if at(candidate, "type") == kind:
            return mapping(candidate)
    return {}


def generation(document: model.Document) -> int:
    """The generation of an object's spec, or 0."""
    return whole(at(document, "metadata", "generation"))
