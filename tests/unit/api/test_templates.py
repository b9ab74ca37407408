from __future__ import annotations

from typing import Any

import pytest
from api_case import Case
from api_examples import TEMPLATE, place
from api_rules_templates import TEMPLATE_RULES
from hypothesis import given
from hypothesis import strategies as st
from json_values import ANY_JSON

from tidegate.api import convert
from tidegate.evidence import terms as evidence


def refusals(body: Any) -> dict[str, str]:
    template, violations = convert.read_template(body)
    assert (template is None) == bool(violations)
    return {it.path: it.message for it in violations}


def test_ratio_is_read_with_its_selectors_and_variables() -> None:
    template, violations = convert.read_template(TEMPLATE)
    method = evidence.LabelMatch(
        label="method", operator=evidence.Operator.IN, values=("${method}",)
    )
    codes = evidence.LabelMatch(
        label="status_code", operator=evidence.Operator.MATCHES, values=("${codes}",)
    )
    assert violations == ()
    assert template == evidence.Template(
        name="infer-errors",
        measure=evidence.Ratio(
            bad=evidence.Selector(metric="requests_total", matches=(method, codes)),
            total=evidence.Selector(metric="requests_total", matches=(method,)),
        ),
        source="default",
        variables=(
            evidence.Variable(name="codes", pattern="[0-9.]{1,20}"),
            evidence.Variable(name="method", default="POST"),
        ),
    )


@pytest.mark.parametrize(
    ("spec", "measure"),
    [
        (
            {
                "type": "Latency",
                "latency": {
                    "histogram": {"metric": "seconds"},
                    "quantile": 0.95,
                    "unitSeconds": 0.001,
                },
            },
            evidence.Latency(
                histogram=evidence.Selector(metric="seconds"), quantile=0.95, unit_seconds=0.001
            ),
        ),
        (
            {"type": "Value", "value": {"series": {"metric": "queue_depth"}}},
            evidence.Value(series=evidence.Selector(metric="queue_depth")),
        ),
        (
            {
                "type": "Value",
                "value": {
                    "series": {"metric": "tokens_total"},
                    "aggregate": "Sum",
                    "counter": True,
                    "scale": 60,
                },
            },
            evidence.Value(
                series=evidence.Selector(metric="tokens_total"),
                aggregate=evidence.Aggregate.SUM,
                counter=True,
                scale=60.0,
            ),
        ),
        (
            {
                "type": "Distribution",
                "distribution": {"series": {"metric": "observations_total"}},
            },
            evidence.Distribution(series=evidence.Selector(metric="observations_total")),
        ),
        (
            {
                "type": "Distribution",
                "distribution": {
                    "series": {"metric": "scores"},
                    "form": "Histogram",
                    "dimensionLabel": "output",
                },
            },
            evidence.Distribution(
                series=evidence.Selector(metric="scores"),
                form=evidence.Form.HISTOGRAM,
                dimension_label="output",
            ),
        ),
        (
            {
                "type": "Labels",
                "labels": {
                    "predictions": {"metric": "predicted"},
                    "labelled": {"metric": "labelled"},
                    "correct": {"metric": "correct"},
                },
            },
            evidence.Labels(
                predictions=evidence.Selector(metric="predicted"),
                labelled=evidence.Selector(metric="labelled"),
                correct=evidence.Selector(metric="correct"),
            ),
        ),
        (
            {
                "type": "Labels",
                "labels": {
                    "predictions": {"metric": "predicted"},
                    "labelled": {"metric": "labelled"},
                    "tp": {"metric": "hits"},
                    "fn": {"metric": "missed"},
                    "measure": "Recall",
                    "cohortLabel": "hour",
                },
            },
            evidence.Labels(
                predictions=evidence.Selector(metric="predicted"),
                labelled=evidence.Selector(metric="labelled"),
                cells={
                    "tp": evidence.Selector(metric="hits"),
                    "fn": evidence.Selector(metric="missed"),
                },
                measure=evidence.Measure.RECALL,
                cohort_label="hour",
            ),
        ),
        (
            {"type": "Query", "query": {"promql": "sum(up)"}},
            evidence.Query(promql="sum(up)"),
        ),
    ],
)
def test_other_types_are_read(spec: dict[str, Any], measure: object) -> None:
    body = place(TEMPLATE, "spec", spec)
    template, violations = convert.read_template(body | {"kind": "ClusterMetricTemplate"})
    assert violations == ()
    assert template is not None
    assert template.measure == measure
    assert template.cluster
    assert template.source == ""


@pytest.mark.parametrize("case", TEMPLATE_RULES, ids=lambda case: case.rule)
def test_rule_lets_good_values_pass(case: Case) -> None:
    for value in case.good:
        assert refusals(place(case.body, case.at, value)) == {}, value


@pytest.mark.parametrize("case", TEMPLATE_RULES, ids=lambda case: case.rule)
def test_rule_refuses_bad_values_and_says_why(case: Case) -> None:
    for value in case.bad:
        found = refusals(place(case.body, case.at, value))
        assert case.says in found[case.blames], value


@pytest.mark.parametrize(
    ("path", "values"),
    [
        ("spec.type", ("Cohorts", "", None)),
        ("spec.provider.source", ("http://prometheus:9090",)),
        ("spec.provider.type", ("Graphite",)),
        ("spec.provider.address", ("http://prometheus:9090",)),
        ("spec.ratio.bad.metric", ("up[5m]", 'up{job="x"}', "", "1up")),
        ("spec.ratio.bad.matchLabels", ({"a-b": "x"}, {f"l{i}": "x" for i in range(9)})),
        ("spec.ratio.bad.matchExpressions[0].operator", ("=~", "")),
        ("spec.ratio.bad.matchExpressions[0].values", ([], [1], ["x"] * 17)),
        ("spec.variables[0].name", ("1a", "a-b", "")),
        ("spec.variables[0].pattern", ("(a+)+", ".*", "[a]", "[a]{1,9999}", "[a]*[a]*")),
    ],
)
def test_value_outside_the_schema_is_refused_at_its_field(
    path: str, values: tuple[object, ...]
) -> None:
    for value in values:
        found = refusals(place(TEMPLATE, path, value))
        assert any(it.startswith(path) for it in found), (value, found)


def test_variable_declared_twice_is_refused() -> None:
    variables = [{"name": "a", "required": True}, {"name": "a", "value": "x"}]
    found = refusals(place(TEMPLATE, "spec.variables", variables))
    assert "is used twice" in found["spec.variables[1].name"]


@given(
    path=st.sampled_from(["spec", "metadata", "kind", "spec.ratio", "spec.variables"]),
    value=ANY_JSON,
)
def test_any_json_anywhere_gives_a_template_or_reasons(path: str, value: object) -> None:
    refusals(place(TEMPLATE, path, value))


@given(body=ANY_JSON)
def test_any_json_at_all_gives_reasons(body: Any) -> None:
    assert refusals(body)
