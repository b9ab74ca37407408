from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st
from scipy import stats

from tidegate.evidence.drift import distances, resampling
from tidegate.evidence.drift.distances import Distance, PsiTest
from tidegate.evidence.terms import Problem, Reason

SEED = resampling.seed_of("1b4e28ba", stream="amount", window_start=1_700_000_000)
EXAMPLE = ((500.0, 300.0, 200.0, 0.0), (90.0, 40.0, 20.0, 3.0))

bins = st.integers(2, 8)
pairs = bins.flatmap(
    lambda size: st.tuples(
        *[st.lists(st.integers(0, 5000), min_size=size, max_size=size).filter(any)] * 2
    )
)


def distance(found: Distance | Problem) -> Distance:
    assert isinstance(found, Distance), found
    return found


def psi_test(found: PsiTest | Problem) -> PsiTest:
    assert isinstance(found, PsiTest), found
    return found


def shares(counts: tuple[float, ...], *, add: float = 0.0) -> np.ndarray:
    raised = np.array(counts) + add
    return raised / raised.sum()


def test_psi_is_the_symmetric_divergence_of_smoothed_shares() -> None:
    example = ((500.0, 300.0, 200.0, 2.0), (90.0, 40.0, 20.0, 3.0))
    p, q = shares(example[0], add=0.5), shares(example[1], add=0.5)

    found = distance(distances.psi(example[0], current=example[1]))

    assert found.value == pytest.approx(stats.entropy(p, q) + stats.entropy(q, p), rel=1e-12)
    kappa = 1 / 1002 + 1 / 153
    assert found.p == pytest.approx(stats.chi2.sf(found.value / kappa, 3), rel=1e-12)


@pytest.mark.parametrize("total", [10**4, 10**5, 10**6, 10**7, 10**9])
@pytest.mark.parametrize(("share", "value"), [(0.01, 0.0207), (0.05, 0.1917)])
def test_a_new_category_weighs_by_its_share_and_not_by_the_size_of_the_window(
    total: int, share: float, value: float
) -> None:
    before = (0.6 * total, 0.4 * total, 0.0)
    after = (0.6 * (1 - share) * total, 0.4 * (1 - share) * total, share * total)

    for pair in ((before, after), (after, before)):
        found = distance(distances.psi(pair[0], current=pair[1])).value
        assert found == pytest.approx(value + share**2, rel=0.02)  # what the others lost is small
        tested = psi_test(distances.psi_larger_than(pair[0], current=pair[1], delta=0.1))
        assert tested.p > 0.99 if share == 0.01 else tested.p < 0.01


def test_jensen_shannon_is_the_mean_divergence_from_the_middle() -> None:
    p, q = shares(EXAMPLE[0]), shares(EXAMPLE[1])
    middle = (p + q) / 2

    found = distance(distances.jensen_shannon(EXAMPLE[0], current=EXAMPLE[1]))

    square = (stats.entropy(p, middle) + stats.entropy(q, middle)) / 2
    assert found.value**2 == pytest.approx(square, rel=1e-12)
    assert found.p == pytest.approx(stats.chi2.sf(8 * square / (1 / 1000 + 1 / 153), 3), rel=1e-9)


def test_hellinger_is_what_the_bhattacharyya_coefficient_lacks() -> None:
    p, q = shares(EXAMPLE[0]), shares(EXAMPLE[1])

    found = distance(distances.hellinger(EXAMPLE[0], current=EXAMPLE[1]))

    square = 1 - float(np.sqrt(p * q).sum())
    assert found.value**2 == pytest.approx(square, rel=1e-10)
    assert found.p == pytest.approx(stats.chi2.sf(8 * square / (1 / 1000 + 1 / 153), 3), rel=1e-8)


def test_chi_square_compares_with_pooled_shares_and_skips_empty_bins() -> None:
    reference, current = (40, 0, 60), (15, 0, 5)
    expected = [55 * 100 / 120, 65 * 100 / 120, 55 * 20 / 120, 65 * 20 / 120]
    value = sum((o - e) ** 2 / e for o, e in zip([40, 60, 15, 5], expected, strict=True))

    found = distance(distances.chi_square(reference, current=current))

    assert found.value == pytest.approx(value, rel=1e-12)
    assert found.p == pytest.approx(stats.chi2.sf(value, 1), rel=1e-12)
    alone = distance(distances.chi_square((4, 0), current=(9, 0)))
    assert alone == Distance(value=0.0, p=1.0)


