"""How strongly bad events clump, measured on the pods of the stable revision.

Errors come in bursts: retries, one client, one bad node. A test that counts them as independent
rolls healthy releases back, so every log factor is divided by the dispersion phi.
Source: evidence.md, 3.3.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Sequence
from dataclasses import dataclass

MIN_DF = 30
ASSUMED = 10.0
_UPPER_95 = 1.645


class PhiSource(enum.StrEnum):
    """Where a dispersion comes from. Only `UNMEASURED` may not roll back by itself."""

    MEASURED = "Measured"
    GIVEN = "Given"
    UNMEASURED = "Unmeasured"


@dataclass(frozen=True, slots=True, kw_only=True)
class Phi:
    """Dispersion to divide log factors by. `value` >= 1; df counts pods beyond the first."""

    value: float
    df: int
    source: PhiSource

    @property
    def trusted(self) -> bool:
        """True when evidence divided by it may roll back."""
        return self.source is not PhiSource.UNMEASURED


def given(value: float) -> Phi:
    """A dispersion that a policy or a replay supplies; never below 1."""
    return Phi(value=max(1.0, value), df=0, source=PhiSource.GIVEN)


@dataclass(frozen=True, slots=True, kw_only=True)
class Spread:
    """What intervals have shown so far; enough to go on without the intervals themselves."""

    weighted: float = 0.0  # sum of M * X2 / (K - 1)
    events: float = 0.0  # sum of M
    df: int = 0  # sum of K - 1

    def phi(self, *, min_df: int = MIN_DF, assumed: float = ASSUMED) -> Phi:
        """Upper 95 % limit of the dispersion, or the assumed one while pods say too little."""
        if self.df < min_df or self.events <= 0:
            return Phi(value=max(1.0, assumed), df=self.df, source=PhiSource.UNMEASURED)
        estimate = self.weighted / self.events
        upper = estimate * (1 + _UPPER_95 * math.sqrt(2 / self.df))
        return Phi(value=max(1.0, upper), df=self.df, source=PhiSource.MEASURED)


def widen(spread: Spread, *, n: Sequence[float], x: Sequence[float]) -> Spread:
    """The spread after one more interval with n requests and x bad events per stable pod.

    An interval without bad events or with fewer than two pods that had requests says nothing.
    Shapes: n and x (pods,), in any order.
    """
    pods = [(one, bad) for one, bad in zip(n, x, strict=True) if one > 0]
    events = math.fsum(bad for _, bad in pods)
    if events <= 0 or len(pods) < 2:
        return spread
    requests = math.fsum(one for one, _ in pods)
    expected = [(events * one / requests, bad) for one, bad in pods]
    chi_squared = math.fsum((bad - mean) ** 2 / mean for mean, bad in expected)
    df = len(pods) - 1
    return Spread(
        weighted=spread.weighted + events * chi_squared / df,
        events=spread.events + events,
        df=spread.df + df,
    )


def dispersion(
    n: Sequence[Sequence[float]],
    *,
    x: Sequence[Sequence[float]],
    min_df: int = MIN_DF,
    assumed: float = ASSUMED,
) -> Phi:
    """Dispersion of bad events over stable pods, weighted by events, never below 1.

    Shapes: n and x (intervals, pods), ragged: each interval has its own pods.
    Units:  requests and bad events; `assumed` is used while df < min_df.
    Source: evidence.md, 3.3.
    """
    spread = Spread()
    for requests, bad in zip(n, x, strict=True):
        spread = widen(spread, n=requests, x=bad)
    return spread.phi(min_df=min_df, assumed=assumed)
