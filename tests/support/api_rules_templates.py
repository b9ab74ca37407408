"""Rules of MetricTemplates and ClusterMetricTemplates."""

from __future__ import annotations

from api_case import Case
from api_examples import TEMPLATE, Object, place

_SELECTOR: Object = {"metric": "requests_total"}
_LATENCY: Object = {
    "type": "Latency",
    "latency": {"histogram": {"metric": "seconds"}, "quantile": 0.95},
}
_VALUE: Object = {"type": "Value", "value": {"series": {"metric": "queue_depth"}}}
_BAD = "spec.ratio.bad"
_RESERVED = (
    "namespace",
    "model_deployment",
    "revision",
    "tidegate_dev_model_deployment",
    "tidegate_dev_revision",
    "pod",
    "le",
)

TEMPLATE_RULES = (
    Case(
        rule="T1",
        body=TEMPLATE,
        at=f"{_BAD}.matchExpressions[0].label",
        good=("code", "namespaces"),
        bad=_RESERVED,
        blames=f"{_BAD}.matchExpressions[0].label",
        says="are added by the operator",
    ),
    Case(
        rule="T2",
        body=TEMPLATE,
        at=f"{_BAD}.matchLabels",
        good=({}, {"code": "500"}),
        bad=tuple({"code": "5", label: "x"} for label in _RESERVED),
        blames=f"{_BAD}.matchLabels",
        says="are added by the operator",
    ),
    Case(
        rule="T3",
        body=place(TEMPLATE, "spec", _LATENCY),
        at="spec.latency.histogram.metric",
        good=("seconds", "vllm:time_to_first_token_seconds", "bucket"),
        bad=("seconds_bucket",),
        blames="spec.latency.histogram",
        says="without _bucket",
    ),
    Case(
        rule="T4",
        body=TEMPLATE,
        at="spec.variables[0]",
        good=({"name": "a", "required": True}, {"name": "a", "value": ""}),
        bad=({"name": "a"}, {"name": "a", "required": True, "value": "x"}),
        blames="spec.variables[0].value",
        says="either required or has a value",
    ),
    Case(
        rule="T5-ratio",
        body=TEMPLATE,
        at="spec",
        good=(TEMPLATE["spec"], _LATENCY),
        bad=(
            {"type": "Ratio"},
            _LATENCY | {"ratio": {"bad": _SELECTOR, "total": _SELECTOR}},
        ),
        blames="spec.ratio",
        says="must be set exactly when type is Ratio",
    ),
    Case(
        rule="T5-latency",
        body=TEMPLATE,
        at="spec",
        good=(_LATENCY,),
        bad=({"type": "Latency"}, _LATENCY | {"type": "Query"}),
        blames="spec.latency",
        says="must be set exactly when type is Latency",
    ),
    Case(
        rule="T5-value",
        body=TEMPLATE,
        at="spec",
        good=(_VALUE,),
        bad=({"type": "Value"}, _VALUE | {"type": "Query"}, _LATENCY | {"value": _VALUE["value"]}),
        blames="spec.value",
        says="must be set exactly when type is Value",
    ),
    Case(
        rule="T5-query",
        body=TEMPLATE,
        at="spec",
        good=({"type": "Query", "query": {"promql": "up"}},),
        bad=(
            {"type": "Query"},
            _LATENCY | {"query": {"promql": "up"}},
        ),
        blames="spec.query",
        says="must be set exactly when type is Query",
    ),
)