def test_kolmogorov_smirnov_agrees_with_scipy_on_the_bin_numbers() -> None:
    reference, current = (50, 30, 20), (9, 4, 12)
    samples = [np.repeat(np.arange(3), counts) for counts in (reference, current)]

    found = distance(distances.kolmogorov_smirnov(reference, current=current))

    assert found.value == pytest.approx(stats.ks_2samp(*samples).statistic, rel=1e-12)
    root = found.value / math.sqrt(1 / 100 + 1 / 25)
    series = 2 * sum((-1) ** (k - 1) * math.exp(-2 * k * k * root * root) for k in range(1, 50))
    assert found.p == pytest.approx(series, rel=1e-9)


def test_wasserstein_agrees_with_scipy_on_the_middles_of_bins() -> None:
    reference, current, edges = (10, 40, 30, 20), (20, 20, 20, 40), (0.0, 1.0, 4.0)
    places = [0.0, 0.5, 2.5, 4.0]
    mean = np.average(places, weights=reference)
    sd = math.sqrt(np.average((np.array(places) - mean) ** 2, weights=reference))

    found = distance(distances.wasserstein(reference, current=current, edges=edges, seed=SEED))

    expected = stats.wasserstein_distance(places, places, reference, current) / sd
    assert found.value == pytest.approx(expected, rel=1e-12)


def test_wasserstein_knows_the_unit_of_the_edges_not() -> None:
    one = distances.wasserstein((9, 5, 4), current=(3, 5, 9), edges=(1.0, 3.0), seed=SEED)
    other = distances.wasserstein((9, 5, 4), current=(3, 5, 9), edges=(10.0, 30.0), seed=SEED)

    assert distance(one).value == pytest.approx(distance(other).value, rel=1e-12)
    assert distance(one).p == distance(other).p


def test_total_variation_and_largest_difference() -> None:
    reference, current = (50, 30, 20), (20, 20, 10)

    total = distance(distances.total_variation(reference, current=current, seed=SEED))
    largest = distance(distances.largest_difference(reference, current=current, seed=SEED))

    assert total.value == pytest.approx(0.1)
    assert largest.value == pytest.approx(0.1)


@pytest.mark.parametrize(
    ("first", "second"), [((6, 2), (2, 6)), ((5, 4), (3, 2)), ((1, 9), (7, 3))]
)
def test_resampled_chance_agrees_with_enumeration(
    first: tuple[int, int], second: tuple[int, int]
) -> None:
    n, m = sum(first), sum(second)
    share = (first[0] + second[0]) / (n + m)
    gap = abs(first[0] / n - second[0] / m)
    exact = sum(
        stats.binom.pmf(a, n, share) * stats.binom.pmf(b, m, share)
        for a, b in itertools.product(range(n + 1), range(m + 1))
        if abs(a / n - b / m) >= gap - 1e-9
    )

    found = distance(distances.total_variation(first, current=second, seed=SEED, draws=20_000))

    assert found.p == pytest.approx(exact, abs=4 * math.sqrt(exact * (1 - exact) / 20_000) + 1e-4)


def test_the_same_window_is_resampled_alike_and_another_one_is_not() -> None:
    def chance(seed: int) -> float:
        return distance(distances.total_variation((30, 50), current=(25, 20), seed=seed)).p

    other = resampling.seed_of("1b4e28ba", stream="amount", window_start=1_700_000_060)
    assert chance(SEED) == chance(SEED)
    assert chance(SEED) != chance(other)
    assert chance(SEED) == pytest.approx(chance(other), abs=0.05)


BY_DIVERGENCE = [distances.psi, distances.jensen_shannon, distances.hellinger, distances.chi_square]


@pytest.mark.parametrize("measure", BY_DIVERGENCE)
@given(pair=pairs)
def test_distances_are_symmetric_and_ignore_the_order_of_bins(measure, pair) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    reference, current = pair
    found = distance(measure(reference, current=current))
    swapped = distance(measure(current, current=reference))
    turned = distance(measure(reference[::-1], current=current[::-1]))

    assert found.value >= 0
    assert 0 <= found.p <= 1
    assert found.value == pytest.approx(swapped.value, rel=1e-9, abs=1e-7)
    assert found.value == pytest.approx(turned.value, rel=1e-9, abs=1e-7)
    assert distance(measure(reference, current=reference)).value == pytest.approx(0, abs=1e-7)


