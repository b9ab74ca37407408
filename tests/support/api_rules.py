"""Each rule of the API with values that it lets pass and values that it refuses."""

from __future__ import annotations

from api_case import Case
from api_examples import GATEWAY, ROUTED, SMALLEST, STEPS, Object, place, steps
from api_rules_contour import CONTOUR_RULES
from api_rules_copies import COPY_RULES
from api_rules_copies import COPYABLE as _COPYABLE
from api_rules_istio import ISTIO_RULES
from api_rules_labels import LABEL_RULES
from api_rules_monitoring import MONITORING_RULES
from api_rules_nginx import NGINX_RULES
from api_rules_probe import PROBE_RULES
from api_rules_routes import ROUTE_RULES
from api_rules_scaling import SCALING_RULES
from api_rules_shadow import SHADOW_RULES
from api_rules_testers import TESTER_RULES
from api_rules_trained import TRAINED_RULES
from approval_examples import APPROVAL_RULES

_METRIC = "spec.analysis.metrics[0]"
_LABELS = "spec.workload.template.metadata.labels"
_METRICS = place(SMALLEST, "spec.analysis.metrics", [{}])
_REFERENCE = {"kind": "MetricTemplate", "name": "t"}
_SHADOW = {"mirrorPercent": 20, "duration": "1h"}
_WARMED = {"warmup": {"mirrorPercent": 0.5, "duration": "10m"}}


def _shadow(**members: object) -> Object:
    return {"type": "Shadow", "shadow": _SHADOW | members}


def _metric(**members: object) -> Object:
    return {"name": "m", **members}


