import itertools
import math
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.stats import binom

from tidegate.evidence.sequential import eprocess
from tidegate.evidence.sequential.eprocess import Side

Row = tuple[float, float, float, float]


def plain_ratio(
    rows: Sequence[Row],
    *,
    theta0: float = 1.1,
    grid: Sequence[float] = (),
    phi: Sequence[float] = (),
    restart: Sequence[float] = eprocess.NO_RESTARTS,
) -> tuple[float, ...]:
    n_c, x_c, n_s, x_s = (list(column) for column in zip(*rows, strict=True))
    return eprocess.rate_ratio_log_e(
        n_c,
        x_c=x_c,
        n_s=n_s,
        x_s=x_s,
        grid=grid or eprocess.rollback_grid(theta0),
        theta0=theta0,
        phi=phi or [1.0] * len(rows),
        restart=restart,
    )


def row_lists(min_size: int = 1) -> st.SearchStrategy[list[Row]]:
    arm = st.integers(0, 400).flatmap(lambda n: st.tuples(st.just(n), st.integers(0, min(n, 30))))
    row = st.tuples(arm, arm).map(lambda both: (*both[0], *both[1]))
    return st.lists(row, min_size=min_size, max_size=6)


@pytest.mark.parametrize("theta", [0.4, 1.0, 1.375, 3.0, 17.6])
def test_a_factor_is_the_binomial_likelihood_ratio_given_the_number_of_events(theta: float) -> None:
    theta0, n_c, n_s, x_c, x_s = 1.1, 300, 5700, 7, 11
    share = n_c / (n_c + n_s)

    def p(ratio: float) -> float:
        return share * ratio / (1 - share + share * ratio)

    expected = binom.logpmf(x_c, x_c + x_s, p(theta)) - binom.logpmf(x_c, x_c + x_s, p(theta0))
    grid = eprocess.ratio_grid((theta,), theta0=theta0)
    found = grid.log_factors(n_c=n_c, x_c=x_c, n_s=n_s, x_s=x_s)
    assert found == pytest.approx((expected,), abs=1e-10)


def test_the_path_is_the_sum_over_all_restarts_worked_out_without_logarithms() -> None:
    rows = [(50, 2, 950, 9), (60, 0, 940, 12), (200, 9, 800, 7), (10, 0, 0, 0), (200, 6, 800, 11)]
    phi, theta0 = [1.0, 1.5, 2.0, 1.0, 1.2], 1.1
    restart = eprocess.restart_weights(4)
    grid = eprocess.rollback_grid(theta0)

    def factor(j: int, theta: float) -> float:
        n_c, x_c, n_s, x_s = rows[j]
        if n_c == 0 or n_s == 0:
            return 1.0
        rho = n_c / (n_c + n_s)
        r = (1 - rho + rho * theta0) / (1 - rho + rho * theta)
        return ((theta / theta0) ** x_c * r ** (x_c + x_s)) ** (1 / phi[j])

    found = plain_ratio(rows, grid=grid, phi=phi, restart=restart)
    for t, log_e in enumerate(found):
        staked = sum(
            restart[i] * math.prod(factor(j, theta) for j in range(i, t + 1)) / len(grid)
            for theta in grid
            for i in range(min(t + 1, len(restart)))
        )
        cash = 1 - sum(restart[: t + 1])
        assert math.exp(log_e) == pytest.approx(staked + cash, rel=1e-9)


@pytest.mark.parametrize("theta0", [1.0, 1.1, 1.25, 1.5])
@pytest.mark.parametrize("p", [0.001, 0.01, 0.05, 0.2])
@pytest.mark.parametrize("side", ["rollback", "promotion"])
def test_a_factor_at_the_null_never_exceeds_one_on_average(
    theta0: float, p: float, side: str
) -> None:
    n_c, n_s = 12, 20
    grids = {"rollback": eprocess.rollback_grid, "promotion": eprocess.promotion_grid}
    points = grids[side](theta0)
    grid = eprocess.ratio_grid(points, theta0=theta0)
    means = [0.0] * grid.points
    for x_c, x_s in itertools.product(range(n_c + 1), range(n_s + 1)):
        chance = binom.pmf(x_c, n_c, p * theta0) * binom.pmf(x_s, n_s, p)
        factors = grid.log_factors(n_c=n_c, x_c=x_c, n_s=n_s, x_s=x_s) or (0.0,) * grid.points
        means = [m + chance * math.exp(f) for m, f in zip(means, factors, strict=True)]
    assert max(means) <= 1 + 1e-12


@given(row_lists())
def test_rows_without_events_change_nothing(rows: list[Row]) -> None:
    base = plain_ratio(rows)[-1]
    assert plain_ratio([*rows, (100, 0, 900, 0), (0, 0, 50, 3), (5, 1, 0, 0)])[-1] == base


