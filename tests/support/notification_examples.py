"""A NotificationProvider in which every field is set, and the rules that the API server keeps for it."""

from __future__ import annotations

from datetime import UTC, datetime

from api_case import Case
from api_examples import Object, place

from tidegate import model

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
PROVIDER: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "NotificationProvider",
    "metadata": {"name": "team-risk", "namespace": "default"},
    "spec": {
        "type": "Slack",
        "receiver": "risk-chat",
        "events": ["RolledBack", "Promoted"],
        "minSeverity": "Info",
        "modelDeployments": ["fraud"],
        "selector": {
            "matchLabels": {"team": "risk"},
            "matchExpressions": [{"key": "tier", "operator": "In", "values": ["gold"]}],
        },
        "template": "*${name}* ${event}: ${message}",
        "maxPerMinute": 10,
        "timeout": "5s",
        "retries": 3,
    },
}
FULL_PROVIDER_STATUS = model.NotificationStatus(
    observed_generation=1,
    delivered=12,
    failed=1,
    dropped=2,
    last_success_at=NOON,
    last_failure_at=NOON,
    conditions=(
        model.Condition(
            type="Accepted",
            status="True",
            reason="Accepted",
            message="",
            last_transition_at=NOON,
            observed_generation=1,
        ),
        model.Condition(
            type="Ready",
            status="False",
            reason="DeliveryFailed",
            message="no answer within 5 s",
            last_transition_at=NOON,
            observed_generation=1,
        ),
    ),
)
_URL = "https://hooks.example.com/a"
SMALLEST_PROVIDER: Object = {**PROVIDER, "spec": {"type": "Webhook", "url": _URL}}
PROVIDER_RULES = (
    Case(
        rule="V87",
        body=SMALLEST_PROVIDER,
        at="spec",
        good=({"type": "Webhook", "url": _URL}, {"type": "Webhook", "receiver": "a"}),
        bad=({"type": "Webhook"}, {"type": "Webhook", "url": _URL, "receiver": "a"}),
        blames="spec",
        says="name either a url or a receiver",
    ),
    Case(
        rule="V88",
        body=SMALLEST_PROVIDER,
        at="spec.type",
        good=("Webhook", "CloudEvents", "Alertmanager"),
        bad=("Slack", "MSTeams"),
        blames="spec.url",
        says="are secrets",
    ),
)


def provider(spec: Object, *, name: str = "a", **metadata: object) -> Object:
    """A provider with this spec, as it stands in the cluster."""
    named = {"name": name, "namespace": "ml", "generation": 1, "uid": f"uid-{name}", **metadata}
    return place(SMALLEST_PROVIDER | {"metadata": named}, "spec", spec)
