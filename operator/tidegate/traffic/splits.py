"""Weight arithmetic between percent numbers and the integers of a data plane.

Source: ecosystem.md, 1.2; api.md, 2.1 (at most four decimals); invariant S1.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import lru_cache

from tidegate import model

DECIMALS = 4
_WHOLE = 100 * 10**DECIMALS  # 100 percent in the smallest unit that a weight can have


@dataclass(frozen=True, slots=True, kw_only=True)
class PlaneWeights:
    """Integer weights; their sum is 100 times a power of ten."""

    stable: int
    candidate: int


@lru_cache(maxsize=1024)  # the same few weights at every pass, and parsing a fraction is slow
def exact(number: float) -> Fraction:
    """The decimal number that a person wrote, not its nearest binary one."""
    return Fraction(str(number))


def plane_weights(exposure: model.Exposure) -> PlaneWeights:
    """The smallest integers with the ratio of the shares and a sum of 100, 1000, ... 1000000.

    Units: percent in, no unit out. Weights beyond four decimals are rounded to the fourth.
    """
    assert 0 <= exposure.live_percent <= 100, exposure.live_percent
    candidate = round(exact(exposure.live_percent) * 10**DECIMALS)
    whole = _WHOLE
    while whole > 100 and candidate % 10 == 0:
        candidate //= 10
        whole //= 10
    return PlaneWeights(stable=whole - candidate, candidate=candidate)


def percents(weights: Mapping[str, int]) -> dict[str, float]:
    """Shares in percent with four decimals that sum to exactly 100 (largest remainder).

    Shapes: one entry per backend, negative weights count as 0. Empty when nobody has a weight:
    such a plane serves no one.
    """
    counted = {name: max(weight, 0) for name, weight in weights.items()}
    total = sum(counted.values())
    if total == 0:
        return {}
    units = {name: weight * _WHOLE // total for name, weight in counted.items()}
    left_over = _WHOLE - sum(units.values())
    by_remainder = sorted(counted, key=lambda name: (-(counted[name] * _WHOLE % total), name))
    for name in by_remainder[:left_over]:
        units[name] += 1
    return {name: unit / 10**DECIMALS for name, unit in units.items()}
