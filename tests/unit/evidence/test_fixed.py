from __future__ import annotations

import math
from fractions import Fraction
from random import Random

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from scipy import stats
from statsmodels.stats import contingency_tables, proportion

from tidegate.evidence.drift import fixed
from tidegate.evidence.drift.fixed import Interval, Side, Significance, Stratum
from tidegate.evidence.terms import Problem, Reason

CLOSE = 1e-9
STATSMODELS_SIDES = [
    (Side.GREATER, "larger"),
    (Side.LESS, "smaller"),
    (Side.TWO_SIDED, "two-sided"),
]
CASES = [(0, 10), (1, 10), (5, 10), (10, 10), (3, 1000), (997, 1000), (41, 123_456)]

events = st.integers(1, 10**6).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n)))
confidence = st.floats(0.5, 0.9999)
# Few distinct values make many ties.
sample = st.lists(st.integers(-6, 6), min_size=30, max_size=45)


def interval(found: Interval | Problem) -> Interval:
    assert isinstance(found, Interval), found
    return found


def significance(found: Significance | Problem) -> Significance:
    assert isinstance(found, Significance), found
    return found


@pytest.mark.parametrize(("x", "n"), CASES)
@pytest.mark.parametrize("conf", [0.8, 0.95, 0.999])
def test_wilson_agrees_with_scipy_and_statsmodels(x: int, n: int, conf: float) -> None:
    found = interval(fixed.wilson(x, n=n, conf=conf))

    reference = stats.binomtest(x, n).proportion_ci(conf, method="wilson")
    other = proportion.proportion_confint(x, n, alpha=1 - conf, method="wilson")
    assert (found.lower, found.upper) == pytest.approx((reference.low, reference.high), rel=CLOSE)
    assert (found.lower, found.upper) == pytest.approx(other, rel=CLOSE, abs=1e-15)
    assert found.estimate == x / n


@given(events, confidence)
def test_wilson_stays_inside_the_unit_interval_and_around_the_rate(
    xn: tuple[int, int], conf: float
) -> None:
    found = interval(fixed.wilson(xn[0], n=xn[1], conf=conf))

    assert 0 <= found.lower <= found.estimate <= found.upper <= 1


@settings(max_examples=40)
@given(events, confidence)
def test_wilson_of_the_successes_mirrors_that_of_the_events(
    xn: tuple[int, int], conf: float
) -> None:
    x, n = xn
    found = interval(fixed.wilson(x, n=n, conf=conf))
    mirrored = interval(fixed.wilson(n - x, n=n, conf=conf))

    assert found.lower == pytest.approx(1 - mirrored.upper, abs=1e-12)


# The published examples of Newcombe 1998, table II, method 10.
@pytest.mark.parametrize(
    ("counts", "limits"),
    [
        ((56, 70, 48, 80), (0.0524, 0.3339)),
        ((9, 10, 3, 10), (0.1705, 0.8090)),
        ((6, 7, 2, 7), (0.0582, 0.8062)),
        ((5, 56, 0, 29), (-0.0381, 0.1926)),
        ((0, 10, 0, 20), (-0.1611, 0.2775)),
        ((0, 10, 0, 10), (-0.2775, 0.2775)),
        ((10, 10, 0, 20), (0.6791, 1.0000)),
        ((10, 10, 0, 10), (0.6075, 1.0000)),
    ],
)
def test_newcombe_reproduces_the_published_table(
    counts: tuple[int, int, int, int], limits: tuple[float, float]
) -> None:
    x1, n1, x2, n2 = counts
    found = interval(fixed.newcombe(x1, n1=n1, x2=x2, n2=n2, conf=0.95))

    assert (found.lower, found.upper) == pytest.approx(limits, abs=5e-5)


@pytest.mark.parametrize(("x1", "n1"), CASES)
@pytest.mark.parametrize(("x2", "n2"), CASES)
def test_newcombe_agrees_with_statsmodels(x1: int, n1: int, x2: int, n2: int) -> None:
    found = interval(fixed.newcombe(x1, n1=n1, x2=x2, n2=n2, conf=0.9))

    reference = proportion.confint_proportions_2indep(
        x1, n1, x2, n2, method="newcomb", compare="diff", alpha=0.1
    )
    assert (found.lower, found.upper) == pytest.approx(reference, rel=CLOSE, abs=1e-12)


@given(events, events, confidence)
def test_newcombe_stays_between_minus_one_and_one(
    one: tuple[int, int], two: tuple[int, int], conf: float
) -> None:
    found = interval(fixed.newcombe(one[0], n1=one[1], x2=two[0], n2=two[1], conf=conf))
    swapped = interval(fixed.newcombe(two[0], n1=two[1], x2=one[0], n2=one[1], conf=conf))

    assert -1 <= found.lower <= found.estimate <= found.upper <= 1
    assert found.lower == pytest.approx(-swapped.upper, abs=1e-12)


def exact_fisher(x1: int, n1: int, x2: int, n2: int) -> float:
    """The hypergeometric tail, counted in whole numbers."""
    total = x1 + x2
    tables = range(x1, min(n1, total) + 1)
    favourable = sum(math.comb(n1, k) * math.comb(n2, total - k) for k in tables)
    return float(Fraction(favourable, math.comb(n1 + n2, total)))


