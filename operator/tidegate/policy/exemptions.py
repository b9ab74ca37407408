"""Who need not keep which rules for a time: policies as they bind one ModelDeployment at an instant.

A rule that somebody is exempt from is taken out of the policy before anybody asks it, so steps, gates,
windows, places and the circuit breaker need not know of exemptions. Once one has ended the rule is back,
and what it holds says so. Source: api.md, 9.1; docs/adr/0094.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from collections.abc import Set as AbstractSet
from dataclasses import replace
from datetime import datetime
from typing import Final

from tidegate import model
from tidegate.policy import breaker, gates, rules, windows
from tidegate.policy.effective import FIELDS

Granted = tuple[model.Policy, model.Exemption]
_FREE: Final = model.Policy(kind="", name="")
# Members of `model.Policy` that are a rule each; all other rules are constraints.
_MEMBERS: Final = {
    rules.STOP: "stopped",
    windows.RULE: "windows",
    gates.RULE: "gates",
    breaker.RULE: "breaker",
}

# Gates have people of their own; a kill switch may be thrown after somebody was let through.
_BY_OVERRIDE: Final = frozenset(
    {*(named.partition(".")[0] for named in FIELDS.values()), windows.RULE, breaker.RULE}
)


def binding(
    policies: Iterable[model.Policy], *, namespace: str, name: str, at: datetime
) -> tuple[model.Policy, ...]:
    """The policies without what this ModelDeployment need not keep at an instant. Errors: none.

    Each keeps the exemptions that are about it, those that have ended, too.
    """
    return tuple(_bound(it, namespace=namespace, name=name, at=at) for it in policies)


def overridden(
    policies: Iterable[model.Policy], rollout: model.Rollout | None
) -> tuple[model.Policy, ...]:
    """The policies with gates and kill switch alone where people have let this rollout through."""
    passed = {it.policy for it in rollout.overrides} if rollout is not None else set()
    return tuple(without(it, _BY_OVERRIDE) if it.id in passed else it for it in policies)


def without(policy: model.Policy, names: AbstractSet[str]) -> model.Policy:
    """The policy as if it did not have these rules."""
    members = {part: getattr(_FREE, part) for rule, part in _MEMBERS.items() if rule in names}
    fields = {
        field: getattr(model.NO_CONSTRAINTS, field)
        for field, named in FIELDS.items()
        if named.partition(".")[0] in names
    }
    return replace(policy, constraints=replace(policy.constraints, **fields), **members)


def in_force(policies: Iterable[model.Policy], *, at: datetime) -> Iterator[Granted]:
    """Of bound policies: exemptions that count at an instant."""
    return ((it, one) for it in policies for one in it.exemptions if at < one.until)


def ended(policies: Iterable[model.Policy], *, policy: str, rule: str, at: datetime) -> str:
    """The exemption of a bound policy, by id, that covered a rule until lately, for people; else empty."""
    over = [
        one
        for it in policies
        for one in it.exemptions
        if it.id == policy and rule in one.rules and one.until <= at
    ]
    last = max(over, key=lambda it: (it.until, it.name), default=None)
    return f"exemption {last.name} ended {instant(last.until)}" if last is not None else ""


def next_end(policies: Iterable[model.Policy], *, at: datetime) -> datetime | None:
    """When the first exemption that counts at an instant ends; None where none does."""
    return min((one.until for _, one in in_force(policies, at=at)), default=None)


def text(one: model.Exemption) -> str:
    """What need not be kept, until when and why, for people."""
    names = ", ".join(sorted(one.rules))
    return f"exempt from {names} until {instant(one.until)} by {one.name} ({one.reason})"


def override_text(one: model.Override) -> str:
    """Which policy a rollout was let through, by whom and why, for people."""
    return f"{one.policy} by {one.by}: {one.comment}"


def instant(at: datetime) -> str:
    """An instant for people, in UTC."""
    return f"{at:%Y-%m-%d %H:%M} UTC"


def _bound(policy: model.Policy, *, namespace: str, name: str, at: datetime) -> model.Policy:
    if not policy.exemptions:
        return policy
    own = tuple(it for it in policy.exemptions if it.is_for(namespace=namespace, name=name))
    names = frozenset(rule for it in own if at < it.until for rule in it.rules)
    return replace(without(policy, names), exemptions=own)