@given(pairs)
def test_reported_distances_stay_in_their_range(pair: tuple[list[int], list[int]]) -> None:
    reference, current = pair
    total = distance(distances.total_variation(reference, current=current, seed=SEED, draws=50))
    largest = distance(
        distances.largest_difference(reference, current=current, seed=SEED, draws=50)
    )
    smirnov = distance(distances.kolmogorov_smirnov(reference, current=current))
    hellinger = distance(distances.hellinger(reference, current=current))

    assert 0 <= largest.value <= total.value + 1e-12 <= 1 + 1e-9
    assert 0 <= smirnov.value <= total.value + 1e-12
    assert hellinger.value**2 <= total.value + 1e-9
    assert total.value <= math.sqrt(2) * hellinger.value + 1e-7
    assert distance(distances.total_variation(current, current=current, seed=SEED, draws=50)).p == 1


@pytest.mark.parametrize("measure", [distances.jensen_shannon, distances.hellinger, distances.psi])
@given(pair=pairs.filter(lambda pair: len(pair[0]) > 2))
def test_merging_two_bins_never_brings_a_distance_up(measure, pair) -> None:  # type: ignore[no-untyped-def]  # noqa: ANN001
    # Counts so large that half a count per bin no longer matters to the PSI, and shares above those
    # that it takes for 0.1 percent.
    reference, current = ([10**9 * (one + 1 + sum(side) // 500) for one in side] for side in pair)
    merged = [[side[0] + side[1], *side[2:]] for side in (reference, current)]

    before = distance(measure(reference, current=current)).value
    after = distance(measure(merged[0], current=merged[1])).value
    assert after <= before + 1e-7


# --- the test that decides -----------------------------------------------------------------------


def poisson_mixture_sf(value: float, df: int, noncentrality: float) -> float:
    """Noncentral chi-square from central ones."""
    return math.fsum(
        stats.poisson.pmf(k, noncentrality / 2) * stats.chi2.sf(value, df + 2 * k)
        for k in range(600)
    )


@pytest.mark.parametrize("delta", [0.0, 0.02, 0.1, 0.25])
@pytest.mark.parametrize("deff", [1.0, 3.0])
def test_p_is_the_tail_of_a_noncentral_chi_square(delta: float, deff: float) -> None:
    reference, current = (500.0, 300.0, 200.0, 100.0), (70.0, 60.0, 40.0, 30.0)
    kappa = deff * (1 / 1100 + 1 / 200)

    found = psi_test(distances.psi_larger_than(reference, current=current, delta=delta, deff=deff))

    assert found.psi == distance(distances.psi(reference, current=current)).value
    assert found.df == 3
    assert found.kappa == pytest.approx(kappa, rel=1e-12)
    tail = poisson_mixture_sf(found.psi / kappa, 3, delta / kappa)
    assert found.p == pytest.approx(tail, rel=1e-8)


MARGINS = [(0.1, 1.0), (0.25, 1.0), (0.25, 3.0)]


@pytest.mark.parametrize(("margin", "deff"), MARGINS)
def test_a_margin_is_ruled_out_by_the_lower_tail(margin: float, deff: float) -> None:
    reference, current = (500, 300, 200), (260, 150, 90)
    below = distances.psi_smaller_than(reference, current=current, margin=margin, deff=deff)
    above = distances.psi_larger_than(reference, current=current, delta=margin, deff=deff)

    assert isinstance(below, PsiTest)
    assert isinstance(above, PsiTest)
    value = max(above.psi / above.kappa, above.df)
    expected = stats.ncx2.cdf(value, above.df, margin / above.kappa)
    assert below.p == pytest.approx(expected, abs=1e-12)


@pytest.mark.parametrize("answer", [math.nan, math.inf, -math.inf])
def test_where_the_distribution_has_no_number_nothing_is_proven_in_either_direction(
    monkeypatch: pytest.MonkeyPatch, answer: float
) -> None:
    monkeypatch.setattr(stats.ncx2, "sf", lambda *_: answer)
    moved, equal = (900.0, 100.0), (500.0, 500.0)

    assert psi_test(distances.psi_larger_than(equal, current=moved, delta=0.1)).p == 1.0
    assert psi_test(distances.psi_smaller_than(equal, current=equal, margin=0.25)).p == 1.0


def test_an_overestimated_design_effect_proves_nothing() -> None:
    """The smaller the statistic beside its degrees of freedom, the stranger it is, not the better."""
    found = distances.psi_smaller_than((500,) * 10, current=(50,) * 10, margin=0.25, deff=1e6)

    assert isinstance(found, PsiTest)
    assert found.p > 0.3


def test_an_empty_window_rules_out_nothing() -> None:
    assert isinstance(distances.psi_smaller_than((5, 5), current=(0, 0), margin=0.25), Problem)


@given(pairs, st.floats(0, 1), st.floats(0, 1), st.floats(1, 20))
def test_p_rises_with_what_is_tolerated_and_with_correlation(
    pair: tuple[list[int], list[int]], one: float, two: float, deff: float
) -> None:
    def p(delta: float, deff: float) -> float:
        found = distances.psi_larger_than(pair[0], current=pair[1], delta=delta, deff=deff)
        return psi_test(found).p

    assert p(min(one, two), 1) <= p(max(one, two), 1) + 1e-9
    assert p(0, 1) <= p(0, deff) + 1e-12


@given(
    st.lists(st.tuples(st.integers(0, 10**9), st.integers(0, 10**9)), min_size=2, max_size=12),
    st.sampled_from([0.0, 0.02, 0.1, 5.0]),
)
@example([(0, 0), (115945, 41832)], 0.02)  # beyond SciPy's series
def test_p_is_a_chance_for_any_counts(counts: list[tuple[int, int]], delta: float) -> None:
    reference = [first + 1 for first, _ in counts]
    current = [second for _, second in counts]
    found = distances.psi_larger_than(reference, current=current, delta=delta)

    if sum(current) == 0:
        assert isinstance(found, Problem)
    else:
        assert 0 <= psi_test(found).p <= 1


def test_huge_counts_are_judged_by_their_psi_alone() -> None:
    reference = (1e12, 1e12)
    above = distances.psi_larger_than(reference, current=(1.4e12, 0.6e12), delta=0.1)
    below = distances.psi_larger_than(reference, current=(1.2e12, 0.8e12), delta=0.1)

    assert psi_test(above).psi > 0.1 > psi_test(below).psi
    assert psi_test(above).p == 0
    assert psi_test(below).p == 1


def test_the_normal_limit_continues_the_exact_tail() -> None:
    total, share = 3e9, 0.5 + 0.155475  # a PSI of almost exactly 0.1
    current = (share * total, (1 - share) * total)

    found = psi_test(distances.psi_larger_than((total, total), current=current, delta=0.1))

    assert 0.1 / found.kappa > distances.NORMAL_ABOVE
    exact = stats.ncx2.sf(found.psi / found.kappa, 1, 0.1 / found.kappa)
    assert 0.01 < exact < 0.99
    assert found.p == pytest.approx(exact, abs=1e-4)


def test_good_windows_of_correlated_traffic_show_their_design_effect() -> None:
    rng = np.random.default_rng(5)
    reference = [20_000] * 10
    independent = rng.multinomial(500, [0.1] * 10, size=400)
    sessions = 6 * rng.multinomial(500, [0.1] * 10, size=400)

    plain = distances.design_effect(reference, good_windows=independent)
    clumped = distances.design_effect(reference, good_windows=sessions)

    assert plain == pytest.approx(1, abs=0.08)
    assert clumped == pytest.approx(6, rel=0.12)


def test_steadier_windows_than_chance_allows_earn_nothing() -> None:
    assert distances.design_effect([100] * 4, good_windows=[[50] * 4] * 30) == 1


# --- the concurrent mix --------------------------------------------------------------------------


def mix_e(
    counts: tuple[int, ...],
    *,
    q0: tuple[float, ...],
    q0_total: float = math.inf,
    k: float = distances.CONCENTRATION,
) -> float:
    found = distances.multinomial_log_e(counts, q0=q0, q0_total=q0_total, k=k)
    assert isinstance(found, float), found
    return found


def test_mix_evidence_is_the_product_of_its_predictions() -> None:
    q0, k = (0.5, 0.3, 0.2), 10.0
    events = [0, 2, 2, 1, 0, 2, 2]
    seen, log_e = [0, 0, 0], 0.0
    for event in events:
        predicted = (k * q0[event] + seen[event]) / (k + sum(seen))
        log_e += math.log(predicted / q0[event])
        seen[event] += 1

    assert distances.multinomial_log_e(seen, q0=q0, q0_total=math.inf, k=k) == pytest.approx(
        log_e, rel=1e-12
    )


@pytest.mark.parametrize("q0", [(0.5, 0.5), (0.9, 0.1), (0.6, 0.3, 0.1), (0.97, 0.02, 0.01)])
@pytest.mark.parametrize("k", [1.0, 100.0])
def test_mix_evidence_is_worth_one_on_average_without_change(
    q0: tuple[float, ...], k: float
) -> None:
    total = 12
    tables = [
        counts
        for counts in itertools.product(range(total + 1), repeat=len(q0))
        if sum(counts) == total
    ]
    mean = math.fsum(
        stats.multinomial.pmf(counts, total, q0) * math.exp(mix_e(counts, q0=q0, k=k))
        for counts in tables
    )

    assert mean == pytest.approx(1, rel=1e-9)


def test_mix_evidence_grows_with_a_lasting_change_only() -> None:
    q0 = distances.smoothed_shares((5000, 3000, 2000))

    assert math.fsum(q0) == pytest.approx(1)
    assert mix_e((0, 0, 0), q0=q0, q0_total=10_000) == pytest.approx(0, abs=1e-9)
    assert mix_e((500, 300, 200), q0=q0, q0_total=10_000) < 0
    assert mix_e((400, 300, 300), q0=q0, q0_total=10_000) > math.log(1000)


@pytest.mark.no_cover
@pytest.mark.parametrize("behind", [3, 9])
@pytest.mark.parametrize("mix", [(0.5, 0.3, 0.2), (0.25,) * 4])
def test_an_estimated_mix_keeps_the_promise_while_both_grow(
    behind: int, mix: tuple[float, ...]
) -> None:
    rng, runs, looks, alarms = np.random.default_rng(9), 300, 40, 0
    for _ in range(runs):
        stable = np.cumsum(rng.multinomial(behind * 200, mix, size=looks), axis=0)
        candidate = np.cumsum(rng.multinomial(200, mix, size=looks), axis=0)
        alarms += any(
            mix_e(new, q0=distances.smoothed_shares(old), q0_total=old.sum()) >= math.log(100)
            for new, old in zip(candidate, stable, strict=True)
        )

    assert alarms / runs <= 0.01 + 3 * math.sqrt(0.01 / runs)


@pytest.mark.parametrize(("behind", "enough"), [(1000, False), (2999, False), (3000, True)])
def test_a_mix_from_few_observations_is_no_standard(behind: int, *, enough: bool) -> None:
    found = distances.multinomial_log_e((700, 300), q0=(0.6, 0.4), q0_total=behind)

    refused = f"the mix is estimated from {behind} observations; 1000 need 3000"
    assert enough == isinstance(found, float)
    assert enough or found == Problem(reason=Reason.INSUFFICIENT, message=refused)


# --- bad input -----------------------------------------------------------------------------------


def test_what_cannot_be_compared_is_named() -> None:
    empty, single, good = (0, 0, 0), (5,), (5, 4, 3)
    calls = {
        "psi": distances.psi,
        "jensen_shannon": distances.jensen_shannon,
        "hellinger": distances.hellinger,
        "chi_square": distances.chi_square,
        "kolmogorov_smirnov": distances.kolmogorov_smirnov,
        "total_variation": lambda r, *, current: distances.total_variation(
            r, current=current, seed=1
        ),
        "psi_larger_than": lambda r, *, current: distances.psi_larger_than(
            r, current=current, delta=0.1
        ),
        "wasserstein": lambda r, *, current: distances.wasserstein(
            r, current=current, edges=(0.0, 1.0), seed=1
        ),
    }
    for name, call in calls.items():
        cases = [(empty, good, Reason.NO_DATA), (good, empty, Reason.NO_DATA)]
        cases.append((single, single, Reason.INSUFFICIENT))
        for reference, current, reason in cases:
            found = call(reference, current=current)
            assert isinstance(found, Problem), name
            assert found.reason is reason, name
    outside = distances.wasserstein((9, 0, 0), current=good, edges=(0.0, 1.0), seed=1)
    assert isinstance(outside, Problem)
    assert isinstance(distances.design_effect(good, good_windows=[]), Problem)
    assert isinstance(distances.design_effect(good, good_windows=[empty]), Problem)


@pytest.mark.parametrize("bad", [(math.nan, 1), (-1, 2), (math.inf, 1), (1, 2, 3)])
def test_impossible_counts_are_refused(bad: tuple[float, ...]) -> None:
    with pytest.raises(AssertionError):
        distances.psi((1, 1), current=bad)
