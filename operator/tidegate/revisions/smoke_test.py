"""The Job of a smoke test: how it is written, and what one says.

Source: batch/v1 Job; KEP-3998 (SuccessCriteriaMet); docs/adr/0055.
"""

from __future__ import annotations

from typing import Final

from tidegate import model
from tidegate.model import objects
from tidegate.revisions.render import with_variables

COMPONENT: Final = "smoke-test"
KEPT_SECONDS: Final = 86_400  # after its end, for people who want to read what it said


def render(
    meta: model.ObjectMeta, *, name: str, revision: model.Revision, asked: model.SmokeTestJob
) -> model.Document:
    """The Job `name`, which finds the pods of this revision, and no others, by the URL in its pods.

    Its pods have no label by which a Service of ours selects.
    """
    labels = objects.common_labels(meta.name, component=COMPONENT)
    return {
        "apiVersion": "batch/v1",
        "kind": "Job",
        "metadata": {
            "name": name,
            "namespace": meta.namespace,
            "labels": {**labels, objects.LABEL_REVISION: revision.hash},
            "annotations": objects.revision_annotations(revision),
            "ownerReferences": [objects.owner_reference(meta)],
        },
        "spec": {
            "activeDeadlineSeconds": round(asked.timeout_seconds),
            "backoffLimit": asked.backoff_limit,
            "ttlSecondsAfterFinished": KEPT_SECONDS,
            "template": _template(asked.template, _variables(meta, revision)),
        },
    }


def seen(body: model.Document | None, *, uid: str) -> model.SeenJob:
    """What a live Job says; one of somebody else is never waited for."""
    if body is None or objects.at(body, "metadata", "deletionTimestamp"):
        return model.SeenJob()  # what is being deleted was asked by nobody who is there now
    if not objects.is_controlled_by(body, uid=uid):
        name = objects.object_name(body)
        text = f"Job {name} exists and belongs to somebody else; rename or delete it"
        return model.SeenJob(obstacle=text)
    conditions = objects.at(body, "status", "conditions")
    for kind in ("Complete", "SuccessCriteriaMet"):
        if _holds(objects.condition(conditions, kind)):
            return model.SeenJob(state=model.SmokeTestState.PASSED)
    for kind in ("Failed", "FailureTarget"):
        if _holds(failed := objects.condition(conditions, kind)):
            return model.SeenJob(state=model.SmokeTestState.FAILED, message=_why(failed))
    return model.SeenJob(state=model.SmokeTestState.RUNNING)


def _holds(condition: model.Document) -> bool:
    return condition.get("status") == "True"


def _why(condition: model.Document) -> str:
    said = (objects.text(condition.get(name)) for name in ("reason", "message"))
    return ": ".join(part for part in said if part) or "it failed"


def _variables(meta: model.ObjectMeta, revision: model.Revision) -> dict[str, str]:
    service = objects.revision_object_name(meta.name, revision=revision.hash)
    return {
        "TIDEGATE_PREVIEW_URL": f"http://{service}.{meta.namespace}.svc:{objects.REVISION_SERVICE_PORT}",
        "TIDEGATE_REVISION": revision.hash,
        "TIDEGATE_MODEL_VERSION": revision.model_version,
    }


def _template(template: model.Document, variables: dict[str, str]) -> model.Document:
    own, pod = objects.mapping(template.get("metadata")), objects.mapping(template.get("spec"))
    labels = {**objects.mapping(own.get("labels")), objects.LABEL_COMPONENT: COMPONENT}
    told = {
        member: [
            with_variables(objects.mapping(one), variables) for one in objects.items(pod[member])
        ]
        for member in ("initContainers", "containers")
        if pod.get(member)
    }
    return {
        "metadata": {**own, "labels": labels},
        "spec": {"restartPolicy": "Never", **pod, **told},
    }
