"""Means and gauges, of which Prometheus tells no variance: one observation per interval.

    >>> series = mean_differences(sums_c, n_c=n_c, sums_s=sums_s, n_s=n_s, scale=Scale.RATIO)
    >>> mean_sequence(series, alpha=0.05)

Prefer a histogram wherever there is one: the mean of a heavy tail is a poor guard. Bounded scores
in [0, 1] go through the bet of evidence.md, 3.4, with the observation and limit of `score_bet`.

Source: evidence.md, 9.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from scipy import stats

from tidegate.evidence.drift import numeric
from tidegate.evidence.drift.fixed import Interval
from tidegate.evidence.drift.numeric import Numbers
from tidegate.evidence.terms import Problem

MIN_INTERVALS = 20  # before that the estimated variance makes too many false alarms
T_STAR = 30.0


class Scale(enum.StrEnum):
    """How two means are compared."""

    DIFFERENCE = "Difference"
    RATIO = "Ratio"


@dataclass(frozen=True, slots=True, kw_only=True)
class MeanInterval:
    """Where the mean lies, valid at every look. Units: those of the data, `intervals` a count."""

    lower: float
    upper: float
    mean: float
    sd: float
    intervals: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ScoreBet:
    """What the bet of evidence.md, 3.4, takes: observations y (t,) in [0, 1] and their limit q."""

    y: tuple[float, ...]
    q: float


def mean_differences(
    sums_c: Iterable[float],
    *,
    n_c: Iterable[float],
    sums_s: Iterable[float],
    n_s: Iterable[float],
    scale: Scale,
) -> tuple[float, ...]:
    """Candidate's mean against stable's, once per interval that has both.

    Shapes: all four (t,); the result is shorter by the intervals without observations in an arm,
            and for a ratio by those whose mean is not above 0.
    Units:  a difference in the unit of the data, or the natural logarithm of the ratio.
    Source: evidence.md, 9.
    """
    found = []
    for sum_c, count_c, sum_s, count_s in zip(sums_c, n_c, sums_s, n_s, strict=True):
        if count_c > 0 and count_s > 0:
            mean_c, mean_s = sum_c / count_c, sum_s / count_s
            match scale:
                case Scale.DIFFERENCE:
                    found.append(mean_c - mean_s)
                case Scale.RATIO:
                    if mean_c > 0 and mean_s > 0:
                        found.append(math.log(mean_c / mean_s))
                case _:
                    assert_never(scale)
    return tuple(found)


def mean_sequence(
    d: Iterable[float], *, alpha: float, t_star: float = T_STAR
) -> MeanInterval | Problem:
    """Interval for the mean of d that holds at all looks together, from interval 20 on.

    Asymptotic: neither an e-value nor exact. A one-sided guard spends alpha/2.

    Shapes: d (t,), one value per interval.
    Units:  limits in the unit of d; alpha is two-sided; t_star is the number of intervals at
            which the interval is tightest.
    Errors: Problem(Insufficient) before 20 intervals, and when all values are alike.
    Source: evidence.md, 9; Waudby-Smith et al. 2021 (2103.06476), theorem 2.2.
    """
    assert 0 < alpha < 1, alpha
    assert t_star > 0, t_star
    values = numeric.finite(d)
    t = values.size
    if t < MIN_INTERVALS:
        return numeric.insufficient(f"{t} intervals; {MIN_INTERVALS} are needed")
    mean = math.fsum(values) / t
    sd = math.sqrt(math.fsum((value - mean) ** 2 for value in values.tolist()) / (t - 1))
    if sd <= 0 or bool((values == values[0]).all()):
        return numeric.insufficient("no variance: all intervals are alike")
    reach = sd * _boundary(t, alpha=alpha, t_star=t_star)
    return MeanInterval(lower=mean - reach, upper=mean + reach, mean=mean, sd=sd, intervals=t)


def score_bet(
    means_c: Iterable[float], *, means_s: Iterable[float], margin: float
) -> ScoreBet | Problem:
    """Bounded scores of two arms as a bet: evidence grows while stable's score is the higher one.

    H0: the candidate's expected score is at most `margin` below stable's. For one arm against a
    limit on a score where more is worse, bet on the interval means themselves.

    Shapes: means_c and means_s (t,), interval means in [0, 1]; margin from 0 to below 1.
    Errors: Problem(NoData) without intervals.
    Source: evidence.md, 9 and 3.4.
    """
    assert 0 <= margin < 1, margin
    y = []
    for mean_c, mean_s in zip(means_c, means_s, strict=True):
        assert 0 <= mean_c <= 1, mean_c
        assert 0 <= mean_s <= 1, mean_s
        y.append((1 + mean_s - mean_c) / 2)
    if not y:
        return numeric.no_data("no interval has both arms")
    return ScoreBet(y=tuple(y), q=(1 + margin) / 2)


def theil_sen(values: Numbers, *, seconds: Numbers, conf: float) -> Interval | Problem:
    """Median slope of a gauge, robust against outliers: a leak shows as growth beyond stable's.

    Advisory: a gauge has no randomised unit.

    Shapes: values and seconds (t,), seconds rising.
    Units:  result in the unit of values per second; conf as a share.
    Errors: Problem(Insufficient) below two instants.
    Source: evidence.md, 9; Theil 1950, Sen 1968.
    """
    assert 0 < conf < 1, conf
    y, x = numeric.finite(values), numeric.finite(seconds)
    assert y.size == x.size, (y.size, x.size)
    assert (np.diff(x) > 0).all(), "instants must rise"
    if x.size < 2:
        return numeric.insufficient("a slope needs two instants")
    # Counted from the first instant: unix seconds would cost the slope half of its digits.
    found = stats.theilslopes(y, x - x[0], alpha=conf)
    return Interval(
        lower=float(found.low_slope), upper=float(found.high_slope), estimate=float(found.slope)
    )


def _boundary(t: int, *, alpha: float, t_star: float) -> float:
    """Half-width of the interval in standard deviations."""
    rho2 = (-2 * math.log(alpha) + math.log1p(-2 * math.log(alpha))) / t_star
    growth = t * rho2 + 1
    return math.sqrt(2 * growth / (t * t * rho2) * math.log(math.sqrt(growth) / alpha))
