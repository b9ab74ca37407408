"""MetricTemplate and ClusterMetricTemplate to `evidence.model.Template`."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, assert_never

from tidegate import model
from tidegate.api import template_types, violations
from tidegate.api.revision import canonical, mapping
from tidegate.evidence import terms as evidence
from tidegate.evidence.counts import qualities


def read_template(
    body: Mapping[str, Any],
) -> tuple[evidence.Template | None, tuple[model.Violation, ...]]:
    """The template of an object, or all reasons why it cannot be used; exactly one side is set.

    Errors: none raised, on any JSON.
    Source: api.md, 8.1.
    """
    content = mapping(canonical(body))
    spec = violations.parse(template_types.Spec, content.get("spec"), path="spec")
    if isinstance(spec, tuple):
        return None, spec
    name = mapping(content.get("metadata")).get("name")
    return _template(
        spec, name=str(name), cluster=content.get("kind") == "ClusterMetricTemplate"
    ), ()


def _template(spec: template_types.Spec, *, name: str, cluster: bool) -> evidence.Template:
    return evidence.Template(
        name=name,
        measure=_measure(spec),
        source=spec.provider.source or "",
        variables=tuple(_variable(it) for it in spec.variables),
        cluster=cluster,
    )


def _measure(
    spec: template_types.Spec,
) -> (
    evidence.Ratio
    | evidence.Latency
    | evidence.Value
    | evidence.Distribution
    | evidence.Labels
    | evidence.Query
):
    # The rules of the type have made sure that exactly the named block is set.
    match (
        spec.ratio or spec.latency or spec.value or spec.distribution or spec.labels or spec.query
    ):
        case template_types.Ratio() as it:
            return evidence.Ratio(bad=_selector(it.bad), total=_selector(it.total))
        case template_types.Latency() as it:
            return evidence.Latency(
                histogram=_selector(it.histogram),
                quantile=it.quantile,
                unit_seconds=it.unit_seconds,
            )
        case template_types.Value() as it:
            return evidence.Value(
                series=_selector(it.series),
                aggregate=it.aggregate,
                counter=it.counter,
                scale=it.scale,
            )
        case template_types.Distribution() as it:
            return evidence.Distribution(
                series=_selector(it.series),
                form=it.form,
                bin_label=it.bin_label or evidence.BIN_LABEL,
                dimension_label=it.dimension_label,
            )
        case template_types.Labels() as it:
            cells = qualities.cells_of(it.measure)
            given = {"tp": it.tp, "fp": it.fp, "fn": it.fn}
            return evidence.Labels(
                predictions=_selector(it.predictions),
                labelled=_selector(it.labelled),
                correct=_selector(it.correct) if it.correct is not None else None,
                cells={cell: _selector(one) for cell in cells if (one := given[cell]) is not None},
                measure=it.measure,
                cohort_label=it.cohort_label,
            )
        case template_types.Query() as it:
            return evidence.Query(promql=it.promql)
        case None:
            raise AssertionError(spec.type)
        case never:
            assert_never(never)


def _selector(given: template_types.Selector) -> evidence.Selector:
    equal = (
        evidence.LabelMatch(label=label, operator=evidence.Operator.IN, values=(value,))
        for label, value in sorted(given.match_labels.items())
    )
    compared = (
        evidence.LabelMatch(label=it.label, operator=it.operator, values=tuple(it.values))
        for it in given.match_expressions
    )
    return evidence.Selector(metric=given.metric, matches=(*equal, *compared))


def _variable(given: template_types.Variable) -> evidence.Variable:
    return evidence.Variable(name=given.name, pattern=given.pattern, default=given.value)