@given(row_lists())
def test_rows_of_equal_share_may_be_merged(rows: list[Row]) -> None:
    same = [(100, x_c, 900, x_s) for _, x_c, _, x_s in rows]
    merged = [(100 * len(same), sum(r[1] for r in same), 900 * len(same), sum(r[3] for r in same))]
    assert plain_ratio(same)[-1] == pytest.approx(plain_ratio(merged)[-1], abs=1e-8)


@given(row_lists(min_size=2))
def test_the_order_of_rows_does_not_matter_without_restarts(rows: list[Row]) -> None:
    assert plain_ratio(rows)[-1] == pytest.approx(plain_ratio(rows[::-1])[-1], abs=1e-8)


@given(st.integers(1, 99), st.integers(0, 40), st.integers(0, 40))
def test_evidence_rises_with_candidate_events_and_falls_with_stable_ones(
    share: int, x_c: int, x_s: int
) -> None:
    def log_e(candidate: int, stable: int) -> float:
        return plain_ratio([(share, candidate, 100 - share, stable)])[0]

    assert log_e(x_c + 1, x_s) >= log_e(x_c, x_s)
    assert log_e(x_c, x_s + 1) <= log_e(x_c, x_s)


@given(row_lists(), st.sampled_from([1.0, 1.1, 1.3]), st.floats(1.01, 1.5))
def test_a_larger_tolerance_leaves_less_evidence(
    rows: list[Row], theta0: float, factor: float
) -> None:
    more = plain_ratio(rows, theta0=theta0)[-1]
    less = plain_ratio(rows, theta0=theta0 * factor)[-1]
    assert less <= more + 1e-9


@given(row_lists(), st.floats(1.2, 20.0), st.floats(0.5, 1.1))
def test_swapping_the_arms_and_inverting_the_ratios_is_the_same_test(
    rows: list[Row], theta: float, theta0: float
) -> None:
    straight = eprocess.ratio_grid((theta,), theta0=theta0)
    swapped = eprocess.ratio_grid((1 / theta,), theta0=1 / theta0)
    for n_c, x_c, n_s, x_s in rows:
        one = straight.log_factors(n_c=n_c, x_c=x_c, n_s=n_s, x_s=x_s)
        other = swapped.log_factors(n_c=n_s, x_c=x_s, n_s=n_c, x_s=x_c)
        assert (one is None) == (other is None)
        if one is not None:
            assert one == pytest.approx(other, abs=1e-9)


def test_huge_counts_stay_finite() -> None:
    found = plain_ratio([(1e9, 5e8, 1e9, 1e3)] * 3)
    assert all(math.isfinite(one) and one > 1e8 for one in found)
    hopeless = plain_ratio([(1e9, 1e3, 1e9, 5e8)] * 3)
    assert all(one < -1e7 for one in hopeless)


def test_restarts_win_back_what_a_long_healthy_phase_lost() -> None:
    healthy, broken = [(50, 1, 950, 19)] * 400, [(50, 6, 950, 19)] * 6
    rows = healthy + broken
    with_restarts = plain_ratio(rows, restart=eprocess.restart_weights(len(rows)))
    assert with_restarts[-1] > plain_ratio(rows)[-1] + 1
    assert with_restarts[399] > math.log(0.015)  # unspent capital is kept as cash


@pytest.mark.parametrize("intervals", [1, 2, 60, 100_000])
def test_restart_weights_never_spend_more_than_all_and_never_end(intervals: int) -> None:
    weights = eprocess.restart_weights(intervals)
    left = 1 - math.fsum(weights)
    # What is left for all later ones is their sum, of which the integral is 1 / ln j.
    later = 0.25 / (2.1097 * math.log(intervals + 0.5)) if intervals > 1 else 0.25
    soon = 0.25 * max(0, 120 - intervals) / 119
    assert left == pytest.approx(later + soon, rel=0.15)
    assert weights[-1] > 0


def test_capital_that_is_neither_staked_nor_kept_is_minus_infinity() -> None:
    assert eprocess.log_value(eprocess.Process(log_s=(-math.inf,), cash=0.0)) == -math.inf


def test_a_late_first_stake_waits_as_cash() -> None:
    waiting = plain_ratio([(50, 9, 950, 1)] * 2, restart=(0.0, 1.0))
    assert waiting[0] == 0.0
    assert waiting[1] == plain_ratio([(50, 9, 950, 1)])[0]


# --- one rate ------------------------------------------------------------------------------------


