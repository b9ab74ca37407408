"""Many tests at once: averages of e-values, Holm, Benjamini-Hochberg and e-BH.

Sources: evidence.md, 4, 10.3 and 13; Holm 1979; Benjamini and Hochberg 1995; Wang and Ramdas 2022.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

NEVER = -math.inf  # evidence that can never become any


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejections:
    """Which hypotheses fall, and the smallest level at which each would.

    Shapes: both (tests,), in the order of the input.
    """

    rejected: tuple[bool, ...]
    adjusted: tuple[float, ...]


def average(log_es: Sequence[float], *, weights: Sequence[float]) -> float:
    """Log of the weighted mean of e-values, itself an e-value under any dependence.

    Shapes: log_es and weights (tests,); weights >= 0 with a sum of at most 1.
    """
    assert math.fsum(weights) <= 1 + 1e-9, weights
    weighted = [(one, w) for one, w in zip(log_es, weights, strict=True) if w > 0]
    peak = max((one for one, _ in weighted), default=NEVER)
    if peak in {NEVER, math.inf}:
        return peak
    return peak + math.log(math.fsum(w * math.exp(one - peak) for one, w in weighted))


def holm(
    p_values: Sequence[float], *, alpha: float, importances: Sequence[float] | None = None
) -> Rejections:
    """Family-wise error at most alpha under any dependence; importances share it unevenly.

    Shapes: p_values and importances (tests,); importances > 0 need not sum to 1.
    """
    shares = [1.0] * len(p_values) if importances is None else list(importances)
    order = sorted(range(len(p_values)), key=lambda index: (p_values[index] / shares[index], index))
    adjusted = [1.0] * len(p_values)
    running = 0.0
    for rank, index in enumerate(order):
        left = math.fsum(shares[other] for other in order[rank:])
        running = max(running, p_values[index] * left / shares[index])
        adjusted[index] = min(1.0, running)
    return _rejections(adjusted, alpha=alpha)


def benjamini_hochberg(p_values: Sequence[float], *, q: float) -> Rejections:
    """False discovery rate at most q for independent or positively dependent tests.

    Shapes: p_values (tests,).
    """
    order = sorted(range(len(p_values)), key=lambda index: (-p_values[index], index))
    adjusted = [1.0] * len(p_values)
    running = 1.0
    for position, index in enumerate(order):
        rank = len(p_values) - position
        running = min(running, p_values[index] * len(p_values) / rank)
        adjusted[index] = running
    return _rejections(adjusted, alpha=q)


def e_bh(log_es: Sequence[float], *, q: float) -> Rejections:
    """False discovery rate at most q from e-values, under any dependence.

    The k largest fall for the largest k whose k-th largest e-value is at least tests/(k q).
    Shapes: log_es (tests,).
    """
    order = sorted(range(len(log_es)), key=lambda index: (log_es[index], index))
    adjusted = [1.0] * len(log_es)
    running = 1.0
    for position, index in enumerate(order):
        rank = len(log_es) - position
        running = min(running, math.exp(min(0.0, math.log(len(log_es) / rank) - log_es[index])))
        adjusted[index] = running
    return _rejections(adjusted, alpha=q)


def _rejections(adjusted: Sequence[float], *, alpha: float) -> Rejections:
    return Rejections(rejected=tuple(one <= alpha for one in adjusted), adjusted=tuple(adjusted))
