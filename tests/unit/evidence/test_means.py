from __future__ import annotations

import itertools
import math
import statistics

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import integrate, optimize, stats

from tidegate.evidence.drift import means
from tidegate.evidence.drift.means import MeanInterval, Scale, ScoreBet
from tidegate.evidence.terms import Problem, Reason

series = st.lists(st.integers(-1000, 1000), min_size=20, max_size=60).filter(
    lambda values: len(set(values)) > 1
)


def sequence(found: MeanInterval | Problem) -> MeanInterval:
    assert isinstance(found, MeanInterval), found
    return found


def mixture_reach(t: int, *, alpha: float, t_star: float) -> float:
    """The same boundary from its origin: a normal mixture of likelihood ratios reaching 1/alpha."""
    rho2 = (-2 * math.log(alpha) + math.log(1 - 2 * math.log(alpha))) / t_star

    def log_mixture(mean: float) -> float:
        spread = 1 / math.sqrt(t + 1 / rho2)
        peak = mean * t * spread**2

        def density(mu: float) -> float:
            bet = t * mean * mu - t * mu**2 / 2
            return math.exp(bet - top) * stats.norm.pdf(mu, scale=math.sqrt(rho2))

        top = t * mean * peak - t * peak**2 / 2
        found, _ = integrate.quad(density, peak - 12 * spread, peak + 12 * spread)
        return top + math.log(found)

    return float(optimize.brentq(lambda m: log_mixture(m) + math.log(alpha), 1e-6, 5))


@pytest.mark.parametrize(("t", "alpha", "t_star"), [(20, 0.05, 30), (30, 0.01, 30), (200, 0.1, 50)])
def test_limits_are_where_a_normal_mixture_reaches_its_bound(
    t: int, alpha: float, t_star: float
) -> None:
    values = [1.0, 3.0] * (t // 2)

    found = sequence(means.mean_sequence(values, alpha=alpha, t_star=t_star))

    reach = mixture_reach(t, alpha=alpha, t_star=t_star) * statistics.stdev(values)
    assert found.mean == 2
    assert found.intervals == t
    assert found.sd == pytest.approx(statistics.stdev(values), rel=1e-12)
    assert (found.lower, found.upper) == pytest.approx((2 - reach, 2 + reach), rel=1e-7)


@given(series, st.integers(-100, 100), st.integers(1, 9))
def test_limits_move_and_stretch_with_the_data(values: list[int], shift: int, factor: int) -> None:
    base = sequence(means.mean_sequence(values, alpha=0.02))
    other = sequence(means.mean_sequence([factor * v + shift for v in values], alpha=0.02))
    mirrored = sequence(means.mean_sequence([-v for v in values], alpha=0.02))

    assert other.lower == pytest.approx(factor * base.lower + shift, rel=1e-9, abs=1e-8)
    assert other.upper == pytest.approx(factor * base.upper + shift, rel=1e-9, abs=1e-8)
    assert (mirrored.lower, mirrored.upper) == pytest.approx((-base.upper, -base.lower))


@given(series)
def test_less_risk_makes_wider_limits(values: list[int]) -> None:
    strict = sequence(means.mean_sequence(values, alpha=0.01))
    loose = sequence(means.mean_sequence(values, alpha=0.1))

    assert strict.lower < loose.lower < loose.mean < loose.upper < strict.upper


def test_equal_arms_raise_few_false_alarms_in_sixty_looks() -> None:
    rng = np.random.default_rng(11)
    runs, alpha, alarms = 400, 0.02, 0
    for noise in rng.lognormal(sigma=0.4, size=(runs, 2, 60)):
        d = np.log(noise[0] / noise[1])
        looks = (means.mean_sequence(d[:t], alpha=alpha) for t in range(20, 61))
        alarms += any(sequence(look).lower > 0 for look in looks)

    # One side spends half of alpha: 1 % of 400 runs, and three standard errors.
    assert alarms <= 0.01 * runs + 3 * math.sqrt(0.01 * 0.99 * runs)


def test_a_shift_is_found() -> None:
    rng = np.random.default_rng(12)

    found = sequence(means.mean_sequence(rng.normal(1.0, 1.0, size=60), alpha=0.02))

    assert found.lower > 0


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ([1.0, 2.0] * 9 + [1.0], "19 intervals; 20 are needed"),
        ([0.1] * 25, "no variance: all intervals are alike"),
    ],
)
def test_too_little_gives_no_limits(values: list[float], message: str) -> None:
    assert means.mean_sequence(values, alpha=0.05) == Problem(
        reason=Reason.INSUFFICIENT, message=message
    )


def test_one_observation_per_interval_with_both_arms() -> None:
    arms = {"n_c": [2, 0, 4, 1, 1], "sums_s": [6, 5, 9, 0, 3], "n_s": [3, 5, 0, 1, 1]}

    differences = means.mean_differences([8, 0, 4, 1, 3], scale=Scale.DIFFERENCE, **arms)
    ratios = means.mean_differences([8, 0, 4, 1, 3], scale=Scale.RATIO, **arms)

    assert differences == (2, 1, 0)
    assert ratios == (math.log(2), 0)


def test_equal_scores_within_the_margin_lose_the_bet_on_average() -> None:
    found = means.score_bet([0.5, 0.2, 1.0], means_s=[0.5, 0.8, 0.0], margin=0.1)

    assert isinstance(found, ScoreBet)
    assert found.y == pytest.approx((0.5, 0.8, 0.0))
    assert found.q == pytest.approx(0.55)


@given(st.lists(st.tuples(st.floats(0, 1), st.floats(0, 1)), min_size=1), st.floats(0, 0.99))
def test_score_bets_are_fair_at_the_margin(pairs: list[tuple[float, float]], margin: float) -> None:
    found = means.score_bet([c for c, _ in pairs], means_s=[s for _, s in pairs], margin=margin)

    assert isinstance(found, ScoreBet)
    for y, (mean_c, mean_s) in zip(found.y, pairs, strict=True):
        assert 0 <= y <= 1
        assert y - found.q == pytest.approx((mean_s - mean_c - margin) / 2, abs=1e-12)


def test_without_scores_there_is_no_bet() -> None:
    found = means.score_bet([], means_s=[], margin=0.0)

    assert isinstance(found, Problem)
    assert found.reason is Reason.NO_DATA


@given(st.dictionaries(st.integers(0, 30), st.integers(-50, 50), max_size=15))
def test_slope_is_the_median_of_pairwise_slopes(gauge: dict[int, int]) -> None:
    points = sorted(gauge.items())
    start = 1_700_000_000.0
    found = means.theil_sen(
        [y for _, y in points], seconds=[start + x for x, _ in points], conf=0.9
    )

    slopes = [(b[1] - a[1]) / (b[0] - a[0]) for a, b in itertools.combinations(points, 2)]
    if not slopes:
        assert isinstance(found, Problem)
        assert found.reason is Reason.INSUFFICIENT
    else:
        assert not isinstance(found, Problem)
        assert found.estimate == pytest.approx(statistics.median(slopes), abs=1e-12)
        assert found.lower <= found.estimate <= found.upper


def test_a_leak_stands_out_from_noise() -> None:
    rng = np.random.default_rng(13)
    seconds = np.arange(60) * 30.0

    leaking = means.theil_sen(5.0 * seconds + rng.normal(0, 200, 60), seconds=seconds, conf=0.95)

    assert not isinstance(leaking, Problem)
    assert leaking.lower < 5 < leaking.upper
    assert leaking.lower > 4
