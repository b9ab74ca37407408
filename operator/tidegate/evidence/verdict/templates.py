"""From the metrics of a spec to the templates that say how they are read."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import replace

from tidegate import model
from tidegate.evidence.queries import presets, promql
from tidegate.evidence.queries.substitution import Unsafe
from tidegate.evidence.terms import Identity, Query, Template, Variable
from tidegate.evidence.verdict import agreement, rules

NOT_FOUND = "ReferenceNotFound"
UNSUPPORTED = "UnsupportedByProvider"

_ANYBODY = Identity(namespace="namespace", name="name", candidate="candidate", stable="stable")


Find = Callable[[model.TemplateRef], Template | None]


def resolve_templates(
    spec: model.Spec, *, find: Find, sources: Mapping[str, bool]
) -> Mapping[str, Template] | tuple[model.Violation, ...]:
    """The template of each metric by the metric's name, its source filled in.

    `find` looks a reference up in the spec's own namespace or among the cluster's; `sources` says
    of each metric source that is open to the spec's namespace whether it enforces one on every
    query.
    Errors: violations with the field path; `ReferenceNotFound` for a template or a source that
    does not exist (it heals without an edit), `UnsupportedByProvider` for a preset that neither
    server nor data plane can answer, `UnsafeSubstitution`, else `InvalidSpec`.
    """
    found: dict[str, Template] = {}
    violations: list[model.Violation] = []
    for index, metric in enumerate(spec.analysis.metrics):
        path = f"spec.analysis.metrics[{index}]"
        template = _lookup(metric, spec=spec, find=find, path=path)
        if isinstance(template, Template):
            template = replace(template, source=template.source or spec.analysis.source)
            violations += _checked(metric, template=template, sources=sources, path=path)
            found[metric.name] = template
        else:
            violations.append(template)
    violations += _of_steps(spec, found)
    if spec.shadow is not None and spec.shadow.agreement is not None:
        paired = resolve_pairs(spec.shadow.agreement, spec=spec, find=find, sources=sources)
        if isinstance(paired, Template):
            found[agreement.NAME] = paired
        else:
            violations += paired
    return tuple(violations) or found


def resolve_pairs(
    asked: model.Agreement, *, spec: model.Spec, find: Find, sources: Mapping[str, bool]
) -> Template | tuple[model.Violation, ...]:
    """What reads the pairs of an agreement, or what is wrong with it. Errors: as for the metrics."""
    metric = agreement.metric_of(asked)
    template = agreement.preset_of(asked) or _lookup(
        metric, spec=spec, find=find, path=agreement.PATH
    )
    if isinstance(template, model.Violation):
        return (template,)
    template = agreement.of_pairs(replace(template, source=template.source or spec.analysis.source))
    found = (
        *_checked(metric, template=template, sources=sources, path=agreement.PATH),
        *agreement.violations(spec, template=template),
    )
    return found or template


def alone(spec: model.Spec, metric: model.Metric) -> model.Spec:
    """The same spec with this metric only: another one's trouble, or limit in a step, is not its own.

    An agreement of answers is none of them.
    """
    steps = tuple(
        replace(step, limits=tuple(it for it in step.limits if it.name == metric.name))
        for step in spec.steps
    )
    analysis = replace(spec.analysis, metrics=(metric,))
    return replace(spec, analysis=analysis, steps=steps, shadow=without_agreement(spec.shadow))


def without_agreement(shadow: model.Shadow | None) -> model.Shadow | None:
    """The shadow without what its answers are held against."""
    return replace(shadow, agreement=None) if shadow is not None else None


def unknown_limits(spec: model.Spec) -> tuple[model.Violation, ...]:
    """Limits in steps of metrics that there are none of."""
    return tuple(_of_steps(spec, {}))


def _of_steps(spec: model.Spec, templates: Mapping[str, Template]) -> Iterator[model.Violation]:
    """What is wrong with the limits that steps give to metrics."""
    metrics = {metric.name: metric for metric in spec.analysis.metrics}
    for index, step in enumerate(spec.steps):
        for place, limit in enumerate(step.limits):
            path = f"spec.strategy.canary.steps[{index}].metrics[{place}]"
            metric = metrics.get(limit.name)
            if metric is None:
                known = ", ".join(metrics) or "none"
                message = f"{limit.name} is no metric of this analysis ({known}): name one of these"
                yield model.Violation(path=f"{path}.name", message=message)
            elif limit.name in templates:
                limited = replace(metric, threshold=limit.threshold)
                yield from rules.violations(limited, template=templates[limit.name], path=path)


def preset_violations(spec: model.Spec) -> tuple[model.Violation, ...]:
    """What is wrong with the presets of a spec; all that can be said without a cluster."""
    found = (
        _preset(metric.preset, spec=spec, path=f"spec.analysis.metrics[{index}]")
        for index, metric in enumerate(spec.analysis.metrics)
        if metric.preset
    )
    return tuple(one for one in found if isinstance(one, model.Violation))


def unjudged(spec: model.Spec) -> tuple[str, ...]:
    """What a spec without metrics of its own would have judged, and cannot; in sentences.

    Neither server nor data plane export it. It keeps nothing from serving.
    """
    return tuple(
        f"{metric} is not judged: {_missing(metric, spec=spec)}"
        for metric in spec.analysis.left_out
    )


def violations_of(
    template: Template, *, given: Mapping[str, str], path: str
) -> tuple[model.Violation, ...]:
    """What is wrong with a template's text or with the values given to its variables."""
    wanted = promql.wanted(template, given=given, identity=_ANYBODY, window_seconds=1)
    if not isinstance(wanted, Unsafe):
        return ()
    return (model.Violation(path=path, message=wanted.message, reason="UnsafeSubstitution"),)


