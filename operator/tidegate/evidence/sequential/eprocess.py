"""Log evidence that may be looked at after every interval: rate ratio, SLO and bet.

Each process is a bet that starts at 1 and cannot grow on average while its hypothesis holds, so
the chance that it ever reaches 1/alpha is at most alpha (Ville's inequality). Pure arithmetic with
`math` in a fixed order: the same rows give the same bits, whether they come at once or one by one.
Sources: evidence.md, 3.1, 3.4 and 5.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import assert_never

NEVER = -math.inf
ROLLBACK_POINTS = 17
PROMOTION_POINTS = 20
NO_RESTARTS = (1.0,)
EARLY_INTERVALS = 120
_RESTART_SUM = 2.109742802  # of 1 / (j ln^2 j) over all j from 2 on, rounded up


class Side(enum.StrEnum):
    """What an SLO test tries to show: that the limit is broken, or that it is kept."""

    BREACH = "Breach"
    PROOF = "Proof"


def log_spaced(first: float, *, last: float, count: int) -> tuple[float, ...]:
    """Ascending points with equal ratios from first to last, both included; count >= 2."""
    assert 0 < first < last, (first, last)
    step = math.log(last / first) / (count - 1)
    return tuple(first * math.exp(step * index) for index in range(count))


BET_FRACTIONS = log_spaced(0.02, last=0.95, count=20)


def rollback_grid(theta0: float) -> tuple[float, ...]:
    """Rate ratios that the rollback side bets on, from 1.25 to 16 times the tolerated one."""
    return log_spaced(1.25 * theta0, last=16 * theta0, count=ROLLBACK_POINTS)


def promotion_grid(theta0: float) -> tuple[float, ...]:
    """Rate ratios that the promotion side bets on, from 0.3 to just below the margin."""
    return log_spaced(0.3, last=theta0 / 1.05, count=PROMOTION_POINTS)


def restart_weight(number: int) -> float:
    """The part of the capital that is staked at an interval, counted from 1; all of them sum to 1.

    Half of it at the first, a quarter evenly over those in which most rollouts end, a quarter for
    ever after in proportion to 1 / (j ln^2 j): power falls with the logarithm of the wait only.
    Source: ADR 0024; evidence.md, 17.2.
    """
    assert number >= 1, number
    if number == 1:
        return 0.5
    early = 0.25 / (EARLY_INTERVALS - 1) if number <= EARLY_INTERVALS else 0.0
    return early + 0.25 / (_RESTART_SUM * number * math.log(number) ** 2)


def restart_weights(intervals: int) -> tuple[float, ...]:
    """The first restart weights."""
    return tuple(restart_weight(number) for number in range(1, intervals + 1))


# --- the recursion -------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    """Capital of a test between two intervals: ln S per grid point, and what is not yet staked."""

    log_s: tuple[float, ...]
    cash: float = 1.0


def begin(points: int) -> Process:
    """The process before any interval."""
    return Process(log_s=(NEVER,) * points)


def invest(points: int) -> Process:
    """A process without restarts before any interval: everything is staked at once."""
    return Process(log_s=(0.0,) * points, cash=0.0)


def advance(
    process: Process, *, log_factors: Sequence[float] | None, phi: float, stake: float = 0.0
) -> Process:
    """The process after an interval: stake part of the cash, then multiply by the factors.

    Shapes: one log factor per grid point; None where the interval says nothing.
    Units:  phi >= 1 divides the log factors; stake is the restart weight of the interval.
    """
    assert phi >= 1, phi
    capitals: Sequence[float] = process.log_s
    if stake > 0:
        log_stake = math.log(stake)
        capitals = [_log_sum(capital, log_stake) for capital in capitals]
    if log_factors is not None:
        capitals = [
            capital + factor / phi for capital, factor in zip(capitals, log_factors, strict=True)
        ]
    # Weights that sum to one may leave a rounding error behind; nobody may owe cash.
    return Process(log_s=tuple(capitals), cash=max(0.0, process.cash - stake))


def log_value(process: Process) -> float:
    """Natural logarithm of E: the mean over the grid, and the cash."""
    log_cash = math.log(process.cash) if process.cash > 0 else NEVER
    peak = max(*process.log_s, log_cash)
    if peak == NEVER:
        return NEVER
    capital = math.fsum(math.exp(one - peak) for one in process.log_s)
    return peak + math.log(capital / len(process.log_s) + math.exp(log_cash - peak))


def _log_sum(first: float, second: float) -> float:
    """ln(exp(first) + exp(second)) without overflow."""
    if second > first:
        first, second = second, first
    return first + math.log1p(math.exp(second - first))


def path(
    log_factors: Iterable[Sequence[float] | None],
    *,
    points: int,
    phi: Sequence[float],
    restart: Sequence[float],
) -> tuple[float, ...]:
    """Log E after each interval; None multiplies by one, and restarts beyond the weights are 0."""
    process, found = begin(points), []
    for index, factors in enumerate(log_factors):
        process = advance(
            process,
            log_factors=factors,
            phi=phi[index],
            stake=restart[index] if index < len(restart) else 0.0,
        )
        found.append(log_value(process))
    return tuple(found)


# --- rate ratio of two arms (3.1) ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RatioGrid:
    """Rate ratios to bet on, prepared for repeated use. Build it with `ratio_grid`."""

    theta0: float
    log_ratios: tuple[float, ...]  # ln(theta / theta0)
    excesses: tuple[float, ...]  # theta - 1

    @property
    def points(self) -> int:
        """Number of grid points."""
        return len(self.excesses)

    def log_factors(
        self, *, n_c: float, x_c: float, n_s: float, x_s: float
    ) -> tuple[float, ...] | None:
        """Growth of each bet by one interval; None where the interval says nothing."""
        events = x_c + x_s
        if events <= 0 or n_c <= 0 or n_s <= 0:
            return None
        share = n_c / (n_c + n_s)
        at_null = math.log1p(share * (self.theta0 - 1))
        return tuple(
            x_c * log_ratio - events * (math.log1p(share * excess) - at_null)
            for log_ratio, excess in zip(self.log_ratios, self.excesses, strict=True)
        )


def ratio_grid(grid: Sequence[float], *, theta0: float) -> RatioGrid:
    """Grid points all above theta0 (rollback) or all below it (promotion)."""
    assert theta0 > 0, theta0
    assert all(one > theta0 for one in grid) or all(0 < one < theta0 for one in grid), grid
    return RatioGrid(
        theta0=theta0,
        log_ratios=tuple(math.log(one / theta0) for one in grid),
        excesses=tuple(one - 1 for one in grid),
    )


def rate_ratio_log_e(
    n_c: Sequence[float],
    *,
    x_c: Sequence[float],
    n_s: Sequence[float],
    x_s: Sequence[float],
    grid: Sequence[float],
    theta0: float,
    phi: Sequence[float],
    restart: Sequence[float],
) -> tuple[float, ...]:
    """Log E after each interval against "candidate rate <= theta0 times stable rate".

    With grid points below theta0 the hypothesis is ">=" instead (promotion). The hypothesis is
    rejected at level alpha where ln E >= -ln alpha; weights and base rates may change over time.
    Shapes: n_c, x_c, n_s, x_s, phi and the result (intervals,); grid (points,); `restart` may be
            shorter, what it lacks is 0.
    Units:  events, 0 <= x <= n, whole or not; phi >= 1; restart sums to at most 1.
    Source: evidence.md, 3.1.
    """
    prepared = ratio_grid(grid, theta0=theta0)
    factors = (
        prepared.log_factors(n_c=one[0], x_c=one[1], n_s=one[2], x_s=one[3])
        for one in zip(n_c, x_c, n_s, x_s, strict=True)
    )
    return path(factors, points=prepared.points, phi=phi, restart=restart)


# --- one rate against a limit (5) ----------------------------------------------------------------


@dataclass(frozen=True, slots=True, kw_only=True)
class RateGrid:
    """Rates to bet on against a limit, prepared for repeated use. Build it with `rate_grid`."""

    log_bad: tuple[float, ...]  # ln(p / p0)
    log_good: tuple[float, ...]  # ln((1 - p) / (1 - p0))

    @property
    def points(self) -> int:
        """Number of grid points."""
        return len(self.log_bad)

    def log_factors(self, *, n: float, x: float) -> tuple[float, ...] | None:
        """Growth of each bet by one interval; None where nothing was counted."""
        if n <= 0:
            return None
        return tuple(
            x * bad + (n - x) * good for bad, good in zip(self.log_bad, self.log_good, strict=True)
        )


def rate_grid(p0: float, *, side: Side) -> RateGrid:
    """The 17 rates of one side; 0 < p0 <= 1/2."""
    assert 0 < p0 <= 0.5, p0
    match side:
        case Side.BREACH:
            rates = log_spaced(1.1 * p0, last=min(32 * p0, 0.999), count=17)
        case Side.PROOF:
            rates = log_spaced(p0 / 32, last=p0 / 1.1, count=17)
        case _ as never:
            assert_never(never)
    return RateGrid(
        log_bad=tuple(math.log(rate / p0) for rate in rates),
        log_good=tuple(math.log1p(-rate) - math.log1p(-p0) for rate in rates),
    )


def slo_log_e(
    n: Sequence[float],
    *,
    x: Sequence[float],
    p0: float,
    side: Side,
    phi: Sequence[float],
    restart: Sequence[float],
) -> tuple[float, ...]:
    """Log E after each interval against "rate <= p0" (breach) or "rate >= p0" (proof).

    For p0 above 1/2 test the complement on the other side.
    Shapes: n, x, phi and the result (intervals,).
    Units:  events, 0 <= x <= n; phi >= 1; restart sums to at most 1.
    Source: evidence.md, 5 (the grid; a breach also needs the bet).
    """
    prepared = rate_grid(p0, side=side)
    factors = (prepared.log_factors(n=one, x=bad) for one, bad in zip(n, x, strict=True))
    return path(factors, points=prepared.points, phi=phi, restart=restart)


# --- the bet that survives any clumping (3.4) ----------------------------------------------------


def bet_log_factors(y: float, *, q: float) -> tuple[float, ...]:
    """Growth of each bet by one interval with the share y where at most q was expected."""
    excess = (y - q) / q
    return tuple(math.log1p(fraction * excess) for fraction in BET_FRACTIONS)


def bet_log_e(y: Sequence[float | None], *, q: Sequence[float]) -> tuple[float, ...]:
    """Log K after each interval against "the mean of y given the past is at most q".

    Any dependence inside an interval is allowed. None skips an interval that says nothing.
    Shapes: y, q and the result (intervals,).
    Units:  y from 0 to 1, q strictly between.
    Source: evidence.md, 3.4; Waudby-Smith and Ramdas 2024 (betting on bounded means).
    """
    factors = (
        None if one is None else bet_log_factors(one, q=limit)
        for one, limit in zip(y, q, strict=True)
    )
    ones = (1.0,) * len(q)
    return path(factors, points=len(BET_FRACTIONS), phi=ones, restart=NO_RESTARTS)


def ratio_bet(
    *, n_c: float, x_c: float, n_s: float, x_s: float, theta0: float
) -> tuple[float, float] | None:
    """Candidate's share y of the bad events and the largest share q to expect of it; or None."""
    if x_c + x_s <= 0 or n_c <= 0 or n_s <= 0:
        return None
    share = n_c / (n_c + n_s)
    return x_c / (x_c + x_s), share * theta0 / (1 + share * (theta0 - 1))
