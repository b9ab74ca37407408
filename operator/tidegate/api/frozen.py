"""What was frozen, as ControllerRevisions, and back.

`<name>-<revision>` holds what makes and reads a revision, `<name>-<revision>-<attempt>` the spec that
a rollout of it began with. The API server lets nobody change the data of either.
Source: docs/adr/0013-durable-revisions.md.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tidegate import model, ports
from tidegate.api.revision import canonical, mapping
from tidegate.model import objects

REVISION, ROLLOUT = "revision", "rollout"
_COMPONENT = "app.kubernetes.io/component"


def write_revision(meta: model.ObjectMeta, frozen: model.FrozenRevision) -> ports.Object:
    """The ControllerRevision of a revision, with its pod template."""
    server = frozen.server
    data = {
        "model": {
            "name": frozen.model.name,
            "version": frozen.model.version,
            "uri": frozen.model.uri,
            "digest": frozen.model.digest,
        },
        "server": {
            "preset": server.preset,
            "port": server.port,
            "metricsPort": server.metrics_port,
            "metricsPath": server.metrics_path,
            "readyPath": server.ready_path,
        },
        "port": {"number": frozen.port.number, "name": frozen.port.name},
        "template": frozen.template,
        **({"configMaps": dict(frozen.config_maps)} if frozen.config_maps else {}),
    }
    name = objects.revision_object_name(meta.name, revision=frozen.revision.hash)
    return _body(
        meta,
        name=name,
        revision=frozen.revision,
        component=REVISION,
        number=meta.generation,
        data=data,
    )


def read_revision(body: Mapping[str, Any]) -> model.FrozenRevision | None:
    """What a ControllerRevision says of a revision; None for any other object.

    The template is empty where the object was read without it.
    """
    data = _data(body, component=REVISION)
    port = mapping(data.get("port"))
    if not isinstance(port.get("number"), int):
        return None
    made, server = mapping(data.get("model")), mapping(data.get("server"))
    return model.FrozenRevision(
        revision=_revision(body),
        model=model.Model(
            name=objects.text(made.get("name")),
            version=objects.text(made.get("version")),
            uri=objects.text(made.get("uri")),
            digest=objects.text(made.get("digest")),
        ),
        server=model.Server(
            preset=objects.text(server.get("preset")),
            port=objects.whole(server.get("port")),
            metrics_port=objects.whole(server.get("metricsPort")),
            metrics_path=objects.text(server.get("metricsPath")),
            ready_path=objects.text(server.get("readyPath")),
        ),
        port=model.PodPort(number=port["number"], name=objects.text(port.get("name"))),
        template=mapping(data.get("template")),
        config_maps={
            name: objects.text(digest) for name, digest in mapping(data.get("configMaps")).items()
        },
    )


def write_rollout(
    meta: model.ObjectMeta, rollout: model.Rollout, *, spec: Mapping[str, Any]
) -> ports.Object:
    """The ControllerRevision of a rollout that begins with this spec of a ModelDeployment."""
    kept = dict(canonical(spec))
    kept["workload"] = {k: v for k, v in mapping(kept.get("workload")).items() if k != "template"}
    return _body(
        meta,
        name=rollout.frozen_name,
        revision=rollout.revision,
        component=ROLLOUT,
        number=rollout.attempt,
        data={"from": rollout.from_revision, "spec": kept},
    )


def read_rollout(body: Mapping[str, Any]) -> model.FrozenRollout | None:
    """What a ControllerRevision says of a rollout; None for any other object."""
    data = _data(body, component=ROLLOUT)
    spec = mapping(data.get("spec"))
    if not spec:
        return None
    return model.FrozenRollout(
        name=objects.object_name(dict(body)),
        revision=_revision(body).hash,
        attempt=objects.whole(body.get("revision")),
        from_revision=objects.text(data.get("from")),
        spec=spec,
    )


def slim_data(data: Mapping[str, Any]) -> dict[str, Any]:
    """All but the pod template: it is large, and read only to make lost pods again."""
    return {name: value for name, value in data.items() if name != "template"}


def _body(
    meta: model.ObjectMeta,
    *,
    name: str,
    revision: model.Revision,
    component: str,
    number: int,
    data: dict[str, Any],
) -> ports.Object:
    labels = objects.common_labels(meta.name, component=component)
    return {
        "apiVersion": ports.CONTROLLER_REVISION.api_version,
        "kind": ports.CONTROLLER_REVISION.kind,
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": labels | {objects.LABEL_REVISION: revision.hash},
            "annotations": objects.revision_annotations(revision),
            "ownerReferences": [dict(objects.owner_reference(meta))],
        },
        "revision": number,
        "data": data,
    }


def _data(body: Mapping[str, Any], *, component: str) -> Mapping[str, Any]:
    """The data of an object of this component, else nothing."""
    ours = objects.label(dict(body), _COMPONENT) == component
    return mapping(body.get("data")) if ours else {}


def _revision(body: Mapping[str, Any]) -> model.Revision:
    document = dict(body)
    return model.Revision(
        hash=objects.label(document, objects.LABEL_REVISION),
        digest=objects.annotation(document, objects.ANNOTATION_SPEC_HASH),
        model_version=objects.annotation(document, objects.ANNOTATION_MODEL_VERSION),
    )
