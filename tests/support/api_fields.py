"""What single fields of a ModelDeployment refuse: by their type, as durations, as keys of lists."""

from __future__ import annotations

from api_examples import FULL, STEPS, Object, place, steps

# V13: path in FULL, shortest and longest duration, and one beyond each end.
DURATIONS = (
    ("spec.server.probe.timeout", ("1s", "60s"), ("999ms", "61s")),
    ("spec.traffic.gatewayAPI.timeouts.request", ("2m", "24h"), ("24h1ms",)),
    ("spec.traffic.gatewayAPI.timeouts.backendRequest", ("0s", "90s"), ("25h",)),
    ("spec.traffic.verify.timeout", ("5s", "30m"), ("4999ms", "30m1ms")),
    (f"{STEPS}[2].hold", ("0s", "720h"), ("720h1ms",)),
    (f"{STEPS}[0].deadline", ("30m", "2160h"), ("2160h1ms",)),
    ("spec.strategy.scaleDownDelay", ("0s", "168h"), ("168h1ms",)),
    ("spec.strategy.postPromotion.bake", ("0s", "720h"), ("720h1ms",)),
    ("spec.strategy.blueGreen.prePromotion.duration", ("0s", "720h"), ("720h1ms",)),
    ("spec.strategy.blueGreen.prePromotion.job.timeout", ("1s", "24h"), ("999ms", "24h1ms")),
    ("spec.analysis.interval", ("1s", "1h"), ("999ms", "1h1ms")),
    ("spec.analysis.warmup", ("0s", "24h"), ("24h1ms",)),
    ("spec.analysis.settle", ("0s", "10m"), ("10m1ms",)),
    ("spec.analysis.window", ("30s", "1h"), ("29s999ms", "61m")),
    ("spec.analysis.noDataTimeout", ("1m", "24h"), ("59s", "25h")),
    ("spec.analysis.inconclusiveTimeout", ("1m", "720h"), ("59s", "721h")),
    ("spec.analysis.metrics[1].window", ("30s", "1h"), ("29s", "1h1ms")),
    ("spec.monitoring.window", ("10m", "168h"), ("9m59s", "169h")),
    ("spec.monitoring.onDrift.hook.timeout", ("1s", "60s"), ("999ms", "61s")),
    ("spec.monitoring.onDrift.hook.cooldown", ("0s", "720h"), ("721h",)),
    ("spec.rollback.keepCandidateFor", ("0s", "168h"), ("169h",)),
    ("spec.progressDeadline", ("1m", "24h"), ("59999ms", "24h1ms")),
)
_ROUTES = "spec.strategy.canary.routes"
_PROBE = "spec.server.probe"
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
    (_PROBE, ({}, {"method": "GET"}, "/infer", [])),
    (f"{_PROBE}.path", ("", "infer", "/a b", "/a#b", "/" + "a" * 1024)),
    (f"{_PROBE}.method", ("PUT", "post", "")),
    (f"{_PROBE}.body", ("", 5, "x" * 16_385)),
    (f"{_PROBE}.headers[0].value", ("", "a  b", "a\r\nb: c")),
    (f"{_PROBE}.expect.status", (100, 600, "200", 200.5)),
    (f"{_PROBE}.expect.values[0].pointer", ("", "outputs", "/a~2", "/" + "a" * 256)),
    (f"{_PROBE}.expect.values[0].max", ("1", {})),
    ("spec.strategy.firstRollout", ("probe", "", True)),
    ("spec.monitoring", ([], "1h")),
    ("spec.monitoring.falseAlarms", (0, 0.5, "1 %")),
    ("spec.monitoring.onDrift.action", ("Retrain", "hook", "")),
    (
        "spec.monitoring.onDrift.hook.url",
        ("", "train.example.com", "ftp://a/b", "https://u:p@a/b", "https://a/b c", "https://a/\n"),
    ),
    ("spec.monitoring.onDrift.hook.retries", (-1, 11, "2")),
    ("spec.workload.replicas", (-1, 5001, "6", 10**18)),
    ("spec.workload.autoscaling", ({}, {"minReplicas": 2})),
    ("spec.workload.autoscaling.minReplicas", (0, 5001)),
    ("spec.workload.autoscaling.maxReplicas", (0, 5001, "9")),
    ("spec.workload.autoscaling.cpuUtilizationPercent", (0, 1001)),
    ("spec.workload.autoscaling.duringRollout", ("frozen", "")),
    ("spec.workload.trackConfigMaps", ("snapshot", "", True)),
    ("spec.workload.template", ({}, {"spec": {}}, {"spec": {"containers": []}}, [])),
    ("spec.workload.template.spec.containers[0].image", ("", 5)),
    ("spec.workload.template.metadata.labels", ({"a": 1}, {"a": "x" * 64}, [])),
    ("spec.service.name", ("1a", "A", "a.b", "a" * 64)),
    ("spec.service.port", (0, "http")),
    ("spec.service.targetPort", ("http", 70000)),
    ("spec.traffic.provider", ("Linkerd", "gatewayapi")),
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
    (
        "spec.strategy.shadow.egress",
        (
            {"allow": [{"to": []}]},
            {"allow": [{"ports": []}]},
            {"allow": [{"to": [{"podSelector": {}}]}]},
            {"allow": [{"to": [{"podSelector": {"matchLabels": {}}}]}]},
            {"allow": [{"ports": [{"port": 0}]}]},
            {"allow": [{"ports": [{"port": "dns"}]}]},
            {"allow": [{"ports": [{"port": 53, "protocol": "ICMP"}]}]},
        ),
    ),
    ("spec.strategy.shadow.then", ("Wait", "", 1)),
    ("spec.strategy.shadow.minRequests", (0, 10**9 + 1, 2.5)),
    (
        "spec.strategy.shadow.compare",
        (
            {},
            {"preset": "response-agreement"},
            {"preset": "error-ratio", "threshold": {"min": 0.9}},
            {"preset": "response-agreement", "threshold": {"min": 0.9}, "minPairs": 0},
            {"preset": "response-agreement", "threshold": {"min": 0.9}, "reference": "human"},
        ),
    ),
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
    (f"{STEPS}[0].mirrorPercent", (-1, 100.5, "20")),
    (f"{STEPS}[0].minRequests", (0, 10**9 + 1, 2.5)),
    (f"{STEPS}[1].approval", ({}, "risk-board", {"name": "Risk Board"})),
    (f"{STEPS}[1].approval.minApprovals", (0, 11, 1.5)),
    (f"{STEPS}[1].approval.approverGroups", ([], [""], ["g"] * 9)),
    (f"{STEPS}[1].metrics", ([], [{"name": "errors"}], [{"threshold": {"max": 1}}])),
    (f"{STEPS}[1].metrics[0].threshold", ({"max": "1"}, 0.5)),
    (f"{STEPS}[1].replicasPercent", (0, -5, 100.5, "50 %")),
    (f"{STEPS}[2].replicas", (0, 5001, 1.5, "all")),
    ("spec.automation.level", ("None", "full", 1)),
    ("spec.automation.decisionMode", ("Human", "", 1)),
    ("spec.strategy.blueGreen.preview.serviceName", ("Preview", "", "1st")),
    ("spec.strategy.blueGreen.preview.replicasPercent", (0, 101, "all")),
    ("spec.strategy.blueGreen.preview.routes", ({}, [{"headers": [_A_HEADER]}])),
    ("spec.strategy.blueGreen.prePromotion.minRequests", (-1, 1.5, 10**9 + 1)),
    ("spec.strategy.blueGreen.prePromotion.mirrorPercent", (-1, 100.5, "all")),
    ("spec.strategy.blueGreen.prePromotion.job", ({}, [])),
    ("spec.strategy.blueGreen.prePromotion.job.backoffLimit", (-1, 11, "0")),
    ("spec.strategy.blueGreen.prePromotion.job.template", ({}, {"spec": {}}, "pod")),
    ("spec.strategy.blueGreen.autoPromote", ("false", 0)),
    ("spec.strategy.scaling.maxSurgePercent", (-1, 101)),
    ("spec.strategy.scaling.minReplicas", (0, 1001)),
    ("spec.strategy.scaling.maxUnavailablePercent", (-1, 101, "25%")),
    ("spec.strategy.scaling.surgePolicy", ("surge", "Recycle", 1)),
    ("spec.strategy.scaling.matchTraffic", ("yes", 1)),
    ("spec.analysis.source", ("http://prometheus:9090", "")),
    ("spec.analysis.dataPlane", ("Linkerd", "None", "")),
    ("spec.analysis.minRequests", (0, 10**9 + 1)),
    ("spec.analysis.errorLimit", (0, 101)),
    ("spec.analysis.onInconclusive", ("Go", "")),
    ("spec.analysis.profile", ("Fast", "", 1)),
    ("spec.analysis.risk.falseRollback", (0, 0.5, "1 %")),
    ("spec.analysis.metrics[1].compare.to", ("Training", "")),
    ("spec.analysis.baseline.type", ("FreshBaseline", "")),
    ("spec.analysis.baseline.reference", ({"key": "a"}, {"name": "A"}, "training")),
    ("spec.analysis.baseline.reference.key", ("", "a/b", "x" * 254)),
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
    ("spec.analysis.metrics[1].onBreach", ("Pause", "")),
    ("spec.analysis.metrics[4].drift.delta", (-0.1, 6, "0.1")),
    ("spec.analysis.metrics[4].drift.margin", (0, 11)),
    ("spec.analysis.metrics[4].drift.rule", ("All", "")),
    ("spec.analysis.metrics[4].drift.k", (0, 101)),
    ("spec.analysis.metrics[4].drift.ignore", ("amount", ["x" * 129], [str(i) for i in range(65)])),
    ("spec.analysis.metrics[5].labelDelay", ("", "2d", "2161h", 60)),
    ("spec.analysis.metrics[5].labelCohort", ("59s", "169h", "1 h")),
    ("spec.rollback.reportAs", ("Fine",)),
    ("spec.revisionHistoryLimit", (-1, 51)),
    ("spec.paused", ("true", 1)),
)

