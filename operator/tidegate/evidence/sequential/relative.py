"""The test that may roll back: half on the grid, half on the bet that survives any clumping.

While the dispersion is unmeasured only the bet plays. At the first interval with a trusted one
half of what the bet has won moves to the grid, so that the whole stays one fair game.
Source: evidence.md, 3.2 and 5.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.sequential import eprocess
from tidegate.evidence.sequential.combine import average

_HALVES = (0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Both halves between two intervals; `log_at_trust` is ln K when the grid came into play."""

    grid: eprocess.Process
    bet: eprocess.Process
    log_at_trust: float | None = None


def begin(points: int) -> Hedge:
    """The test before any interval, with a grid of so many points."""
    bet = eprocess.invest(len(eprocess.BET_FRACTIONS))
    return Hedge(grid=eprocess.begin(points), bet=bet)


def advance(
    hedge: Hedge,
    *,
    grid_factors: Sequence[float] | None,
    share: tuple[float, float] | None,
    phi: Phi,
    stake: float,
) -> Hedge:
    """The test after an interval; None where the interval says nothing.

    Units: share is the (y, q) of the bet; stake is the restart weight of the grid.
    """
    at_trust = hedge.log_at_trust
    if phi.trusted and at_trust is None:
        at_trust = eprocess.log_value(hedge.bet)
    bet_factors = None if share is None else eprocess.bet_log_factors(share[0], q=share[1])
    return Hedge(
        grid=eprocess.advance(
            hedge.grid,
            log_factors=grid_factors if phi.trusted else None,
            phi=phi.value,
            stake=stake,
        ),
        bet=eprocess.advance(hedge.bet, log_factors=bet_factors, phi=1.0),
        log_at_trust=at_trust,
    )


def log_value(hedge: Hedge) -> float:
    """Log E of both halves together."""
    bet = eprocess.log_value(hedge.bet)
    if hedge.log_at_trust is None:
        return bet
    return average((hedge.log_at_trust + eprocess.log_value(hedge.grid), bet), weights=_HALVES)


def step(
    hedge: Hedge, *, stream: Stream, grid: eprocess.RatioGrid, stake: float, over: bool = True
) -> Hedge:
    """The relative test of two arms after an interval, or with one that is not `over`.

    The grid may be looked at after every event; a bet is on a whole interval, and looking at it
    meanwhile would break its bound.
    """
    counts = {"n_c": stream.n_c, "x_c": stream.x_c, "n_s": stream.n_s, "x_s": stream.x_s}
    return advance(
        hedge,
        grid_factors=grid.log_factors(**counts),
        share=eprocess.ratio_bet(**counts, theta0=grid.theta0) if over else None,
        phi=stream.phi,
        stake=stake,
    )


def compare(streams: Sequence[Stream], *, theta0: float, restart: Sequence[float]) -> Hedge:
    """The relative test of two arms after all intervals (evidence.md, 3.2)."""
    grid = eprocess.ratio_grid(eprocess.rollback_grid(theta0), theta0=theta0)
    hedge = begin(grid.points)
    for number, stream in enumerate(streams):
        stake = restart[number] if number < len(restart) else 0.0
        hedge = step(hedge, stream=stream, grid=grid, stake=stake)
    return hedge
