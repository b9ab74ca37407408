import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tidegate.evidence.verdict import planner

STEP = {
    "theta0": 1.1,
    "weight": 0.1,
    "qps": 100.0,
    "alpha": 0.01,
    "phi": 1.0,
    "interval": 30.0,
    "scrape": 15.0,
}
FIXED = STEP["interval"] + STEP["scrape"] + 5


def rollback(theta: float = 2.0, *, p_s: float = 0.005, **more: float) -> float:
    return planner.rollback_seconds(p_s, theta=theta, **{**STEP, **more})


def test_the_time_to_roll_back_follows_the_formula() -> None:
    q, q0 = 0.2 / 1.1, 0.11 / 1.01
    divergence = q * math.log(q / q0) + (1 - q) * math.log((1 - q) / (1 - q0))
    expected = (math.log(100) + 1.5) / (100 * 0.005 * 1.1 * divergence) + FIXED
    assert rollback() == pytest.approx(expected)


@pytest.mark.parametrize(
    ("better", "worse"),
    [
        ({"theta": 3.0}, {"theta": 2.0}),
        ({"qps": 200.0}, {"qps": 100.0}),
        ({"weight": 0.2}, {"weight": 0.1}),
        ({"alpha": 0.05}, {"alpha": 0.01}),
        ({"theta0": 1.0}, {"theta0": 1.25}),
    ],
)
def test_more_to_see_is_seen_sooner(better: dict[str, float], worse: dict[str, float]) -> None:
    assert rollback(**better) < rollback(**worse)


@given(st.floats(1.0, 50.0))
def test_the_time_is_proportional_to_the_dispersion(phi: float) -> None:
    assert rollback(phi=phi) - FIXED == pytest.approx(phi * (rollback() - FIXED))


@pytest.mark.parametrize(
    "nothing",
    [{"p_s": 0.0}, {"qps": 0.0}, {"weight": 0.0}, {"weight": 1.0}, {"theta": 1.1}, {"theta": 0.5}],
)
def test_what_cannot_be_seen_takes_for_ever(nothing: dict[str, float]) -> None:
    assert rollback(**nothing) == math.inf


def test_the_plan_is_never_shorter_than_the_least_intervals() -> None:
    found = planner.plan(
        0.2, theta=2, theta0_promote=3.0, alpha_promote=0.05, **{**STEP, "qps": 1e6}
    )
    assert found.proof_seconds == 3 * 30 + 15 + 5
    assert FIXED < found.rollback_seconds < FIXED + 1
    slow = planner.plan(0.005, theta=2, theta0_promote=1.25, alpha_promote=0.05, **STEP)
    assert slow.proof_seconds == planner.proof_seconds(
        0.005, theta0=1.25, weight=0.1, qps=100, alpha=0.05, phi=1
    )


def test_a_margin_of_one_cannot_be_proven() -> None:
    found = planner.proof_seconds(0.01, theta0=1.0, weight=0.1, qps=10, alpha=0.05, phi=1)
    assert found == math.inf


def test_the_size_of_one_look_is_the_textbook_one_for_equal_groups() -> None:
    # 10 % against 5 %, one-sided 5 %, power 80 %, equal groups: 342.1 by the pooled formula
    found = planner.fixed_requests(0.05, p1=0.10, weight=0.5)
    assert found == pytest.approx(342.1, abs=0.5)
    assert planner.fixed_requests(0.05, p1=0.05, weight=0.5) == math.inf