@given(
    st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
    st.integers(0, 40).flatmap(lambda n: st.tuples(st.integers(0, n), st.just(n))),
)
def test_fisher_agrees_with_enumeration(one: tuple[int, int], two: tuple[int, int]) -> None:
    found = fixed.fisher_greater(one[0], n1=one[1], x2=two[0], n2=two[1])

    assert found.p == pytest.approx(exact_fisher(*one, *two), rel=1e-9)


def test_fisher_gives_the_lady_tasting_tea() -> None:
    assert fixed.fisher_greater(3, n1=4, x2=1, n2=4).p == pytest.approx(17 / 70, rel=CLOSE)
    assert fixed.fisher_greater(3, n1=4, x2=1, n2=4).statistic == pytest.approx(9)


@pytest.mark.parametrize(("side", "name"), STATSMODELS_SIDES)
@pytest.mark.parametrize("counts", [(30, 1000, 20, 1100), (5, 50, 9, 40), (1, 9000, 40, 7000)])
def test_two_proportions_agree_with_statsmodels(
    counts: tuple[int, int, int, int], side: Side, name: str
) -> None:
    x1, n1, x2, n2 = counts
    pooled = significance(fixed.two_proportion_z(x1, n1=n1, x2=x2, n2=n2, side=side, pooled=True))
    unpooled = significance(
        fixed.two_proportion_z(x1, n1=n1, x2=x2, n2=n2, side=side, pooled=False)
    )

    score = proportion.proportions_ztest([x1, x2], [n1, n2], alternative=name)
    wald = proportion.test_proportions_2indep(
        x1, n1, x2, n2, method="wald", alternative=name, return_results=False
    )
    assert (pooled.statistic, pooled.p) == pytest.approx(score, rel=CLOSE)
    assert (unpooled.statistic, unpooled.p) == pytest.approx(wald[:2], rel=CLOSE)


strata = st.lists(
    st.tuples(events, events).map(
        lambda pair: Stratum(x_c=pair[0][0], n_c=pair[0][1], x_s=pair[1][0], n_s=pair[1][1])
    ),
    min_size=1,
    max_size=8,
)


def test_mantel_haenszel_agrees_with_statsmodels() -> None:
    rows = [
        Stratum(x_c=3, n_c=100, x_s=20, n_s=1900),
        Stratum(x_c=9, n_c=400, x_s=11, n_s=1600),
        Stratum(x_c=70, n_c=1000, x_s=64, n_s=1000),
    ]
    tables = [[[r.x_c, r.n_c - r.x_c], [r.x_s, r.n_s - r.x_s]] for r in rows]

    found = significance(fixed.mantel_haenszel(rows, side=Side.TWO_SIDED))

    reference = contingency_tables.StratifiedTable(tables).test_null_odds(correction=False)
    assert found.statistic**2 == pytest.approx(reference.statistic, rel=CLOSE)
    assert found.p == pytest.approx(reference.pvalue, rel=CLOSE)


@settings(max_examples=40)
@given(strata, st.randoms())
def test_mantel_haenszel_ignores_order_and_empty_strata(
    rows: list[Stratum], random: Random
) -> None:
    shuffled = [*rows, Stratum(x_c=0, n_c=0, x_s=7, n_s=90), Stratum(x_c=0, n_c=5, x_s=0, n_s=9)]
    random.shuffle(shuffled)

    assert fixed.mantel_haenszel(shuffled, side=Side.GREATER) == fixed.mantel_haenszel(
        rows, side=Side.GREATER
    )


@settings(max_examples=40)
@given(strata)
def test_mantel_haenszel_changes_sign_with_the_arms(rows: list[Stratum]) -> None:
    swapped = [Stratum(x_c=r.x_s, n_c=r.n_s, x_s=r.x_c, n_s=r.n_c) for r in rows]
    one = fixed.mantel_haenszel(rows, side=Side.GREATER)
    two = fixed.mantel_haenszel(swapped, side=Side.LESS)

    if isinstance(one, Problem):
        assert two == one
    else:
        other = significance(two)
        assert one.statistic == pytest.approx(-other.statistic, abs=1e-6, rel=1e-6)
        assert one.p == pytest.approx(other.p, abs=1e-6)


@pytest.mark.parametrize("side", list(Side))
def test_mann_whitney_is_the_asymptotic_test_with_corrections(side: Side) -> None:
    x = [float(value % 17) for value in range(40)]
    y = [float(value % 13) + 1 for value in range(35)]

    found = significance(fixed.mann_whitney(x, y=y, side=side))

    ranks = stats.rankdata([*x, *y])
    u = ranks[:40].sum() - 40 * 41 / 2
    ties = sum(t**3 - t for t in (list(ranks).count(rank) for rank in set(ranks)))
    spread = math.sqrt(40 * 35 / 12 * (76 - ties / (75 * 74)))
    away = {Side.GREATER: u - 700, Side.LESS: 700 - u, Side.TWO_SIDED: abs(u - 700)}[side]
    tail = stats.norm.sf((away - 0.5) / spread) * (2 if side is Side.TWO_SIDED else 1)
    assert found.statistic == u
    assert found.p == pytest.approx(tail, rel=CLOSE)


