"""Concept drift seen through labels: calibration and ranking. Labels by cohort are in `cohorts`.

Source: evidence.md, 11.1.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tidegate.evidence import combine
from tidegate.evidence.drift import numeric, resampling
from tidegate.evidence.drift.numeric import Numbers, Vector
from tidegate.evidence.terms import Problem

TINY_SHARE = 1e-12  # closer to 0 or 1 the exact test overflows, and any surprise is certain anyway


@dataclass(frozen=True, slots=True, kw_only=True)
class Calibration:
    """How far positives are from what the scores promised.

    `ece` is the expected calibration error, 0 to 1. Shapes: `rejected` and `adjusted_p` (bins,),
    Holm over the bins; an empty bin is never rejected.
    """

    ece: float
    rejected: tuple[bool, ...]
    adjusted_p: tuple[float, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Auroc:
    """Chance that a positive scores above a negative, and its standard deviation."""

    value: float
    sd: float


def calibration(
    n: Iterable[float],
    *,
    score_sums: Iterable[float],
    positives: Iterable[int],
    alpha: float,
) -> Calibration | Problem:
    """Whether labels keep what the scores promise: an exact test per bin, Holm over the bins.

    Shapes: all (bins,), bins by score.
    Units:  labelled predictions, the sum of their scores, positives among them: whole numbers
            with positives <= n, 0 <= score sum <= n.
    Errors: Problem(NoData) without predictions.
    Source: evidence.md, 11.1.
    """
    totals, sums, found = numeric.counts(n), numeric.counts(score_sums), numeric.counts(positives)
    assert (sums <= totals + 1e-9 * totals).all(), "scores must not exceed 1"
    assert (found <= totals).all(), "more positives than predictions"
    if not totals.any():
        return numeric.no_data("no labelled predictions")
    seen = totals > 0
    promised = np.minimum(np.divide(sums, totals, out=np.zeros_like(sums), where=seen), 1.0)
    p_values = [
        _binomial_p(positives, total=total, share=share)
        for positives, total, share in zip(
            found.tolist(), totals.tolist(), promised.tolist(), strict=True
        )
    ]
    verdict = combine.holm(p_values, alpha=alpha)
    return Calibration(
        ece=math.fsum(np.abs(found - promised * totals)) / math.fsum(totals),
        rejected=verdict.rejected,
        adjusted_p=verdict.adjusted,
    )


def auroc(
    positives: Numbers,
    *,
    negatives: Numbers,
    seed: int,
    draws: int = resampling.DRAWS,
) -> Auroc | Problem:
    """Area under the ROC curve of binned scores; a tie within a bin counts half.

    For one planned look: the deviation comes from seeded resampling within each class.

    Shapes: positives and negatives (bins,), bins of ascending score. `seed` from
            `resampling.seed_of`.
    Units:  counts by true class.
    Errors: Problem(NoData) when a class is empty.
    Source: evidence.md, 11.1 and 14.
    """
    first, second = numeric.counts(positives), numeric.counts(negatives)
    assert first.size == second.size, (first.size, second.size)
    if not first.any() or not second.any():
        return numeric.no_data("a class has no labels")
    rng = resampling.generator(seed)
    shares = [side / math.fsum(side) for side in (first, second)]
    drawn = [
        resampling.multinomial_shares(math.fsum(side), shares=share, rng=rng, draws=draws)
        for side, share in zip((first, second), shares, strict=True)
    ]
    spread = ranked_above(drawn[0], negatives=drawn[1])
    value = float(ranked_above(shares[0], negatives=shares[1]))
    return Auroc(value=value, sd=float(spread.std(ddof=1)))


def ranked_above(positives: Vector, *, negatives: Vector) -> Vector:
    """Chance that a positive stands in a higher bin than a negative, plus half that of a tie.

    Shapes: shares by class (..., bins), bins of ascending score; result (...).
    """
    below = np.cumsum(negatives, axis=-1) - negatives / 2
    return np.asarray((positives * below).sum(axis=-1))


def _binomial_p(positives: float, *, total: float, share: float) -> float:
    assert positives.is_integer(), positives
    assert total.is_integer(), total
    if total == 0:
        return 1.0
    inside = min(max(share, TINY_SHARE), 1 - TINY_SHARE)
    return float(stats.binomtest(int(positives), int(total), inside).pvalue)
