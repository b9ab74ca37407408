from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy import stats
from sklearn import metrics

from tidegate.evidence.drift import concept, resampling
from tidegate.evidence.drift.concept import Auroc
from tidegate.evidence.terms import Problem, Reason

HOUR = 3600.0
NOW = 100 * HOUR
SEED = resampling.seed_of("1b4e28ba", stream="auroc", window_start=NOW)

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


@pytest.mark.no_cover
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
