"""Fixed-horizon statistics: one planned look at final numbers, for reports and notebooks.

    >>> wilson(10, n=100, conf=0.95).lower
    0.05522913706067509

Looked at again and again these tests are wrong: a two-sided 5 % test looked at 60 times rejects a
third of all healthy releases. Decisions during a rollout come from the e-processes.

Source: evidence.md, 8.
"""

from __future__ import annotations

import enum
import math
import statistics
from collections.abc import Iterable
from dataclasses import dataclass
from typing import assert_never

import numpy as np
from scipy import stats

from tidegate.evidence.drift import numeric
from tidegate.evidence.drift.numeric import Numbers
from tidegate.evidence.terms import Problem

MIN_POINTS = 30  # below this the normal approximation of the rank sum is not trusted

_NORMAL = statistics.NormalDist()


class Side(enum.StrEnum):
    """Which departures of the first sample from the second speak against equality."""

    GREATER = "Greater"
    LESS = "Less"
    TWO_SIDED = "TwoSided"


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """A confidence interval around an estimate, all in the unit of the data."""

    lower: float
    upper: float
    estimate: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Significance:
    """A test statistic and the chance of one at least as extreme when nothing differs."""

    statistic: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Stratum:
    """Bad events and requests of both arms in one stretch of constant conditions.

    Units: events and requests; 0 <= x <= n.
    """

    x_c: float
    n_c: float
    x_s: float
    n_s: float


def wilson(x: float, *, n: float, conf: float) -> Interval | Problem:
    """Score interval of one rate; it stays inside [0, 1].

    Units:  x events out of n requests; conf as a share, such as 0.95.
    Errors: Problem(NoData) when n is 0.
    Source: evidence.md, 8; Wilson 1927.
    """
    numeric.assert_events(x, n=n)
    if n == 0:
        return numeric.no_data("no requests")
    z = _two_sided_z(conf)
    rate = x / n
    middle = rate + z * z / (2 * n)
    reach = z * math.sqrt(rate * (1 - rate) / n + z * z / (4 * n * n))
    scale = 1 + z * z / n
    # the ends are exact where rounding would leave 1e-17
    lower = 0.0 if x == 0 else max(0.0, (middle - reach) / scale)
    upper = 1.0 if x == n else min(1.0, (middle + reach) / scale)
    return Interval(lower=lower, upper=upper, estimate=rate)


def newcombe(x1: float, *, n1: float, x2: float, n2: float, conf: float) -> Interval | Problem:
    """Interval of the difference of two rates, first minus second, inside [-1, 1].

    Units:  events and requests; conf as a share.
    Errors: Problem(NoData) when n1 or n2 is 0.
    Source: evidence.md, 8; Newcombe 1998, method 10.
    """
    one, two = wilson(x1, n=n1, conf=conf), wilson(x2, n=n2, conf=conf)
    if isinstance(one, Problem):
        return one
    if isinstance(two, Problem):
        return two
    difference = one.estimate - two.estimate
    down = math.hypot(one.estimate - one.lower, two.upper - two.estimate)
    up = math.hypot(one.upper - one.estimate, two.estimate - two.lower)
    return Interval(
        lower=max(-1.0, difference - down), upper=min(1.0, difference + up), estimate=difference
    )


def fisher_greater(x1: int, *, n1: int, x2: int, n2: int) -> Significance:
    """Exact one-sided test that the first rate is the greater one; for small counts.

    Units:  events and requests, whole numbers. The statistic is the odds ratio of the sample
            (nan without any event, or without any success).
    Errors: none; without data p is 1.
    Source: evidence.md, 8; Fisher 1935.
    """
    numeric.assert_events(x1, n=n1)
    numeric.assert_events(x2, n=n2)
    found = stats.fisher_exact([[x1, n1 - x1], [x2, n2 - x2]], alternative="greater")
    return Significance(statistic=float(found.statistic), p=min(1.0, float(found.pvalue)))


def two_proportion_z(
    x1: float, *, n1: float, x2: float, n2: float, side: Side, pooled: bool
) -> Significance | Problem:
    """Normal test of two rates, first against second; for large counts.

    Units:  events and requests. `pooled` takes the variance at equal rates, otherwise each arm
            brings its own.
    Errors: Problem(NoData) when n1 or n2 is 0, Problem(Insufficient) when the variance is 0.
    Source: evidence.md, 8.
    """
    numeric.assert_events(x1, n=n1)
    numeric.assert_events(x2, n=n2)
    if n1 == 0 or n2 == 0:
        return numeric.no_data("one arm has no requests")
    one, two = x1 / n1, x2 / n2
    both = (x1 + x2) / (n1 + n2)
    variance = (
        both * (1 - both) * (1 / n1 + 1 / n2)
        if pooled
        else one * (1 - one) / n1 + two * (1 - two) / n2
    )
    if variance <= 0:
        return numeric.insufficient("no variance: all events are alike")
    return _z_test((one - two) / math.sqrt(variance), side=side)


