from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from tidegate.evidence.counts import dispersion
from tidegate.evidence.drift import concept, resampling
from tidegate.evidence.drift.concept import Auroc, Confusion, LabelCounts, Maturity, Measure
from tidegate.evidence.sequential import relative
from tidegate.evidence.terms import Problem, Reason

HOUR = 3600.0
NOW = 100 * HOUR
PHI = dispersion.given(1.0)
SEED = resampling.seed_of("1b4e28ba", stream="auroc", window_start=NOW)
CONFUSION = Confusion(tp=60, fp=20, fn=30, tn=90)

cells = st.integers(0, 500)


@pytest.mark.parametrize(
    ("measure", "n", "x", "value"),
    [
        (Measure.ACCURACY, 200, 50, 0.75),
        (Measure.PRECISION, 80, 20, 0.75),
        (Measure.RECALL, 90, 30, 2 / 3),
        (Measure.F1, 110, 50, 120 / 170),
    ],
)
def test_qualities_as_events(measure: Measure, n: float, x: float, value: float) -> None:
    counts = concept.label_counts(CONFUSION, measure=measure)

    assert counts == LabelCounts(labelled=200, n=n, x=x)
    assert concept.measured(counts, measure=measure) == pytest.approx(value, rel=1e-12)


SKLEARN = {
    Measure.ACCURACY: metrics.accuracy_score,
    Measure.PRECISION: metrics.precision_score,
    Measure.RECALL: metrics.recall_score,
    Measure.F1: metrics.f1_score,
}


@pytest.mark.parametrize("measure", list(Measure))
def test_qualities_agree_with_scikit_learn(measure: Measure) -> None:
    cells = [(1, 1, 60), (0, 1, 20), (1, 0, 30), (0, 0, 90)]
    truth = np.repeat([one[0] for one in cells], [one[2] for one in cells])
    said = np.repeat([one[1] for one in cells], [one[2] for one in cells])

    found = concept.measured(concept.label_counts(CONFUSION, measure=measure), measure=measure)

    assert found == pytest.approx(SKLEARN[measure](truth, said), rel=1e-12)


@given(cells, cells, cells, cells, cells, cells)
def test_f1_and_its_events_are_ordered_alike(  # noqa: PLR0917
    tp: int, fp: int, fn: int, tp2: int, fp2: int, fn2: int
) -> None:
    def both(tp: int, fp: int, fn: int) -> tuple[float, float] | None:
        counts = concept.label_counts(Confusion(tp=tp, fp=fp, fn=fn, tn=7), measure=Measure.F1)
        f1 = concept.measured(counts, measure=Measure.F1)
        return None if f1 is None else (f1, 1 - counts.x / counts.n)

    one, two = both(tp, fp, fn), both(tp2, fp2, fn2)
    if one and two and abs(one[1] - two[1]) > 1e-12:
        assert (one[0] < two[0]) == (one[1] < two[1])


def test_without_events_there_is_no_quality() -> None:
    none = concept.label_counts(Confusion(tp=0, fp=0, fn=0, tn=9), measure=Measure.F1)

    assert concept.measured(none, measure=Measure.F1) is None


# --- cohorts -------------------------------------------------------------------------------------


def maturity(*, usual: float = 100.0, delay: float = 12 * HOUR) -> Maturity:
    return Maturity(
        label_delay_seconds=delay,
        usual_labels={hour * HOUR: usual for hour in range(100)},
    )


def labels(labelled: float, x: float) -> LabelCounts:
    return LabelCounts(labelled=labelled, n=labelled, x=x)


def cohorts(
    counters: dict[str, dict[float, LabelCounts]], *, rules: Maturity | None = None
) -> concept.Cohorts:
    return concept.cohort_rows(
        counters,
        candidate="new",
        stable="old",
        now=NOW,
        maturity=rules or maturity(),
        phi=PHI,
    )


@pytest.mark.parametrize(
    ("case", "hour", "labelled", "ripe"),
    [
        ("old enough and enough labels", 87, 80, True),
        ("a second too young", 87 + 1 / 3600, 80, False),
        ("too few labels", 50, 79, False),
        ("no usual volume is known", 60.5, 500, False),
    ],
)
def test_when_a_cohort_counts(case: str, hour: float, labelled: float, *, ripe: bool) -> None:
    start = hour * HOUR
    rules = maturity()
    if case == "a second too young":
        rules = Maturity(label_delay_seconds=12 * HOUR, usual_labels={start: 100.0})
    counters = {"new": {start: labels(20, 1)}, "old": {start: labels(labelled - 20, 3)}}

    found = cohorts(counters, rules=rules)

    assert len(found.rows) == ripe, case
    assert found.immature == (() if ripe else (start,)), case


def test_only_cohorts_of_both_revisions_are_compared_at_one_age() -> None:
    counters = {
        "new": {80 * HOUR: labels(10, 1), 70 * HOUR: labels(20, 2), 10 * HOUR: labels(90, 9)},
        "old": {70 * HOUR: labels(80, 3), 80 * HOUR: labels(90, 4), 20 * HOUR: labels(90, 5)},
        "odd": {70 * HOUR: labels(80, 80)},
    }

    found = cohorts(counters)

    assert [row.start / HOUR for row in found.rows] == [70, 80]
    assert [row.age_seconds / HOUR for row in found.rows] == [29, 19]
    streams = [row.stream for row in found.rows]
    assert [(s.n_c, s.x_c, s.n_s, s.x_s) for s in streams] == [(20, 2, 80, 3), (10, 1, 90, 4)]
    assert found.immature == ()


