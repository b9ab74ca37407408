"""Would harm of a given size have been found by now? The power of the test that may roll back.

The counts of stable and the requests of the candidate are taken as they were seen (or as they are
planned); only the candidate's bad events are imagined, in clumps that come at random at the rate
of the harm. What the test would have made of so many clumps follows from its own factors, so the
power is the chance of at least as many clumps as it takes to reach the limit. Looks in between
could only have found more, so this is a lower bound of the power.
Source: ADR 0027; Waudby-Smith and Ramdas 2024 for the bet, evidence.md, 3.1 and 3.2 for the tests.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.sequential import eprocess, relative
from tidegate.evidence.sequential.eprocess import RatioGrid
from tidegate.evidence.sequential.relative import Hedge

# Bad events come in pairs where nobody could measure how they clump: a version that is broken
# fails its requests one by one, and a retry makes two of one.
ASSUMED_CLUMP = 2.0
_MANY = 10_000.0  # beyond this mean a Poisson number is a normal one
_NEGLIGIBLE = 1e-16


@dataclass(frozen=True, slots=True, kw_only=True)
class Stretch:
    """Intervals of one stream under one weight, added up.

    Units: requests and bad events; `rows` intervals with requests of both arms, of which `quiet`
    had no bad event of stable.
    """

    rows: float = 0.0
    quiet: float = 0.0
    n_c: float = 0.0
    n_s: float = 0.0
    x_s: float = 0.0

    def plus(self, stream: Stream) -> Stretch:
        """The stretch after one more interval; one without both arms says nothing."""
        if not (stream.n_c > 0 and stream.n_s > 0):  # NaN is neither
            return self
        return Stretch(
            rows=self.rows + 1,
            quiet=self.quiet + (stream.x_s <= 0),
            n_c=self.n_c + stream.n_c,
            n_s=self.n_s + stream.n_s,
            x_s=self.x_s + stream.x_s,
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class Test:
    """The relative test of a metric, as far as its power depends on it.

    `log_limit` is the evidence at which it acts, what it pays for other edges and for restarts
    included; below `min_events` bad events of the candidate it does not act at all.
    """

    grid: RatioGrid
    log_limit: float
    min_events: float


def power(
    stretches: Sequence[Stretch], *, rate: float, phi: Phi, test: Test, clump: float | None = None
) -> float:
    """Chance from 0 to 1 that the test would have found a candidate with this rate of bad events.

    Units: rate from 0 to 1 of the candidate's requests; 0 where the stretches cannot show it. Bad
    events come in clumps of the dispersion, or of `clump` where that is given.
    """
    used = [one for one in stretches if one.rows > 0]
    if clump is None:
        clump = phi.value if phi.trusted else ASSUMED_CLUMP
    requests = math.fsum(one.n_c for one in used)
    most = math.floor(requests / clump)
    if rate <= 0 or most < 1:
        return 0.0
    needed = _least_clumps(used, clump=clump, phi=phi, test=test, most=most)
    if needed is None:
        return 0.0
    return at_least(needed, mean=requests * min(1.0, rate) / clump)


def at_least(count: int, *, mean: float) -> float:
    """Chance that a Poisson number with this mean is at least `count`; count >= 1, mean > 0."""
    if mean > _MANY:
        return NormalDist().cdf((mean - count + 0.5) / math.sqrt(mean))
    if count <= mean:
        return max(0.0, 1.0 - _tail(count - 1, mean=mean, step=-1))
    return min(1.0, _tail(count, mean=mean, step=1))


def _tail(first: int, *, mean: float, step: int) -> float:
    """Poisson chances from `first` on, away from the mean, until they no longer count."""
    term = math.exp(first * math.log(mean) - mean - math.lgamma(first + 1))
    total, at = 0.0, first
    while at >= 0 and term > total * _NEGLIGIBLE:
        total += term
        term *= mean / (at + 1) if step > 0 else at / mean
        at += step
    return total


def _least_clumps(
    stretches: Sequence[Stretch], *, clump: float, phi: Phi, test: Test, most: int
) -> int | None:
    """The smallest number of clumps of the candidate that the test would have acted on."""

    def acts(clumps: int) -> bool:
        if clumps * clump < test.min_events:
            return False
        found = log_evidence(stretches, clumps=clumps, clump=clump, phi=phi, test=test)
        return found >= test.log_limit

    if not acts(most):
        return None
    low, high = 0, most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if acts(middle) else (middle, high)
    return high


def log_evidence(
    stretches: Sequence[Stretch], *, clumps: float, clump: float, phi: Phi, test: Test
) -> float:
    """Log E of the test if the candidate had so many clumps, spread evenly over its requests."""
    per_request = clumps / math.fsum(one.n_c for one in stretches)
    grid = eprocess.invest(test.grid.points)
    points = len(eprocess.BET_FRACTIONS)
    bet = eprocess.begin(points) if phi.trusted else eprocess.invest(points)
    for one in stretches:
        here = per_request * one.n_c
        if not phi.trusted:  # once the dispersion is measured no bet is placed
            factors = _bet_factors(one, clumps=here, clump=clump, theta0=test.grid.theta0)
            bet = eprocess.advance(bet, log_factors=factors, phi=1.0)
        events = test.grid.log_factors(n_c=one.n_c, x_c=here * clump, n_s=one.n_s, x_s=one.x_s)
        grid = eprocess.advance(grid, log_factors=events, phi=relative.divisor(phi))
    return relative.log_value(Hedge(grid=grid, bet=bet, alone=phi.trusted))


def _bet_factors(
    stretch: Stretch, *, clumps: float, clump: float, theta0: float
) -> tuple[float, ...]:
    """Growth of the bet on the candidate's share of the bad events of each interval."""
    share = stretch.n_c / (stretch.n_c + stretch.n_s)
    limit = share * theta0 / (1 + share * (theta0 - 1))
    hit = -math.expm1(-clumps / stretch.rows)  # share of the intervals that have a clump
    loud = stretch.rows - stretch.quiet
    in_hit = clumps * clump / (stretch.rows * hit)
    beside = stretch.x_s / loud if loud > 0 else 0.0
    alone = eprocess.bet_log_factors(1.0, q=limit)
    both = eprocess.bet_log_factors(in_hit / (in_hit + beside), q=limit)
    none = eprocess.bet_log_factors(0.0, q=limit)
    return tuple(
        hit * stretch.quiet * with_quiet + loud * (hit * with_loud + (1 - hit) * without)
        for with_quiet, with_loud, without in zip(alone, both, none, strict=True)
    )