def mantel_haenszel(strata: Iterable[Stratum], *, side: Side) -> Significance | Problem:
    """Test of equal rates in all strata at once; weight and base rate may differ between strata.

    Shapes: any number of strata; their order does not matter.
    Errors: Problem(Insufficient) when no stratum has both arms, an event and a success.
    Source: evidence.md, 8; Mantel and Haenszel 1959, without continuity correction.
    """
    excess: list[float] = []
    variance: list[float] = []
    for row in strata:
        numeric.assert_events(row.x_c, n=row.n_c)
        numeric.assert_events(row.x_s, n=row.n_s)
        requests, events = row.n_c + row.n_s, row.x_c + row.x_s
        if requests <= 1:
            continue
        excess.append(row.x_c - row.n_c * events / requests)
        # shares first: products of four counts of 1e9 would still fit, but lose digits
        arms = (row.n_c / requests) * (row.n_s / requests)
        variance.append(arms * events * (requests - events) / (requests - 1))
    spread = math.fsum(variance)
    if spread <= 0:
        return numeric.insufficient("no stratum can tell the arms apart")
    return _z_test(math.fsum(excess) / math.sqrt(spread), side=side)


def mann_whitney(x: Numbers, *, y: Numbers, side: Side) -> Significance | Problem:
    """Rank-sum test of values x against y; normal approximation, ties and continuity corrected.

    Shapes: x (n,) and y (m,), n and m at least 30. The statistic is U of x.
    Errors: Problem(Insufficient) below 30 points.
    Source: evidence.md, 8; Mann and Whitney 1947.
    """
    first, second = numeric.finite(x), numeric.finite(y)
    if min(first.size, second.size) < MIN_POINTS:
        return _few_points(first.size, second.size)
    if min(first.min(), second.min()) == max(first.max(), second.max()):
        return Significance(statistic=first.size * second.size / 2, p=1.0)
    found = stats.mannwhitneyu(first, second, alternative=_scipy_side(side), method="asymptotic")
    return Significance(statistic=float(found.statistic), p=float(found.pvalue))


def shift_interval(x: Numbers, *, y: Numbers, conf: float) -> Interval | Problem:
    """All shifts of x against y that the two-sided rank-sum test does not reject.

    Between two neighbouring pairwise differences nothing changes, so the ends are two of the
    sorted differences: the closure of the accepted set, exact also under ties. Where ties make
    every shift rejected, both ends are the one at which the rejection changes sides. The estimate
    is the median difference (Hodges and Lehmann).

    Shapes: x (n,) and y (m,), n and m at least 30; works on n*m differences in memory.
    Units:  those of x and y; conf as a share.
    Errors: Problem(Insufficient) below 30 points.
    Source: evidence.md, 8.
    """
    first, second = numeric.finite(x), numeric.finite(y)
    if min(first.size, second.size) < MIN_POINTS:
        return _few_points(first.size, second.size)
    differences = np.sort(np.subtract.outer(first, second), axis=None)
    pairs = differences.size
    middle = pairs / 2
    reach = 0.5 + _two_sided_z(conf) * math.sqrt(_rank_sum_variance(first, second))
    most = min(math.floor(middle + reach), pairs - 1)
    return Interval(
        lower=float(differences[pairs - 1 - most]),
        upper=float(differences[most]),
        estimate=float(np.median(differences)),
    )


def cles(candidate: Numbers, *, control: Numbers) -> float:
    """Chance that a value of the candidate is above one of the control; a tie counts half.

    Shapes: candidate (n,) and control (m,), both non-empty.
    Source: evidence.md, 8; McGraw and Wong 1992.
    """
    mine, theirs = numeric.finite(candidate), np.sort(numeric.finite(control))
    assert mine.size, "no candidate values"
    assert theirs.size, "no control values"
    below = np.searchsorted(theirs, mine, side="left").sum()
    not_above = np.searchsorted(theirs, mine, side="right").sum()
    return float(below + not_above) / (2 * mine.size * theirs.size)


def _rank_sum_variance(first: numeric.Vector, second: numeric.Vector) -> float:
    """Variance of U at a shift that makes no new ties: only ties inside each sample count."""
    total = first.size + second.size
    ties = math.fsum(float((count**3 - count).sum()) for count in map(_repeats, (first, second)))
    return first.size * second.size / 12 * (total + 1 - ties / (total * (total - 1)))


def _repeats(values: numeric.Vector) -> numeric.Vector:
    return np.unique(values, return_counts=True)[1].astype(np.float64)


def _z_test(z: float, *, side: Side) -> Significance:
    match side:
        case Side.GREATER:
            p = 0.5 * math.erfc(z / math.sqrt(2))
        case Side.LESS:
            p = 0.5 * math.erfc(-z / math.sqrt(2))
        case Side.TWO_SIDED:
            p = math.erfc(abs(z) / math.sqrt(2))
        case _:
            assert_never(side)
    return Significance(statistic=z, p=p)


def _scipy_side(side: Side) -> str:
    match side:
        case Side.GREATER:
            return "greater"
        case Side.LESS:
            return "less"
        case Side.TWO_SIDED:
            return "two-sided"
        case _:
            assert_never(side)


def _two_sided_z(conf: float) -> float:
    assert 0 < conf < 1, conf
    return -_NORMAL.inv_cdf((1 - conf) / 2)


def _few_points(first: int, second: int) -> Problem:
    return numeric.insufficient(f"{first} and {second} points; {MIN_POINTS} each are needed")