def test_mann_whitney_of_one_single_value_sees_no_difference() -> None:
    found = significance(fixed.mann_whitney([2.0] * 30, y=[2.0] * 40, side=Side.TWO_SIDED))

    assert found == Significance(statistic=600.0, p=1.0)


def verdict(x: list[int], y: list[int], shift: float, conf: float) -> int:
    """1 when x, moved down by the shift, is still too high; -1 when it is too low, else 0."""
    moved = [value - shift for value in x]
    if min(*moved, *y) == max(*moved, *y):
        return 0
    test = stats.mannwhitneyu(moved, y, alternative="two-sided", method="asymptotic")
    if test.pvalue >= 1 - conf:
        return 0
    return 1 if test.statistic > len(x) * len(y) / 2 else -1


@settings(max_examples=30)  # asks scipy about every possible shift
@given(sample, sample, st.sampled_from([0.8, 0.95, 0.98]))
@example([0] * 38 + [1, 1], [0] * 40, 0.8)
def test_shift_interval_is_the_hull_of_the_shifts_that_are_not_rejected(
    x: list[int], y: list[int], conf: float
) -> None:
    found = interval(fixed.shift_interval(x, y=y, conf=conf))

    # Differences are whole numbers: between two of them the verdict does not change.
    wholes = [whole for whole in range(-13, 14) if verdict(x, y, whole, conf) == 0]
    gaps = [whole for whole in range(-14, 14) if verdict(x, y, whole + 0.5, conf) == 0]
    hull = wholes + gaps + [whole + 1 for whole in gaps]
    if not hull:  # ties can reject every shift; then the rejection changes sides at one point
        hull = [max(w for w in range(-13, 14) if verdict(x, y, w - 0.5, conf) == 1)]
    assert (found.lower, found.upper) == (min(hull), max(hull))


@settings(max_examples=50)  # sorts some two thousand differences
@given(sample, sample, st.integers(-1000, 1000))
def test_shift_interval_moves_with_the_sample(x: list[int], y: list[int], shift: int) -> None:
    base = interval(fixed.shift_interval(x, y=y, conf=0.95))
    moved = interval(fixed.shift_interval([value + shift for value in x], y=y, conf=0.95))
    swapped = interval(fixed.shift_interval(y, y=x, conf=0.95))

    assert base.lower <= base.estimate <= base.upper
    assert moved == Interval(
        lower=base.lower + shift, upper=base.upper + shift, estimate=base.estimate + shift
    )
    assert (swapped.lower, swapped.upper) == (-base.upper, -base.lower)


@given(sample, sample)
def test_cles_counts_pairs(x: list[int], y: list[int]) -> None:
    pairs = [(a > b) + (a == b) / 2 for a in x for b in y]

    assert fixed.cles(x, control=y) == pytest.approx(sum(pairs) / len(pairs), rel=1e-12)
    assert fixed.cles(x, control=y) + fixed.cles(y, control=x) == pytest.approx(1, abs=1e-12)


def test_too_little_is_named() -> None:
    few = [1.0] * 29
    many = [1.0] * 30
    same = {"x2": 0, "n2": 9, "side": Side.LESS}
    cases = [
        (fixed.wilson(0, n=0, conf=0.9), Reason.NO_DATA),
        (fixed.newcombe(0, n1=0, x2=0, n2=5, conf=0.9), Reason.NO_DATA),
        (fixed.newcombe(0, n1=5, x2=0, n2=0, conf=0.9), Reason.NO_DATA),
        (fixed.two_proportion_z(0, n1=0, pooled=True, **same), Reason.NO_DATA),
        (fixed.two_proportion_z(0, n1=9, pooled=True, **same), Reason.INSUFFICIENT),
        (fixed.two_proportion_z(0, n1=9, pooled=False, **same), Reason.INSUFFICIENT),
        (fixed.mantel_haenszel([], side=Side.GREATER), Reason.INSUFFICIENT),
        (
            fixed.mantel_haenszel([Stratum(x_c=1, n_c=1, x_s=0, n_s=0)], side=Side.LESS),
            Reason.INSUFFICIENT,
        ),
        (fixed.mann_whitney(few, y=many, side=Side.LESS), Reason.INSUFFICIENT),
        (fixed.shift_interval(many, y=few, conf=0.9), Reason.INSUFFICIENT),
    ]
    for found, reason in cases:
        assert isinstance(found, Problem)
        assert found.reason is reason
    assert fixed.fisher_greater(0, n1=0, x2=0, n2=0).p == 1


@pytest.mark.parametrize("bad", [math.nan, -1.0, 11.0])
def test_impossible_counts_are_refused(bad: float) -> None:
    with pytest.raises(AssertionError):
        fixed.wilson(bad, n=10, conf=0.9)
    with pytest.raises(AssertionError):
        fixed.cles([bad, math.inf], control=[1.0])
