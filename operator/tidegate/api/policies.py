"""RolloutPolicy and ClusterRolloutPolicy to `model.Policy`, and their status to a document."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, time
from typing import Any
from zoneinfo import ZoneInfo

from tidegate import model, ports
from tidegate.api import defaults, gates, violations
from tidegate.api import policy_types as types
from tidegate.api.durations import seconds_of
from tidegate.api.instants import instant_of
from tidegate.api.revision import canonical, mapping
from tidegate.api.shapes.reader import reader
from tidegate.api.shapes.shape import Form
from tidegate.api.shapes.writer import writer
from tidegate.policy import cron

_write = writer(model.PolicyStatus, Form.FULL)
_read = reader(model.PolicyStatus, Form.FULL)


def read_policy(
    body: Mapping[str, Any],
) -> tuple[model.Policy, tuple[model.Violation, ...]]:
    """The policy of an object, and all that is wrong with it.

    One that cannot be read has a `problem`, and applies to what its selectors name as far as those
    can be read: what it was to forbid is not known. Errors: none raised, on any JSON.
    """
    content = mapping(canonical(body))
    cluster = content.get("kind") == ports.CLUSTER_ROLLOUT_POLICY.kind
    named = _named(mapping(content.get("metadata")), cluster=cluster)
    type_ = types.ClusterPolicySpec if cluster else types.PolicySpec
    spec = violations.parse(type_, content.get("spec"), path="spec")
    if isinstance(spec, tuple):
        return unreadable(body, violations.text(spec)), spec
    of_namespaces = getattr(spec, "namespace_selector", types.LabelSelector())
    return replace(
        named,
        selector=requirements(spec.selector),
        namespace_selector=requirements(of_namespaces),
        action=spec.enforcement_action,
        rule_actions=tuple((it.rule, it.action) for it in spec.rule_actions),
        stopped=spec.stop_policy == "Hold",
        constraints=_constraints(spec.constraints),
        windows=tuple(_window(it) for it in spec.freeze_windows),
        gates=tuple(gates.of_policy(it) for it in spec.approvals),
        breaker=_breaker(spec),
        exemptions=_exemptions(spec),
        priority=spec.priority,
        override_groups=frozenset(spec.overrides.approver_groups),
        defaults=tuple(defaults.flat(mapping(content.get("spec")).get("defaults"))),
    ), ()


def unreadable(body: Mapping[str, Any], problem: str) -> model.Policy:
    """A policy that has a problem, for what its selectors name as far as those can be read."""
    content = mapping(canonical(body))
    cluster = content.get("kind") == ports.CLUSTER_ROLLOUT_POLICY.kind
    named = _named(mapping(content.get("metadata")), cluster=cluster)
    return _selecting(replace(named, problem=problem), mapping(content.get("spec")))


def write_status(status: model.PolicyStatus) -> dict[str, Any]:
    """The document for a server-side apply of the status of a policy."""
    document: dict[str, Any] = _write(status)
    return document


def read_status(document: object) -> model.PolicyStatus:
    """The status of a policy, as far as it makes sense. Errors: none raised, on any JSON."""
    status: model.PolicyStatus = _read(mapping(document), [])
    return status


def _named(metadata: Mapping[str, Any], *, cluster: bool) -> model.Policy:
    kind = ports.CLUSTER_ROLLOUT_POLICY if cluster else ports.ROLLOUT_POLICY
    generation = metadata.get("generation")
    return model.Policy(
        kind=kind.kind,
        name=str(metadata.get("name", "")),
        generation=generation if isinstance(generation, int) else 0,
    )


def _selecting(policy: model.Policy, given: Mapping[str, Any]) -> model.Policy:
    """With the selectors that can be read by themselves; another one selects everything."""
    own = violations.parse(types.LabelSelector, given.get("selector", {}), path="selector")
    of_namespaces = violations.parse(
        types.LabelSelector, given.get("namespaceSelector", {}), path="namespaceSelector"
    )
    return replace(
        policy,
        selector=() if isinstance(own, tuple) else requirements(own),
        namespace_selector=() if isinstance(of_namespaces, tuple) else requirements(of_namespaces),
    )


def requirements(given: types.LabelSelector) -> tuple[model.Requirement, ...]:
    """The conditions of a selector, those on equality first."""
    equal = (
        model.Requirement(key=key, operator=model.SelectorOperator.IN, values=frozenset({value}))
        for key, value in sorted(given.match_labels.items())
    )
    compared = (
        model.Requirement(key=it.key, operator=it.operator, values=frozenset(it.values))
        for it in given.match_expressions
    )
    return (*equal, *compared)


def _constraints(given: types.Constraints) -> model.Constraints:
    return model.Constraints(
        allowed_strategies=_set(given.allowed_strategies),
        allowed_automation_levels=_set(given.allowed_automation_levels),
        allowed_decision_modes=_set(given.allowed_decision_modes),
        allowed_traffic_providers=_set(given.allowed_traffic_providers),
        allowed_sources=_set(given.metric_sources.allowed),
        uri_prefixes=_alternatives(given.model_uris.allowed_prefixes),
        max_initial_weight=given.max_initial_weight,
        max_step_increase=given.max_step_increase,
        max_surge_percent=given.max_surge_percent,
        max_rollouts_per_namespace=given.max_concurrent_rollouts.per_namespace,
        max_rollouts_per_cluster=given.max_concurrent_rollouts.per_cluster,
        min_steps=given.min_steps or 0,
        min_replicas=given.min_replicas or 0,
        min_hold_seconds=_seconds(given.min_hold),
        min_bake_seconds=_seconds(given.min_bake),
        min_total_seconds=_seconds(given.min_total_duration),
        rehearsed_within_seconds=_rehearsal(given),
        require_shadow=given.require_shadow,
        require_representable_weights=given.require_representable_weights,
        require_image_digest=given.images.require_digest,
        require_model_digest=given.model_uris.require_digest,
        forbid_free_queries=given.metric_sources.forbid_free_queries,
        mandatory_checks=frozenset(
            model.MandatoryCheck(
                metric=it.metric,
                max_threshold=it.max_threshold,
                require_baseline=it.require_baseline,
            )
            for it in given.mandatory_checks or ()
        ),
        metric_groups=frozenset(
            model.MetricGroup(any_of=frozenset(it.any_of), at_least=it.at_least)
            for it in given.metric_groups or ()
        ),
    )


def _breaker(spec: types.PolicySpec) -> model.CircuitBreaker | None:
    given = spec.circuit_breaker if isinstance(spec, types.ClusterPolicySpec) else None
    if given is None:
        return None
    return model.CircuitBreaker(rollbacks=given.rollbacks, within_seconds=seconds_of(given.within))


def _rehearsal(given: types.Constraints) -> float | None:
    asked = given.require_rehearsed_rollback
    return seconds_of(asked.within) if asked is not None else None


def _exemptions(spec: types.PolicySpec) -> tuple[model.Exemption, ...]:
    given = spec.exemptions if isinstance(spec, types.ClusterPolicySpec) else []
    return tuple(
        model.Exemption(
            name=it.name,
            namespace=it.namespace,
            model_deployment=it.model_deployment or "",
            rules=frozenset(it.rule_names),
            until=instant_of(it.until).astimezone(UTC),
            reason=it.reason,
        )
        for it in given
    )


def _set(given: list[Any] | None) -> frozenset[str] | None:
    return None if given is None else frozenset(str(it) for it in given)


def _alternatives(given: list[str] | None) -> frozenset[frozenset[str]]:
    return frozenset() if given is None else frozenset({frozenset(given)})


def _seconds(given: str | None) -> float:
    return 0.0 if given is None else seconds_of(given)


def _window(given: types.FreezeWindow) -> model.Window:
    return model.Window(
        name=given.name, kind=given.kind, when=_when(given), in_flight=given.in_flight
    )


def _when(given: types.FreezeWindow) -> model.Recurring | model.Weekly | model.Between:
    zone = ZoneInfo(given.time_zone or "UTC")
    if given.schedule is not None and given.duration is not None:
        return model.Recurring(
            cron=cron.parse(given.schedule), seconds=seconds_of(given.duration), zone=zone
        )
    if given.hours is not None:
        days = given.days or types.WEEKDAYS
        return model.Weekly(
            weekdays=frozenset(types.WEEKDAYS.index(it) for it in days),
            opens=time.fromisoformat(given.hours.begin),
            closes=time.fromisoformat(given.hours.end),
            zone=zone,
        )
    # The rules of the type have made sure that both are there.
    assert given.begin is not None
    assert given.end is not None
    begins, ends = instant_of(given.begin), instant_of(given.end)
    return model.Between(begins=begins.astimezone(UTC), ends=ends.astimezone(UTC))
