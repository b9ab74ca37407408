"""What single fields of a ModelDeployment refuse: by their type, as durations, as keys of lists."""

from __future__ import annotations

from api_examples import FULL, STEPS, Object, place, steps

# V13: path in FULL, shortest and longest duration, and one beyond each end.
DURATIONS = (
    ("spec.traffic.gatewayAPI.timeouts.request", ("2m", "24h"), ("24h1ms",)),
    ("spec.traffic.gatewayAPI.timeouts.backendRequest", ("0s", "90s"), ("25h",)),
    ("spec.traffic.verify.timeout", ("5s", "30m"), ("4999ms", "30m1ms")),
    (f"{STEPS}[2].hold", ("0s", "720h"), ("720h1ms",)),
    (f"{STEPS}[0].deadline", ("30m", "2160h"), ("2160h1ms",)),
    ("spec.strategy.scaleDownDelay", ("0s", "168h"), ("168h1ms",)),
    ("spec.strategy.postPromotion.bake", ("0s", "720h"), ("720h1ms",)),
    ("spec.strategy.blueGreen.prePromotion.duration", ("0s", "720h"), ("720h1ms",)),
    ("spec.analysis.interval", ("1s", "1h"), ("999ms", "1h1ms")),
    ("spec.analysis.warmup", ("0s", "24h"), ("24h1ms",)),
    ("spec.analysis.settle", ("0s", "10m"), ("10m1ms",)),
    ("spec.analysis.window", ("30s", "1h"), ("29s999ms", "61m")),
    ("spec.analysis.noDataTimeout", ("1m", "24h"), ("59s", "25h")),
    ("spec.analysis.metrics[1].window", ("30s", "1h"), ("29s", "1h1ms")),
    ("spec.rollback.keepCandidateFor", ("0s", "168h"), ("169h",)),
    ("spec.progressDeadline", ("1m", "24h"), ("59999ms", "24h1ms")),
)
_ROUTES = "spec.strategy.canary.routes"
_A_HEADER = {"name": "x-a", "exact": "1"}
_FILTERS = "spec.traffic.gatewayAPI.filters"
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
    ("spec.workload.autoscaling", ({}, {"minReplicas": 2})),
    ("spec.workload.autoscaling.minReplicas", (0, 5001)),
    ("spec.workload.autoscaling.maxReplicas", (0, 5001, "9")),
    ("spec.workload.autoscaling.cpuUtilizationPercent", (0, 1001)),
    ("spec.workload.autoscaling.duringRollout", ("frozen", "")),
    ("spec.workload.template", ({}, {"spec": {}}, {"spec": {"containers": []}}, [])),
    ("spec.workload.template.spec.containers[0].image", ("", 5)),
    ("spec.workload.template.metadata.labels", ({"a": 1}, {"a": "x" * 64}, [])),
    ("spec.service.name", ("1a", "A", "a.b", "a" * 64)),
    ("spec.service.port", (0, "http")),
    ("spec.service.targetPort", ("http", 70000)),
    ("spec.traffic.provider", ("Istio", "gatewayapi")),
    ("spec.traffic.gatewayAPI.parentRefs", ([], [{}], [{"name": f"g{i}"} for i in range(9)])),
    ("spec.traffic.gatewayAPI.mode", ("Foreign", "")),
    ("spec.traffic.gatewayAPI.routeRefs", ([], [{}], [{"name": f"r{i}"} for i in range(9)])),
    ("spec.traffic.gatewayAPI.routeRefs", ([{"name": "a", "kind": "TCPRoute"}], [{"name": "A"}])),
    ("spec.traffic.gatewayAPI.hostnames", (["a b"], ["*"], [f"h{i}.example" for i in range(17)])),
    ("spec.traffic.gatewayAPI.matches", ([], [{}], [{"path": {"type": "Exact", "value": "/"}}])),
    ("spec.traffic.gatewayAPI.matches[0].path.value", ("v2", "/a?b", "/" + "a" * 1024)),
    (f"{_FILTERS}[0].type", ("URLRewrite", "RequestMirror")),
    (f"{_FILTERS}[0].requestHeaderModifier.set[0].name", ("", "a b", "x" * 257)),
    (f"{_FILTERS}[0].requestHeaderModifier.set[0].value", ("", "a  b", "ä", "x" * 4097)),
    (f"{_FILTERS}[0].requestHeaderModifier.remove", (["a:b"], ["x"] * 17)),
    ("spec.strategy.type", ("shadow", "bluegreen")),
    ("spec.strategy.shadow", ({}, {"mirrorPercent": 5}, {"duration": "1h"})),
    ("spec.strategy.shadow.mirrorPercent", (0, -1, 100.5, "20")),
    ("spec.strategy.shadow.then", ("Wait", "", 1)),
    ("spec.strategy.shadow.minRequests", (0, 10**9 + 1, 2.5)),
    ("spec.strategy.canary.warmup", ({}, {"mirrorPercent": 5}, {"duration": "1m"})),
    (STEPS, ([], {}, [{"name": "a"}], [{"weight": 5}], steps(*range(1, 34)))),
    (f"{STEPS}[0].weight", (-1, 100.5, "10", 1e300)),
    (f"{_ROUTES}[0].name", ("", "A")),
    (f"{_ROUTES}[0].headers", ([], [{"exact": "1"}], [_A_HEADER] * 5)),
    (f"{_ROUTES}[0].headers[0].name", ("", "a b", ":path")),
    (f"{_ROUTES}[0].headers[0].exact", ("", " a", "ä", "x" * 257)),
    (f"{_ROUTES}[1].cookie", ({"name": "a"}, {"name": "a", "value": "a;b"})),
    (f"{_ROUTES}[1].cookie.name", ("", "a=b")),
    (_ROUTES, ({}, [{"name": f"r{i}", "headers": [_A_HEADER]} for i in range(9)])),
    (f"{STEPS}[0].minRequests", (0, 10**9 + 1, 2.5)),
    (f"{STEPS}[1].approval", ({}, "risk-board", {"name": "Risk Board"})),
    (f"{STEPS}[1].metrics", ([], [{"name": "errors"}], [{"threshold": {"max": 1}}])),
    (f"{STEPS}[1].metrics[0].threshold", ({"max": "1"}, 0.5)),
    (f"{STEPS}[1].replicasPercent", (0, -5, 100.5, "50 %")),
    (f"{STEPS}[2].replicas", (0, 5001, 1.5, "all")),
    ("spec.automation.level", ("None", "full", 1)),
    ("spec.automation.decisionMode", ("Human", "", 1)),
    ("spec.strategy.blueGreen.preview.serviceName", ("Preview", "", "1st")),
    ("spec.strategy.blueGreen.preview.replicasPercent", (0, 101, "all")),
    ("spec.strategy.blueGreen.prePromotion.minRequests", (-1, 1.5, 10**9 + 1)),
    ("spec.strategy.blueGreen.autoPromote", ("false", 0)),
    ("spec.strategy.scaling.maxSurgePercent", (-1, 101)),
    ("spec.strategy.scaling.minReplicas", (0, 1001)),
    ("spec.strategy.scaling.matchTraffic", ("yes", 1)),
    ("spec.analysis.source", ("http://prometheus:9090", "")),
    ("spec.analysis.dataPlane", ("Linkerd", "None", "")),
    ("spec.analysis.minRequests", (0, 10**9 + 1)),
    ("spec.analysis.errorLimit", (0, 101)),
    ("spec.analysis.onInconclusive", ("Go", "")),
    ("spec.analysis.profile", ("Fast", "", 1)),
    ("spec.analysis.risk.falseRollback", (0, 0.5, "1 %")),
    ("spec.analysis.metrics[1].compare.to", ("TrainingReference",)),
    ("spec.analysis.metrics[1].compare.tolerance", (-0.1, 11)),
    ("spec.analysis.metrics[1].compare.margin", (0, -1, 11)),
    ("spec.analysis.metrics[1].compare.toleranceAbsolute", (0, 1)),
    ("spec.analysis.metrics[1].compare.detect.ratio", (1, 0, 1001, "5")),
    ("spec.analysis.metrics[1].compare.detect.absolute", (0, -0.1, 0.6)),
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
    (STEPS, "name"),
    (f"{STEPS}[1].metrics", "name"),
    (_ROUTES, "name"),
    ("spec.analysis.metrics", "name"),
)

# Members that nobody knows: paths in FULL.
UNKNOWN_FIELDS = (
    "spec.strateggy",
    "spec.model.provenance",
    "spec.server.protocol",
    "spec.workload.autoscaling.behavior",
    "spec.traffic.stickiness",
    "spec.traffic.gatewayAPI.parentRefs[0].group",
    "spec.strategy.canary.steps[1].approval.minApprovals",
    "spec.strategy.canary.steps[1].metrics[0].compare",
    "spec.automation.mode",
    "spec.analysis.metrics[0].drift",
    "spec.analysis.metrics[1].compare.ratio",
    "spec.analysis.metrics[1].compare.detect.points",
    "spec.analysis.metrics[1].threshold.maximum",
)


def lenient(path: str) -> Object:
    """FULL, such that a duration at this path may have any length, and nothing else stands against it."""
    if ".hold" in path:
        return place(FULL, path.replace(".hold", ".deadline"), "2160h")
    return place(FULL, "spec.strategy", {"type": "BlueGreen"}) if "blueGreen" in path else FULL
