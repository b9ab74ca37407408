"""Intervals and estimates for display; they never decide anything (evidence.md, 7).

All are valid at every look at once: a value outside was rejected by an e-process at some level.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import assert_never

import numpy as np
import numpy.typing as npt

from tidegate.evidence.counts.rows import Stream
from tidegate.evidence.sequential.eprocess import NEVER, Side, log_spaced

CONFIDENCE_ALPHA = 0.05
_MULTIPLES = log_spaced(1.25, last=16.0, count=17)
_FARTHEST = 10.0  # of ln theta; what is not reached there stays open
_RATIO_TOLERANCE = 1e-6
_RATE_TOLERANCE = 1e-9
_BISECTIONS = 64

Array = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """Limits of a value; None is an open end."""

    lower: float | None
    upper: float | None


def rate_ratio(streams: Sequence[Stream]) -> float | None:
    """Mantel-Haenszel estimate of candidate's rate over stable's; None without stable events."""
    rows = [(one, one.n_c + one.n_s) for one in streams if one.n_c + one.n_s > 0]
    above = math.fsum(one.x_c * one.n_s / n for one, n in rows)
    below = math.fsum(one.x_s * one.n_c / n for one, n in rows)
    return above / below if below > 0 else None


def rate_ratio_interval(streams: Sequence[Stream], *, alpha: float = CONFIDENCE_ALPHA) -> Interval:
    """Rate ratios that neither one-sided test rejects; an end that nothing rejects is open.

    Shapes: streams (intervals,), each with its own dispersion.
    Source: evidence.md, 7; the tests of 3.1 without restarts, over multiples of theta0.
    """
    rows = _Rows.of(streams)
    limit = math.log(2 / alpha)

    def too_small(log_theta0: float) -> bool:
        return rows.log_e(log_theta0, multiples=_MULTIPLES) >= limit

    def too_large(log_theta0: float) -> bool:
        return rows.log_e(log_theta0, multiples=[1 / one for one in _MULTIPLES]) >= limit

    lower = _boundary(too_small, inside=_FARTHEST, outside=-_FARTHEST)
    upper = _boundary(too_large, inside=-_FARTHEST, outside=_FARTHEST)
    return Interval(
        lower=None if lower is None else math.exp(lower),
        upper=None if upper is None else math.exp(upper),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class _Rows:
    """Intervals that say something about the ratio, as arrays (intervals,)."""

    x_c: Array
    events: Array
    share: Array
    phi: Array

    @classmethod
    def of(cls, streams: Sequence[Stream]) -> _Rows:
        useful = [s for s in streams if s.x_c + s.x_s > 0 and s.n_c > 0 and s.n_s > 0]
        return cls(
            x_c=np.array([one.x_c for one in useful]),
            events=np.array([one.x_c + one.x_s for one in useful]),
            share=np.array([one.n_c / (one.n_c + one.n_s) for one in useful]),
            phi=np.array([one.phi.value for one in useful]),
        )

    def log_e(self, log_theta0: float, *, multiples: Sequence[float]) -> float:
        theta0 = math.exp(log_theta0)
        ratios = np.array(multiples)[:, np.newaxis]
        at_null = np.log1p(self.share * (theta0 - 1))
        at_point = np.log1p(self.share * (theta0 * ratios - 1))
        growth = (self.x_c * np.log(ratios) - self.events * (at_point - at_null)) / self.phi
        totals = [math.fsum(point) for point in growth.tolist()]
        peak = max(totals, default=NEVER)
        return peak + math.log(math.fsum(math.exp(t - peak) for t in totals) / len(totals))


def _boundary(rejected: Callable[[float], bool], *, inside: float, outside: float) -> float | None:
    """Where a monotone test stops rejecting, to 1e-6, on the kept side; None if it never does."""
    if not rejected(outside):
        return None
    if rejected(inside):
        return inside
    while abs(inside - outside) > _RATIO_TOLERANCE:
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
    return inside


# --- one rate ------------------------------------------------------------------------------------


def slo_mixture_log_e(
    n: float, *, x: float, p0: float, side: Side | None, n_opt: float, alpha_opt: float
) -> float:
    """Log E of a beta-binomial mixture against "rate <= p0", "rate >= p0", or "= p0" (None).

    For displayed intervals and cross-checks; use x/phi and n/phi where phi > 1.
    Units:  events, 0 <= x <= n; the mixture is tuned to n_opt requests and level alpha_opt.
    Source: evidence.md, 5; Howard et al. 2021 (beta-binomial mixture).
    """
    match side:
        case None:
            return _two_sided(n, x=x, p0=p0, strength=_strength(n_opt, alpha=alpha_opt))
        case Side.BREACH:
            bad, rate = x, p0
        case Side.PROOF:
            bad, rate = n - x, 1 - p0
        case _ as never:
            assert_never(never)
    strength = _strength(n_opt, alpha=2 * alpha_opt)
    a, b = (1 - rate) * strength, rate * strength
    likelihood = bad * math.log(rate) + (n - bad) * math.log1p(-rate)
    return (
        _log_incomplete_beta(a + n - bad, b + bad, upto=1 - rate)
        - _log_incomplete_beta(a, b, upto=1 - rate)
        - likelihood
    )


def rate_interval(
    n: float, *, x: float, phi: float, n_opt: float, alpha: float = CONFIDENCE_ALPHA
) -> Interval:
    """Rates that the two-sided mixture does not reject; from 0 to 1 without requests.

    Units:  events, 0 <= x <= n; phi >= 1; n_opt is the number of requests the step expects.
    Source: evidence.md, 7.
    """
    if n <= 0:
        return Interval(lower=0.0, upper=1.0)
    strength = _strength(max(1.0, n_opt / phi), alpha=CONFIDENCE_ALPHA)
    limit = math.log(1 / alpha)

    def rejected(rate: float) -> bool:
        return _two_sided(n / phi, x=x / phi, p0=rate, strength=strength) >= limit

    estimate = x / n
    lower = 0.0 if x <= 0 else _rate_boundary(rejected, inside=estimate, outside=0.0)
    upper = 1.0 if x >= n else _rate_boundary(rejected, inside=estimate, outside=1.0)
    return Interval(lower=lower, upper=upper)


def quantile_interval(
    at_most: Sequence[float],
    *,
    edges: Sequence[float],
    n: float,
    q: float,
    phi: Sequence[float],
    n_opt: float,
    alpha: float = CONFIDENCE_ALPHA,
) -> Interval:
    """Bucket edges between which the q-quantile lies; the resolution is the bucket.

    Shapes: at_most (requests at or below the edge), edges and phi (edges,), ascending.
    Source: evidence.md, 7; each edge at level alpha / edges.
    """
    shares = [
        rate_interval(n, x=count, phi=one, n_opt=n_opt, alpha=alpha / len(edges))
        for count, one in zip(at_most, phi, strict=True)
    ]
    pairs = list(zip(edges, shares, strict=True))
    below = [edge for edge, share in pairs if share.upper is not None and share.upper < q]
    above = [edge for edge, share in pairs if share.lower is not None and share.lower > q]
    return Interval(lower=max(below, default=None), upper=min(above, default=None))


def _rate_boundary(rejected: Callable[[float], bool], *, inside: float, outside: float) -> float:
    for _ in range(_BISECTIONS):
        if abs(inside - outside) <= _RATE_TOLERANCE * max(inside, outside):
            break
        middle = (inside + outside) / 2
        inside, outside = (inside, middle) if rejected(middle) else (middle, outside)
    return outside


def _strength(n_opt: float, *, alpha: float) -> float:
    """Pseudo-counts of the mixture: r / (p0 (1 - p0)) of evidence.md, 5."""
    log_odds = 2 * math.log(1 / alpha)
    return max(n_opt / (log_odds + math.log1p(log_odds)) - 1, 1 / 1000)


def _two_sided(n: float, *, x: float, p0: float, strength: float) -> float:
    a, b = (1 - p0) * strength, p0 * strength
    likelihood = x * math.log(p0) + (n - x) * math.log1p(-p0)
    return _log_beta(a + n - x, b + x) - _log_beta(a, b) - likelihood


def _log_incomplete_beta(a: float, b: float, *, upto: float) -> float:
    from scipy import special  # noqa: PLC0415  (costs 0.2 s, and only cross-checks need it)

    share = float(special.betainc(a, b, upto))
    return math.log(share) + _log_beta(a, b) if share > 0 else NEVER


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
