"""Policies in which every field is set, and the rules that the API server keeps for them."""

from __future__ import annotations

from datetime import UTC, datetime

from api_case import Case
from api_examples import Object, place

from tidegate import model

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
_SELECTOR: Object = {
    "matchLabels": {"team": "risk"},
    "matchExpressions": [
        {"key": "tidegate.dev/tier", "operator": "In", "values": ["gold", "silver"]},
        {"key": "legacy", "operator": "DoesNotExist"},
    ],
}
FULL_SPEC: Object = {
    "selector": _SELECTOR,
    "enforcementAction": "Enforce",
    "ruleActions": [{"rule": "minBake", "action": "Warn"}],
    "priority": 10,
    "defaults": {
        "automation": {"level": "Gated"},
        "analysis": {
            "profile": "Careful",
            "warmup": "2m",
            "minRequests": 200,
            "noDataTimeout": "20m",
            "onInconclusive": "Pause",
        },
        "strategy": {
            "postPromotion": {"bake": "1h", "keepPreviousPercent": 50},
            "scaleDownDelay": "2m",
        },
        "rollback": {"keepCandidateFor": "1h"},
        "progressDeadline": "20m",
    },
    "overrides": {"approverGroups": ["ml-oncall"]},
    "stopPolicy": "None",
    "constraints": {
        "allowedStrategies": ["Shadow", "Canary", "BlueGreen"],
        "allowedAutomationLevels": ["Manual", "Advisory", "Gated"],
        "allowedDecisionModes": ["HumanOnly", "Shadow", "Assist"],
        "allowedTrafficProviders": ["GatewayAPI", "Contour"],
        "maxInitialWeight": 5,
        "maxStepIncrease": 25,
        "maxSurgePercent": 50,
        "maxConcurrentRollouts": {"perNamespace": 2, "perCluster": 10},
        "minSteps": 3,
        "minReplicas": 4,
        "minHold": "15m",
        "minBake": "1h",
        "minTotalDuration": "2h",
        "requireShadow": True,
        "requireRehearsedRollback": {"within": "720h"},
        "requireRepresentableWeights": True,
        "mandatoryChecks": [
            {"metric": "error-ratio", "maxThreshold": 0.01},
            {"metric": "feature-drift", "requireBaseline": True},
        ],
        "metricGroups": [
            {"name": "latency", "anyOf": ["latency-p95", "ttft-p95", "itl-p95"], "atLeast": 1}
        ],
        "metricSources": {"allowed": ["default"], "forbidFreeQueries": True},
        "images": {"requireDigest": True},
        "modelURIs": {"allowedPrefixes": ["s3://models-prod/"], "requireDigest": True},
    },
    "freezeWindows": [
        {
            "name": "weekend",
            "kind": "Deny",
            "schedule": "0 18 * * FRI",
            "duration": "62h",
            "timeZone": "Europe/Berlin",
            "inFlight": "Hold",
        },
        {
            "name": "office-hours",
            "kind": "Allow",
            "days": ["Monday", "Tuesday", "Wednesday", "Thursday", "Friday"],
            "hours": {"from": "09:00", "to": "17:00"},
            "timeZone": "Europe/Berlin",
        },
        {
            "name": "year-end",
            "from": "2026-12-18T00:00:00Z",
            "to": "2027-01-04T00:00:00+01:00",
            "inFlight": "Continue",
        },
    ],
    "approvals": [
        {
            "name": "risk-board",
            "when": {"beforeWeight": 50},
            "minApprovals": 2,
            "approverGroups": ["ml-risk"],
            "notAuthor": True,
            "expiresAfter": "72h",
        },
        {"name": "release", "when": {"beforePromotion": True}},
    ],
}
POLICY: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "RolloutPolicy",
    "metadata": {"name": "team-risk", "namespace": "default"},
    "spec": FULL_SPEC,
}
CLUSTER_POLICY: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "ClusterRolloutPolicy",
    "metadata": {"name": "production"},
    "spec": {
        "namespaceSelector": {"matchLabels": {"environment": "production"}},
        **FULL_SPEC,
        "circuitBreaker": {"rollbacks": 10, "within": "10m"},
        "exemptions": [
            {
                "name": "legacy",
                "namespace": "ml-old",
                "modelDeployment": "ads",
                "rules": ["minHold", "freezeWindows"],
                "until": "2027-01-31T00:00:00Z",
                "reason": "is moved until then",
            }
        ],
    },
}
FULL_POLICY_STATUS = model.PolicyStatus(
    observed_generation=3,
    matched=14,
    violating=1,
    used_by=("ml/fraud", "ml/iris"),
    closed=True,
    closed_by="ClusterRolloutPolicy/production (weekend)",
    changes_at=NOON,
    conditions=(
        model.Condition(
            type="Accepted",
            status="True",
            reason="Accepted",
            message="",
            last_transition_at=NOON,
            observed_generation=3,
        ),
    ),
)
_WINDOW: Object = {"name": "w", "schedule": "0 18 * * FRI", "duration": "62h"}
_ONCE: Object = {"name": "w", "from": "2026-12-18T00:00:00Z", "to": "2027-01-04T00:00:00Z"}
_HOURS: Object = {"name": "w", "hours": {"from": "09:00", "to": "17:00"}}
_AT = "spec.freezeWindows[0]"


