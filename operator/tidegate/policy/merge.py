"""Constraints of several policies as one: the strictest of each wins (api.md, 9.2).

Every field has one operator that is commutative, associative and idempotent, so neither order, age
nor scope of policies matters, and a namespace can only tighten.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import reduce
from typing import TypeVar

from tidegate import model

N = TypeVar("N", int, float)


def merged(all_of: Iterable[model.Constraints]) -> model.Constraints:
    """What all of them allow together."""
    return reduce(_both, all_of, model.NO_CONSTRAINTS)


def choices(of: model.Constraints) -> dict[str, frozenset[str] | None]:
    """What may be chosen among, by the names that policies have for it; None where anything may."""
    return {
        "allowedStrategies": of.allowed_strategies,
        "allowedAutomationLevels": of.allowed_automation_levels,
        "allowedDecisionModes": of.allowed_decision_modes,
        "allowedTrafficProviders": of.allowed_traffic_providers,
        "metricSources": of.allowed_sources,
    }


def conflicts(of: model.Constraints) -> tuple[str, ...]:
    """What merged constraints leave no choice of."""
    return tuple(name for name, allowed in choices(of).items() if allowed == frozenset())


def _both(one: model.Constraints, other: model.Constraints) -> model.Constraints:
    return model.Constraints(
        allowed_strategies=_common(one.allowed_strategies, other.allowed_strategies),
        allowed_automation_levels=_common(
            one.allowed_automation_levels, other.allowed_automation_levels
        ),
        allowed_decision_modes=_common(one.allowed_decision_modes, other.allowed_decision_modes),
        allowed_traffic_providers=_common(
            one.allowed_traffic_providers, other.allowed_traffic_providers
        ),
        allowed_sources=_common(one.allowed_sources, other.allowed_sources),
        uri_prefixes=one.uri_prefixes | other.uri_prefixes,
        max_initial_weight=_least(one.max_initial_weight, other.max_initial_weight),
        max_step_increase=_least(one.max_step_increase, other.max_step_increase),
        max_surge_percent=_least(one.max_surge_percent, other.max_surge_percent),
        max_rollouts_per_namespace=_least(
            one.max_rollouts_per_namespace, other.max_rollouts_per_namespace
        ),
        max_rollouts_per_cluster=_least(
            one.max_rollouts_per_cluster, other.max_rollouts_per_cluster
        ),
        min_steps=max(one.min_steps, other.min_steps),
        min_replicas=max(one.min_replicas, other.min_replicas),
        min_hold_seconds=max(one.min_hold_seconds, other.min_hold_seconds),
        min_bake_seconds=max(one.min_bake_seconds, other.min_bake_seconds),
        min_total_seconds=max(one.min_total_seconds, other.min_total_seconds),
        rehearsed_within_seconds=_least(
            one.rehearsed_within_seconds, other.rehearsed_within_seconds
        ),
        require_shadow=one.require_shadow or other.require_shadow,
        require_representable_weights=(
            one.require_representable_weights or other.require_representable_weights
        ),
        require_image_digest=one.require_image_digest or other.require_image_digest,
        require_model_digest=one.require_model_digest or other.require_model_digest,
        forbid_free_queries=one.forbid_free_queries or other.forbid_free_queries,
        mandatory_checks=_checks(one.mandatory_checks | other.mandatory_checks),
        metric_groups=one.metric_groups | other.metric_groups,
    )


def _common(one: frozenset[str] | None, other: frozenset[str] | None) -> frozenset[str] | None:
    if one is None or other is None:
        return one if other is None else other
    return one & other


def _least(one: N | None, other: N | None) -> N | None:
    return min((it for it in (one, other) if it is not None), default=None)


def _checks(every: frozenset[model.MandatoryCheck]) -> frozenset[model.MandatoryCheck]:
    """One per metric: the least limit, and a baseline where anybody asks for one."""
    found: dict[str, model.MandatoryCheck] = {}
    for check in every:
        known = found.get(check.metric, check)
        found[check.metric] = model.MandatoryCheck(
            metric=check.metric,
            max_threshold=_least(known.max_threshold, check.max_threshold),
            require_baseline=known.require_baseline or check.require_baseline,
        )
    return frozenset(found.values())
