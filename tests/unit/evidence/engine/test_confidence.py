import math
import random

import pytest
from scipy.integrate import quad
from scipy.stats import betabinom, binom

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.sequential import confidence, eprocess
from tidegate.evidence.sequential.eprocess import Side


def stream(n_c: float, x_c: float, n_s: float, x_s: float, *, phi: float = 1.0) -> Stream:
    return Stream(n_c=n_c, x_c=x_c, n_s=n_s, x_s=x_s, phi=dispersion.given(phi))


STREAMS = [stream(100, 4, 900, 11), stream(220, 9, 800, 9), stream(400, 13, 600, 7)]


def test_the_estimate_weighs_intervals_as_mantel_and_haenszel_do() -> None:
    above = 4 * 900 / 1000 + 9 * 800 / 1020 + 13 * 600 / 1000
    below = 11 * 100 / 1000 + 9 * 220 / 1020 + 7 * 400 / 1000
    assert confidence.rate_ratio(STREAMS) == pytest.approx(above / below)
    assert confidence.rate_ratio([stream(100, 3, 100, 0)]) is None
    assert confidence.rate_ratio([]) is None


@pytest.mark.parametrize("phi", [1.0, 3.0])
def test_the_limits_are_where_the_one_sided_tests_just_reject(phi: float) -> None:
    streams = [stream(s.n_c, s.x_c, s.n_s, s.x_s, phi=phi) for s in STREAMS]
    found = confidence.rate_ratio_interval(streams)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower < (confidence.rate_ratio(streams) or 0) < found.upper
    multiples = eprocess.log_spaced(1.25, last=16.0, count=17)

    def log_e(theta0: float, grid: list[float]) -> float:
        return eprocess.rate_ratio_log_e(
            [s.n_c for s in streams],
            x_c=[s.x_c for s in streams],
            n_s=[s.n_s for s in streams],
            x_s=[s.x_s for s in streams],
            grid=grid,
            theta0=theta0,
            phi=[phi] * 3,
            restart=(1.0,),
        )[-1]

    at_lower = log_e(found.lower, [found.lower * m for m in multiples])
    at_upper = log_e(found.upper, [found.upper / m for m in multiples])
    assert at_lower == pytest.approx(math.log(2 / 0.05), abs=1e-4)
    assert at_upper == pytest.approx(math.log(2 / 0.05), abs=1e-4)


def test_ends_that_nothing_rejects_stay_open() -> None:
    nothing = confidence.rate_ratio_interval([])
    assert (nothing.lower, nothing.upper) == (None, None)
    only_candidate = confidence.rate_ratio_interval([stream(100, 50, 900, 0)])
    assert only_candidate.lower is not None
    assert only_candidate.upper is None


def test_a_ratio_beyond_the_search_ends_at_its_border() -> None:
    extreme = confidence.rate_ratio_interval([stream(1, 1e7, 1e9, 0)])
    assert extreme.lower == pytest.approx(math.exp(10))


def test_the_interval_covers_the_true_ratio_at_all_looks_together() -> None:
    chance, missed, runs = random.Random(7), 0, 120
    for _ in range(runs):
        streams = []
        for _ in range(12):
            x_c = sum(chance.random() < 0.03 for _ in range(100))
            x_s = sum(chance.random() < 0.02 for _ in range(300))
            streams.append(stream(100, x_c, 300, x_s))
        looks = (confidence.rate_ratio_interval(streams[:t]) for t in range(1, 13, 2))
        missed += any((one.lower or 0) > 1.5 or (one.upper or math.inf) < 1.5 for one in looks)
    assert missed / runs <= 0.05


# --- one rate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize(("n", "x", "p0"), [(300, 9, 0.02), (50, 0, 0.1), (40, 21, 0.3)])
def test_the_mixture_is_the_integral_of_likelihood_ratios_beyond_the_limit(
    side: Side, n: int, x: int, p0: float
) -> None:
    n_opt, alpha = 500.0, 0.05
    odds = 2 * math.log(1 / (2 * alpha))
    strength = n_opt / (odds + math.log(1 + odds)) - 1
    a, b = p0 * strength, (1 - p0) * strength
    low, high = (p0, 1.0) if side is Side.BREACH else (0.0, p0)

    def prior(p: float) -> float:
        return math.exp((a - 1) * math.log(p) + (b - 1) * math.log1p(-p))

    def weighed(p: float) -> float:
        return prior(p) * math.exp(binom.logpmf(x, n, p) - binom.logpmf(x, n, p0))

    top, mass = quad(weighed, low, high, limit=500)[0], quad(prior, low, high, limit=500)[0]
    found = confidence.slo_mixture_log_e(n, x=x, p0=p0, side=side, n_opt=n_opt, alpha_opt=alpha)
    assert found == pytest.approx(math.log(top / mass), abs=1e-5)


def test_the_two_sided_mixture_is_the_beta_binomial_against_the_binomial() -> None:
    n, x, p0, alpha = 400, 13, 0.05, 0.05
    odds = 2 * math.log(1 / alpha)
    strength = 1000 / (odds + math.log(1 + odds)) - 1
    expected = betabinom.logpmf(x, n, p0 * strength, (1 - p0) * strength)
    found = confidence.slo_mixture_log_e(n, x=x, p0=p0, side=None, n_opt=1000, alpha_opt=alpha)
    assert found == pytest.approx(expected - binom.logpmf(x, n, p0), abs=1e-8)


def test_hopeless_counts_underflow_to_minus_infinity() -> None:
    found = confidence.slo_mixture_log_e(
        1e6, x=0, p0=0.5, side=Side.BREACH, n_opt=1e6, alpha_opt=0.05
    )
    assert found == -math.inf


@pytest.mark.parametrize(("n", "x"), [(1000, 20), (100, 0), (100, 100), (7, 3)])
def test_the_rate_interval_ends_where_the_mixture_rejects(n: int, x: int) -> None:
    found = confidence.rate_interval(n, x=x, phi=1.0, n_opt=1000)
    assert found.lower is not None
    assert found.upper is not None
    assert found.lower <= x / n <= found.upper
    for end in (found.lower, found.upper):
        if 0 < end < 1:
            log_e = confidence.slo_mixture_log_e(
                n, x=x, p0=end, side=None, n_opt=1000, alpha_opt=0.05
            )
            assert log_e == pytest.approx(math.log(20), abs=1e-4)


def test_clumping_widens_the_interval_and_no_requests_leave_it_whole() -> None:
    narrow = confidence.rate_interval(1000, x=20, phi=1.0, n_opt=1000)
    wide = confidence.rate_interval(1000, x=20, phi=5.0, n_opt=1000)
    assert (wide.lower or 0) < (narrow.lower or 0) < (narrow.upper or 1) < (wide.upper or 1)
    nothing = confidence.rate_interval(0, x=0, phi=1.0, n_opt=1000)
    assert (nothing.lower, nothing.upper) == (0.0, 1.0)


def test_a_quantile_lies_between_edges_that_are_surely_below_and_above() -> None:
    edges = (0.05, 0.1, 0.25, 0.5)
    found = confidence.quantile_interval(
        (1000, 4000, 9990, 10000), edges=edges, n=10000, q=0.95, phi=(1.0,) * 4, n_opt=10000
    )
    assert (found.lower, found.upper) == (0.1, 0.25)
    unknown = confidence.quantile_interval(
        (9, 10, 10, 10), edges=edges, n=10, q=0.95, phi=(1.0,) * 4, n_opt=10000
    )
    assert (unknown.lower, unknown.upper) == (None, None)
