"""From the metrics of a spec to the templates that say how they are read."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace

from tidegate.evidence import presets, queries, substitution
from tidegate.evidence.model import Identity, Query, Template, Variable
from tidegate.evidence.substitution import Unsafe
from tidegate.rollout import model

CLUSTER_TEMPLATE = "ClusterMetricTemplate"

_ANYBODY = Identity(namespace="namespace", name="name", candidate="candidate", stable="stable")


@dataclass(frozen=True, slots=True, kw_only=True)
class Catalog:
    """What a spec may refer to. `sources` says of each metric source if it enforces a namespace."""

    namespaced: Mapping[str, Template]
    cluster: Mapping[str, Template]
    sources: Mapping[str, bool]


def resolve_templates(
    spec: model.Spec, *, catalog: Catalog
) -> Mapping[str, Template] | tuple[model.Violation, ...]:
    """The template of each metric by the metric's name, its source filled in.

    Errors: violations with the field path; `ReferenceNotFound` for a template that does not exist
    (it heals without an edit), `SourceNotFound`, `UnsafeSubstitution`, else `InvalidSpec`.
    """
    found: dict[str, Template] = {}
    violations: list[model.Violation] = []
    for index, metric in enumerate(spec.analysis.metrics):
        path = f"spec.analysis.metrics[{index}]"
        template = _lookup(metric, server=spec.server.preset, catalog=catalog, path=path)
        if isinstance(template, Template):
            template = replace(template, source=template.source or spec.analysis.source)
            violations += _checked(metric, template=template, catalog=catalog, path=path)
            found[metric.name] = template
        else:
            violations.append(template)
    return tuple(violations) or found


def threshold_of(metric: model.Metric, *, template: Template) -> model.Threshold:
    """The limits of a metric: its own, else the template's."""
    own = metric.threshold
    return template.default_threshold if own == model.NO_THRESHOLD else own


def violations_of(
    template: Template, *, variables: Mapping[str, str], path: str
) -> tuple[model.Violation, ...]:
    """What is wrong with a template's text or with the values given to it."""
    values = substitution.bound(template.variables, given=variables)
    if not isinstance(values, dict):
        return tuple(_unsafe(problem, path=f"{path}.variables") for problem in values)
    planned = queries.plan(
        template, variables=values, identity=_ANYBODY, range_seconds=1, window_seconds=1
    )
    return (_unsafe(planned, path=path),) if isinstance(planned, Unsafe) else ()


def _lookup(
    metric: model.Metric, *, server: str, catalog: Catalog, path: str
) -> Template | model.Violation:
    if metric.preset:
        return _preset(metric.preset, server=server, path=path)
    if metric.template is not None:
        return _reference(metric.template, catalog=catalog, path=path)
    variables = tuple(Variable(name=name) for name, _ in metric.variables)
    return Template(name=metric.name, measure=Query(promql=metric.query), variables=variables)


def _preset(preset: str, *, server: str, path: str) -> Template | model.Violation:
    template = presets.TEMPLATES.get((server, preset))
    if template is not None:
        return template
    if preset in presets.METRICS:
        message = f"server preset {server!r} has no metrics; known are {', '.join(presets.SERVERS)}"
        return model.Violation(path="spec.server.preset", message=message)
    message = f"unknown preset {preset!r}; known are {', '.join(presets.METRICS)}"
    return model.Violation(path=f"{path}.preset", message=message)


def _reference(
    reference: model.TemplateRef, *, catalog: Catalog, path: str
) -> Template | model.Violation:
    cluster = reference.kind == CLUSTER_TEMPLATE
    template = (catalog.cluster if cluster else catalog.namespaced).get(reference.name)
    if template is not None:
        return replace(template, cluster=cluster)
    return model.Violation(
        path=f"{path}.templateRef",
        message=f"{reference.kind} {reference.name!r} does not exist or is invalid",
        reason="ReferenceNotFound",
    )


def _checked(
    metric: model.Metric, *, template: Template, catalog: Catalog, path: str
) -> list[model.Violation]:
    violations = list(
        violations_of(template, variables=dict(metric.variables), path=_text_path(metric, path))
    )
    if template.source not in catalog.sources:
        where = "spec.analysis.source" if metric.template is None else f"{path}.templateRef"
        message = f"metric source {template.source!r} is not in the operator's settings"
        violations.append(model.Violation(path=where, message=message, reason="SourceNotFound"))
    elif isinstance(template.measure, Query) and not template.cluster:
        violations += _free_query_refused(
            template, enforced=catalog.sources[template.source], path=_text_path(metric, path)
        )
    if threshold_of(metric, template=template) == model.NO_THRESHOLD:
        message = "give min, max or both: neither the metric nor its template has a limit"
        violations.append(model.Violation(path=f"{path}.threshold", message=message))
    return violations


def _free_query_refused(
    template: Template, *, enforced: bool, path: str
) -> tuple[model.Violation, ...]:
    if enforced:
        return ()
    message = (
        f"a free query could read other namespaces: metric source {template.source!r} does not "
        f"enforce a namespace; use a preset, selectors or a {CLUSTER_TEMPLATE}"
    )
    return (model.Violation(path=path, message=message),)


def _text_path(metric: model.Metric, path: str) -> str:
    if metric.preset:
        return f"{path}.preset"
    return f"{path}.templateRef" if metric.template is not None else f"{path}.query"


def _unsafe(problem: Unsafe, *, path: str) -> model.Violation:
    return model.Violation(path=path, message=problem.message, reason="UnsafeSubstitution")
