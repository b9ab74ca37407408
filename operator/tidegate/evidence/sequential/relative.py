"""The test that may roll back: half on the grid, half on the bet that survives any clumping.

While the dispersion is unmeasured the grid plays at one that hardly any service exceeds. Each
factor is divided by what was known before its interval, so that the whole stays one fair game.
Once it is measured no bet is placed any more: what lasts longer than an interval breaks its bound.
Source: evidence.md, 3.2 and 5; ADR 0024 and 0025.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.combine import average
from tidegate.evidence.counts.dispersion import Phi
from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.sequential import eprocess

CAREFUL = 100.0  # dispersion for evidence of harm where none is measured or stable is not itself
_HALVES = (0.5, 0.5)


@dataclass(frozen=True, slots=True, kw_only=True)
class Hedge:
    """Both halves between two intervals.

    `alone` says that the grid plays with everything, as the dispersion was known from the start.
    """

    grid: eprocess.Process
    bet: eprocess.Process
    alone: bool | None = None


def divisor(phi: Phi) -> float:
    """The dispersion by which the grid's evidence of harm is divided."""
    return phi.value if phi.trusted else max(CAREFUL, phi.value)


def begin(points: int) -> Hedge:
    """The test before any interval, with a grid of so many points."""
    bet = eprocess.begin(len(eprocess.BET_FRACTIONS))
    return Hedge(grid=eprocess.begin(points), bet=bet)


def advance(
    hedge: Hedge,
    *,
    grid_factors: Sequence[float] | None,
    share: tuple[float, float] | None,
    phi: Phi,
    stake: float,
    over: bool = True,
    doubt: float = 1.0,
) -> Hedge:
    """The test after an interval, or with one that is not `over`; None where it says nothing.

    The grid may be looked at after every event; a bet is on a whole interval, and looking at it
    meanwhile would break its bound. What speaks for harm is divided by `doubt`, which may be
    infinite: a smaller factor keeps the game fair, whatever the doubt comes from.
    Units: share is the (y, q) of the bet; stake is the restart weight of both halves.
    """
    if doubt > 1:
        if grid_factors is not None:
            grid_factors = [min(one, one / doubt) for one in grid_factors]
        if share is not None and share[0] > share[1]:
            share = None
    bet = hedge.bet
    if over and not phi.trusted:
        bet_factors = None if share is None else eprocess.bet_log_factors(share[0], q=share[1])
        bet = eprocess.advance(bet, log_factors=bet_factors, phi=1.0, stake=stake)
    return Hedge(
        grid=eprocess.advance(hedge.grid, log_factors=grid_factors, phi=divisor(phi), stake=stake),
        bet=bet,
        alone=phi.trusted if hedge.alone is None else hedge.alone,
    )


def log_value(hedge: Hedge) -> float:
    """Log E of both halves together, or of the grid alone."""
    if hedge.alone:
        return eprocess.log_value(hedge.grid)
    halves = (eprocess.log_value(hedge.grid), eprocess.log_value(hedge.bet))
    return average(halves, weights=_HALVES)


def step(
    hedge: Hedge,
    *,
    stream: Stream,
    grid: eprocess.RatioGrid,
    stake: float,
    over: bool = True,
    doubt: float = 1.0,
) -> Hedge:
    """The relative test of two arms after an interval; see `advance`."""
    counts = {"n_c": stream.n_c, "x_c": stream.x_c, "n_s": stream.n_s, "x_s": stream.x_s}
    return advance(
        hedge,
        grid_factors=grid.log_factors(**counts),
        share=eprocess.ratio_bet(**counts, theta0=grid.theta0),
        phi=stream.phi,
        stake=stake,
        over=over,
        doubt=doubt,
    )


def compare(streams: Sequence[Stream], *, theta0: float, restart: Sequence[float]) -> Hedge:
    """The relative test of two arms after all intervals (evidence.md, 3.2)."""
    grid = eprocess.ratio_grid(eprocess.rollback_grid(theta0), theta0=theta0)
    hedge = begin(grid.points)
    for number, stream in enumerate(streams):
        stake = restart[number] if number < len(restart) else 0.0
        hedge = step(hedge, stream=stream, grid=grid, stake=stake)
    return hedge
