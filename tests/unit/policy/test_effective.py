"""Which value counts, and which policies it is from."""

from __future__ import annotations

import dataclasses

import pytest
from policy_examples import CLUSTER_POLICY

from tidegate import model
from tidegate.api import policies
from tidegate.policy import effective, queue, rules

_A = model.EnforcementAction
FULL, _ = policies.read_policy(CLUSTER_POLICY)


def policy(name: str, **constraints: object) -> model.Policy:
    made = dataclasses.replace(model.NO_CONSTRAINTS, **constraints)
    return model.Policy(kind="RolloutPolicy", name=name, constraints=made)


def found(*of: model.Policy) -> list[tuple[str, object, str, list[str]]]:
    return [
        (it.name, it.value, it.action, [one.partition("/")[2] for one in it.policies])
        for it in effective.effective(of)
    ]


@pytest.mark.parametrize(
    ("field", "one", "other", "value", "of"),
    [
        ("max_initial_weight", 5.0, 10.0, 5.0, ["a"]),
        ("max_initial_weight", 5.0, None, 5.0, ["a"]),
        ("max_step_increase", 10.0, 10.0, 10.0, ["a", "b"]),
        ("min_steps", 2, 3, 3, ["b"]),
        ("min_hold_seconds", 60.0, 0.0, 60.0, ["a"]),
        ("require_shadow", False, True, True, ["b"]),
        ("allowed_strategies", frozenset("xy"), frozenset("yz"), frozenset("y"), ["a", "b"]),
        ("allowed_sources", frozenset("x"), frozenset("y"), frozenset(), ["a", "b"]),
        ("allowed_decision_modes", None, frozenset("y"), frozenset("y"), ["b"]),
    ],
)
def test_the_strictest_value_and_whose_it_is(
    field: str, one: object, other: object, value: object, of: list[str]
) -> None:
    both = policy("a", **{field: one}), policy("b", **{field: other})
    assert found(*both) == [(effective.FIELDS[field], value, _A.ENFORCE, of)]


def test_what_is_only_tried_out_stands_apart() -> None:
    tried = dataclasses.replace(policy("b", min_steps=9), rule_actions=(("minSteps", _A.AUDIT),))
    assert found(policy("a", min_steps=2), tried) == [
        ("minSteps", 2, _A.ENFORCE, ["a"]),
        ("minSteps", 9, _A.AUDIT, ["b"]),
    ]


def test_a_policy_that_cannot_be_read_has_no_values() -> None:
    broken = dataclasses.replace(policy("a", min_steps=2), problem="no such zone")
    assert found(broken) == []


def test_every_constraint_has_a_row_and_belongs_to_a_rule() -> None:
    rows = list(effective.effective([FULL]))
    assert {it.field for it in rows} == {it.name for it in dataclasses.fields(model.Constraints)}
    assert {it.rule for it in rows} == rules.RULES.keys() | {queue.RULE}


def asking(policy_: str, *, weight: float | None = None, **terms: object) -> model.Policy:
    gate = model.Gate(name="board", min_approvals=1, expires_seconds=7200.0)
    one = model.PolicyGate(gate=dataclasses.replace(gate, **terms), before_weight=weight)
    return model.Policy(kind="RolloutPolicy", name=policy_, gates=(one,))


def test_each_term_of_a_gate_and_whose_it_is() -> None:
    a = asking("a", weight=50.0, min_approvals=2, approver_groups=("x", "y"))
    b = asking("b", approver_groups=("y", "z"), not_author=True, expires_seconds=3600.0)
    found = {
        it.name: (it.value, [one.partition("/")[2] for one in it.policies])
        for it in effective.gate_terms([a, b])
    }
    assert found == {
        "approvals.board.when": (50.0, ["a"]),
        "approvals.board.minApprovals": (2, ["a"]),
        "approvals.board.approverGroups": (frozenset({"y"}), ["a", "b"]),
        "approvals.board.notAuthor": (True, ["b"]),
        "approvals.board.expiresAfter": (3600.0, ["b"]),
    }


def test_a_gate_before_the_promotion_that_one_only_tries_out() -> None:
    tried = dataclasses.replace(asking("a"), rule_actions=(("approvals", _A.WARN),))
    broken = dataclasses.replace(asking("b"), problem="no such zone")
    found = [(it.field, it.value, it.action) for it in effective.gate_terms([tried, broken])]
    assert found == [
        ("before_weight", None, _A.WARN),
        ("min_approvals", 1, _A.WARN),
        ("expires_seconds", 7200.0, _A.WARN),
    ]
