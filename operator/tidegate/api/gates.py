"""Gates of steps and of policies to `model.Gate`."""

from __future__ import annotations

from tidegate import model
from tidegate.api import gate_types as types
from tidegate.api.durations import seconds_of


def of_policy(given: types.PolicyGate) -> model.PolicyGate:
    """A gate of a policy, and before what it is asked."""
    return model.PolicyGate(gate=gate(given), before_weight=given.when.before_weight)


def gate(given: types.Gate | types.PolicyGate) -> model.Gate:
    """A gate as it stands in a plan."""
    return model.Gate(
        name=given.name,
        min_approvals=given.min_approvals or 0,
        approver_groups=tuple(given.approver_groups or ()),
        not_author=given.not_author,
        expires_seconds=seconds_of(given.expires_after),
    )
