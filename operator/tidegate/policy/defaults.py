"""Values that policies give where a ModelDeployment says nothing: whose counts (api.md, 9.2).

Unlike constraints they have an order: cluster-wide policies first, then those of the namespace, each by
rising priority and then by name; the later wins. It depends on nothing but the policies themselves.
"""

from __future__ import annotations

from collections.abc import Iterable

from tidegate import model


def merged(policies: Iterable[model.Policy]) -> tuple[model.DefaultValue, ...]:
    """One value for each field, by field. Errors: none; a policy that cannot be read has none."""
    found: dict[str, model.DefaultValue] = {}
    for policy in sorted(policies, key=lambda it: (it.namespaced, it.priority, it.name)):
        for field, value in policy.defaults:
            found[field] = model.DefaultValue(field=field, value=value, policy=policy.id)
    return tuple(found[field] for field in sorted(found))


def known(status: model.Status, policies: Iterable[model.Policy]) -> tuple[model.DefaultValue, ...]:
    """Those that count now: of the running rollout what it began with, else what policies say."""
    rollout = status.active_rollout
    return rollout.defaults if rollout is not None else merged(policies)
