"""Gates that policies ask for, as one: by name, the strictest terms at the earliest point (api.md, 9.2).

Whatever the order of the policies, the result is the same, and a namespace can only tighten.
Source: docs/adr/0057.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import reduce

from tidegate import model
from tidegate.model.steering import GATE_POLICIES_MAX_ITEMS, POLICY_GATES_MAX_ITEMS

RULE = "approvals"


def asked(policies: Iterable[model.Policy]) -> tuple[model.PolicyGate, ...]:
    """The gates that these policies ask for together, by name; each names who asks. Errors: none."""
    found = _by_name(policies)
    return tuple(reduce(_both, found[name]) for name in sorted(found))


def satisfies(opened: model.Gate, wanted: model.Gate) -> bool:
    """A gate that people have opened was at least as strict as this one."""
    groups = frozenset(opened.approver_groups)
    in_groups = bool(groups) and groups <= frozenset(wanted.approver_groups)
    return (
        opened.name == wanted.name
        and opened.opened_at is not None
        and opened.min_approvals >= wanted.min_approvals
        and (in_groups or not wanted.approver_groups)
        and (opened.not_author or not wanted.not_author)
        and (0 < opened.expires_seconds <= wanted.expires_seconds or wanted.expires_seconds == 0)
    )


def conflicts(policies: Sequence[model.Policy]) -> str:
    """Why nobody could open what they ask for together, in words; empty where somebody can."""
    found = _by_name(policies)
    for name, several in sorted(found.items()):
        if _common_groups(several) == frozenset():
            owners = ", ".join(sorted({owner for it in several for owner in it.gate.policies}))
            return f"{owners} together leave no group that may open gate {name}: change one of them"
    if len(found) > POLICY_GATES_MAX_ITEMS:
        names = ", ".join(sorted(found))
        return f"policies ask for more than {POLICY_GATES_MAX_ITEMS} gates: {names}: remove some"
    return ""


def _by_name(policies: Iterable[model.Policy]) -> Mapping[str, list[model.PolicyGate]]:
    found: dict[str, list[model.PolicyGate]] = {}
    for policy in policies:
        for one in policy.gates:
            named = replace(one, gate=replace(one.gate, policies=(policy.id,)))
            found.setdefault(one.gate.name, []).append(named)
    return found


def _common_groups(several: Iterable[model.PolicyGate]) -> frozenset[str] | None:
    """Who may open it by all of them; None where anybody may."""
    asking = [frozenset(it.gate.approver_groups) for it in several if it.gate.approver_groups]
    return frozenset.intersection(*asking) if asking else None


def _both(one: model.PolicyGate, other: model.PolicyGate) -> model.PolicyGate:
    a, b = one.gate, other.gate
    gate = model.Gate(
        name=a.name,
        min_approvals=max(a.min_approvals, b.min_approvals),
        approver_groups=tuple(sorted(_common_groups((one, other)) or ())),
        not_author=a.not_author or b.not_author,
        expires_seconds=min(a.expires_seconds, b.expires_seconds),
        policies=tuple(sorted({*a.policies, *b.policies}))[:GATE_POLICIES_MAX_ITEMS],
    )
    return model.PolicyGate(gate=gate, before_weight=min(_weights((one, other)), default=None))


def _weights(several: Iterable[model.PolicyGate]) -> Iterator[float]:
    return (it.before_weight for it in several if it.before_weight is not None)
