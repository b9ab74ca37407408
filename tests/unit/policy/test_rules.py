"""Each constraint: what keeps it, what does not, and that the message names field and fix."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, get_args

import pytest
from policy_examples import CLUSTER_POLICY, NOON, policy
from rollout_world import make_spec

from tidegate import model
from tidegate.api import analysis_types, policies, policy_types
from tidegate.policy import judge, queue, rules
from tidegate.policy.case import Case
from tidegate.policy.rules import RULES
from tidegate.rollout.strategy.compile import first_plan, plan_of

BY_PODS = model.Provider.REPLICA_RATIO
CANARY = make_spec(weights=(10.0, 50.0))  # hold 60s each, no bake
BAKED = replace(CANARY, bake=model.Bake(seconds=600.0))
WARMED = replace(CANARY, warm_up=model.Mirror(percent=10.0, seconds=300.0))
SHADOW = replace(
    CANARY,
    shadow=model.Shadow(
        mirror=model.Mirror(percent=10.0, seconds=3600.0),
        deadline_seconds=7200.0,
        min_requests=10,
        then=model.Then.PROMOTE,
    ),
)
BLUE_GREEN = replace(CANARY, steps=(), blue_green=model.BlueGreen(preview_service="iris-preview"))


def with_metrics(*metrics: model.Metric) -> model.Spec:
    return replace(CANARY, analysis=replace(CANARY.analysis, metrics=metrics))


def metric(name: str = "errors", preset: str = "error-ratio", **more: Any) -> model.Metric:
    return model.Metric(name=name, preset=preset, **more)


def with_limits(one: model.Metric, limits: dict[str, float]) -> model.Spec:
    """The metric, with a limit of its own in some steps."""
    spec = with_metrics(one)

    def limit(name: str) -> tuple[model.StepLimit, ...]:
        threshold = model.Threshold(max=limits.get(name))
        return (model.StepLimit(name=one.name, threshold=threshold),) if name in limits else ()

    steps = (replace(it, limits=limit(f"p{it.weight_percent:g}")) for it in spec.steps)
    return replace(spec, steps=tuple(steps))


def with_image(image: str, **pod: Any) -> model.Spec:
    containers = [{"name": "server", "image": image}]
    return replace(CANARY, template={"spec": {"containers": containers, **pod}})


def with_job(image: str) -> model.Spec:
    """A preview with a smoke test of this image; its own pods are pinned."""
    pods = {"spec": {"containers": [{"name": "ask", "image": image}]}}
    job = model.SmokeTestJob(template=pods, timeout_seconds=60.0, backoff_limit=0)
    asked = model.BlueGreen(preview_service="iris-preview", smoke_test=True)
    return replace(with_image(DIGEST), steps=(), blue_green=asked, smoke_test=job)


def with_files(uri: str, *, digest: str = "", **artifacts: str) -> model.Spec:
    """A model at this place, and its artefacts by name."""
    known = tuple(model.Artifact(name=name, uri=it) for name, it in artifacts.items())
    return replace(CANARY, model=replace(CANARY.model, uri=uri, digest=digest), artifacts=known)


_JOB = "strategy.blueGreen.prePromotion.job.template.spec.containers[0]"
LIMITED = model.Threshold(max=0.01)
DIGEST = "registry/x@sha256:" + "0" * 64
# Rule, its value in a policy, what keeps it, what does not, and a part of the message.
CASES: tuple[tuple[str, Any, model.Spec, model.Spec, str], ...] = (
    ("allowedStrategies", ["Canary"], CANARY, SHADOW, "strategy.type is Shadow, allowed: Canary"),
    ("allowedStrategies", ["Shadow"], SHADOW, BLUE_GREEN, "strategy.type is BlueGreen"),
    ("allowedStrategies", ["Canary"], WARMED, BLUE_GREEN, "BlueGreen"),
    (
        "allowedAutomationLevels",
        ["Gated"],
        replace(CANARY, automation=model.Automation(level=model.AutomationLevel.GATED)),
        CANARY,
        "automation.level is Full, allowed: Gated",
    ),
    (
        "allowedDecisionModes",
        ["Assist"],
        replace(CANARY, automation=model.Automation(decision_mode=model.DecisionMode.ASSIST)),
        CANARY,
        "automation.decisionMode is not set",
    ),
    (
        "allowedTrafficProviders",
        ["GatewayAPI"],
        CANARY,
        make_spec(provider=BY_PODS),
        "traffic.provider is ReplicaRatio",
    ),
    ("maxInitialWeight", 10, CANARY, make_spec(weights=(10.5, 50.0)), "step p10.5"),
    ("maxInitialWeight", 10, BLUE_GREEN, replace(CANARY, steps=()), "before the promotion"),
    (
        "maxInitialWeight",
        10,
        make_spec(provider=BY_PODS, replicas=20),
        make_spec(provider=BY_PODS, replicas=4),
        "10 % asked for, which the pods cannot give",
    ),
    ("maxStepIncrease", 50, CANARY, make_spec(weights=(10.0, 70.0)), "goes from 10 % to 70 %"),
    ("maxStepIncrease", 50, CANARY, make_spec(weights=(10.0, 40.0)), "step promotion goes from 40"),
    ("maxStepIncrease", 50, BLUE_GREEN, SHADOW, "add a step in between"),
    (
        "maxSurgePercent",
        50,
        replace(CANARY, scaling=model.Scaling(max_surge_percent=50.0)),
        CANARY,
        "maxSurgePercent is 100, at most 50",
    ),
    ("minSteps", 2, CANARY, make_spec(weights=(50.0,)), "before the promotion: 1, at least 2"),
    ("minReplicas", 4, CANARY, make_spec(replicas=3), "workload.replicas is 3, at least 4"),
    ("minReplicas", 4, make_spec(replicas=0), make_spec(replicas=1), "raise it"),
    (
        "minHold",
        "1m",
        CANARY,
        _short := replace(
            CANARY, steps=(replace(CANARY.steps[0], hold_seconds=59.0), CANARY.steps[1])
        ),
        "the hold of step p10 is shorter than 1m",
    ),
    ("minBake", "10m", BAKED, CANARY, "postPromotion.bake is 0s, at least 10m"),
    ("minTotalDuration", "2m", CANARY, _short, "last 119s, at least 2m"),
    ("minTotalDuration", "1h", SHADOW, BAKED, "until the promotion"),
    ("requireShadow", True, WARMED, CANARY, "add canary.warmup"),
    ("requireShadow", True, SHADOW, BAKED, "copied"),
    (
        "requireRepresentableWeights",
        True,
        make_spec(provider=BY_PODS, replicas=2),
        make_spec(
            provider=BY_PODS,
            replicas=1,
            scaling=model.Scaling(surge_policy=model.SurgePolicy.RECREATE, max_surge_percent=0.0),
        ),
        "1 pods cannot give the weight of step p10, p50",
    ),
    (
        "mandatoryChecks",
        [{"metric": "error-ratio", "maxThreshold": 0.01}],
        with_metrics(metric(threshold=LIMITED)),
        with_metrics(metric(threshold=model.Threshold(max=0.02))),
        "needs threshold.max of 0.01 or less",
    ),
    (
        "mandatoryChecks",
        [{"metric": "error-ratio", "maxThreshold": 0.01}],
        with_limits(metric(threshold=LIMITED), {"p10": 0.005}),
        with_limits(metric(threshold=LIMITED), {"p10": 0.005, "p50": 0.9}),
        "needs threshold.max of 0.01 or less in step p50 as well",
    ),
    (
        "mandatoryChecks",
        [{"metric": "error-ratio"}],
        with_metrics(metric()),
        with_metrics(metric(dry_run=True)),
        "must be judged",
    ),
    (
        "mandatoryChecks",
        [{"metric": "error-ratio"}],
        with_metrics(metric("error-ratio")),
        with_metrics(metric("error-ratio", "", query="vector(0)")),
        "must be judged",
    ),
    (
        "mandatoryChecks",
        [{"metric": "fraud-caught"}],
        with_metrics(metric("fraud-caught", "", query="vector(0)")),
        with_metrics(metric("error-ratio", "", query="vector(0)")),
        "must be judged",
    ),
    (
        "mandatoryChecks",
        [{"metric": "errors", "requireBaseline": True}],
        with_metrics(metric(compare=model.Compare())),
        with_metrics(metric(threshold=LIMITED)),
        "add compare or drift",
    ),
    (
        "metricGroups",
        [{"name": "latency", "anyOf": ["p95", "ttft-p95", "error-ratio"], "atLeast": 2}],
        with_metrics(metric("p95", "latency-p95"), metric()),
        with_metrics(metric()),
        "at least 2 of error-ratio, p95, ttft-p95",
    ),
    (
        "metricSources",
        {"allowed": ["default"]},
        CANARY,
        replace(CANARY, analysis=replace(CANARY.analysis, source="mine")),
        "analysis.source is mine, allowed: default",
    ),
    (
        "metricSources",
        {"forbidFreeQueries": True},
        CANARY,
        with_metrics(model.Metric(name="gpu", query="up", dry_run=True)),
        "metric gpu has a query",
    ),
    (
        "images",
        {"requireDigest": True},
        with_image(DIGEST),
        CANARY,
        "workload.template.spec.containers[0].image: image x has no digest: name it",
    ),
    (
        "images",
        {"requireDigest": True},
        with_image(DIGEST, initContainers=[{"name": "get", "image": DIGEST}]),
        with_image(DIGEST, initContainers=[{"name": "get", "image": "get:1"}]),
        "workload.template.spec.initContainers[0].image: image get:1 has no",
    ),
    (
        "images",
        {"requireDigest": True},
        with_image(DIGEST, volumes=[{"name": "weights", "image": {"reference": DIGEST}}]),
        with_image(DIGEST, volumes=[{"name": "tmp"}, {"name": "weights", "image": {}}]),
        "workload.template.spec.volumes[1].image.reference: image (not set) has no digest",
    ),
    (
        "images",
        {"requireDigest": True},
        with_job(DIGEST),
        with_job("ask:1"),
        f"{_JOB}.image: image ask:1 has no digest",
    ),
    (
        "modelURIs",
        {"allowedPrefixes": ["s3://prod/", "s3://shared/"]},
        replace(CANARY, model=replace(CANARY.model, uri="s3://shared/x")),
        replace(CANARY, model=replace(CANARY.model, uri="s3://else/x")),
        "begins with none of s3://prod/, s3://shared/",
    ),
    (
        "modelURIs",
        {"requireDigest": True},
        replace(CANARY, model=replace(CANARY.model, digest="sha256:0")),
        CANARY,
        "model.digest is not set",
    ),
    (
        "modelURIs",
        {"allowedPrefixes": ["s3://prod"]},
        with_files("s3://prod/x", tokenizer="s3://prod/y"),
        with_files("s3://prod/x", tokenizer="s3://prod-2/y"),
        "model.artifacts[tokenizer].uri s3://prod-2/y begins with none of s3://prod",
    ),
    (
        "modelURIs",
        {"allowedPrefixes": ["s3://prod/"]},
        with_files("s3://prod/x", tokenizer=""),
        with_files("s3://prod/../else/x"),
        "model.uri s3://prod/../else/x has a segment . or ..",
    ),
    (
        "modelURIs",
        {"requireDigest": True},
        with_files("", digest="sha256:0"),
        with_files("", digest="sha256:0", tokenizer="s3://prod/y"),
        "model.artifacts[tokenizer].digest is not set",
    ),
)


def broken(rule: str, value: Any, case: Case) -> str:
    read, problems = policies.read_policy(policy({"constraints": {rule: value}}))
    assert problems == ()
    found = list(judge.violations([read], case, at=NOON))
    assert {it.rule for it in found} <= {rule}, "nothing else is asked for"
    return found[0].message if found else ""


@pytest.mark.parametrize(
    ("rule", "value", "keeps", "breaks", "says"),
    CASES,
    ids=[f"{rule}-{at}" for at, (rule, *_) in enumerate(CASES)],
)
def test_a_constraint(
    rule: str, value: Any, keeps: model.Spec, breaks: model.Spec, says: str
) -> None:
    assert broken(rule, value, Case(spec=keeps, plan=plan_of(keeps))) == ""
    assert says in broken(rule, value, Case(spec=breaks, plan=plan_of(breaks)))


def test_every_constraint_of_the_kind_is_tried_here_and_judged() -> None:
    named = {field.alias for field in policy_types.Constraints.model_fields.values() if field.alias}
    tried = {rule for rule, *_ in CASES} | {REHEARSED}
    assert named - {queue.RULE} == RULES.keys() == tried


REHEARSED = "requireRehearsedRollback"


@pytest.mark.parametrize(
    ("at", "ago", "says"),
    [
        (2, None, "(none is known): abort this rollout, and retry it"),
        (2, 1.0, ""),
        (2, 24.0, ""),
        (2, 24.1, "within 24h (the last one was at 2026-11-19 11:54 UTC)"),
        (2, -1.0, "the last one was at 2026-11-20 13:00 UTC"),  # a clock that went back
        (1, None, ""),
        (0, None, ""),
    ],
)
def test_a_rollback_is_asked_for_before_the_promotion(
    at: int, ago: float | None, says: str
) -> None:
    back = None if ago is None else NOON - timedelta(hours=ago)
    case = Case(spec=CANARY, plan=plan_of(CANARY), at=at, rolled_back_at=back, now=NOON)
    found = broken(REHEARSED, {"within": "24h"}, case)
    assert says in found
    assert bool(found) is bool(says)


def test_where_nobody_has_looked_for_rollbacks_none_is_asked_for() -> None:
    case = Case(spec=CANARY, plan=plan_of(CANARY), at=2)
    assert broken(REHEARSED, {"within": "24h"}, case) == ""


def test_the_presets_are_those_of_the_kind() -> None:
    (names, _) = get_args(analysis_types.Metric.model_fields["preset"].annotation)
    assert set(get_args(names)) == rules.PRESETS


STEPWISE = (
    "maxInitialWeight",
    "maxStepIncrease",
    "minHold",
    "minSteps",
    "minBake",
    "requireShadow",
)


@pytest.mark.parametrize("rule", STEPWISE)
def test_a_first_version_has_no_steps(rule: str) -> None:
    value = {"minHold": "1h", "minBake": "1h", "minSteps": 9, "requireShadow": True}.get(rule, 1)
    assert broken(rule, value, Case(spec=CANARY, plan=first_plan())) == ""


@pytest.mark.parametrize("rule", STEPWISE)
def test_nor_has_a_version_without_pods(rule: str) -> None:
    value = {"minHold": "1h", "minBake": "1h", "minSteps": 9, "requireShadow": True}.get(rule, 1)
    spec = replace(CANARY, replicas=0)
    assert broken(rule, value, Case(spec=spec, plan=plan_of(spec))) == ""


def walked(spec: model.Spec, *, to: int, change: Callable[[model.Stage], model.Stage]) -> Case:
    plan = plan_of(spec)
    passed = [replace(it, state=model.StepState.PASSED) for it in plan[:to]]
    left = tuple(change(it) for it in plan[to:])
    share = plan[to - 1].exposure.live_percent
    return Case(spec=spec, plan=(*passed, *left), at=to, share=share)


def test_steps_that_were_walked_are_not_judged_again() -> None:
    case = walked(make_spec(weights=(30.0, 50.0)), to=1, change=lambda it: it)
    assert broken("maxInitialWeight", 5, case) == ""
    assert broken("maxStepIncrease", 50, case) == ""
    assert broken("requireShadow", True, case) == ""
    assert "from 30 % to 50 %" in broken("maxStepIncrease", 10, case)


def test_steps_that_are_skipped_do_not_count() -> None:
    """As by the request promote-full: what is left is a jump."""

    def skipped(stage: model.Stage) -> model.Stage:
        switch = stage.kind is model.StageKind.SWITCH
        return stage if switch else replace(stage, state=model.StepState.SKIPPED)

    case = walked(BAKED, to=1, change=skipped)
    assert "step promotion goes from 10 % to 100 %" in broken("maxStepIncrease", 50, case)
    assert "before the promotion: 1, at least 2" in broken("minSteps", 2, case)
    assert "bake is 0s" in broken("minBake", "10m", case)
    assert "last 1m" in broken("minTotalDuration", "2m", case)


# --- several policies ----------------------------------------------------------------------------

ONE = Case(spec=CANARY, plan=plan_of(CANARY))


def read(spec: Any, **more: Any) -> model.Policy:
    return policies.read_policy(policy(spec, **more))[0]


def test_each_rule_has_its_own_action() -> None:
    strict = {
        "enforcementAction": "Audit",
        "ruleActions": [{"rule": "minBake", "action": "Enforce"}],
        "constraints": {"minBake": "1h", "minSteps": 3},
    }
    found = {it.rule: it.action for it in judge.violations([read(strict)], ONE, at=NOON)}
    assert found == {"minBake": "Enforce", "minSteps": "Audit"}


def test_a_policy_that_cannot_be_read_allows_nothing() -> None:
    policy_ = read({"constraints": {"minBake": "1h"}, "stopPolicy": "Perhaps"})
    (found,) = judge.violations([policy_], ONE, at=NOON)
    assert (found.rule, found.action) == ("spec", "Enforce")
    assert "cannot be read: spec.stopPolicy: must be one of" in found.message


def test_a_kill_switch_stops_everything() -> None:
    (found,) = judge.violations([read({"stopPolicy": "Hold"}, cluster=True)], ONE, at=NOON)
    assert found.policy == "ClusterRolloutPolicy/p"
    assert "stopPolicy is Hold" in found.message


@pytest.mark.parametrize(("action", "conflicts"), [("Enforce", True), ("Audit", False)])
def test_two_policies_that_leave_no_choice(action: str, *, conflicts: bool) -> None:
    one = read({"constraints": {"allowedStrategies": ["Canary"]}}, name="one")
    other = {"constraints": {"allowedStrategies": ["Shadow"]}, "enforcementAction": action}
    third = read({"constraints": {"minSteps": 1}}, name="third")
    found = judge.conflict([one, read(other, name="other"), third])
    assert bool(found) is conflicts
    if conflicts:
        assert found == (
            "RolloutPolicy/one, RolloutPolicy/other together allow nothing for allowedStrategies: "
            "change one of them"
        )


@pytest.mark.parametrize(
    ("field", "one", "other"),
    [
        ("allowedStrategies", ["Canary"], ["Shadow"]),
        ("allowedTrafficProviders", ["GatewayAPI"], ["ReplicaRatio"]),
        ("metricSources", {"allowed": ["prometheus"]}, {"allowed": ["datadog"]}),
    ],
)
@pytest.mark.parametrize("strict", ["Enforce", "Warn"])
@pytest.mark.parametrize("loose", ["Warn", "Audit"])
def test_a_rule_that_one_only_tries_out_contradicts_nobody(
    field: str, one: object, other: object, strict: str, loose: str
) -> None:
    """The action of the rule counts, not that of the policy; an enforced rule counts in any policy."""
    a = read({"constraints": {field: one}, "enforcementAction": "Enforce"}, name="a")
    actions = [{"rule": field, "action": loose}]
    b = read({"constraints": {field: other}, "ruleActions": actions}, name="b")
    assert judge.conflict([a, b]) == ""
    actions = [{"rule": field, "action": "Enforce"}]
    c = {"constraints": {field: other}, "enforcementAction": strict, "ruleActions": actions}
    found = judge.conflict([a, b, read(c, name="c")])
    assert found == (
        f"RolloutPolicy/a, RolloutPolicy/c together allow nothing for {field}: change one of them"
    )


def test_the_full_example_is_read_whole() -> None:
    found, problems = policies.read_policy(CLUSTER_POLICY)
    assert problems == ()
    assert found.id == "ClusterRolloutPolicy/production"
    left = [
        name
        for name in found.constraints.__dataclass_fields__
        if getattr(found.constraints, name) == getattr(model.NO_CONSTRAINTS, name)
    ]
    assert left == []
    assert [it.name for it in found.windows] == ["weekend", "office-hours", "year-end"]
