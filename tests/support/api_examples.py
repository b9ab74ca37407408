"""Objects of our API, right and wrong; the same for our own checks and for a real API server."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

Object = dict[str, Any]

REMOVED = object()  # placed somewhere, it takes away what is there

SMALLEST: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "iris", "namespace": "default"},
    "spec": {
        "model": {"version": "1.4.0"},
        "workload": {
            "template": {
                "spec": {"containers": [{"name": "server", "image": "images.example.com/iris:1"}]}
            }
        },
    },
}

FULL: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "ModelDeployment",
    "metadata": {"name": "fraud", "namespace": "default", "labels": {"team": "risk"}},
    "spec": {
        "model": {
            "name": "fraud",
            "version": "2026.11.1",
            "uri": "s3://models/fraud/2026.11.1",
            "digest": "sha256:" + "0123456789abcdef" * 4,
            "artifacts": [
                {"name": "scaler", "uri": "s3://models/scaler/7", "digest": "sha256:" + "a" * 64}
            ],
        },
        "server": {
            "preset": "MLServer",
            "port": 9000,
            "metricsPort": 9001,
            "metricsPath": "/prom",
            "readyPath": "/v2/models/fraud/ready",
        },
        "workload": {
            "replicas": 6,
            "template": {
                "metadata": {
                    "labels": {"team": "risk"},
                    "annotations": {"note": "kept"},
                    "creationTimestamp": None,
                },
                "spec": {
                    "terminationGracePeriodSeconds": 45,
                    "containers": [
                        {
                            "name": "server",
                            "image": "images.example.com/mlserver:1.7.1",
                            "ports": [{"containerPort": 9000}, {"containerPort": 9100}],
                            "resources": {"limits": {"cpu": "1"}},
                        }
                    ],
                },
            },
        },
        "service": {
            "name": "fraud-entry",
            "port": 8000,
            "targetPort": 9100,
            "appProtocol": "kubernetes.io/h2c",
        },
        "traffic": {
            "provider": "GatewayAPI",
            "gatewayAPI": {
                "parentRefs": [
                    {
                        "name": "inference",
                        "namespace": "gateways",
                        "sectionName": "http",
                        "port": 80,
                    }
                ],
                "hostnames": ["fraud.example.com", "*.example.org"],
                "matches": [{"path": {"type": "PathPrefix", "value": "/v2"}}],
            },
            "verify": {"timeout": "1m", "share": "Report", "tolerance": 0.5},
        },
        "strategy": {
            "type": "Canary",
            "scaling": {
                "matchTraffic": False,
                "minReplicas": 2,
                "maxSurgePercent": 50.5,
                "maxUnavailablePercent": 0,
            },
            "scaleDownDelay": "10m",
            "canary": {
                "steps": [
                    {"name": "p1", "weight": 1, "hold": "30m", "deadline": "3h"},
                    {"name": "p12", "weight": 12.5, "hold": "1h", "minRequests": 5000},
                    {"name": "all", "weight": 100},
                ]
            },
        },
        "analysis": {
            "source": "default",
            "dataPlane": "Istio",
            "interval": "10s",
            "warmup": "2m",
            "settle": "20s",
            "minRequests": 500,
            "window": "2m",
            "breachAfter": {"failures": 2, "outOf": 4},
            "risk": {"falseRollback": 0.02, "falsePromotion": 0.1},
            "errorLimit": 7,
            "noDataTimeout": "5m",
            "onInconclusive": "Rollback",
            "metrics": [
                {
                    "name": "errors",
                    "preset": "error-ratio",
                    "threshold": {"max": 0.02},
                    "critical": True,
                },
                {
                    "name": "p95",
                    "preset": "latency-p95",
                    "threshold": {"max": 0.5},
                    "compare": {
                        "to": "Stable",
                        "tolerance": 0.2,
                        "margin": 0.5,
                        "toleranceAbsolute": 0.01,
                    },
                    "window": "5m",
                    "minSamples": 50,
                },
                {
                    "name": "quality",
                    "templateRef": {"kind": "ClusterMetricTemplate", "name": "quality"},
                    "variables": {"feature": "amount"},
                    "threshold": {"min": 0.9},
                },
                {
                    "name": "gpu",
                    "query": 'max(gpu{pod=~"${podRegex}"})',
                    "threshold": {"min": 1, "max": 95},
                    "dryRun": True,
                },
            ],
        },
        "rollback": {"reportAs": "Suspended", "keepCandidateFor": "1h"},
        "progressDeadline": "15m",
        "revisionHistoryLimit": 3,
        "paused": True,
    },
}

TEMPLATE: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "MetricTemplate",
    "metadata": {"name": "infer-errors", "namespace": "default"},
    "spec": {
        "type": "Ratio",
        "provider": {"type": "Prometheus", "source": "default"},
        "variables": [
            {"name": "codes", "required": True, "pattern": "[0-9.]{1,20}"},
            {"name": "method", "value": "POST"},
        ],
        "ratio": {
            "bad": {
                "metric": "requests_total",
                "matchLabels": {"method": "${method}"},
                "matchExpressions": [
                    {"label": "status_code", "operator": "Matches", "values": ["${codes}"]}
                ],
            },
            "total": {"metric": "requests_total", "matchLabels": {"method": "${method}"}},
        },
    },
}

_PART = re.compile(r"([^.\[\]]+)|\[(\d+)\]")


def place(body: Mapping[str, Any], path: str, value: object) -> Object:
    """A copy of an object with a value at a path such as `spec.analysis.metrics[0].name`.

    Objects on the way are made where they are missing.
    """
    result = copy.deepcopy(dict(body))
    *parents, last = [int(i) if i else name for name, i in _PART.findall(path)]
    node: Any = result
    for key in parents:
        node = node[key] if isinstance(key, int) else node.setdefault(key, {})
    if value is REMOVED:
        del node[last]
    else:
        node[last] = copy.deepcopy(value)
    return result


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """Values at a place of an object that a rule lets pass, and values that it refuses.

    `blames` is the path in the refusal, `says` a part of its message.
    """

    rule: str
    body: Object
    at: str
    good: tuple[object, ...]
    bad: tuple[object, ...]
    blames: str
    says: str


_STEPS = "spec.strategy.canary.steps"
_METRIC = "spec.analysis.metrics[0]"
_GATEWAY = {"parentRefs": [{"name": "g"}]}
_LABELS = "spec.workload.template.metadata.labels"
_METRICS = place(SMALLEST, "spec.analysis.metrics", [{}])
_REFERENCE = {"kind": "MetricTemplate", "name": "t"}


def _steps(*weights: float) -> list[Object]:
    return [{"name": f"s{index}", "weight": weight} for index, weight in enumerate(weights)]


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
            {"provider": "GatewayAPI", "gatewayAPI": _GATEWAY},
        ),
        bad=(
            {"provider": "GatewayAPI"},
            {"gatewayAPI": _GATEWAY},
            {"provider": "ReplicaRatio", "gatewayAPI": _GATEWAY},
        ),
        blames="spec.traffic.gatewayAPI",
        says="member gatewayAPI must be set exactly when provider is GatewayAPI",
    ),
    Case(
        rule="V10",
        body=SMALLEST,
        at=_STEPS,
        good=(_steps(1), _steps(1, 2.5, 100), _steps(0.0001, 0.0002)),
        bad=(_steps(10, 5), _steps(10, 10), _steps(1, 50, 25), _steps(5, 10, 10, 50)),
        blames=_STEPS,
        says="weights of steps must rise from each step to the next",
    ),
    Case(
        rule="V12",
        body=place(SMALLEST, _STEPS, _steps(10)),
        at=f"{_STEPS}[0]",
        good=(
            {"name": "a", "weight": 1, "hold": "1h", "deadline": "60m"},
            {"name": "a", "weight": 1, "deadline": "10m"},
        ),
        bad=(
            {"name": "a", "weight": 1, "hold": "1h", "deadline": "59m"},
            {"name": "a", "weight": 1, "deadline": "9m"},
        ),
        blames=f"{_STEPS}[0].deadline",
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
        ),
        bad=(_metric(query="up"), _metric(templateRef=_REFERENCE)),
        blames=f"{_METRIC}.threshold",
        says="threshold or compare is required unless a preset is used",
    ),
    Case(
        rule="V16",
        body=_METRICS,
        at=_METRIC,
        good=(
            _metric(preset="error-ratio", critical=True),
            _metric(preset="error-ratio", critical=False, dryRun=True),
        ),
        bad=(_metric(preset="error-ratio", critical=True, dryRun=True),),
        blames=f"{_METRIC}.critical",
        says="critical and dryRun exclude each other",
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
        body=place(SMALLEST, _STEPS, _steps(10)),
        at=f"{_STEPS}[0].weight",
        good=(10, 12.5, 33.3333, 0.0001, 99.9999),
        bad=(33.33333, 0.00001 + 1, 12.34567),
        blames=f"{_STEPS}[0].weight",
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
)

_SELECTOR: Object = {"metric": "requests_total"}
_LATENCY: Object = {
    "type": "Latency",
    "latency": {"histogram": {"metric": "seconds"}, "quantile": 0.95},
}
_VALUE: Object = {"type": "Value", "value": {"series": {"metric": "queue_depth"}}}
_BAD = "spec.ratio.bad"
_RESERVED = ("namespace", "model_deployment", "revision", "pod", "le")

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

# V13: path in FULL, shortest and longest duration, and one beyond each end.
DURATIONS = (
    ("spec.traffic.verify.timeout", ("5s", "30m"), ("4999ms", "30m1ms")),
    (f"{_STEPS}[2].hold", ("0s", "720h"), ("720h1ms",)),
    (f"{_STEPS}[0].deadline", ("30m", "2160h"), ("2160h1ms",)),
    ("spec.strategy.scaleDownDelay", ("0s", "168h"), ("168h1ms",)),
    ("spec.analysis.interval", ("1s", "1h"), ("999ms", "1h1ms")),
    ("spec.analysis.warmup", ("0s", "24h"), ("24h1ms",)),
    ("spec.analysis.settle", ("0s", "10m"), ("10m1ms",)),
    ("spec.analysis.window", ("30s", "1h"), ("29s999ms", "61m")),
    ("spec.analysis.noDataTimeout", ("1m", "24h"), ("59s", "25h")),
    ("spec.analysis.metrics[1].window", ("30s", "1h"), ("29s", "1h1ms")),
    ("spec.rollback.keepCandidateFor", ("0s", "168h"), ("169h",)),
    ("spec.progressDeadline", ("1m", "24h"), ("59999ms", "24h1ms")),
)
NO_DURATIONS = ("", "5", "5d", "1.5h", "-5s", "5 s", "s", "1h1h1h1h1h", "123456s", "٣s")

# What the schema alone refuses: path in FULL and values.
SCHEMA_REFUSES: tuple[tuple[str, tuple[object, ...]], ...] = (
    ("spec.model.version", (1.4, "", "a" * 64, "-1", "a b", "v1/2")),
    ("spec.model.name", (7, "", "x" * 129)),
    ("spec.model.digest", ("sha256:abc", "md5:" + "0" * 64)),
    ("spec.model.uri", ("", "x" * 2049)),
    ("spec.model.artifacts", ([{"name": f"a{i}"} for i in range(17)], {}, [{"uri": "x"}])),
    ("spec.model.artifacts[0].name", ("A", "a_b")),
    ("spec.server.preset", ("TorchServe", "", 1)),
    ("spec.server.port", (0, 65536, "8080", 80.5, 10**30)),
    ("spec.server.metricsPort", (0, True)),
    ("spec.server.metricsPath", ("metrics", "/m?x=1", "/" + "m" * 256)),
    ("spec.server.readyPath", ("http://elsewhere/", "/a b")),
    ("spec.workload.replicas", (-1, 5001, "6", 10**18)),
    ("spec.workload.template", ({}, {"spec": {}}, {"spec": {"containers": []}}, [])),
    ("spec.workload.template.spec.containers[0].image", ("", 5)),
    ("spec.workload.template.metadata.labels", ({"a": 1}, {"a": "x" * 64}, [])),
    ("spec.service.name", ("1a", "A", "a.b", "a" * 64)),
    ("spec.service.port", (0, "http")),
    ("spec.service.targetPort", ("http", 70000)),
    ("spec.traffic.provider", ("Istio", "gatewayapi")),
    ("spec.traffic.gatewayAPI.parentRefs", ([], [{}], [{"name": f"g{i}"} for i in range(9)])),
    ("spec.traffic.gatewayAPI.hostnames", (["a b"], ["*"], [f"h{i}.example" for i in range(17)])),
    ("spec.traffic.gatewayAPI.matches", ([], [{}], [{"path": {"type": "Exact", "value": "/"}}])),
    ("spec.traffic.gatewayAPI.matches[0].path.value", ("v2", "/a?b", "/" + "a" * 1024)),
    ("spec.strategy.type", ("BlueGreen", "Shadow")),
    (_STEPS, ([], {}, [{"name": "a"}], [{"weight": 5}], _steps(*range(1, 34)))),
    (f"{_STEPS}[0].weight", (0, -1, 100.5, "10", 1e300)),
    (f"{_STEPS}[0].minRequests", (0, 10**9 + 1, 2.5)),
    ("spec.strategy.scaling.maxSurgePercent", (-1, 101)),
    ("spec.strategy.scaling.minReplicas", (0, 1001)),
    ("spec.strategy.scaling.matchTraffic", ("yes", 1)),
    ("spec.analysis.source", ("http://prometheus:9090", "")),
    ("spec.analysis.dataPlane", ("Linkerd", "None", "")),
    ("spec.analysis.minRequests", (0, 10**9 + 1)),
    ("spec.analysis.errorLimit", (0, 101)),
    ("spec.analysis.onInconclusive", ("Go", "")),
    ("spec.analysis.risk.falseRollback", (0, 0.5, "1 %")),
    ("spec.analysis.metrics[1].compare.to", ("TrainingReference",)),
    ("spec.analysis.metrics[1].compare.tolerance", (-0.1, 11)),
    ("spec.analysis.metrics[1].compare.margin", (0, -1, 11)),
    ("spec.analysis.metrics[1].compare.toleranceAbsolute", (0, 1)),
    ("spec.traffic.verify.share", ("Rollback",)),
    ("spec.traffic.verify.tolerance", (0, 1.5)),
    ("spec.analysis.metrics", ([], "error-ratio")),
    ("spec.analysis.metrics[0].preset", ("latency-p90", "")),
    ("spec.analysis.metrics[3].query", ("", "x" * 4097)),
    ("spec.analysis.metrics[2].templateRef", ({"kind": "Secret", "name": "a"}, {"name": "a"})),
    ("spec.analysis.metrics[2].variables", ({"a": 1}, {f"v{i}": "x" for i in range(17)})),
    ("spec.analysis.metrics[1].threshold.max", ("0.5", {})),
    ("spec.analysis.metrics[1].minSamples", (0, "20")),
    ("spec.rollback.reportAs", ("Fine",)),
    ("spec.revisionHistoryLimit", (-1, 51)),
    ("spec.paused", ("true", 1)),
)

# Keys of lists that are given twice: path of the list in FULL, and of the item's key.
DUPLICATES = (
    ("spec.model.artifacts", "name"),
    ("spec.workload.template.spec.containers", "name"),
    (_STEPS, "name"),
    ("spec.analysis.metrics", "name"),
)

# Members that nobody knows: paths in FULL.
UNKNOWN_FIELDS = (
    "spec.strateggy",
    "spec.model.provenance",
    "spec.server.protocol",
    "spec.workload.autoscaling",
    "spec.traffic.stickiness",
    "spec.traffic.gatewayAPI.parentRefs[0].group",
    "spec.strategy.canary.steps[0].approval",
    "spec.analysis.metrics[0].drift",
    "spec.analysis.metrics[1].compare.ratio",
    "spec.analysis.metrics[1].threshold.maximum",
)
