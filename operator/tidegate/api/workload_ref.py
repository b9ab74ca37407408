"""A Deployment of the same namespace as the source of the pod template (api.md, 14.3).

It is read, and nothing else. From here on its pod template stands in the ModelDeployment as if the
user had written it there, so no other rule knows where it comes from.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from tidegate import model
from tidegate.api.revision import mapping
from tidegate.model import objects

PATH = "spec.workload.workloadRef"
NOT_FOUND = "SourceNotFound"
UNUSABLE = "SourceUnusable"
# Written by tools into the template of a Deployment; a restart by one of them is no new revision.
_FOREIGN_NOTES = ("kubectl.kubernetes.io/", "argocd.argoproj.io/", "deployment.kubernetes.io/")
_TEMPLATE = "spec.workload.template"


def source_name(body: Mapping[str, Any]) -> str:
    """The Deployment that a ModelDeployment names as its source; empty where it names none."""
    return objects.text(mapping(_workload(body).get("workloadRef")).get("name"))


def template_path(body: Mapping[str, Any]) -> str:
    """The field of a ModelDeployment that says what its pods are made of."""
    return PATH if source_name(body) else _TEMPLATE


def with_template(
    body: Mapping[str, Any], source: Mapping[str, Any] | None
) -> dict[str, Any] | model.Violation:
    """The ModelDeployment with the source's pod template in place of the reference.

    The keys of the source's own selector are left out of the labels: no Service, budget or
    autoscaler that looks for its pods may catch those of a revision.

    Errors: a violation where there is no such Deployment, or where Tidegate made it itself.
    """
    if source is None:
        return _violation(
            body,
            "does not exist in this namespace: create it, name another one, or write its pod template "
            "into workload.template; what serves stays as it is meanwhile",
            reason=NOT_FOUND,
        )
    if objects.LABEL_REVISION in mapping(mapping(source.get("metadata")).get("labels")):
        return _violation(
            body,
            "belongs to a revision of a ModelDeployment: name a Deployment of your own",
            reason=UNUSABLE,
        )
    workload = {k: v for k, v in _workload(body).items() if k != "workloadRef"}
    workload["template"] = _pods(mapping(source.get("spec")))
    return {**body, "spec": {**mapping(body.get("spec")), "workload": workload}}


def blamed(violations: Iterable[model.Violation], *, name: str) -> tuple[model.Violation, ...]:
    """What is wrong with the template itself, said of the Deployment that it comes from."""
    return tuple(
        replace(
            one,
            path=PATH,
            message=f"Deployment {name}: {one.path.removeprefix('spec.workload.')}: {one.message}",
            reason=UNUSABLE,
        )
        for one in violations
        if one.path.startswith(_TEMPLATE)
    )


def _pods(spec: Mapping[str, Any]) -> dict[str, Any]:
    """The template without what belongs to the Deployment and to tools."""
    template = mapping(spec.get("template"))
    metadata = mapping(template.get("metadata"))
    selected = _selected_keys(mapping(spec.get("selector")))
    labels = {k: v for k, v in mapping(metadata.get("labels")).items() if k not in selected}
    annotations = {
        key: value
        for key, value in mapping(metadata.get("annotations")).items()
        if not key.startswith(_FOREIGN_NOTES)
    }
    return {
        "metadata": {"labels": labels, "annotations": annotations},
        "spec": template.get("spec"),
    }


def _selected_keys(selector: Mapping[str, Any]) -> set[str]:
    expressions = selector.get("matchExpressions")
    named = expressions if isinstance(expressions, list) else []
    return {
        *mapping(selector.get("matchLabels")),
        *(objects.text(mapping(it).get("key")) for it in named),
    }


def _violation(body: Mapping[str, Any], why: str, *, reason: str) -> model.Violation:
    message = f"Deployment {source_name(body)} {why}"
    return model.Violation(path=f"{PATH}.name", message=message, reason=reason)


def _workload(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return mapping(mapping(mapping(body).get("spec")).get("workload"))