def test_a_revision_without_labels_gives_no_rows() -> None:
    found = cohorts({"old": {70 * HOUR: labels(80, 3)}})

    assert found.rows == ()
    assert found.immature == ()


def test_rows_of_cohorts_go_through_the_rate_ratio_test() -> None:
    hours = [hour * HOUR for hour in range(40, 80)]

    def log_e(candidate_errors: float) -> float:
        found = cohorts(
            {
                "new": {start: labels(20, candidate_errors) for start in hours},
                "old": {start: labels(80, 8) for start in hours},
            }
        )
        streams = [row.stream for row in found.rows]
        return relative.log_value(relative.compare(streams, theta0=1.1, restart=(1.0,)))

    assert log_e(2) < 0
    assert log_e(8) > math.log(100)


# --- calibration ---------------------------------------------------------------------------------


def test_calibration_tests_every_bin_exactly() -> None:
    n, score_sums, positives = (40, 0, 60), (8.0, 0.0, 48.0), (9, 0, 30)

    found = concept.calibration(n, score_sums=score_sums, positives=positives, alpha=0.05)

    assert not isinstance(found, Problem)
    assert found.ece == pytest.approx((1 + 18) / 100)
    tail = stats.binomtest(30, 60, 0.8).pvalue
    assert found.rejected == (False, False, True)
    assert found.adjusted_p[2] == pytest.approx(min(1, 3 * tail), rel=1e-9)
    assert found.adjusted_p[1] == 1


@given(
    st.lists(
        st.tuples(st.integers(0, 200), st.floats(0, 1), st.floats(0, 1)), min_size=1, max_size=6
    )
)
def test_calibration_error_is_a_share(rows: list[tuple[int, float, float]]) -> None:
    n = [total for total, _, _ in rows]
    found = concept.calibration(
        n,
        score_sums=[total * share for total, share, _ in rows],
        positives=[round(total * share) for total, _, share in rows],
        alpha=0.05,
    )

    if sum(n) == 0:
        assert found == Problem(reason=Reason.NO_DATA, message="no labelled predictions")
    else:
        assert not isinstance(found, Problem)
        assert 0 <= found.ece <= 1


def test_a_score_of_nought_allows_no_positive() -> None:
    for share, positives in [(0.0, (0, 1)), (1.0, (20, 19))]:
        found = concept.calibration(
            (20, 20), score_sums=(20 * share,) * 2, positives=positives, alpha=0.001
        )
        assert not isinstance(found, Problem)
        assert found.rejected == (False, True)


def test_calibrated_scores_are_rarely_rejected() -> None:
    rng, runs = np.random.default_rng(9), 300
    n, shares = np.array([80, 150, 60]), np.array([0.1, 0.4, 0.9])
    wrong = 0
    for _ in range(runs):
        found = concept.calibration(
            n, score_sums=n * shares, positives=rng.binomial(n, shares), alpha=0.05
        )
        assert not isinstance(found, Problem)
        wrong += any(found.rejected)

    assert wrong <= 0.05 * runs + 3 * math.sqrt(0.05 * 0.95 * runs)


# --- ranking -------------------------------------------------------------------------------------


def area(found: Auroc | Problem) -> Auroc:
    assert isinstance(found, Auroc), found
    return found


def delong_sd(positives: list[int], negatives: list[int]) -> float:
    """Deviation of the area from placements of single observations (DeLong 1988)."""
    high, low = (np.repeat(np.arange(len(side)), side) for side in (positives, negatives))
    wins = (high[:, None] > low[None, :]) + 0.5 * (high[:, None] == low[None, :])
    parts = wins.mean(axis=1).var(ddof=1) / high.size, wins.mean(axis=0).var(ddof=1) / low.size
    return math.sqrt(sum(parts))


@pytest.mark.parametrize(
    ("positives", "negatives"),
    [([5, 10, 20, 65], [60, 30, 20, 10]), ([30, 40, 30], [33, 34, 33]), ([0, 1, 99], [50, 50, 1])],
)
def test_auroc_agrees_with_scikit_learn_and_delong(
    positives: list[int], negatives: list[int]
) -> None:
    scores = [np.repeat(np.arange(len(side)), side) for side in (positives, negatives)]
    truth = np.repeat([1, 0], [sum(positives), sum(negatives)])

    found = area(concept.auroc(positives, negatives=negatives, seed=SEED))

    assert found.value == pytest.approx(
        metrics.roc_auc_score(truth, np.concatenate(scores)), rel=1e-12
    )
    assert found.sd == pytest.approx(delong_sd(positives, negatives), rel=0.12)
    assert found == concept.auroc(positives, negatives=negatives, seed=SEED)


@given(
    st.integers(2, 6).flatmap(
        lambda size: st.tuples(
            *[st.lists(st.integers(0, 50), min_size=size, max_size=size).filter(any)] * 2
        )
    )
)
def test_auroc_mirrors_with_the_classes(classes: tuple[list[int], list[int]]) -> None:
    one = area(concept.auroc(classes[0], negatives=classes[1], seed=SEED, draws=10))
    other = area(concept.auroc(classes[1], negatives=classes[0], seed=SEED, draws=10))
    pairs = [
        (high > low) + 0.5 * (high == low)
        for (high, a), (low, b) in itertools.product(*map(enumerate, classes))
        for _ in range(a * b)
    ]

    assert one.value + other.value == pytest.approx(1, abs=1e-12)
    assert one.value == pytest.approx(sum(pairs) / len(pairs), abs=1e-9)


def test_one_class_alone_ranks_nothing() -> None:
    found = concept.auroc([1, 2], negatives=[0, 0], seed=SEED)

    assert found == Problem(reason=Reason.NO_DATA, message="a class has no labels")