def _lookup(
    metric: model.Metric, *, spec: model.Spec, find: Find, path: str
) -> Template | model.Violation:
    if metric.preset:
        return _preset(metric.preset, spec=spec, path=path)
    if metric.template is not None:
        return _reference(metric.template, find=find, path=path)
    variables = tuple(Variable(name=name) for name, _ in metric.variables)
    return Template(name=metric.name, measure=Query(promql=metric.query), variables=variables)


def _preset(preset: str, *, spec: model.Spec, path: str) -> Template | model.Violation:
    server = spec.server.preset
    template = presets.offered(
        preset,
        server=server,
        data_plane=spec.analysis.data_plane,
        app_protocol=spec.service.app_protocol,
    )
    if template is not None:
        return template
    if preset not in presets.METRICS:
        message = f"unknown preset {preset!r}; known are {', '.join(presets.METRICS)}"
        return model.Violation(path=f"{path}.preset", message=message)
    if server not in presets.SERVERS:
        message = f"unknown server {server!r}; known are {', '.join(presets.SERVERS)}"
        return model.Violation(path="spec.server.preset", message=message)
    return model.Violation(
        path=f"{path}.preset", message=_missing(preset, spec=spec), reason=UNSUPPORTED
    )


def _missing(preset: str, *, spec: model.Spec) -> str:
    """Why neither data plane nor server can give a metric, and the way out."""
    server, protocol = spec.server.preset, spec.service.app_protocol
    planes = [
        name
        for name in presets.DATA_PLANES
        if presets.offered(preset, server="", data_plane=name, app_protocol=protocol)
    ]
    fix = f"set spec.analysis.dataPlane ({', '.join(planes)}), or " if planes else ""
    grpc = (
        f"data plane {spec.analysis.data_plane} does not see it of gRPC, and "
        if (spec.analysis.data_plane, preset) in presets.TEMPLATES
        else ""
    )
    return (
        f"{grpc}server {server} exports nothing that {preset} can be read from: "
        f"{fix}use a templateRef"
    )


def _reference(
    reference: model.TemplateRef, *, find: Find, path: str
) -> Template | model.Violation:
    template = find(reference)
    if template is not None:
        return template
    return model.Violation(
        path=f"{path}.templateRef",
        message=f"{reference.kind} {reference.name!r} does not exist or is invalid",
        reason=NOT_FOUND,
    )


def _checked(
    metric: model.Metric, *, template: Template, sources: Mapping[str, bool], path: str
) -> Iterator[model.Violation]:
    where = _text_path(metric, path)
    yield from violations_of(template, given=dict(metric.variables), path=where)
    if template.source not in sources:
        message = (
            f"metric source {template.source!r} is not in the operator's settings, or not open to "
            "this namespace"
        )
        yield model.Violation(path=where, message=message, reason=NOT_FOUND)
        return
    yield from rules.violations(metric, template=template, path=path)
    free = isinstance(template.measure, Query) and not template.cluster
    if free and not sources[template.source]:
        message = (
            f"a free query could read other namespaces: metric source {template.source!r} does "
            "not enforce a namespace; use a preset, selectors or a ClusterMetricTemplate"
        )
        yield model.Violation(path=where, message=message)


def _text_path(metric: model.Metric, path: str) -> str:
    if metric.preset:
        return f"{path}.preset"
    return f"{path}.templateRef" if metric.template is not None else f"{path}.query"
