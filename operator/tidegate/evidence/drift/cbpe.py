"""Performance estimated without labels, from scores that are calibrated.

It assumes that a score means what it meant on the reference: it sees a change of the inputs, not
one of the concept, and never an accuracy below one half at a threshold of one half. It may hold or
alert; labels decide.

    >>> cbpe_counters(400, s1=360.0, n0=600, s0=30.0).accuracy
    0.93

Source: evidence.md, 11.2.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from scipy import optimize

from tidegate.evidence.drift import concept, numeric
from tidegate.evidence.drift.numeric import Numbers

DEVIATIONS = 3.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """Expected confusion counts and what follows from them; None where a denominator is 0."""

    tp: float
    fp: float
    fn: float
    tn: float
    accuracy: float | None
    precision: float | None
    recall: float | None
    specificity: float | None
    f1: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class BinnedEstimate:
    """An estimate from score bins, the deviation of its accuracy, and the expected AUROC."""

    estimate: Estimate
    accuracy_sd: float | None
    auroc: float | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Recalibration:
    """Chance of a positive per score bin, never falling, and its variance. Shapes: both (bins,)."""

    c_hat: tuple[float, ...]
    variance: tuple[float, ...]


def cbpe_counters(n1: float, *, s1: float, n0: float, s0: float) -> Estimate:
    """Estimate from four counters of calibrated scores.

    Units: n1, n0 predicted positives and negatives, s1, s0 the sums of their scores for the
           positive class; 0 <= s <= n.
    Source: evidence.md, 11.2.
    """
    numeric.assert_events(s1, n=n1)
    numeric.assert_events(s0, n=n0)
    return _estimate(tp=s1, fp=n1 - s1, fn=s0, tn=n0 - s0)


def recalibrate(positives: Numbers, *, n: Numbers) -> Recalibration:
    """What the scores of a labelled reference mean: isotonic shares with half a count added.

    Shapes: positives and n (bins,), bins of ascending score; bins >= 1.
    Units:  counts, positives <= n.
    Source: evidence.md, 11.2; Barlow et al. 1972 for the isotonic fit.
    """
    found, totals = numeric.counts(positives), numeric.counts(n)
    assert found.size == totals.size >= 1, (found.size, totals.size)
    assert (found <= totals).all(), "more positives than predictions"
    raw = (found + 0.5) / (totals + 1)
    c_hat = np.asarray(optimize.isotonic_regression(raw, weights=totals + 1).x)
    variance = c_hat * (1 - c_hat) / (totals + 2)  # of the beta posterior
    return Recalibration(c_hat=tuple(c_hat.tolist()), variance=tuple(variance.tolist()))


def cbpe_bins(n: Numbers, *, c_hat: Numbers, threshold: int, variance: Numbers) -> BinnedEstimate:
    """Estimate from a histogram of scores and the meaning of each bin.

    The accuracy varies with the labels, n c (1 - c) per bin, and with what is not known about
    c, n^2 variance. The AUROC is the one expected from these bins.

    Shapes: n, c_hat, variance (bins,), bins of ascending score; c_hat and variance from
            `recalibrate`. `threshold` is the index of the first bin predicted positive, 0 to bins.
    Units:  counts, chances from 0 to 1.
    Source: evidence.md, 11.2.
    """
    totals, chance, unsure = numeric.counts(n), numeric.counts(c_hat), numeric.counts(variance)
    assert totals.size == chance.size == unsure.size, (totals.size, chance.size, unsure.size)
    assert (chance <= 1).all(), "a chance is above 1"
    assert 0 <= threshold <= totals.size, threshold
    positive, negative = totals * chance, totals * (1 - chance)
    estimate = _estimate(
        tp=math.fsum(positive[threshold:]),
        fp=math.fsum(negative[threshold:]),
        fn=math.fsum(positive[:threshold]),
        tn=math.fsum(negative[:threshold]),
    )
    total, positives, negatives = (math.fsum(side) for side in (totals, positive, negative))
    spread = math.fsum(positive * (1 - chance)) + math.fsum(totals**2 * unsure)
    both = positives > 0 and negatives > 0
    return BinnedEstimate(
        estimate=estimate,
        accuracy_sd=math.sqrt(spread) / total if total > 0 else None,
        auroc=float(concept.ranked_above(positive / positives, negatives=negative / negatives))
        if both
        else None,
    )


def performance_left(estimate: float, *, reference: float, sd: float, margin: float) -> bool:
    """The estimate is more than three deviations and more than the margin from the reference.

    Units: those of the estimate; `sd` is the deviation of estimates over good windows.
    Source: evidence.md, 11.2.
    """
    assert sd >= 0, sd
    assert margin >= 0, margin
    return abs(estimate - reference) > max(DEVIATIONS * sd, margin)


def _estimate(*, tp: float, fp: float, fn: float, tn: float) -> Estimate:
    return Estimate(
        tp=tp,
        fp=fp,
        fn=fn,
        tn=tn,
        accuracy=_share(tp + tn, of=tp + fp + fn + tn),
        precision=_share(tp, of=tp + fp),
        recall=_share(tp, of=tp + fn),
        specificity=_share(tn, of=tn + fp),
        f1=_share(2 * tp, of=2 * tp + fp + fn),
    )


def _share(part: float, *, of: float) -> float | None:
    return part / of if of > 0 else None
