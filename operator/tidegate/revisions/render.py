"""Deployment and Service of a revision, as they are written.

The pod template of a revision is the user's template plus what is injected here: two labels,
identity variables, scrape annotations, named ports and a drain pause. It never changes after creation.
Source: api.md, 2.3 and 2.6; architecture.md, 6.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from tidegate import model
from tidegate.model import config_maps, objects
from tidegate.revisions import note
from tidegate.revisions.config_maps import copy_name

# A pod that is removed keeps answering for this long, so that endpoint controller, kube-proxy and
# gateways stop sending to it before its server stops listening.
DRAIN_SECONDS: Final = 10
MAX_PORT: Final = 65535
_DEFAULT_GRACE_SECONDS: Final = 30  # of Kubernetes, where the template names none


def freeze(
    meta: model.ObjectMeta, spec: model.Spec, revision: model.Revision
) -> model.FrozenRevision:
    """What makes and reads the revision that the spec asks for."""
    template = _template(meta, spec, revision)
    return model.FrozenRevision(
        revision=revision,
        model=spec.model,
        server=spec.server,
        port=_pod_port(template, number=spec.service.target_port),
        template=template,
        kept=False,
        config_maps=spec.config_maps,
    )


def adopt(
    meta: model.ObjectMeta,
    deployment: model.Document,
    *,
    service: model.Document | None,
    server: model.Server,
) -> model.FrozenRevision:
    """A revision without a ControllerRevision, such as one of an older release, as it runs.

    Its template and port are those of the live objects; only how its server is read must come from
    `server`.
    """
    revision = model.Revision(
        hash=objects.label(deployment, objects.LABEL_REVISION),
        digest=objects.annotation(deployment, objects.ANNOTATION_SPEC_HASH),
        model_version=objects.annotation(deployment, objects.ANNOTATION_MODEL_VERSION),
    )
    template = objects.mapping(objects.at(deployment, "spec", "template"))
    targets = objects.items(objects.at(service, "spec", "ports"))
    target = objects.at(targets[0], "targetPort") if targets else None
    port = _pod_port(template, number=objects.whole(target, default=server.port))
    return model.FrozenRevision(
        revision=revision,
        model=model.Model(name=meta.name, version=revision.model_version),
        server=server,
        port=port,
        template=template,
        kept=False,
    )


def render_deployment(
    meta: model.ObjectMeta,
    frozen: model.FrozenRevision,
    *,
    replicas: int,
    role: model.Role,
    progress_deadline_seconds: float,
    autoscaled: bool = False,
) -> model.Document:
    """The Deployment `<name>-<revision>`. Nothing of `spec.template` is changed in place.

    Its selector and template stay as created; only replicas and the role label move later.
    """
    revision = frozen.revision.hash
    notes = {objects.ANNOTATION_REPLICAS: note.of_replicas(replicas, autoscaled=autoscaled)}
    return {
        "apiVersion": "apps/v1",
        "kind": "Deployment",
        "metadata": _metadata(meta, frozen, labels={objects.LABEL_ROLE: role.value}, notes=notes),
        "spec": {
            "replicas": replicas,
            # The template never changes, so there is one ReplicaSet and no history to keep.
            "revisionHistoryLimit": 0,
            "progressDeadlineSeconds": round(progress_deadline_seconds),
            "strategy": {
                "type": "RollingUpdate",
                "rollingUpdate": {"maxUnavailable": 0, "maxSurge": 1},
            },
            "selector": {"matchLabels": objects.revision_selector(meta.name, revision=revision)},
            "template": frozen.template,
        },
    }


def render_service(
    meta: model.ObjectMeta,
    frozen: model.FrozenRevision,
    *,
    entry: model.EntryService,
    notes: Mapping[str, str],
) -> model.Document:
    """The Service `<name>-<revision>` over the pods of one revision, always on port 80.

    It never changes: the role stands on the Deployment alone, since each label more is one more write.
    """
    selector = objects.revision_selector(meta.name, revision=frozen.revision.hash)
    target = frozen.port.name or frozen.port.number
    port = objects.service_port(entry, port=objects.REVISION_SERVICE_PORT, target=target)
    return {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": _metadata(meta, frozen, labels={}, notes=notes),
        "spec": {"type": "ClusterIP", "selector": selector, "ports": [port]},
    }


def _metadata(
    meta: model.ObjectMeta,
    frozen: model.FrozenRevision,
    *,
    labels: Mapping[str, str],
    notes: Mapping[str, str],
) -> model.Document:
    revision = frozen.revision
    return {
        "name": objects.revision_object_name(meta.name, revision=revision.hash),
        "namespace": meta.namespace,
        "labels": {
            **objects.common_labels(meta.name, component="model-server"),
            "app.kubernetes.io/version": frozen.model.version,
            objects.LABEL_REVISION: revision.hash,
            **labels,
        },
        "annotations": {**objects.revision_annotations(revision), **notes},
        "ownerReferences": [objects.owner_reference(meta)],
    }


def _template(meta: model.ObjectMeta, spec: model.Spec, revision: model.Revision) -> model.Document:
    """The user's template with labels, annotations and containers completed."""
    own = objects.mapping(spec.template.get("metadata"))
    copies = {it: copy_name(it, owner=meta.name, revision=revision.hash) for it in spec.config_maps}
    pod = config_maps.renamed(objects.mapping(spec.template.get("spec")), copies)
    drain_seconds = _drain_seconds(pod)
    identity = _identity(spec, revision)
    containers = [
        _with_drain(with_variables(container, identity), seconds=drain_seconds)
        for container in _containers(pod, "containers")
    ]
    annotations = {
        **_scrape_annotations(spec.server),
        **objects.mapping(own.get("annotations")),
    }
    if not pod.get("hostNetwork"):  # there each entry takes a port of the node, and may stand once
        ports = {
            objects.PORT_NAME: spec.service.target_port,
            objects.METRICS_PORT_NAME: _metrics_port(annotations, server=spec.server),
        }
        containers = with_named_ports(containers, ports)
    prepared = [with_variables(c, identity) for c in _containers(pod, "initContainers")]
    return {
        **spec.template,
        "metadata": {
            **own,
            "labels": {
                **objects.mapping(own.get("labels")),
                **objects.revision_selector(meta.name, revision=revision.hash),
                **_decision_label(spec),
            },
            "annotations": annotations,
        },
        "spec": {
            **pod,
            "containers": containers,
            **({"initContainers": prepared} if prepared else {}),
        },
    }