RULES = (
    Case(
        rule="V1",
        body=SMALLEST,
        at="metadata.name",
        good=("a", "a" * 33, "a-1"),
        bad=("a" * 34, "1a", "a.b"),
        blames="metadata.name",
        says="",
    ),
    Case(
        rule="V5",
        body=SMALLEST,
        at="spec.traffic",
        good=(
            {},
            {"provider": "ReplicaRatio"},
            {"provider": "GatewayAPI", "gatewayAPI": GATEWAY},
        ),
        bad=(
            {"provider": "GatewayAPI"},
            {"gatewayAPI": GATEWAY},
            {"provider": "ReplicaRatio", "gatewayAPI": GATEWAY},
        ),
        blames="spec.traffic.gatewayAPI",
        says="member gatewayAPI must be set exactly when provider is GatewayAPI",
    ),
    *APPROVAL_RULES,
    *CONTOUR_RULES,
    *ISTIO_RULES,
    *NGINX_RULES,
    *TESTER_RULES,
    Case(
        rule="V7",
        body=_COPYABLE,
        at="spec.strategy",
        good=(
            {},
            {"type": "Canary", "canary": _WARMED},
            _shadow(),
            _shadow(then="Stop", minRequests=5, mirrorPercent=0.0001),
        ),
        bad=({"type": "Shadow"}, {"shadow": _SHADOW}, {"type": "Canary", "shadow": _SHADOW}),
        blames="spec.strategy.shadow",
        says="member shadow must be set exactly when type is Shadow",
    ),
    Case(
        rule="V9",
        body=_COPYABLE,
        at="spec.strategy",
        good=(
            {"canary": {"steps": steps(5)}},
            _shadow(then="Canary"),
            _shadow(then="Canary") | {"canary": {"steps": steps(5)}},
        ),
        bad=(
            _shadow() | {"canary": {"steps": steps(5)}},
            _shadow(then="Promote") | {"canary": {}},
            _shadow(then="Stop") | {"canary": {"steps": steps(5)}},
            {"type": "BlueGreen", "canary": {"steps": steps(10)}},
        ),
        blames="spec.strategy.canary",
        says="member canary, with its steps, belongs to type Canary",
    ),
    Case(
        rule="V68",
        body=place(_COPYABLE, "spec.strategy", _shadow()),
        at="spec.strategy.shadow",
        good=(_SHADOW | {"deadline": "1h"}, _SHADOW | {"deadline": "2160h"}),
        bad=(_SHADOW | {"deadline": "59m"}, {**_SHADOW, "duration": "2m", "deadline": "1m"}),
        blames="spec.strategy.shadow.deadline",
        says="deadline must not be shorter than duration",
    ),
    *SHADOW_RULES,
    *LABEL_RULES,
    *TRAINED_RULES,
    *MONITORING_RULES,
    Case(
        rule="V8",
        body=SMALLEST,
        at="spec.strategy",
        good=(
            {},
            {"type": "BlueGreen"},
            {"type": "BlueGreen", "blueGreen": {"autoPromote": False}},
        ),
        bad=({"blueGreen": {"autoPromote": True}}, {"type": "Canary", "blueGreen": {}}),
        blames="spec.strategy.blueGreen",
        says="member blueGreen belongs to type BlueGreen",
    ),
    Case(
        rule="V42",
        body=SMALLEST,
        at="spec.strategy",
        good=({"scaling": {"maxSurgePercent": 10}}, {"type": "BlueGreen"}),
        bad=({"type": "BlueGreen", "scaling": {"maxSurgePercent": 10}},),
        blames="spec.strategy.scaling",
        says="has no meaning for type BlueGreen",
    ),
    *SCALING_RULES,
    *COPY_RULES,
    Case(
        rule="V43",
        body=place(SMALLEST, "spec.strategy.type", "BlueGreen"),
        at="spec.strategy.blueGreen.prePromotion",
        good=({"duration": "1h", "deadline": "60m"}, {"deadline": "10m"}),
        bad=({"duration": "1h", "deadline": "59m"}, {"deadline": "9m"}),
        blames="spec.strategy.blueGreen.prePromotion.deadline",
        says="deadline must not be shorter than duration",
    ),
    Case(
        rule="V10",
        body=SMALLEST,
        at=STEPS,
        good=(steps(1), steps(1, 2.5, 100), steps(0.0001, 0.0002)),
        bad=(steps(10, 5), steps(10, 10), steps(1, 50, 25), steps(5, 10, 10, 50)),
        blames=STEPS,
        says="weights of steps must rise from each step to the next",
    ),
    Case(
        rule="V21",
        body=place(ROUTED, STEPS, steps(10)),
        at=f"{STEPS}[0]",
        good=(
            {"name": "a", "weight": 1, "replicas": 3},
            {"name": "a", "weight": 1, "replicasPercent": 12.5},
        ),
        bad=({"name": "a", "weight": 1, "replicas": 3, "replicasPercent": 50},),
        blames=f"{STEPS}[0].replicasPercent",
        says="replicas and replicasPercent exclude each other",
    ),
    Case(
        rule="V12",
        body=place(SMALLEST, STEPS, steps(10)),
        at=f"{STEPS}[0]",
        good=(
            {"name": "a", "weight": 1, "hold": "1h", "deadline": "60m"},
            {"name": "a", "weight": 1, "deadline": "10m"},
        ),
        bad=(
            {"name": "a", "weight": 1, "hold": "1h", "deadline": "59m"},
            {"name": "a", "weight": 1, "deadline": "9m"},
        ),
        blames=f"{STEPS}[0].deadline",
        says="deadline must not be shorter than hold",
    ),
    Case(
        rule="V14",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="error-ratio"),
            _metric(templateRef={"kind": "MetricTemplate", "name": "t"}, threshold={"max": 1}),
            _metric(query="up", threshold={"max": 1}),
        ),
        bad=(
            _metric(threshold={"max": 1}),
            _metric(preset="error-ratio", query="up"),
            _metric(
                query="up",
                templateRef={"kind": "MetricTemplate", "name": "t"},
                threshold={"max": 1},
            ),
        ),
        blames=_METRIC,
        says="exactly one of preset, templateRef and query must be set",
    ),
    Case(
        rule="V15",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="latency-p95"),
            _metric(templateRef=_REFERENCE, threshold={"max": 1}),
            _metric(templateRef=_REFERENCE, compare={"margin": 0.5}),
            _metric(templateRef=_REFERENCE, drift={}),
        ),
        bad=(_metric(query="up"), _metric(templateRef=_REFERENCE)),
        blames=f"{_METRIC}.threshold",
        says="threshold, compare or drift is required unless a preset is used",
    ),
    Case(
        rule="V16",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="error-ratio", critical=True),
            _metric(preset="error-ratio", critical=False, dryRun=True),
            _metric(preset="error-ratio", critical=True, onBreach="Hold"),
            _metric(preset="error-ratio", critical=False, onBreach="Alert"),
            _metric(preset="error-ratio", onBreach="Alert", dryRun=True),
        ),
        bad=(
            _metric(preset="error-ratio", critical=True, dryRun=True),
            _metric(preset="latency-p95", critical=True, onBreach="Alert"),
        ),
        blames=f"{_METRIC}.critical",
        says="critical acts at once, dryRun and onBreach: Alert never do",
    ),
    Case(
        rule="V17a",
        body=place(_METRICS, _METRIC, _metric(preset="error-ratio")),
        at=f"{_METRIC}.threshold",
        good=({"min": 1}, {"max": 1}),
        bad=({},),
        blames=f"{_METRIC}.threshold",
        says="threshold needs min or max",
    ),
    Case(
        rule="V17b",
        body=place(_METRICS, _METRIC, _metric(preset="error-ratio")),
        at=f"{_METRIC}.threshold",
        good=({"min": 1, "max": 1}, {"min": -2.5, "max": 1e-3}),
        bad=({"min": 1, "max": 0.5},),
        blames=f"{_METRIC}.threshold.min",
        says="min must not be above max",
    ),
    Case(
        rule="V2",
        body=SMALLEST,
        at="spec.workload",
        good=(
            {"workloadRef": {"name": "old"}},
            {
                "replicas": 3,
                "workloadRef": {"apiVersion": "apps/v1", "kind": "Deployment", "name": "a.b"},
            },
            {"template": SMALLEST["spec"]["workload"]["template"]},
        ),
        bad=(
            {},
            {"replicas": 3},
            {**SMALLEST["spec"]["workload"], "workloadRef": {"name": "old"}},
        ),
        blames="spec.workload.template",
        says="exactly one of template and workloadRef",
    ),
    Case(
        rule="V20",
        body=SMALLEST,
        at="spec.workload.autoscaling",
        good=({"maxReplicas": 1}, {"minReplicas": 3, "maxReplicas": 3}),
        bad=({"minReplicas": 4, "maxReplicas": 3},),
        blames="spec.workload.autoscaling.minReplicas",
        says="must not be above maxReplicas",
    ),
    Case(
        rule="V24",
        body=SMALLEST,
        at="spec.analysis.breachAfter",
        good=({"failures": 5}, {"outOf": 3}, {"failures": 7, "outOf": 7}),
        bad=({"failures": 6}, {"outOf": 2}, {"failures": 3, "outOf": 1}),
        blames="spec.analysis.breachAfter.failures",
        says="failures must not be above outOf",
    ),
    Case(
        rule="V30",
        body=place(SMALLEST, STEPS, steps(10)),
        at=f"{STEPS}[0].weight",
        good=(10, 12.5, 33.3333, 0.0001, 99.9999),
        bad=(33.33333, 0.00001 + 1, 12.34567),
        blames=f"{STEPS}[0].weight",
        says="at most 4 decimals",
    ),
    Case(
        rule="V31",
        body=SMALLEST,
        at=_LABELS,
        good=({}, {"team": "risk", "tidegate.dev.example.com/x": "1"}),
        bad=({"tidegate.dev/revision": "x"}, {"a": "b", "tidegate.dev/role": "stable"}),
        blames=_LABELS,
        says="labels under tidegate.dev/ are reserved",
    ),
    Case(
        rule="V32",
        body=_METRICS,
        at=_METRIC,
        good=(_metric(query="up", threshold={"max": 1}, variables={"a": "b"}),),
        bad=(_metric(preset="error-ratio", variables={"a": "b"}),),
        blames=f"{_METRIC}.variables",
        says="variables have no meaning for a preset",
    ),
    Case(
        rule="V37",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="client-error-ratio"),
            _metric(preset="client-error-ratio", compare={}),
        ),
        bad=(_metric(preset="client-error-ratio", threshold={"max": 0.5}),),
        blames=f"{_METRIC}.threshold",
        says="never limited: remove threshold",
    ),
    Case(
        rule="V64",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="feature-drift", drift={}),
            _metric(preset="feature-drift", drift={"rule": "AtMostK", "k": 3}),
            _metric(preset="prediction-drift", drift={"rule": "Any"}),
        ),
        bad=(
            _metric(preset="feature-drift", drift={"rule": "AtMostK"}),
            _metric(preset="feature-drift", drift={"k": 3}),
            _metric(preset="prediction-drift", drift={"rule": "Any", "k": 3}),
        ),
        blames=f"{_METRIC}.drift.k",
        says="k must be set exactly when rule is AtMostK",
    ),
    Case(
        rule="V65",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="feature-drift", drift={"delta": 0.3}),
            _metric(preset="feature-drift", drift={"margin": 0.11}),
            _metric(preset="feature-drift", drift={"delta": 0, "margin": 0.05}),
        ),
        bad=(
            _metric(preset="feature-drift", drift={"margin": 0.1}),
            _metric(preset="feature-drift", drift={"delta": 0.2, "margin": 0.2}),
        ),
        blames=f"{_METRIC}.drift.margin",
        says="margin must be above delta",
    ),
    Case(
        rule="V39",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="request-rate", compare={"tolerance": 0.5, "margin": 0.3}),
            _metric(preset="pod-request-rate", threshold={"min": 5}, compare={"detect": {}}),
            _metric(preset="error-ratio", compare={"detect": {"ratio": 3}}),
        ),
        bad=(
            _metric(preset="request-rate", compare={"toleranceAbsolute": 0.1}),
            _metric(preset="pod-request-rate", compare={"detect": {"ratio": 3}}),
            _metric(preset="request-rate", compare={"detect": {"absolute": 0.1}}),
        ),
        blames=f"{_METRIC}.compare",
        says="a request rate has no bad requests",
    ),
    Case(
        rule="V38",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="error-ratio", compare={"tolerance": 0.5, "detect": {"ratio": 2}}),
            _metric(preset="error-ratio", compare={"tolerance": 4, "detect": {"absolute": 0.1}}),
            _metric(preset="error-ratio", compare={"detect": {"ratio": 1.2}}),
        ),
        bad=(_metric(preset="error-ratio", compare={"tolerance": 1, "detect": {"ratio": 2}}),),
        blames=f"{_METRIC}.compare.detect",
        says="detect.ratio must be above 1 + tolerance",
    ),
    *ROUTE_RULES,
    *PROBE_RULES,
)
