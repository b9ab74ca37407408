"""Whether the candidate gets its weight: the sample ratio against a band (evidence.md, 6).

Shares are never exactly the weights (pod counts, hashing, long-lived connections), so a band
around the weight is tested. What is found only holds a step; it never rolls back.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from tidegate.evidence.combine import average
from tidegate.evidence.sequential import eprocess

_UPPER_POINTS = 20
_LOWER_POINTS = 19


@dataclass(frozen=True, slots=True, kw_only=True)
class Split:
    """Both halves of the test between two intervals; `open_above` says that the band reaches 1."""

    upper: eprocess.Process
    lower: eprocess.Process
    open_above: bool = False


def begin() -> Split:
    """The test at the start of a step."""
    return Split(upper=eprocess.invest(_UPPER_POINTS), lower=eprocess.invest(_LOWER_POINTS))


def advance(split: Split, *, n_c: float, n_s: float, w: float, tau: float) -> Split:
    """The test after an interval. With w of 0 or 1, or without requests, it says nothing.

    Units: requests; w is the share that can be reached, 0 to 1; 0 < tau < 1.
    """
    assert 0 < tau < 1, tau
    if not 0 < w < 1 or n_c + n_s <= 0:
        return split
    low, high = w * (1 - tau), w * (1 + tau)
    below = [_log_ratio(n_c, n_s=n_s, g=low * (1 - 0.05 * k), e=low) for k in _points(split.lower)]
    lower = eprocess.advance(split.lower, log_factors=below, phi=1.0)
    if split.open_above or high >= 1:
        return Split(upper=split.upper, lower=lower, open_above=True)
    above = [
        _log_ratio(n_c, n_s=n_s, g=min(high * (1 + 0.15 * k), 1 - (1 - high) / 20), e=high)
        for k in _points(split.upper)
    ]
    return Split(
        upper=eprocess.advance(split.upper, log_factors=above, phi=1.0),
        lower=lower,
    )


def log_value(split: Split) -> float:
    """Log E of both halves; of the lower one alone where the band is open above."""
    lower = eprocess.log_value(split.lower)
    if split.open_above:
        return lower
    return average((eprocess.log_value(split.upper), lower), weights=(0.5, 0.5))


def split_log_e(
    n_c: Sequence[float], *, n_s: Sequence[float], w: Sequence[float], tau: float
) -> float:
    """Log E against "the candidate's share lies within w (1 - tau) and w (1 + tau)".

    Shapes: n_c, n_s, w (intervals,) of one step.
    Units:  requests; w is the share that can be reached, 0 to 1; 0 < tau < 1.
    Source: evidence.md, 6.
    """
    split = begin()
    for candidate, stable, weight in zip(n_c, n_s, w, strict=True):
        split = advance(split, n_c=candidate, n_s=stable, w=weight, tau=tau)
    return log_value(split)


def exact_split_log_e(n_c: float, *, n_s: float, w: float, k: float = 100.0) -> float:
    """Log E against "the share is exactly w", two-sided, for routing at random per request.

    Units:  requests in total; 0 < w < 1; k is the weight of the prior in requests.
    Source: evidence.md, 6 (beta-binomial mixture).
    """
    return (
        _log_beta(k * w + n_c, k * (1 - w) + n_s)
        - _log_beta(k * w, k * (1 - w))
        - n_c * math.log(w)
        - n_s * math.log1p(-w)
    )


def _points(process: eprocess.Process) -> range:
    return range(1, len(process.log_s) + 1)


def _log_ratio(n_c: float, *, n_s: float, g: float, e: float) -> float:
    return n_c * math.log(g / e) + n_s * (math.log1p(-g) - math.log1p(-e))


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)