def _without(window: Object, *names: str, **more: object) -> Object:
    return {key: value for key, value in window.items() if key not in names} | more


POLICY_RULES = (
    Case(
        rule="V94",
        body=POLICY,
        at="spec.approvals[0].when",
        good=({"beforeWeight": 0.5}, {"beforePromotion": True}),
        bad=({}, {"beforeWeight": 5, "beforePromotion": True}, {"beforePromotion": False}),
        blames="spec.approvals[0].when",
        says="say when people are asked",
    ),
    Case(
        rule="V101",
        body=POLICY,
        at="spec.selector.matchExpressions[0]",
        good=(
            {"key": "a", "operator": "NotIn", "values": ["b"]},
            {"key": "a", "operator": "Exists"},
            {"key": "a", "operator": "Exists", "values": []},
        ),
        bad=(
            {"key": "a", "operator": "In"},
            {"key": "a", "operator": "NotIn", "values": []},
            {"key": "a", "operator": "Exists", "values": ["b"]},
        ),
        blames="spec.selector.matchExpressions[0].values",
        says="add or remove them",
    ),
    Case(
        rule="V102",
        body=POLICY,
        at="spec.constraints.metricGroups[0].atLeast",
        good=(1, 3),
        bad=(4,),
        blames="spec.constraints.metricGroups[0].atLeast",
        says="more than anyOf has",
    ),
    Case(
        rule="V103",
        body=CLUSTER_POLICY,
        at=_AT,
        good=(_WINDOW, _ONCE, _HOURS),
        bad=(_WINDOW | _ONCE, _WINDOW | _HOURS, {"name": "w"}),
        blames=_AT,
        says="exactly one of schedule, hours and from",
    ),
    Case(
        rule="V104",
        body=POLICY,
        at=_AT,
        good=(_WINDOW,),
        bad=(_without(_WINDOW, "duration"), _HOURS | {"duration": "1h"}),
        blames=f"{_AT}.duration",
        says="belong together",
    ),
    Case(
        rule="V105",
        body=POLICY,
        at=_AT,
        good=(_ONCE, _ONCE | {"to": "2026-12-18T00:30:00Z"}),
        bad=(
            _without(_ONCE, "to"),
            _ONCE | {"to": "2026-12-18T00:00:00Z"},
            _ONCE | {"to": "2026-12-18T00:30:00+01:00"},
        ),
        blames=f"{_AT}.to",
        says="to is later",
    ),
    Case(
        rule="V106",
        body=POLICY,
        at=_AT,
        good=(_HOURS | {"days": ["Monday"]},),
        bad=(_WINDOW | {"days": ["Monday"]},),
        blames=f"{_AT}.days",
        says="days are those of hours",
    ),
    Case(
        rule="V107",
        body=POLICY,
        at=_AT,
        good=(_WINDOW | {"timeZone": "UTC"},),
        bad=(_ONCE | {"timeZone": "UTC"},),
        blames=f"{_AT}.timeZone",
        says="remove timeZone",
    ),
)
# What only the operator can tell: place, value, what it says.
UNREADABLE: tuple[tuple[str, object, str], ...] = (
    (f"{_AT}.schedule", "0 18 31 2 *", "never comes"),
    (f"{_AT}.schedule", "60 18 * * *", "minute: 60 is no number from 0 to 59"),
    (f"{_AT}.schedule", "0 18 * * FREITAG", "weekday: FREITAG"),
    (f"{_AT}.timeZone", "Europe/Berl", "is no time zone"),
    (f"{_AT}.timeZone", "Europe", "is no time zone"),
    (f"{_AT}.timeZone", "../etc/passwd", "is no time zone"),
)


def policy(spec: Object, *, name: str = "p", cluster: bool = False, **metadata: object) -> Object:
    """A policy with this spec, as it stands in the cluster."""
    body = CLUSTER_POLICY if cluster else POLICY
    named = {**body["metadata"], "name": name, "generation": 1, **metadata}
    return place(body | {"metadata": named}, "spec", spec)
