"""Specs held against policies, and what the API server and the next step say of them.

One table of rules, and one of whom a policy is for, both for two: tests/unit/policy/test_admission_cases.py asks the operator's rules, and
tests/integration/api/test_admission_policies.py an API server with the chart's admission policies.
"""

from __future__ import annotations

import enum
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from api_examples import Object, place
from api_rules_shadow import SHADOW_BODY


class Verdict(enum.Enum):
    """`REFUSED` by both; `KEPT` for both; `STEP`: admitted, and held before the next step."""

    KEPT = "kept"
    REFUSED = "refused"
    STEP = "step"


KEPT, REFUSED, STEP = Verdict.KEPT, Verdict.REFUSED, Verdict.STEP


BODY: Object = place(SHADOW_BODY, "spec.strategy", {})


@dataclass(frozen=True, slots=True, kw_only=True)
class Case:
    """A rule with its value, and a spec: `BODY` with values at some paths."""

    rule: str
    value: Any
    verdict: Verdict
    changes: Mapping[str, Any] = field(default_factory=dict)

    @property
    def policy(self) -> Object:
        """Spec of the policy."""
        return {"constraints": {self.rule: self.value}}

    @property
    def asked(self) -> Object:
        """The ModelDeployment."""
        return changed(BODY, self.changes)

    @property
    def name(self) -> str:
        """For the report of a test."""
        given = "-".join(f"{path.rpartition('.')[2]}" for path in self.changes)
        return f"{self.rule}-{given or 'usual'}-{self.verdict.value}"


def changed(body: Object, changes: Mapping[str, Any]) -> Object:
    """A copy with values at some paths."""
    for path, value in changes.items():
        body = place(body, path, value)
    return body


def step(name: str, weight: float, **more: Any) -> Object:
    return {"name": name, "weight": weight, **more}


STEPS, BAKE = "spec.strategy.canary.steps", "spec.strategy.postPromotion.bake"
TEMPLATE, METRICS = "spec.workload.template", "spec.analysis.metrics"
DIGEST = "images.example.com/iris@sha256:" + "0" * 64
SHA = "sha256:" + "a" * 64
NO_PODS = {"spec.workload.replicas": 0}
BLUE_GREEN = {"spec.strategy": {"type": "BlueGreen"}}
MIRROR = {"mirrorPercent": 10, "duration": "1h"}


def shadow(then: str, **more: Any) -> Object:
    return {"spec.strategy": {"type": "Shadow", "shadow": {**MIRROR, "then": then}, **more}}


def pods(image: str, **more: Any) -> Object:
    return {"spec": {"containers": [{"name": "server", "image": image}], **more}}


def smoke_test(image: str) -> Object:
    job = {"template": pods(image)}
    return {"type": "BlueGreen", "blueGreen": {"prePromotion": {"job": job}}}


def metric(name: str = "errors", **more: Any) -> Object:
    return {"name": name, "preset": "error-ratio", **more}


def limited(most: float) -> Object:
    return {"threshold": {"max": most}}


QUERY = {"name": "gpu", "query": "up", "threshold": {"max": 1}}
TESTERS = [{"name": "testers", "headers": [{"name": "x-tester", "exact": "1"}]}]
RECREATE = {"spec.strategy.scaling": {"surgePolicy": "Recreate"}}


def _rows(rule: str, value: Any, *rows: tuple[Verdict, Object]) -> list[Case]:
    return [
        Case(rule=rule, value=value, verdict=verdict, changes=changes) for verdict, changes in rows
    ]