@pytest.mark.parametrize("side", list(Side))
@pytest.mark.parametrize("p0", [0.001, 0.01, 0.1, 0.5])
def test_an_slo_factor_never_exceeds_one_on_average_under_its_hypothesis(
    side: Side, p0: float
) -> None:
    n = 40
    beyond = p0 * 0.7 if side is Side.BREACH else min(1.0, p0 * 1.3)
    for p in (p0, beyond):
        mean = sum(
            binom.pmf(x, n, p)
            * math.exp(
                eprocess.slo_log_e(
                    [n], x=[x], p0=p0, side=side, phi=[1.0], restart=eprocess.NO_RESTARTS
                )[0]
            )
            for x in range(n + 1)
        )
        assert mean <= 1 + 1e-12
        if p == p0:
            assert mean == pytest.approx(1, abs=1e-9)


@pytest.mark.parametrize("side", list(Side))
def test_an_slo_factor_is_the_binomial_likelihood_ratio(side: Side) -> None:
    p0, n, x = 0.02, 500, 17
    lower, upper = (0.022, 0.64) if side is Side.BREACH else (0.02 / 32, 0.02 / 1.1)
    rates = [lower * (upper / lower) ** (k / 16) for k in range(17)]
    expected = math.log(
        sum(math.exp(binom.logpmf(x, n, p) - binom.logpmf(x, n, p0)) for p in rates) / 17
    )
    found = eprocess.slo_log_e([n], x=[x], p0=p0, side=side, phi=[1.0], restart=(1.0,))
    assert found[0] == pytest.approx(expected, abs=1e-8)


@given(st.integers(0, 60), st.floats(0.001, 0.5))
def test_slo_evidence_is_monotone_in_the_events_and_none_at_zero(x: int, p0: float) -> None:
    def log_e(events: int, side: Side) -> float:
        return eprocess.slo_log_e([61], x=[events], p0=p0, side=side, phi=[1.0], restart=(1.0,))[0]

    assert log_e(x + 1, Side.BREACH) >= log_e(x, Side.BREACH)
    assert log_e(x + 1, Side.PROOF) <= log_e(x, Side.PROOF)
    assert log_e(0, Side.BREACH) <= 0


def test_an_interval_without_requests_says_nothing_about_an_slo() -> None:
    once = eprocess.slo_log_e([100], x=[9], p0=0.01, side=Side.BREACH, phi=[1.0], restart=(1.0,))
    twice = eprocess.slo_log_e(
        [100, 0], x=[9, 0], p0=0.01, side=Side.BREACH, phi=[1.0, 1.0], restart=(1.0,)
    )
    assert twice == (once[0], once[0])


# --- the bet -------------------------------------------------------------------------------------


@given(st.floats(0.01, 0.99), st.floats(0.0, 1.0))
def test_a_bet_is_fair_when_the_mean_is_the_limit(q: float, spread: float) -> None:
    low, high = q * (1 - spread), q + (1 - q) * spread
    if high == low:
        return
    chance = (q - low) / (high - low)
    up, down = (eprocess.bet_log_factors(y, q=q) for y in (high, low))
    for one, other in zip(up, down, strict=True):
        mean = chance * math.exp(one) + (1 - chance) * math.exp(other)
        assert mean == pytest.approx(1, abs=1e-9)


def test_the_bet_is_the_mean_of_products_and_skips_what_says_nothing() -> None:
    y, q = [0.2, None, 0.5, 0.0], [0.05, 0.3, 0.1, 0.07]
    fractions = [0.02 * (0.95 / 0.02) ** (k / 19) for k in range(20)]

    def product(f: float) -> float:
        pairs = [(a, b) for a, b in zip(y, q, strict=True) if a is not None]
        return math.prod(1 + f * (a - b) / b for a, b in pairs)

    found = eprocess.bet_log_e(y, q=q)
    assert math.exp(found[-1]) == pytest.approx(sum(map(product, fractions)) / 20, rel=1e-9)
    assert found[1] == found[0]


def test_one_interval_cannot_win_more_than_the_odds() -> None:
    found = eprocess.bet_log_e([1.0], q=[0.05])
    assert 0 < found[0] < math.log(1 / 0.05)


@pytest.mark.parametrize("theta0", [1.0, 1.1, 2.0])
def test_the_share_to_expect_is_that_of_a_candidate_at_the_tolerance(theta0: float) -> None:
    n_c, n_s, p = 300.0, 700.0, 0.01
    found = eprocess.ratio_bet(n_c=n_c, x_c=6, n_s=n_s, x_s=4, theta0=theta0)
    expected = n_c * p * theta0 / (n_c * p * theta0 + n_s * p)
    assert found == (0.6, pytest.approx(expected))


@pytest.mark.parametrize("row", [(0, 0, 10, 1), (10, 1, 0, 0), (10, 0, 10, 0)])
def test_no_bet_where_an_arm_or_all_events_are_missing(row: Row) -> None:
    n_c, x_c, n_s, x_s = row
    assert eprocess.ratio_bet(n_c=n_c, x_c=x_c, n_s=n_s, x_s=x_s, theta0=1.1) is None
