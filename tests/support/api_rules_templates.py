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
_DISTRIBUTION: Object = {
    "type": "Distribution",
    "distribution": {"series": {"metric": "observations_total"}},
}
_COUNTED: Object = {"predictions": {"metric": "predicted"}, "labelled": {"metric": "labelled"}}
_ACCURACY: Object = {**_COUNTED, "correct": {"metric": "correct"}}
_CELLS: Object = {
    name: {"metric": "outcomes", "matchLabels": {"as": name}} for name in ("tp", "fp", "fn")
}
_F1: Object = {**_COUNTED, **_CELLS, "measure": "F1"}
_LABELS: Object = {"type": "Labels", "labels": _ACCURACY}
_BINS: Object = {"series": {"metric": "observations_total"}}
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
        rule="T5-distribution",
        body=TEMPLATE,
        at="spec",
        good=(_DISTRIBUTION,),
        bad=({"type": "Distribution"}, _DISTRIBUTION | {"type": "Query"}),
        blames="spec.distribution",
        says="must be set exactly when type is Distribution",
    ),
    Case(
        rule="T6",
        body=place(TEMPLATE, "spec", _DISTRIBUTION),
        at="spec.distribution",
        good=(_BINS | {"form": "Histogram"}, _BINS | {"binLabel": "bucket"}),
        bad=(_BINS | {"form": "Histogram", "binLabel": "bucket"},),
        blames="spec.distribution.binLabel",
        says="a histogram is read by le",
    ),
    Case(
        rule="T7",
        body=place(TEMPLATE, "spec", _DISTRIBUTION),
        at="spec.distribution",
        good=(_BINS | {"dimensionLabel": "output"}, _BINS | {"binLabel": "b"}),
        bad=(
            _BINS | {"binLabel": "feature"},
            _BINS | {"dimensionLabel": "bin"},
            _BINS | {"binLabel": "a", "dimensionLabel": "a"},
        ),
        blames="spec.distribution.dimensionLabel",
        says="binLabel and dimensionLabel must differ",
    ),
    Case(
        rule="T5-labels",
        body=TEMPLATE,
        at="spec",
        good=(_LABELS,),
        bad=({"type": "Labels"}, _LABELS | {"type": "Query"}),
        blames="spec.labels",
        says="must be set exactly when type is Labels",
    ),
    Case(
        rule="T8",
        body=place(TEMPLATE, "spec", _LABELS),
        at="spec.labels",
        good=(_ACCURACY, _ACCURACY | {"measure": "Accuracy", "cohortLabel": "hour"}, _F1),
        bad=(_COUNTED, _F1 | {"correct": {"metric": "correct"}}),
        blames="spec.labels.correct",
        says="correct must be set exactly for measure Accuracy",
    ),
    Case(
        rule="T9",
        body=place(TEMPLATE, "spec", _LABELS),
        at="spec.labels",
        good=(_F1,),
        bad=(_ACCURACY | {"tp": _CELLS["tp"]}, {k: v for k, v in _F1.items() if k != "tp"}),
        blames="spec.labels.tp",
        says="tp must be set exactly for measures Precision, Recall and F1",
    ),
    Case(
        rule="T10",
        body=place(TEMPLATE, "spec", _LABELS),
        at="spec.labels",
        good=(_F1, {k: v for k, v in _F1.items() if k != "fn"} | {"measure": "Precision"}),
        bad=(_F1 | {"measure": "Recall"}, {k: v for k, v in _F1.items() if k != "fp"}),
        blames="spec.labels.fp",
        says="fp must be set exactly for measures Precision and F1",
    ),
    Case(
        rule="T11",
        body=place(TEMPLATE, "spec", _LABELS),
        at="spec.labels",
        good=(_F1, {k: v for k, v in _F1.items() if k != "fp"} | {"measure": "Recall"}),
        bad=(_F1 | {"measure": "Precision"}, {k: v for k, v in _F1.items() if k != "fn"}),
        blames="spec.labels.fn",
        says="fn must be set exactly for measures Recall and F1",
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
