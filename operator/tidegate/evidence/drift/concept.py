"""Concept drift seen through labels that arrive late: cohorts, calibration, ranking.

    >>> cohorts = cohort_rows(counters, candidate=new, stable=old, now=now, maturity=maturity,
    ...                       phi=dispersion.given(1.0))
    >>> relative.compare([row.stream for row in cohorts.rows], theta0=1.1, restart=(1.0,))

Source: evidence.md, 11.1.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from scipy import stats

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.drift import numeric, resampling
from tidegate.evidence.drift.numeric import Numbers, Vector
from tidegate.evidence.sequential import combine
from tidegate.evidence.terms import Problem

TINY_SHARE = 1e-12  # closer to 0 or 1 the exact test overflows, and any surprise is certain anyway


class Measure(enum.StrEnum):
    """A quality of predictions that counts can tell."""

    ACCURACY = "Accuracy"
    PRECISION = "Precision"
    RECALL = "Recall"
    F1 = "F1"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Labelled predictions by what was said and what was true. Units: counts."""

    tp: float
    fp: float
    fn: float
    tn: float


@dataclass(frozen=True, slots=True, kw_only=True)
class LabelCounts:
    """One revision in one cohort: labels that have arrived, and x bad events out of n.

    Units: counts; 0 <= x <= n <= labelled.
    """

    labelled: float
    n: float
    x: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Maturity:
    """When a cohort counts: its youngest prediction is old enough and most labels are in.

    Units: seconds; `usual_labels` per cohort (its start in unix seconds) over both revisions, from
           history; `min_share` from 0 to 1.
    """

    label_delay_seconds: float
    usual_labels: Mapping[float, float]
    cohort_seconds: float = 3600.0
    min_share: float = 0.8


@dataclass(frozen=True, slots=True, kw_only=True)
class CohortRow:
    """Both revisions over the predictions of one cohort, at one age.

    Units: start in unix seconds; age since the last prediction of the cohort.
    """

    start: float
    age_seconds: float
    stream: Stream


@dataclass(frozen=True, slots=True, kw_only=True)
class Cohorts:
    """Rows to test, oldest first, and the starts of cohorts that are not ripe yet."""

    rows: tuple[CohortRow, ...]
    immature: tuple[float, ...]


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


def label_counts(confusion: Confusion, *, measure: Measure) -> LabelCounts:
    """Labelled predictions as bad events x out of n, so that the rate-ratio test takes them.

    Source: evidence.md, 11.1, table.
    """
    one = confusion
    labelled = math.fsum(numeric.counts((one.tp, one.fp, one.fn, one.tn)))
    match measure:
        case Measure.ACCURACY:
            n, x = labelled, one.fp + one.fn
        case Measure.PRECISION:
            n, x = one.tp + one.fp, one.fp
        case Measure.RECALL:
            n, x = one.tp + one.fn, one.fn
        case Measure.F1:
            n, x = one.tp + one.fp + one.fn, one.fp + one.fn
        case _:
            assert_never(measure)
    return LabelCounts(labelled=labelled, n=n, x=x)


def measured(counts: LabelCounts, *, measure: Measure) -> float | None:
    """The quality itself, for display; None without events. F1 = 2J/(1+J) with J = 1 - x/n."""
    numeric.assert_events(counts.x, n=counts.n)
    if counts.n == 0:
        return None
    good = 1 - counts.x / counts.n
    return 2 * good / (1 + good) if measure is Measure.F1 else good


def cohort_rows(
    counters: Mapping[str, Mapping[float, LabelCounts]],
    *,
    candidate: str,
    stable: str,
    now: float,
    maturity: Maturity,
    phi: Phi,
) -> Cohorts:
    """Candidate against stable over predictions of the same time at the same age.

    A cohort counts once its last prediction is older than the label delay and its labels, of both
    revisions, reach the minimum share of the usual volume; without a known volume it never does.
    Cohorts that only one revision served are left out. The caller keeps the first row of a cohort:
    labels that come after it change nothing.

    Shapes: counters by revision, then by start of the cohort, all read at `now`.
    Units:  unix seconds; phi divides the log evidence of every row.
    Source: evidence.md, 11.1.
    """
    mine, theirs = counters.get(candidate, {}), counters.get(stable, {})
    rows, immature = [], []
    for start in sorted(mine.keys() & theirs.keys()):
        ours, other = mine[start], theirs[start]
        numeric.assert_events(ours.x, n=ours.n)
        numeric.assert_events(other.x, n=other.n)
        age = now - (start + maturity.cohort_seconds)
        if _ripe(start, age=age, labelled=ours.labelled + other.labelled, maturity=maturity):
            stream = Stream(n_c=ours.n, x_c=ours.x, n_s=other.n, x_s=other.x, phi=phi)
            rows.append(CohortRow(start=start, age_seconds=age, stream=stream))
        else:
            immature.append(start)
    return Cohorts(rows=tuple(rows), immature=tuple(immature))


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


def _ripe(start: float, *, age: float, labelled: float, maturity: Maturity) -> bool:
    usual = maturity.usual_labels.get(start, 0.0)
    enough = usual > 0 and labelled >= maturity.min_share * usual
    return enough and age >= maturity.label_delay_seconds


def _binomial_p(positives: float, *, total: float, share: float) -> float:
    assert positives.is_integer(), positives
    assert total.is_integer(), total
    if total == 0:
        return 1.0
    inside = min(max(share, TINY_SHARE), 1 - TINY_SHARE)
    return float(stats.binomtest(int(positives), int(total), inside).pvalue)
