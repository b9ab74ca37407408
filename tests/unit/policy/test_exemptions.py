"""Who need not keep which rules, and what becomes of it once the exemption has ended."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from policy_examples import CLUSTER_POLICY, NOON, policy
from rollout_world import make_spec

from tidegate import model
from tidegate.api import policies
from tidegate.policy import effective, exemptions, judge, queue, rules
from tidegate.policy.case import Case
from tidegate.rollout.strategy.compile import plan_of

CANARY = make_spec(weights=(10.0, 50.0))
CASE = Case(spec=CANARY, plan=plan_of(CANARY))
FULL = policies.read_policy(CLUSTER_POLICY)[0]
END = NOON + timedelta(hours=1)


def exempting(*rules_: str, **more: Any) -> model.Policy:
    one = {
        "name": "legacy",
        "namespace": "ml",
        "modelDeployment": "iris",
        "rules": list(rules_),
        "until": END.isoformat(),
        "reason": "is moved",
        **more,
    }
    return replace(FULL, exemptions=_read(one).exemptions)


def _read(*given: dict[str, Any]) -> model.Policy:
    return policies.read_policy(policy({"exemptions": list(given)}, cluster=True))[0]


def bound(one: model.Policy, *, name: str = "iris", at: datetime = NOON) -> model.Policy:
    (found,) = exemptions.binding([one], namespace="ml", name=name, at=at)
    return found


def test_what_is_written_is_read() -> None:
    (one,) = FULL.exemptions
    assert one == model.Exemption(
        name="legacy",
        namespace="ml-old",
        model_deployment="ads",
        rules=frozenset({"minHold", "freezeWindows"}),
        until=datetime(2027, 1, 31, tzinfo=UTC),
        reason="is moved until then",
    )


@pytest.mark.parametrize("rule", judge.RULE_NAMES)
def test_each_rule_can_be_lifted_alone(rule: str) -> None:
    strict = replace(exempting(rule), stopped=True)
    free = bound(strict)
    assert free != strict
    lifted = {it.rule for it in effective.effective([strict])} - {
        it.rule for it in effective.effective([free])
    }
    members = {
        "stopPolicy": strict.stopped and not free.stopped,
        "freezeWindows": bool(strict.windows) and not free.windows,
        "approvals": bool(strict.gates) and not free.gates,
        "circuitBreaker": strict.breaker is not None and free.breaker is None,
    }
    assert lifted | {name for name, gone in members.items() if gone} == {rule}
    if rule == queue.RULE:
        assert not list(queue.limits_of(free, "ml"))


@pytest.mark.parametrize(
    ("name", "at", "kept"),
    [
        ("iris", NOON, False),
        ("iris", END - timedelta(microseconds=1), False),
        ("iris", END, True),
        ("fraud", NOON, True),
    ],
)
def test_it_is_about_one_model_deployment_and_ends(name: str, at: datetime, *, kept: bool) -> None:
    found = judge.violations([bound(exempting("minHold"), name=name, at=at)], CASE, at=at)
    assert any(it.rule == "minHold" for it in found) is kept


def test_without_a_name_it_is_about_the_namespace() -> None:
    one = exempting("minHold", modelDeployment=None)
    one = replace(
        one, exemptions=(replace(FULL.exemptions[0], namespace="ml", model_deployment=""),)
    )
    assert bound(one, name="any").constraints.min_hold_seconds == 0
    (found,) = exemptions.binding([one], namespace="other", name="any", at=NOON)
    assert found.constraints.min_hold_seconds > 0
    assert found.exemptions == ()


def test_what_is_broken_once_it_has_ended_says_so() -> None:
    late = END + timedelta(minutes=1)
    found = {
        it.rule: it.message
        for it in judge.violations([bound(exempting("minHold"), at=late)], CASE, at=late)
    }
    assert found["minHold"].endswith("(exemption legacy ended 2026-11-20 13:00 UTC)")
    assert "exemption" not in found["minBake"]


def test_of_several_that_have_ended_the_last_is_told() -> None:
    once = exempting("minHold").exemptions[0]
    both = replace(
        FULL, exemptions=(once, replace(once, name="later", until=END + timedelta(hours=1)))
    )
    at = END + timedelta(hours=2)
    told = exemptions.ended([bound(both, at=at)], policy=FULL.id, rule="minHold", at=at)
    assert told == "exemption later ended 2026-11-20 14:00 UTC"
    assert exemptions.ended([bound(both, at=at)], policy="other", rule="minHold", at=at) == ""


def test_those_in_force_are_told_with_the_next_end() -> None:
    one = bound(exempting("minHold", "images"))
    assert [it.name for _, it in exemptions.in_force([one, FULL], at=END)] == ["legacy"]  # of FULL
    assert exemptions.next_end([one], at=NOON) == END
    assert exemptions.next_end([one], at=END) is None
    assert exemptions.text(one.exemptions[0]) == (
        "exempt from images, minHold until 2026-11-20 13:00 UTC by legacy (is moved)"
    )


@given(chosen=st.lists(st.sets(st.sampled_from(sorted(rules.RULES)), min_size=1), max_size=3))
def test_binding_is_idempotent_and_only_loosens(chosen: list[set[str]]) -> None:
    once = exempting("minHold").exemptions[0]
    every = tuple(replace(once, rules=frozenset(it)) for it in chosen)
    one = replace(FULL, exemptions=every)
    free = bound(one)
    assert bound(free) == free
    assert bound(replace(one, exemptions=every[::-1])).constraints == free.constraints
    broken = {it.rule for it in judge.violations([free], CASE, at=NOON)}
    assert broken <= {it.rule for it in judge.violations([FULL], CASE, at=NOON)}
    assert not broken & {rule for it in every for rule in it.rules}