_CHOICES = [
    *_rows(
        "allowedStrategies",
        ["Canary"],
        (KEPT, {}),
        (REFUSED, BLUE_GREEN),
        (REFUSED, shadow("Hold")),
    ),
    *_rows("allowedStrategies", ["Shadow"], (KEPT, shadow("Stop")), (REFUSED, NO_PODS)),
    *_rows(
        "allowedAutomationLevels",
        ["Gated"],
        (KEPT, {"spec.automation.level": "Gated"}),
        (REFUSED, {"spec.automation.level": "Full"}),
        (STEP, {}),  # a policy may have a default for it
    ),
    *_rows(
        "allowedDecisionModes",
        ["Assist"],
        (KEPT, {"spec.automation.decisionMode": "Assist"}),
        (REFUSED, {}),
        (REFUSED, {"spec.automation.decisionMode": "Shadow"}),
    ),
    *_rows(
        "allowedTrafficProviders",
        ["GatewayAPI", "Traefik"],
        (KEPT, {}),
        (REFUSED, {"spec.traffic": {}}),
        (REFUSED, {"spec.traffic": {"provider": "Istio", "istio": {}}}),
    ),
]
_PLANS = [
    *_rows(
        "maxInitialWeight",
        10,
        (KEPT, {}),
        (
            KEPT,
            {"spec.strategy.canary": {"routes": TESTERS, "steps": [step("a", 0), step("b", 10)]}},
        ),
        (REFUSED, {STEPS: [step("a", 10.5), step("b", 50)]}),
        (REFUSED, {STEPS: [step("a", 11)]}),
        (REFUSED, shadow("Promote")),
        (REFUSED, shadow("Canary", canary={"steps": [step("a", 25)]})),
        (KEPT, shadow("Stop")),
        (KEPT, BLUE_GREEN),
        (KEPT, {STEPS: [step("a", 50)], **NO_PODS}),
        (STEP, {"spec.traffic": {}, "spec.workload.replicas": 4}),  # 10 % of four pods are 20
        (KEPT, {"spec.traffic": {}, "spec.workload.replicas": 20}),
    ),
    *_rows(
        "maxStepIncrease",
        50,
        (KEPT, {}),
        (KEPT, {STEPS: [step("a", 50), step("b", 100)]}),
        (REFUSED, {STEPS: [step("a", 10), step("b", 70)]}),
        (REFUSED, {STEPS: [step("a", 10), step("b", 40)]}),
        (REFUSED, shadow("Hold")),
        (KEPT, shadow("Stop")),
        (KEPT, BLUE_GREEN),
        (KEPT, {STEPS: [step("a", 10)], **NO_PODS}),
    ),
    *_rows(
        "minSteps",
        2,
        (KEPT, {}),
        (REFUSED, {STEPS: [step("a", 50)]}),
        (REFUSED, shadow("Hold")),
        (KEPT, shadow("Canary")),
        (KEPT, BLUE_GREEN),
        (REFUSED, {STEPS: [step("a", 50)], "spec.traffic": {}}),
    ),
    *_rows(
        "minHold",
        "10m",
        (KEPT, {}),
        (KEPT, {STEPS: [step("a", 5, hold="0h600s"), step("b", 50, hold="1h30m")]}),
        (REFUSED, {STEPS: [step("a", 5, hold="9m59s999ms")]}),
        (REFUSED, {STEPS: [step("a", 5, hold="9m")], "spec.traffic": {}}),
        (REFUSED, shadow("Canary", canary={"steps": [step("a", 5, hold="1m")]})),
        (KEPT, shadow("Promote")),
        (KEPT, BLUE_GREEN),
        (KEPT, {STEPS: [step("a", 5, hold="1m")], **NO_PODS}),
    ),
    *_rows("minHold", "11m", (REFUSED, {}), (REFUSED, {"spec.traffic": {}})),
    *_rows(
        "minBake",
        "1h",
        (KEPT, {BAKE: "60m"}),
        (REFUSED, {BAKE: "59m"}),
        (REFUSED, {**BLUE_GREEN, BAKE: "1m"}),
        (STEP, {}),  # a policy may have a default for it
        (KEPT, {BAKE: "1m", **NO_PODS}),
        (KEPT, {**shadow("Stop"), BAKE: "1m"}),
    ),
    *_rows(
        "minTotalDuration",
        "30m",
        (KEPT, {}),
        (REFUSED, {STEPS: [step("a", 5, hold="20m"), step("b", 50, hold="9m")], BAKE: "9h"}),
        (KEPT, {"spec.strategy.canary": {"warmup": MIRROR, "steps": [step("a", 5, hold="0s")]}}),
        (KEPT, shadow("Promote")),
        (REFUSED, BLUE_GREEN),
        (
            KEPT,
            {
                "spec.strategy": smoke_test(DIGEST)
                | {"blueGreen": {"prePromotion": {"duration": "30m"}}}
            },
        ),
    ),
    *_rows(
        "requireShadow",
        True,
        (REFUSED, {}),
        (KEPT, {"spec.strategy.canary.warmup": MIRROR}),
        (KEPT, shadow("Hold")),
        (KEPT, {STEPS: [step("a", 5, mirrorPercent=5), step("b", 50)]}),
        (
            KEPT,
            {
                "spec.strategy.canary": {
                    "routes": TESTERS,
                    "steps": [step("a", 0, mirrorPercent=5), step("b", 50)],
                }
            },
        ),
        (REFUSED, {STEPS: [step("a", 5), step("b", 50, mirrorPercent=5)]}),
        (REFUSED, BLUE_GREEN),
        (
            KEPT,
            {
                "spec.strategy": {
                    "type": "BlueGreen",
                    "blueGreen": {"prePromotion": {"mirrorPercent": 5}},
                }
            },
        ),
        (KEPT, NO_PODS),
    ),
    *_rows("requireShadow", False, (KEPT, {})),
    *_rows(
        "requireRepresentableWeights",
        True,
        (KEPT, {}),
        (STEP, {"spec.traffic": {}, "spec.workload.replicas": 1, **RECREATE}),
    ),
    *_rows("requireRehearsedRollback", {"within": "24h"}, (KEPT, {})),
]
_SIZES = [
    *_rows(
        "minReplicas",
        4,
        (KEPT, {"spec.workload.replicas": 4}),
        (REFUSED, {"spec.workload.replicas": 3}),
        (REFUSED, {}),
        (KEPT, NO_PODS),
        (KEPT, {"spec.workload.autoscaling": {"minReplicas": 4, "maxReplicas": 9}}),
        (REFUSED, {"spec.workload.replicas": 9, "spec.workload.autoscaling": {"maxReplicas": 3}}),
    ),
    *_rows(
        "maxSurgePercent",
        50,
        (REFUSED, {}),
        (KEPT, {"spec.traffic": {}}),
        (KEPT, {"spec.strategy.scaling.maxSurgePercent": 50}),
        (REFUSED, {"spec.traffic": {}, "spec.strategy.scaling.maxSurgePercent": 50.5}),
        (KEPT, RECREATE),
        (REFUSED, BLUE_GREEN),
    ),
]
_METRICS = [
    *_rows(
        "mandatoryChecks",
        [{"metric": "error-ratio", "maxThreshold": 0.01}],
        (REFUSED, {}),
        (KEPT, {METRICS: [metric(**limited(0.01))]}),
        (REFUSED, {METRICS: [metric(**limited(0.02))]}),
        (REFUSED, {METRICS: [metric(threshold={"min": 0})]}),
        (REFUSED, {METRICS: [metric(dryRun=True, **limited(0.01))]}),
        (REFUSED, {METRICS: [metric(onBreach="Alert", **limited(0.01))]}),
        (KEPT, {METRICS: [metric(), metric("strict", onBreach="Hold", **limited(0))]}),
        (
            REFUSED,
            {
                METRICS: [metric(**limited(0.01))],
                STEPS: [step("a", 5, metrics=[{"name": "errors", **limited(0.02)}])],
            },
        ),
        (
            KEPT,
            {
                METRICS: [metric(**limited(0.01)), metric("other")],
                STEPS: [step("a", 5, metrics=[{"name": "other", **limited(0.02)}])],
            },
        ),
    ),
    *_rows(
        "mandatoryChecks",
        [{"metric": "latency-p95"}, {"metric": "caught", "requireBaseline": True}],
        (REFUSED, {}),
        (REFUSED, {METRICS: [{**QUERY, "name": "latency-p95"}, metric("caught")]}),
        (KEPT, {METRICS: [metric("slow", preset="latency-p95"), metric("caught")]}),
        (REFUSED, {METRICS: [metric("slow", preset="latency-p95"), {**QUERY, "name": "caught"}]}),
    ),
    *_rows("mandatoryChecks", [{"metric": "error-ratio", "requireBaseline": True}], (KEPT, {})),
    *_rows(
        "mandatoryChecks",
        [{"metric": "error-ratio"}],
        (KEPT, {"spec.server.preset": "MLServer"}),
        (STEP, {"spec.server.preset": "KServe"}),  # which does not count errors
        (KEPT, {METRICS: [metric()]}),
    ),
    *_rows(
        "metricGroups",
        [{"name": "some", "anyOf": ["errors", "latency-p95", "ttft-p95"], "atLeast": 2}],
        (KEPT, {METRICS: [metric(), metric("slow", preset="latency-p95")]}),
        (REFUSED, {METRICS: [metric()]}),
        (REFUSED, {METRICS: [metric(), metric("slow", preset="latency-p95", dryRun=True)]}),
    ),
    *_rows(
        "metricSources",
        {"allowed": ["default"], "forbidFreeQueries": True},
        (KEPT, {}),
        (REFUSED, {"spec.analysis.source": "mine"}),
        (REFUSED, {METRICS: [metric(), {**QUERY, "dryRun": True}]}),
        (KEPT, {METRICS: [metric()]}),
    ),
    *_rows("metricSources", {"allowed": ["ours"]}, (REFUSED, {}), (REFUSED, {METRICS: [QUERY]})),
]
_ORIGINS = [
    *_rows(
        "images",
        {"requireDigest": True},
        (REFUSED, {}),
        (KEPT, {TEMPLATE: pods(DIGEST)}),
        (REFUSED, {TEMPLATE: pods(DIGEST[:-1])}),
        (REFUSED, {TEMPLATE: pods(DIGEST, initContainers=[{"name": "get", "image": "get:1"}])}),
        (KEPT, {TEMPLATE: pods(DIGEST, volumes=[{"name": "tmp", "emptyDir": {}}])}),
        (
            REFUSED,
            {TEMPLATE: pods(DIGEST, volumes=[{"name": "w", "image": {"reference": "weights:1"}}])},
        ),
        (REFUSED, {TEMPLATE: pods(DIGEST), "spec.strategy": smoke_test("ask:1")}),
        (KEPT, {TEMPLATE: pods(DIGEST), "spec.strategy": smoke_test(DIGEST)}),
        (
            KEPT,  # its Deployment is another object, and judged before the step
            {"spec.workload": {"replicas": 1, "workloadRef": {"name": "source"}}},
        ),
    ),
    *_rows("images", {"requireDigest": False}, (KEPT, {})),
    *_rows(
        "modelURIs",
        {"allowedPrefixes": ["s3://prod", "s3://shared/"]},
        (REFUSED, {}),
        (KEPT, {"spec.model.uri": "s3://prod/x/..y/.z"}),
        (KEPT, {"spec.model.uri": "s3://prod?x"}),
        (KEPT, {"spec.model.uri": "s3://shared/x", "spec.model.artifacts": [{"name": "t"}]}),
        (REFUSED, {"spec.model.uri": "s3://prod-2/x"}),
        (REFUSED, {"spec.model.uri": "s3://prod/../x"}),
        (REFUSED, {"spec.model.uri": "s3://prod/x/. ."}),
        (STEP, {"spec.model.uri": "s3://prod/%2e%2e/x"}),
        (
            REFUSED,
            {
                "spec.model.uri": "s3://prod/x",
                "spec.model.artifacts": [{"name": "t", "uri": "s3://else/x"}],
            },
        ),
    ),
    *_rows(
        "modelURIs",
        {"requireDigest": True},
        (REFUSED, {}),
        (KEPT, {"spec.model.digest": SHA}),
        (REFUSED, {"spec.model.digest": SHA, "spec.model.artifacts": [{"name": "t"}]}),
    ),
]
CASES: tuple[Case, ...] = (*_CHOICES, *_PLANS, *_SIZES, *_METRICS, *_ORIGINS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Reach:
    """A policy beside a rule that `BODY`, or `asked`, does not keep: whom it binds, and how.

    `admission` is Deny, Warn or empty; `step` is what the operator does, empty where the policy binds it
    to nothing.
    """

    name: str
    spec: Object
    admission: str
    step: str = "Enforce"
    changes: Mapping[str, Any] = field(default_factory=dict)
    cluster: bool = False

    @property
    def policy(self) -> Object:
        """Spec of the policy, for ModelDeployments with a label of its own."""
        return changed(
            {"constraints": {"minHold": "1h"}} | self.spec, {"selector.matchLabels.case": self.name}
        )

    @property
    def asked(self) -> Object:
        """The ModelDeployment."""
        body = changed(
            place(BODY, "metadata.labels", {"team": "risk", "tier": "gold"}), self.changes
        )
        return place(body, "metadata.labels.case", self.name)


def _exempt(**more: Any) -> Object:
    one = {"name": "e", "namespace": "default", "rules": ["minHold"], "reason": "moves"}
    return {"exemptions": [one | {"until": "2099-01-01T00:00:00Z"} | more]}


def _where(key: str, operator: str, *values: str) -> Object:
    found = {"key": key, "operator": operator} | ({"values": list(values)} if values else {})
    return {"selector": {"matchExpressions": [found]}}


def _in_namespace(name: str) -> Object:
    return {"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": name}}}


