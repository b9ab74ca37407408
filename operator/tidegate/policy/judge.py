"""One evaluation of all policies that apply: violations, conflicts, and closed windows.

Every policy is judged by itself, since each has its own action; what they allow together is known
by `merge`. Source: api.md, 9.2 and 9.3.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

from tidegate import model
from tidegate.policy import breaker, exemptions, gates, merge, queue, windows
from tidegate.policy.case import Case
from tidegate.policy.rules import RULES, STOP

UNREADABLE = "spec"
RULE_NAMES = (*RULES, queue.RULE, gates.RULE, breaker.RULE, STOP, windows.RULE)


def judge(policies: Sequence[model.Policy], case: Case, *, at: datetime) -> model.PolicyVerdict:
    """What they have against a rollout that would go forward at this instant. Errors: none."""
    return model.PolicyVerdict(
        violations=tuple(violations(policies, case, at=at)),
        freeze=windows.freeze(enforcing(policies, windows.RULE), at),
        conflict=conflict(policies),
    )


def enforcing(policies: Iterable[model.Policy], rule: str) -> list[model.Policy]:
    """Those that can be read and hold a rollout by this rule."""
    return [it for it in policies if _enforces(it, rule) and not it.problem]


def violations(
    policies: Sequence[model.Policy], case: Case, *, at: datetime
) -> Iterator[model.PolicyViolation]:
    """Each rule of each policy that is not kept at an instant; one that cannot be read allows nothing."""
    for found in _violations(policies, case):
        over = exemptions.ended(policies, policy=found.policy, rule=found.rule, at=at)
        yield replace(found, message=f"{found.message} ({over})") if over else found


def _violations(policies: Sequence[model.Policy], case: Case) -> Iterator[model.PolicyViolation]:
    for policy in policies:
        if policy.problem:
            yield _violation(policy, UNREADABLE, f"the policy cannot be read: {policy.problem}")
            continue
        if policy.stopped:
            yield _violation(policy, STOP, "the policy stops all rollouts: stopPolicy is Hold")
        for rule, check in RULES.items():
            if message := check(policy.constraints, case):
                yield _violation(policy, rule, message)


def conflict(policies: Sequence[model.Policy]) -> str:
    """What enforced policies leave no choice of, in words; empty where there is some.

    A policy counts for the rules that it enforces, whatever it does about the others.
    """
    if unopenable := gates.conflicts(enforcing(policies, gates.RULE)):
        return unopenable
    empty = {
        name: asking
        for name in merge.choices(model.NO_CONSTRAINTS)
        if (asking := _excluding(policies, name))
    }
    if not empty:
        return ""
    owners = ", ".join(it.id for it in policies if any(it in some for some in empty.values()))
    return f"{owners} together allow nothing for {', '.join(empty)}: change one of them"


def _excluding(policies: Sequence[model.Policy], name: str) -> list[model.Policy]:
    """Those that enforce a choice where all of them together leave none; none where some is left."""
    asking = [
        it
        for it in policies
        if _enforces(it, name) and merge.choices(it.constraints)[name] is not None
    ]
    return asking if name in merge.conflicts(merge.merged(it.constraints for it in asking)) else []


def _violation(policy: model.Policy, rule: str, message: str) -> model.PolicyViolation:
    return model.PolicyViolation(
        rule=rule, policy=policy.id, action=policy.action_of(rule), message=message
    )


def _enforces(policy: model.Policy, rule: str) -> bool:
    return policy.action_of(rule) is model.EnforcementAction.ENFORCE
