"""The bets of the tests of a ledger, each worked out once."""

from __future__ import annotations

import functools

from tidegate.evidence.sequential import eprocess
from tidegate.evidence.sequential.eprocess import RateGrid, RatioGrid, Side


@functools.lru_cache(maxsize=256)
def rollback_grid(theta0: float) -> RatioGrid:
    """The rate ratios that the relative test bets on."""
    return eprocess.ratio_grid(eprocess.rollback_grid(theta0), theta0=theta0)


@functools.lru_cache(maxsize=256)
def promotion_grid(theta0: float) -> RatioGrid:
    """The rate ratios that are bet on as ruled out."""
    return eprocess.ratio_grid(eprocess.promotion_grid(theta0), theta0=theta0)


@functools.lru_cache(maxsize=256)
def limit_grid(limit: float, *, side: Side) -> RateGrid:
    """Grid for a limit; above 1/2 that of the complement, on the other side."""
    if limit <= 0.5:
        return eprocess.rate_grid(limit, side=side)
    return eprocess.rate_grid(1 - limit, side=Side.PROOF if side is Side.BREACH else Side.BREACH)


def rate_factors(grid: RateGrid, *, limit: float, n: float, x: float) -> tuple[float, ...] | None:
    """Growth of each bet on such a grid by x bad events of n."""
    return grid.log_factors(n=n, x=x if limit <= 0.5 else n - x)
