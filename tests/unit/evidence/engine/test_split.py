import math

import pytest
from scipy.stats import betabinom, binom

from tidegate.evidence.sequential import split


def test_the_value_is_the_mean_of_likelihood_ratios_against_both_edges() -> None:
    n_c, n_s, w, tau = [30, 11], [70, 99], [0.2, 0.1], 0.25

    def ratio(g: float, e: float, j: int) -> float:
        n = n_c[j] + n_s[j]
        return math.exp(binom.logpmf(n_c[j], n, g) - binom.logpmf(n_c[j], n, e))

    def upper(k: int) -> float:
        high = [share * 1.25 for share in w]
        g = [min(one * (1 + 0.15 * k), 1 - (1 - one) / 20) for one in high]
        return math.prod(ratio(g[j], high[j], j) for j in range(2))

    def lower(k: int) -> float:
        low = [share * 0.75 for share in w]
        return math.prod(ratio(low[j] * (1 - 0.05 * k), low[j], j) for j in range(2))

    expected = sum(map(upper, range(1, 21))) / 40 + sum(map(lower, range(1, 20))) / 38
    found = split.split_log_e(n_c, n_s=n_s, w=w, tau=tau)
    assert math.exp(found) == pytest.approx(expected, rel=1e-9)


@pytest.mark.parametrize("share", [0.15, 0.2, 0.25])
def test_a_split_inside_the_band_never_averages_above_one(share: float) -> None:
    n, w, tau = 60, 0.2, 0.25
    mean = sum(
        binom.pmf(x, n, share) * math.exp(split.split_log_e([x], n_s=[n - x], w=[w], tau=tau))
        for x in range(n + 1)
    )
    assert mean <= 1 + 1e-12


def test_steps_without_a_split_or_requests_say_nothing() -> None:
    assert split.split_log_e([5, 0, 9], n_s=[0, 0, 0], w=[1.0, 0.3, 0.0], tau=0.25) == 0.0


def test_a_band_that_reaches_one_is_tested_from_below_only() -> None:
    assert split.split_log_e([1000], n_s=[0], w=[0.9], tau=0.25) < 0
    assert split.split_log_e([400], n_s=[600], w=[0.9], tau=0.25) > math.log(1000)


def test_a_share_far_from_the_weight_is_found() -> None:
    assert split.split_log_e([0] * 3, n_s=[300] * 3, w=[0.2] * 3, tau=0.25) > math.log(1000)
    assert split.split_log_e([150] * 3, n_s=[150] * 3, w=[0.2] * 3, tau=0.25) > math.log(1000)


@pytest.mark.parametrize(("n_c", "n_s", "w"), [(30, 70, 0.2), (0, 12, 0.5), (500, 500, 0.05)])
def test_the_exact_form_is_the_beta_binomial_against_the_binomial(
    n_c: int, n_s: int, w: float
) -> None:
    n = n_c + n_s
    expected = betabinom.logpmf(n_c, n, 100 * w, 100 * (1 - w)) - binom.logpmf(n_c, n, w)
    assert split.exact_split_log_e(n_c, n_s=n_s, w=w) == pytest.approx(expected, abs=1e-8)


def test_the_exact_form_is_symmetric_and_negative_at_the_weight() -> None:
    one = split.exact_split_log_e(30, n_s=70, w=0.2)
    assert one == pytest.approx(split.exact_split_log_e(70, n_s=30, w=0.8))
    assert split.exact_split_log_e(20, n_s=80, w=0.2) < 0
