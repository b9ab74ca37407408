"""Gates of several policies as one: strictest terms, earliest point, in any order."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.model.steering import POLICY_GATES_MAX_ITEMS
from tidegate.policy import gates

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
GATE = model.Gate(name="board", min_approvals=1, expires_seconds=3600.0)


def policy(name: str, *asked: model.PolicyGate) -> model.Policy:
    return model.Policy(kind="RolloutPolicy", name=name, gates=asked)


def asked(weight: float | None = None, **terms: Any) -> model.PolicyGate:
    return model.PolicyGate(gate=replace(GATE, **terms), before_weight=weight)


def test_the_strictest_terms_at_the_earliest_point() -> None:
    (found,) = gates.asked(
        (
            policy("a", asked(50.0, min_approvals=2, approver_groups=("x", "y"))),
            policy("b", asked(None, not_author=True, approver_groups=("y", "z"))),
            policy("c", asked(20.0, expires_seconds=60.0)),
        )
    )
    assert found == model.PolicyGate(
        before_weight=20.0,
        gate=model.Gate(
            name="board",
            min_approvals=2,
            approver_groups=("y",),
            not_author=True,
            expires_seconds=60.0,
            policies=("RolloutPolicy/a", "RolloutPolicy/b", "RolloutPolicy/c"),
        ),
    )


def test_gates_of_other_names_stay_apart() -> None:
    found = gates.asked((policy("a", asked(), asked(name="art")), policy("b", asked(5.0))))
    assert [(it.gate.name, it.before_weight) for it in found] == [("art", None), ("board", 5.0)]


TERMS = st.builds(
    asked,
    st.sampled_from([None, 5.0, 50.0]),
    min_approvals=st.integers(1, 3),
    approver_groups=st.sampled_from([(), ("x",), ("x", "y"), ("x", "y", "z")]),
    not_author=st.booleans(),
    expires_seconds=st.sampled_from([60.0, 3600.0]),
)


@given(st.lists(TERMS, min_size=1, max_size=4), st.randoms(use_true_random=False))
def test_order_and_repetition_do_not_matter(several: list[model.PolicyGate], chance: Any) -> None:
    policies = [policy(str(at), it) for at, it in enumerate(several)]
    whole = gates.asked(policies)
    chance.shuffle(policies)
    assert gates.asked([*policies, *policies]) == whole


@given(TERMS, TERMS)
def test_what_opens_both_opens_each(one: model.PolicyGate, other: model.PolicyGate) -> None:
    (both,) = gates.asked((policy("a", one), policy("b", other)))
    opened = replace(both.gate, opened_at=NOON)
    assert gates.satisfies(opened, one.gate)
    assert gates.satisfies(opened, other.gate)


@pytest.mark.parametrize(
    ("changed", "enough"),
    [
        ({}, True),
        ({"opened_at": None}, False),
        ({"name": "other"}, False),
        ({"min_approvals": 3}, True),
        ({"min_approvals": 1}, False),
        ({"not_author": False}, False),
        ({"approver_groups": ("x",)}, True),
        ({"approver_groups": ("x", "z")}, False),
        ({"approver_groups": ()}, False),
        ({"expires_seconds": 600.0}, True),
        ({"expires_seconds": 7200.0}, False),
        ({"expires_seconds": 0.0}, False),
    ],
)
def test_what_was_opened_before_is_enough_where_it_was_as_strict(
    changed: dict[str, Any], *, enough: bool
) -> None:
    wanted = model.Gate(
        name="board",
        min_approvals=2,
        not_author=True,
        approver_groups=("x", "y"),
        expires_seconds=3600.0,
    )
    opened = replace(replace(wanted, opened_at=NOON), **changed)
    assert gates.satisfies(opened, wanted) is enough


def test_groups_without_a_common_one_are_a_conflict() -> None:
    one, other = asked(approver_groups=("x",)), asked(approver_groups=("y",))
    text = gates.conflicts([policy("a", one), policy("b", other), policy("c", asked())])
    assert text == (
        "RolloutPolicy/a, RolloutPolicy/b, RolloutPolicy/c together leave no group that may open "
        "gate board: change one of them"
    )
    assert gates.conflicts([policy("a", one), policy("c", asked())]) == ""


def test_of_many_policies_some_are_named_and_all_count() -> None:
    many = [policy(f"p{at:02}", asked(min_approvals=at % 3 + 1)) for at in range(12)]
    (found,) = gates.asked(many)
    assert (found.gate.min_approvals, len(found.gate.policies)) == (3, 8)


def test_more_gates_than_a_plan_has_room_for_are_a_conflict() -> None:
    many = [policy(str(at), asked(name=f"g{at}")) for at in range(POLICY_GATES_MAX_ITEMS + 1)]
    assert gates.conflicts(many[1:]) == ""
    assert "ask for more than 8 gates: g0, g1" in gates.conflicts(many)
