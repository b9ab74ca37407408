from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sklearn import isotonic, metrics

from tidegate.evidence.drift import cbpe
from tidegate.evidence.drift.cbpe import Estimate

scores = st.lists(st.floats(0, 1), min_size=1, max_size=60)


def counters(values: list[float], *, threshold: float) -> Estimate:
    high = [score for score in values if score >= threshold]
    low = [score for score in values if score < threshold]
    return cbpe.cbpe_counters(len(high), s1=math.fsum(high), n0=len(low), s0=math.fsum(low))


@given(scores, st.floats(0, 1))
def test_four_counters_equal_the_sum_over_rows(values: list[float], threshold: float) -> None:
    found = counters(values, threshold=threshold)

    rows = [(score, score >= threshold) for score in values]
    right = math.fsum(score if said else 1 - score for score, said in rows)
    assert found.tp == pytest.approx(math.fsum(s for s, said in rows if said), abs=1e-9)
    assert found.fp == pytest.approx(math.fsum(1 - s for s, said in rows if said), abs=1e-9)
    assert found.fn == pytest.approx(math.fsum(s for s, said in rows if not said), abs=1e-9)
    assert found.tn == pytest.approx(math.fsum(1 - s for s, said in rows if not said), abs=1e-9)
    assert found.accuracy == pytest.approx(right / len(rows), abs=1e-9)


@given(scores)
def test_accuracy_at_one_half_is_never_below_one_half(values: list[float]) -> None:
    found = counters(values, threshold=0.5)

    assert found.accuracy is not None
    assert found.accuracy >= 0.5 - 1e-12


def test_calibrated_scores_tell_what_labels_would() -> None:
    rng = np.random.default_rng(21)
    values = rng.beta(0.5, 1.5, size=200_000)
    truth, said = rng.random(values.size) < values, values >= 0.4

    found = counters(values.tolist(), threshold=0.4)

    assert found.accuracy == pytest.approx(metrics.accuracy_score(truth, said), abs=5e-3)
    assert found.precision == pytest.approx(metrics.precision_score(truth, said), abs=5e-3)
    assert found.recall == pytest.approx(metrics.recall_score(truth, said), abs=5e-3)
    assert found.f1 == pytest.approx(metrics.f1_score(truth, said), abs=5e-3)
    specificity = metrics.recall_score(~truth, ~said)
    assert found.specificity == pytest.approx(specificity, abs=5e-3)


def test_a_zero_denominator_is_no_estimate() -> None:
    nothing = cbpe.cbpe_counters(0, s1=0, n0=0, s0=0)
    negatives = cbpe.cbpe_counters(0, s1=0, n0=10, s0=0)

    assert (nothing.accuracy, nothing.f1, nothing.specificity) == (None, None, None)
    assert (negatives.accuracy, negatives.specificity) == (1, 1)
    assert (negatives.precision, negatives.recall, negatives.f1) == (None, None, None)


@pytest.mark.parametrize(("n1", "s1"), [(5, 5.1), (5, -0.1), (5, math.nan)])
def test_sums_beyond_their_count_are_refused(n1: float, s1: float) -> None:
    with pytest.raises(AssertionError):
        cbpe.cbpe_counters(n1, s1=s1, n0=0, s0=0)


# --- bins ----------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=1, max_size=12),
)
def test_recalibration_is_the_weighted_isotonic_fit(rows: list[tuple[int, float]]) -> None:
    n = [total for total, _ in rows]
    positives = [round(total * share) for total, share in rows]

    found = cbpe.recalibrate(positives, n=n)

    raw = [(k + 0.5) / (total + 1) for k, total in zip(positives, n, strict=True)]
    fit = isotonic.IsotonicRegression().fit_transform(
        np.arange(len(n)), raw, sample_weight=[total + 1 for total in n]
    )
    assert found.c_hat == pytest.approx(tuple(fit), abs=1e-9)
    assert list(found.c_hat) == sorted(found.c_hat)
    assert all(0 < chance < 1 for chance in found.c_hat)
    assert all(variance > 0 for variance in found.variance)


@given(
    st.lists(st.tuples(st.integers(0, 400), st.floats(0, 1)), min_size=1, max_size=12),
    st.integers(0, 12),
)
def test_bins_and_counters_agree(rows: list[tuple[int, float]], cut: int) -> None:
    threshold = min(cut, len(rows))
    n, c_hat = [total for total, _ in rows], [chance for _, chance in rows]
    found = cbpe.cbpe_bins(n, c_hat=c_hat, threshold=threshold, variance=[0.0] * len(n))

    def sums(part: list[tuple[int, float]]) -> tuple[float, float]:
        total = float(sum(count for count, _ in part))
        return total, min(total, math.fsum(count * chance for count, chance in part))

    (n1, s1), (n0, s0) = sums(rows[threshold:]), sums(rows[:threshold])
    expected = cbpe.cbpe_counters(n1, s1=s1, n0=n0, s0=s0)
    for name in ("tp", "fp", "fn", "tn"):
        one, other = getattr(found.estimate, name), getattr(expected, name)
        assert one == pytest.approx(other, abs=1e-6)
    assert found.auroc is None or 0 <= found.auroc <= 1


def test_the_deviation_of_the_accuracy_covers_labels_and_calibration() -> None:
    rng = np.random.default_rng(22)
    n, chance = np.array([300, 100, 200]), np.array([0.1, 0.5, 0.85])
    reference = np.array([150, 80, 120])
    deviations, estimates = [], []
    for _ in range(800):
        told = cbpe.recalibrate(rng.binomial(reference, chance), n=reference)
        found = cbpe.cbpe_bins(n, c_hat=told.c_hat, threshold=1, variance=told.variance)
        assert found.accuracy_sd is not None
        positives = rng.binomial(n, chance)
        accuracy = (positives[1:].sum() + n[0] - positives[0]) / n.sum()
        deviations.append(found.estimate.accuracy - accuracy)
        estimates.append(found.accuracy_sd)

    assert np.mean(estimates) == pytest.approx(np.std(deviations), rel=0.08)
    assert np.mean(deviations) == pytest.approx(0, abs=5e-3)


def test_the_expected_auroc_is_that_of_weighted_labels() -> None:
    n, c_hat = [40, 30, 20], [0.1, 0.4, 0.8]
    found = cbpe.cbpe_bins(n, c_hat=c_hat, threshold=2, variance=[0.0] * 3)

    truth = [0, 1] * 3
    score = [0, 0, 1, 1, 2, 2]
    weight = [36, 4, 18, 12, 4, 16]
    expected = metrics.roc_auc_score(truth, score, sample_weight=weight)
    assert found.auroc == pytest.approx(expected, rel=1e-12)


def test_empty_bins_estimate_nothing() -> None:
    found = cbpe.cbpe_bins([0, 0], c_hat=[0.1, 0.9], threshold=1, variance=[0.0, 0.0])

    assert (found.accuracy_sd, found.auroc, found.estimate.accuracy) == (None, None, None)


@pytest.mark.parametrize(
    ("estimate", "sd", "margin", "left"),
    [
        (0.90, 0.01, 0.02, False),
        (0.86, 0.01, 0.02, True),
        (0.94, 0.01, 0.02, True),
        (0.86, 0.02, 0.02, False),
        (0.86, 0.01, 0.05, False),
    ],
)
def test_an_estimate_must_leave_both_noise_and_margin(
    estimate: float, sd: float, margin: float, *, left: bool
) -> None:
    assert cbpe.performance_left(estimate, reference=0.9, sd=sd, margin=margin) is left