def with_named_ports(
    containers: Sequence[model.Document], ports: Mapping[str, int]
) -> list[model.Document]:
    """The containers with these ports by name; a name that is there already is left as it is.

    A port is named in the container that declares its number, else in the first: all containers of a
    pod share their ports, and a name is found in main containers only.
    """
    named = list(containers)
    for name, number in ports.items():
        if not named or _number_of(named, name):
            continue
        declaring = (at for at, it in enumerate(named) if number in _numbers(it))
        chosen = next(declaring, 0)
        own = objects.items(named[chosen].get("ports"))
        port: model.Document = {"name": name, "containerPort": number, "protocol": "TCP"}
        named[chosen] = {**named[chosen], "ports": [*own, port]}
    return named


def _numbers(container: model.Document) -> set[int]:
    ports = objects.items(container.get("ports"))
    return {objects.whole(objects.at(port, "containerPort")) for port in ports}


def _number_of(containers: Sequence[model.Json], name: str) -> int:
    """The number of a named port, or 0."""
    for container in containers:
        for port in objects.items(objects.at(container, "ports")):
            if objects.at(port, "name") == name:
                return objects.whole(objects.at(port, "containerPort"))
    return 0


def _metrics_port(annotations: model.Document, *, server: model.Server) -> int:
    """Where the annotation says, as a template may have its own; it is text there."""
    text = objects.text(annotations.get("prometheus.io/port"))
    valid = text.isascii() and text.isdigit() and 0 < int(text) <= MAX_PORT
    return int(text) if valid else server.metrics_port


def _pod_port(template: model.Document, *, number: int) -> model.PodPort:
    """The named port of a rendered template, else the number."""
    named = _number_of(objects.items(objects.at(template, "spec", "containers")), objects.PORT_NAME)
    if named:
        return model.PodPort(number=named, name=objects.PORT_NAME)
    return model.PodPort(number=number)


def _containers(pod: model.Document, member: str) -> list[model.Document]:
    return [objects.mapping(container) for container in objects.items(pod.get(member))]


def _identity(spec: model.Spec, revision: model.Revision) -> dict[str, str]:
    mode = spec.automation.decision_mode
    return {
        "TIDEGATE_MODEL_NAME": spec.model.name,
        "TIDEGATE_MODEL_VERSION": spec.model.version,
        "TIDEGATE_MODEL_URI": spec.model.uri,
        "TIDEGATE_REVISION": revision.hash,
        **({"TIDEGATE_DECISION_MODE": mode.value} if mode is not None else {}),
    }


def _decision_label(spec: model.Spec) -> dict[str, str]:
    mode = spec.automation.decision_mode
    return {objects.LABEL_DECISION_MODE: mode.value} if mode is not None else {}


def with_variables(container: model.Document, identity: dict[str, str]) -> model.Document:
    """Put ours in front: a variable may refer only to ones that stand before it."""
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