def _bake(default: str) -> Object:
    return {
        "constraints": {"minBake": "1h"},
        "defaults": {"strategy": {"postPromotion": {"bake": default}}},
    }


def _action(of_all: str, **of_rules: str) -> Object:
    actions = [{"rule": rule, "action": action} for rule, action in of_rules.items()]
    return {"enforcementAction": of_all, "ruleActions": actions}


_OTHERS: Object = {"matchLabels": {"team": "fraud"}}
REACHES: tuple[Reach, ...] = (
    Reach(name="all", spec={}, admission="Deny"),
    Reach(name="warned", spec=_action("Warn"), admission="Warn", step="Warn"),
    Reach(name="listed", spec=_action("Audit"), admission="", step="Audit"),
    Reach(name="tried", spec=_action("Enforce", minHold="Warn"), admission="Warn", step="Warn"),
    Reach(name="meant", spec=_action("Audit", minHold="Enforce"), admission="Deny"),
    Reach(name="other-rule", spec=_action("Enforce", minBake="Audit"), admission="Deny"),
    # People may let it through, and only what is there can be let through.
    Reach(name="overridable", spec={"overrides": {"approverGroups": ["board"]}}, admission="Warn"),
    Reach(name="value", spec={"selector": {"matchLabels": {"team": "risk"}}}, admission="Deny"),
    Reach(name="other-value", spec={"selector": _OTHERS}, admission="", step=""),
    Reach(name="in", spec=_where("tier", "In", "gold", "silver"), admission="Deny"),
    Reach(name="not-in", spec=_where("tier", "NotIn", "gold"), admission="", step=""),
    Reach(name="in-none", spec=_where("absent", "In", "gold"), admission="", step=""),
    Reach(name="not-in-none", spec=_where("absent", "NotIn", "gold"), admission="Deny"),
    Reach(name="exists", spec=_where("tier", "Exists"), admission="Deny"),
    Reach(name="exists-not", spec=_where("absent", "Exists"), admission="", step=""),
    Reach(name="absent", spec=_where("absent", "DoesNotExist"), admission="Deny"),
    Reach(name="absent-not", spec=_where("tier", "DoesNotExist"), admission="", step=""),
    Reach(name="own-default", spec=_bake("2h"), admission="", step=""),
    Reach(name="short-default", spec=_bake("1m"), admission="Warn"),
    Reach(name="said", spec=_bake("2h"), admission="Deny", changes={BAKE: "1m"}),
    Reach(name="namespace", spec=_in_namespace("default"), admission="Deny", cluster=True),
    Reach(name="other-place", spec=_in_namespace("ml"), admission="", step="", cluster=True),
    Reach(name="exempt", spec=_exempt(), admission="", step="", cluster=True),
    Reach(
        name="exempt-one", spec=_exempt(modelDeployment="iris"), admission="", step="", cluster=True
    ),
    Reach(
        name="exempt-other", spec=_exempt(modelDeployment="fraud"), admission="Deny", cluster=True
    ),
    Reach(name="exempt-elsewhere", spec=_exempt(namespace="ml"), admission="Deny", cluster=True),
    Reach(name="exempt-else", spec=_exempt(rules=["minBake"]), admission="Deny", cluster=True),
    # CEL has no clock: an end that has come is seen by the operator alone.
    Reach(name="ended", spec=_exempt(until="2020-01-01T00:00:00Z"), admission="", cluster=True),
)
