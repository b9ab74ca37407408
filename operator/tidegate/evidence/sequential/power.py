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
_MANY = 400.0  # beyond this mean the cube root of a Poisson number is a normal one
_NEGLIGIBLE = 1e-16
# Of the points of a grid, or of the bet's, and of the two halves.
_LARGEST_SHARE = math.log(2 * max(eprocess.ROLLBACK_POINTS, len(eprocess.BET_FRACTIONS)))


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
    seen = _Seen(stretches, phi=phi, test=test, clump=clump)
    if rate <= 0 or seen.most < 1 or not seen.acts(seen.most):
        return 0.0
    low, high = 0, seen.most
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if seen.acts(middle) else (middle, high)
    return at_least(high, mean=seen.mean(rate))


def finds(
    stretches: Sequence[Stretch],
    *,
    rate: float,
    chance: float,
    phi: Phi,
    test: Test,
    clump: float | None = None,
) -> bool:
    """Whether `power` is at least `chance` (above 0, below 1): one look in place of a search."""
    seen = _Seen(stretches, phi=phi, test=test, clump=clump)
    if rate <= 0 or seen.most < 1:
        return False
    clumps = min(_quantile(chance, mean=seen.mean(rate)), seen.most)
    return clumps >= 1 and seen.acts(clumps)


def at_least(count: int, *, mean: float) -> float:
    """Chance that a Poisson number with this mean is at least `count`; count >= 1, mean > 0.

    Source: Wilson and Hilferty 1931 for large means, where it is right to four digits.
    """
    if mean > _MANY:
        root = math.cbrt(mean / count) - 1 + 1 / (9 * count)
        return NormalDist().cdf(3 * math.sqrt(count) * root)
    if count <= mean:
        return max(0.0, 1.0 - _tail(count - 1, mean=mean, step=-1))
    return min(1.0, _tail(count, mean=mean, step=1))


def _quantile(chance: float, *, mean: float) -> int:
    """The largest number that a Poisson number with this mean reaches with such a chance; 0 for none.

    Source: Cornish and Fisher 1938 for the first guess, which is hardly ever off by more than one.
    """
    score = NormalDist().inv_cdf(1.0 - chance)
    guess = mean + score * math.sqrt(mean) + (score * score - 1) / 6 + 0.5
    count = max(math.floor(guess), 0)
    while count > 0 and at_least(count, mean=mean) < chance:
        count -= 1
    while at_least(count + 1, mean=mean) >= chance:
        count += 1
    return count


def _density(count: int, *, mean: float) -> float:
    """Chance that a Poisson number with this mean is `count`."""
    return math.exp(count * math.log(mean) - mean - math.lgamma(count + 1))


def _tail(first: int, *, mean: float, step: int) -> float:
    """Poisson chances from `first` on, away from the mean, until they no longer count."""
    term = _density(first, mean=mean)
    total, at = 0.0, first
    while at >= 0 and term > total * _NEGLIGIBLE:
        total += term
        term *= mean / (at + 1) if step > 0 else at / mean
        at += step
    return total


class _Seen:
    """The stretches that say something, prepared to ask what the test makes of so many clumps.

    Clumps are spread evenly over the candidate's requests, so the grid's logarithms are straight
    lines in their number; of the bet only what depends on it is worked out at each question.
    """

    def __init__(
        self, stretches: Sequence[Stretch], *, phi: Phi, test: Test, clump: float | None
    ) -> None:
        used = [one for one in stretches if one.rows > 0]
        self._clump = clump if clump is not None else phi.value if phi.trusted else ASSUMED_CLUMP
        self._requests = math.fsum(one.n_c for one in used)
        self._test, self._phi = test, phi
        self.most = math.floor(self._requests / self._clump)
        # Once the dispersion is measured no bet is placed.
        self._bets = [] if phi.trusted else [_Bet(it, theta0=test.grid.theta0) for it in used]
        self._at_none, self._per_clump = self._lines(used) if self.most >= 1 else ([], [])

    def mean(self, rate: float) -> float:
        """Clumps to expect at this rate of bad events."""
        return self._requests * min(1.0, rate) / self._clump

    def acts(self, clumps: int) -> bool:
        """Whether the test would have acted on so many clumps of the candidate."""
        if clumps * self._clump < self._test.min_events:
            return False
        grid = [
            start + clumps * slope
            for start, slope in zip(self._at_none, self._per_clump, strict=True)
        ]
        bet = self._bet(clumps)
        # A mean lies between its largest term and that one's share of it.
        highest, limit = max(*grid, *bet), self._test.log_limit
        if highest < limit or highest - _LARGEST_SHARE >= limit:
            return highest >= limit
        hedge = Hedge(
            grid=eprocess.Process(log_s=tuple(grid), cash=0.0),
            bet=eprocess.Process(log_s=bet, cash=0.0),
            alone=self._phi.trusted,
        )
        return relative.log_value(hedge) >= limit

    def _bet(self, clumps: int) -> tuple[float, ...]:
        """Log E of the bet by fraction; empty where none is placed."""
        per_request = clumps / self._requests
        found = (one.log_factors(per_request, clump=self._clump) for one in self._bets)
        return tuple(map(sum, zip(*found, strict=True)))

    def _lines(self, used: Sequence[Stretch]) -> tuple[list[float], list[float]]:
        """By point of the grid: log E without any clump, and what each one adds."""
        grid, phi = self._test.grid, relative.divisor(self._phi)
        starts, slopes = [0.0] * grid.points, [0.0] * grid.points
        for one in used:
            events = one.n_c * self._clump / self._requests
            none = grid.log_factors(n_c=one.n_c, x_c=0.0, n_s=one.n_s, x_s=one.x_s)
            more = grid.log_factors(n_c=one.n_c, x_c=events, n_s=one.n_s, x_s=0.0)
            for index in range(grid.points):
                starts[index] += none[index] / phi if none else 0.0
                slopes[index] += more[index] / phi if more else 0.0
        return starts, slopes


class _Bet:
    """The bet on the candidate's share of the bad events of each interval of a stretch."""

    def __init__(self, stretch: Stretch, *, theta0: float) -> None:
        share = stretch.n_c / (stretch.n_c + stretch.n_s)
        self._limit = share * theta0 / (1 + share * (theta0 - 1))
        self._stretch = stretch
        self._loud = stretch.rows - stretch.quiet
        self._beside = stretch.x_s / self._loud if self._loud > 0 else 0.0
        self._alone = eprocess.bet_log_factors(1.0, q=self._limit)
        self._none = eprocess.bet_log_factors(0.0, q=self._limit)

    def log_factors(self, clumps_per_request: float, *, clump: float) -> tuple[float, ...]:
        """Its growth by the stretch."""
        stretch, loud = self._stretch, self._loud
        clumps = clumps_per_request * stretch.n_c
        hit = -math.expm1(-clumps / stretch.rows)  # share of the intervals that have a clump
        with_quiet, without = hit * stretch.quiet, loud * (1 - hit)
        if loud <= 0:
            return tuple(with_quiet * alone for alone in self._alone)
        in_hit = clumps * clump / (stretch.rows * hit)
        both = eprocess.bet_log_factors(in_hit / (in_hit + self._beside), q=self._limit)
        return tuple(
            with_quiet * alone + loud * hit * beside + without * none
            for alone, beside, none in zip(self._alone, both, self._none, strict=True)
        )
