"""Which value of each constraint counts for a rollout, and which policies it is from.

What is enforced, warned of and only listed are merged apart: a strict policy that is tried out does
not loosen or tighten one that holds. Source: api.md, 9.2; docs/adr/0086.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from tidegate import model
from tidegate.policy import gates, merge

# Fields of `model.Constraints`, by the names that policies have for them.
FIELDS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "allowed_strategies": "allowedStrategies",
        "allowed_automation_levels": "allowedAutomationLevels",
        "allowed_decision_modes": "allowedDecisionModes",
        "allowed_traffic_providers": "allowedTrafficProviders",
        "max_initial_weight": "maxInitialWeight",
        "max_step_increase": "maxStepIncrease",
        "max_surge_percent": "maxSurgePercent",
        "max_rollouts_per_namespace": "maxConcurrentRollouts.perNamespace",
        "max_rollouts_per_cluster": "maxConcurrentRollouts.perCluster",
        "min_steps": "minSteps",
        "min_replicas": "minReplicas",
        "min_hold_seconds": "minHold",
        "min_bake_seconds": "minBake",
        "min_total_seconds": "minTotalDuration",
        "rehearsed_within_seconds": "requireRehearsedRollback.within",
        "require_shadow": "requireShadow",
        "require_representable_weights": "requireRepresentableWeights",
        "mandatory_checks": "mandatoryChecks",
        "metric_groups": "metricGroups",
        "allowed_sources": "metricSources.allowed",
        "forbid_free_queries": "metricSources.forbidFreeQueries",
        "require_image_digest": "images.requireDigest",
        "uri_prefixes": "modelURIs.allowedPrefixes",
        "require_model_digest": "modelURIs.requireDigest",
    }
)
Value = frozenset[object] | float | bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Effective:
    """A constraint as it counts: the strictest value, and the policies that ask for it.

    `field` is an attribute of `model.Constraints` and says the unit of a number; every policy that
    adds to a set is among `policies`.
    """

    field: str
    value: Value
    action: model.EnforcementAction
    policies: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name that policies have for it, below `spec.constraints`."""
        return FIELDS[self.field]

    @property
    def rule(self) -> str:
        """The rule that it belongs to."""
        return self.name.partition(".")[0]


def effective(policies: Sequence[model.Policy]) -> Iterator[Effective]:
    """Each constraint that any of them sets, once for each action. Errors: none."""
    readable = [it for it in policies if not it.problem]
    for field in FIELDS:
        for action in model.EnforcementAction:
            rule = FIELDS[field].partition(".")[0]
            asking = [it for it in readable if it.action_of(rule) is action and _asks(it, field)]
            if asking:
                yield _of(asking, field=field, action=action)


@dataclass(frozen=True, slots=True, kw_only=True)
class Term:
    """One term of a gate as it counts, such as `board.minApprovals`, and the policies it is from.

    `value` is that of the member of `model.Gate`, or of `before_weight`, that `field` names.
    """

    gate: str
    field: str
    value: Value | None
    action: model.EnforcementAction
    policies: tuple[str, ...]

    @property
    def name(self) -> str:
        """The name that policies have for it, below `spec`."""
        return f"{gates.RULE}.{self.gate}.{TERMS[self.field]}"


TERMS: Final[Mapping[str, str]] = MappingProxyType(
    {
        "before_weight": "when",
        "min_approvals": "minApprovals",
        "approver_groups": "approverGroups",
        "not_author": "notAuthor",
        "expires_seconds": "expiresAfter",
    }
)


def gate_terms(policies: Sequence[model.Policy]) -> Iterator[Term]:
    """Each term of each gate that any of them asks for, once for each action. Errors: none."""
    readable = [it for it in policies if not it.problem]
    for action in model.EnforcementAction:
        asking = [it for it in readable if it.action_of(gates.RULE) is action]
        for one in gates.asked(asking):
            yield from _terms(one, asking, action)


def _terms(
    merged: model.PolicyGate, asking: Sequence[model.Policy], action: model.EnforcementAction
) -> Iterator[Term]:
    name = merged.gate.name
    own = [(it.id, one) for it in asking for one in it.gates if one.gate.name == name]
    for field in TERMS:
        value = _term(merged, field)
        given = [(owner, _term(one, field)) for owner, one in own]
        adds = isinstance(value, frozenset)
        owners = tuple(owner for owner, it in given if it and (adds or it == value))
        if owners or field == "before_weight":
            everyone = tuple(owner for owner, it in given if it == value)
            yield Term(
                gate=name, field=field, value=value, action=action, policies=owners or everyone
            )


def _term(of: model.PolicyGate, field: str) -> Value | None:
    """Its value; what is not asked for is empty."""
    if field == "before_weight":
        return of.before_weight
    value: Value | tuple[str, ...] = getattr(of.gate, field)
    return frozenset(value) if isinstance(value, tuple) else value


def _of(
    asking: Sequence[model.Policy], *, field: str, action: model.EnforcementAction
) -> Effective:
    value = getattr(merge.merged(it.constraints for it in asking), field)
    adds = isinstance(value, frozenset)
    decisive = (it for it in asking if adds or getattr(it.constraints, field) == value)
    return Effective(
        field=field, value=value, action=action, policies=tuple(it.id for it in decisive)
    )


def _asks(policy: model.Policy, field: str) -> bool:
    return bool(getattr(policy.constraints, field) != getattr(model.NO_CONSTRAINTS, field))
