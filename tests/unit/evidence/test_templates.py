from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import evidence_build as build
import pytest

from tidegate import model
from tidegate.evidence.queries import presets
from tidegate.evidence.terms import Query, Ratio, Selector, Template, Variable
from tidegate.evidence.verdict.templates import resolve_templates

RATIO = Template(
    name="answers",
    measure=Ratio(bad=Selector(metric="bad_total"), total=Selector(metric="all_total")),
    source="other",
    variables=(Variable(name="feature"),),
)
FREE = Template(name="free", measure=Query(promql='up{r="${revision}"}'))
CLUSTER = Template(name="cluster", measure=Query(promql='up{r="${revision}"}'), cluster=True)
TEMPLATES = {(it.name, it.cluster): it for it in (RATIO, FREE, CLUSTER)}


def _find(reference: model.TemplateRef) -> Template | None:
    return TEMPLATES.get((reference.name, reference.kind == "ClusterMetricTemplate"))


def _resolve(
    metric: model.Metric, *, sources: Mapping[str, bool] | None = None
) -> Mapping[str, Template] | tuple[model.Violation, ...]:
    return resolve_templates(
        build.spec(build.analysis(build.metric("first"), metric)),
        find=_find,
        sources=sources or {"default": False, "other": False},
    )


def _reference(name: str, *, cluster: bool = False, **more: object) -> model.Metric:
    kind = "ClusterMetricTemplate" if cluster else "MetricTemplate"
    return build.metric(
        "second", preset="", template=model.TemplateRef(kind=kind, name=name), **more
    )


def test_a_preset_is_read_from_the_source_of_the_analysis() -> None:
    found = _resolve(build.metric("second", preset="latency-p95"))

    assert isinstance(found, Mapping)
    assert found["second"].measure == presets.TEMPLATES["MLServer", "latency-p95"].measure
    assert found["second"].source == "default"
    assert found.keys() == {"first", "second"}


def test_a_template_may_name_its_own_source() -> None:
    found = _resolve(_reference("answers", variables=(("feature", "a"),)))

    assert isinstance(found, Mapping)
    assert found["second"].source == "other"


def test_a_free_query_of_the_platform_is_allowed_everywhere() -> None:
    assert isinstance(_resolve(_reference("cluster", cluster=True)), Mapping)


def test_a_free_query_of_a_tenant_is_allowed_where_the_source_enforces_a_namespace() -> None:
    inline = build.metric("second", preset="", query='up{a="${x}"}', variables=(("x", "1"),))

    for metric in (inline, _reference("free")):
        assert isinstance(_resolve(metric, sources={"default": True}), Mapping)
        found = _resolve(metric)
        assert isinstance(found, tuple)
        assert "could read other namespaces" in found[0].message


@pytest.mark.parametrize(
    ("case", "metric", "path", "reason"),
    [
        ("no such template", _reference("none"), ".templateRef", "ReferenceNotFound"),
        ("of the other kind", _reference("cluster"), ".templateRef", "ReferenceNotFound"),
        ("variable missing", _reference("answers"), ".templateRef", "UnsafeSubstitution"),
        (
            "unknown preset",
            build.metric("second", preset="throughput"),
            ".preset",
            "InvalidSpec",
        ),
    ],
)
def test_what_cannot_be_read_names_the_field(
    case: str, metric: model.Metric, path: str, reason: str
) -> None:
    found = _resolve(metric)

    assert isinstance(found, tuple), case
    assert [(it.path, it.reason) for it in found] == [(f"spec.analysis.metrics[1]{path}", reason)]


def _resolve_step(
    limit: model.StepLimit,
) -> Mapping[str, Template] | tuple[model.Violation, ...]:
    metrics = (build.metric("errors"), build.metric("latency", preset="latency-p95"))
    spec = build.spec(build.analysis(*metrics))
    steps = (replace(spec.steps[0], limits=(limit,)),)
    return resolve_templates(replace(spec, steps=steps), find=_find, sources={"default": False})


@pytest.mark.parametrize(
    ("name", "threshold", "path", "words"),
    [
        ("throughput", model.Threshold(max=1), "name", "(errors, latency): name one of these"),
        ("errors", model.Threshold(max=1), "threshold.max", "a ratio lies between 0 and 1"),
        ("latency", model.Threshold(min=1), "threshold.min", "a latency has an upper limit only"),
    ],
)
def test_limits_of_a_step_are_checked_as_those_of_the_metric(
    name: str, threshold: model.Threshold, path: str, words: str
) -> None:
    found = _resolve_step(model.StepLimit(name=name, threshold=threshold))

    assert isinstance(found, tuple)
    assert [one.path for one in found] == [
        f"spec.strategy.canary.steps[0].metrics[0].{path}",
    ]
    assert words in found[0].message


def test_a_step_may_limit_each_metric_of_the_analysis() -> None:
    for name, limit in (("errors", 0.2), ("latency", 2.0)):
        threshold = model.Threshold(max=limit)
        assert isinstance(_resolve_step(model.StepLimit(name=name, threshold=threshold)), Mapping)


def test_an_unsafe_inline_query_names_the_query() -> None:
    metric = build.metric("second", preset="", query="up{${namespace}}")

    found = _resolve(metric, sources={"default": True})

    assert isinstance(found, tuple)
    assert found[0].path == "spec.analysis.metrics[1].query"
    assert found[0].reason == "UnsafeSubstitution"


def test_an_unknown_source_is_not_found() -> None:
    found = _resolve(build.metric("second"), sources={"other": True})

    assert isinstance(found, tuple)
    assert {it.reason for it in found} == {"ReferenceNotFound"}


def test_a_server_without_presets_says_which_have_them() -> None:
    found = resolve_templates(
        build.spec(build.analysis(), preset="Other"), find=_find, sources={"default": False}
    )

    assert isinstance(found, tuple)
    assert found[0].path == "spec.server.preset"
    assert "HTTP, Flask, MLServer, KServe" in found[0].message


@pytest.mark.parametrize(
    ("metric", "field"),
    [
        (build.metric("second", threshold=model.Threshold(max=1.0)), ".threshold.max"),
        (
            build.metric("second", preset="latency-p95", threshold=model.Threshold(min=0.1)),
            ".threshold.min",
        ),
        (
            build.metric("second", preset="", query="up", threshold=model.NO_THRESHOLD),
            ".threshold",
        ),
    ],
)
def test_what_cannot_be_judged_is_refused_before_anything_runs(
    metric: model.Metric, field: str
) -> None:
    found = _resolve(metric, sources={"default": True})

    assert isinstance(found, tuple)
    assert [it.path for it in found] == [f"spec.analysis.metrics[1]{field}"]
