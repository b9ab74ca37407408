"""How many rollbacks at once are too many, and until when."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate import model
from tidegate.policy import breaker

NOON = datetime(2026, 11, 20, 12, tzinfo=UTC)
P = "ClusterRolloutPolicy/p"


def policy(rollbacks: int = 2, seconds: float = 600.0, **more: object) -> model.Policy:
    limit = model.CircuitBreaker(rollbacks=rollbacks, within_seconds=seconds)
    return model.Policy(kind="ClusterRolloutPolicy", name="p", breaker=limit, **more)  # type: ignore[arg-type]


def back(seconds_ago: float, *policies: str, name: str = "a") -> model.RolledBack:
    return model.RolledBack(
        namespace="ml",
        name=name,
        at=NOON - timedelta(seconds=seconds_ago),
        policies=frozenset(policies or {P}),
    )


@pytest.mark.parametrize(
    ("rollbacks", "lets_go_in"),
    [
        ([], None),
        ([10], None),
        ([10, 20], 580),
        ([10, 600], None),  # the older one is out of it
        ([10, 599], 1),
        ([1, 2, 3, 500], 598),  # two are left until the second newest is out
        ([-10, 20], 580),  # a clock that was a little ahead
        ([-601, 20], None),  # one that nobody can believe
    ],
)
def test_it_holds_until_fewer_are_left(rollbacks: list[float], lets_go_in: float | None) -> None:
    found = list(breaker.tripped([policy()], [back(it) for it in rollbacks], NOON))
    assert [(it.until - NOON).total_seconds() for it in found] == (
        [] if lets_go_in is None else [lets_go_in]
    )


def test_each_policy_counts_its_own() -> None:
    of_another = [back(10, "ClusterRolloutPolicy/other"), back(20, "ClusterRolloutPolicy/other")]
    assert not list(breaker.tripped([policy()], of_another, NOON))
    both = [back(10, P, "ClusterRolloutPolicy/other"), back(20)]
    (found,) = breaker.tripped([policy()], both, NOON)
    assert (found.policy.name, found.rollbacks) == ("p", 2)


def test_without_a_breaker_nothing_is_counted() -> None:
    without = model.Policy(kind="ClusterRolloutPolicy", name="p")
    assert not list(breaker.tripped([without], [back(1), back(2)], NOON))
    assert not breaker.counted([without])
    assert breaker.counted([without, policy()])
    broken = policy(problem="spec: odd")
    assert not list(breaker.tripped([broken], [back(1), back(2)], NOON))


@given(
    ages=st.lists(st.floats(0, 3000), max_size=8),
    most=st.integers(2, 5),
    waited=st.floats(0, 3000),
)
def test_it_lets_go_at_the_instant_that_was_told(
    ages: list[float], most: int, waited: float
) -> None:
    rollbacks = [back(it) for it in ages]
    at = NOON + timedelta(seconds=waited)
    for found in breaker.tripped([policy(most)], rollbacks, NOON):
        held = list(breaker.tripped([policy(most)], rollbacks, at))
        assert bool(held) == (at < found.until)
