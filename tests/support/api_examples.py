"""Objects of our API, right and wrong; the same for our own checks and for a real API server."""

from __future__ import annotations

import copy
import re
from collections.abc import Mapping
from typing import Any

from tidegate.settings import MetricSourceSettings

Object = dict[str, Any]

STEPS = "spec.strategy.canary.steps"
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
            "probe": {
                "path": "/v2/models/fraud/infer?dry=1",
                "method": "POST",
                "headers": [{"name": "x-tenant", "value": "probe"}],
                "body": '{"inputs": []}',
                "timeout": "20s",
                "expect": {
                    "status": 200,
                    "values": [{"pointer": "/outputs/0/data/0", "min": 0, "max": 1.5}],
                },
            },
        },
        "workload": {
            "replicas": 6,
            "autoscaling": {
                "minReplicas": 3,
                "maxReplicas": 12,
                "cpuUtilizationPercent": 65,
                "duringRollout": "Frozen",
            },
            "trackConfigMaps": "Snapshot",
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
                "routeKind": "HTTPRoute",
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
                "timeouts": {"request": "2m", "backendRequest": "90s"},
                "filters": [
                    {
                        "type": "RequestHeaderModifier",
                        "requestHeaderModifier": {
                            "set": [{"name": "x-model", "value": "fraud"}],
                            "add": [{"name": "x-tag", "value": "canary test"}],
                            "remove": ["x-debug"],
                        },
                    },
                    {
                        "type": "ResponseHeaderModifier",
                        "responseHeaderModifier": {"remove": ["server"]},
                    },
                ],
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
                "surgePolicy": "Surge",
            },
            "scaleDownDelay": "10m",
            "firstRollout": "Probe",
            "postPromotion": {"bake": "2h", "keepPreviousPercent": 50},
            "canary": {
                "steps": [
                    {"name": "p1", "weight": 1, "hold": "30m", "deadline": "3h"},
                    {
                        "name": "p12",
                        "weight": 12.5,
                        "hold": "1h",
                        "minRequests": 5000,
                        "approval": {
                            "name": "risk-board",
                            "minApprovals": 2,
                            "approverGroups": ["ml-risk"],
                            "notAuthor": True,
                            "expiresAfter": "48h",
                        },
                        "metrics": [{"name": "errors", "threshold": {"max": 0.05}}],
                        "replicasPercent": 50,
                    },
                    {"name": "all", "weight": 100, "replicas": 6},
                ],
                "routes": [
                    {
                        "name": "testers",
                        "headers": [
                            {"name": "x-tester", "exact": "1"},
                            {"name": "user-agent", "prefix": "tidegate.test/"},
                        ],
                    },
                    {
                        "name": "beta",
                        "cookie": {"name": "beta", "value": "yes"},
                        "fromStep": "p12",
                    },
                ],
            },
        },
        "analysis": {
            "profile": "Careful",
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
            "inconclusiveTimeout": "6h",
            "baseline": {
                "type": "TrainingReference",
                "reference": {"name": "training", "key": "v2.json"},
            },
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
                        "detect": {"ratio": 4, "absolute": 0.03},
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
                {
                    "name": "inputs",
                    "preset": "feature-drift",
                    "drift": {
                        "delta": 0.2,
                        "margin": 0.4,
                        "rule": "AtMostK",
                        "k": 2,
                        "ignore": ["channel"],
                    },
                    "onBreach": "Hold",
                },
                {
                    "name": "recall",
                    "preset": "label-recall",
                    "threshold": {"min": 0.7},
                    "labelDelay": "6h",
                    "labelCohort": "30m",
                },
            ],
        },
        "monitoring": {
            "window": "2h",
            "falseAlarms": 0.02,
            "onDrift": {
                "action": "Hook",
                "hook": {
                    "url": "https://train.example.com/start",
                    "timeout": "5s",
                    "retries": 3,
                    "cooldown": "12h",
                },
            },
            "onBreach": {"action": "Rollback"},
        },
        "rollback": {"reportAs": "Suspended", "keepCandidateFor": "1h"},
        "automation": {"level": "Gated", "decisionMode": "Assist"},
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

SOURCES = {
    "default": MetricSourceSettings(name="default", url="http://p:9090"),
    "slow": MetricSourceSettings(name="slow", url="http://p:9090", scrape_interval_seconds=60.0),
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


def value_at(body: Mapping[str, Any], path: str) -> Any:
    """What stands at a path."""
    node: Any = body
    for name, index in _PART.findall(path):
        node = node[int(index)] if index else node[name]
    return node


def steps(*weights: float) -> list[Object]:
    """Named steps of these weights."""
    return [{"name": f"s{index}", "weight": weight} for index, weight in enumerate(weights)]


GATEWAY = {"parentRefs": [{"name": "g"}]}
ROUTED = place(SMALLEST, "spec.traffic", {"provider": "GatewayAPI", "gatewayAPI": GATEWAY})
