"""A RolloutApproval in which every field is set, and the rules that the API server keeps for gates."""

from __future__ import annotations

from datetime import UTC, datetime

from api_case import Case
from api_examples import FULL, Object, place

from tidegate import model

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
APPROVAL: Object = {
    "apiVersion": "tidegate.dev/v1alpha1",
    "kind": "RolloutApproval",
    "metadata": {"name": "fraud-8b1c22e9d4-1-risk-board-alice", "namespace": "default"},
    "spec": {
        "modelDeployment": "fraud",
        "revision": "8b1c22e9d4",
        "attempt": 1,
        "gate": "risk-board",
        "decision": "Approve",
        "approver": {"username": "alice", "groups": ["ml-risk"]},
        "comment": "drift report reviewed",
        "expiresAt": "2026-11-21T12:00:00Z",
    },
}
FULL_APPROVAL_STATUS = model.ApprovalStatus(
    observed_generation=1,
    conditions=(
        model.Condition(
            type="Counts",
            status="False",
            reason="NotInGroup",
            message="alice is in none of the groups of the gate: ml-board",
            last_transition_at=NOON,
            observed_generation=1,
        ),
    ),
)
_GATE = "spec.strategy.canary.steps[1].approval"
APPROVAL_RULES = (
    Case(
        rule="V91",
        body=FULL,
        at=_GATE,
        good=(
            {"name": "board"},
            {"name": "board", "notAuthor": False},
            {"name": "board", "minApprovals": 1, "notAuthor": True},
            {"name": "board", "minApprovals": 3, "approverGroups": ["ml-risk"]},
        ),
        bad=(
            {"name": "board", "notAuthor": True},
            {"name": "board", "approverGroups": ["ml-risk"]},
        ),
        blames=f"{_GATE}.minApprovals",
        says="add minApprovals",
    ),
)


def approval(spec: Object, *, name: str = "a", **metadata: object) -> Object:
    """An approval with these members of its spec changed, as it stands in the cluster."""
    named = {**APPROVAL["metadata"], "name": name, "generation": 1, **metadata}
    return place(APPROVAL | {"metadata": named}, "spec", {**APPROVAL["spec"], **spec})