# One value for server-side apply: a rule refuses what the type of the list refuses elsewhere.
CONTAINERS = ("spec.workload.template.spec.containers", "name")

# Keys of lists that are given twice: path of the list in FULL, and of the item's key.
DUPLICATES = (
    ("spec.model.artifacts", "name"),
    CONTAINERS,
    (STEPS, "name"),
    (f"{STEPS}[1].metrics", "name"),
    (f"{_PROBE}.expect.values", "pointer"),
    (_ROUTES, "name"),
    ("spec.analysis.metrics", "name"),
)

# Members that nobody knows: paths in FULL.
UNKNOWN_FIELDS = (
    "spec.strateggy",
    "spec.model.provenance",
    "spec.server.protocol",
    "spec.server.probe.expect.body",
    "spec.workload.autoscaling.behavior",
    "spec.traffic.stickiness",
    "spec.traffic.gatewayAPI.parentRefs[0].group",
    "spec.strategy.canary.steps[1].approval.approvers",
    "spec.strategy.canary.steps[1].metrics[0].compare",
    "spec.automation.mode",
    "spec.analysis.metrics[0].labels",
    "spec.analysis.metrics[4].drift.watchDelta",
    "spec.analysis.baseline.replicas",
    "spec.analysis.baseline.reference.namespace",
    "spec.analysis.metrics[1].compare.ratio",
    "spec.analysis.metrics[1].compare.detect.points",
    "spec.analysis.metrics[1].threshold.maximum",
)


_BLUE_GREEN = place(
    FULL,
    "spec.strategy",
    {
        "type": "BlueGreen",
        "blueGreen": {
            "prePromotion": {
                "job": {"template": {"spec": {"containers": [{"name": "ask", "image": "ask:1"}]}}}
            }
        },
    },
)


def lenient(path: str) -> Object:
    """FULL, such that a duration at this path may have any length, and nothing else stands against it."""
    if ".hold" in path:
        return place(FULL, path.replace(".hold", ".deadline"), "2160h")
    return _BLUE_GREEN if "blueGreen" in path else FULL
