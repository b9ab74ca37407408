"""Seeded simulation of binned windows; small in the tests, large in the benchmark.

p falls as the PSI rises when bins, totals and delta are fixed. So windows are sorted by PSI, and
`psi_larger_than` is asked about a dozen of them to find where it begins to reject.
"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt
from scipy import optimize

from tidegate.evidence.drift import distances

Counts = npt.NDArray[np.float64]
EQUAL = np.full(10, 0.1)
SKEWED = np.array([0.3, 0.22, 0.15, 0.1, 0.08, 0.06, 0.04, 0.025, 0.015, 0.01])


def population_psi(p: Counts, q: Counts) -> float:
    return math.fsum((p - q) * np.log(p / q))


def at_psi(shares: Counts, *, psi: float) -> Counts:
    """Shares tilted towards the last bins until their PSI against the given ones is `psi`."""
    if psi == 0:
        return shares

    def tilted(strength: float) -> Counts:
        raised = shares * np.exp(strength * np.linspace(-1, 1, shares.size))
        return np.asarray(raised / raised.sum())

    strength = optimize.brentq(lambda s: population_psi(shares, tilted(s)) - psi, 0, 20)
    return tilted(float(strength))


def windows(
    rng: np.random.Generator, *, total: int, shares: Counts, shape: tuple[int, ...]
) -> Counts:
    return rng.multinomial(total, shares, size=shape).astype(np.float64)


def psi_of(reference: Counts, current: Counts) -> Counts:
    """PSI along the last axis."""

    def smoothed(counts: Counts) -> Counts:
        shares = (counts + 0.5) / (counts.sum(axis=-1, keepdims=True) + counts.shape[-1] / 2)
        return np.asarray(np.maximum(shares, distances.LEAST_SHARE))

    p, q = smoothed(reference), smoothed(current)
    return np.asarray(((p - q) * np.log(p / q)).sum(axis=-1))


def rejected_share(reference: Counts, current: Counts, *, delta: float, alpha: float) -> float:
    """Share of the windows that the test rejects. Shapes: both (runs, bins)."""
    order = np.argsort(psi_of(reference, current))
    low, high = 0, order.size
    while low < high:
        middle = (low + high) // 2
        at = order[middle]
        found = distances.psi_larger_than(reference[at], current=current[at], delta=delta)
        assert isinstance(found, distances.PsiTest)
        low, high = (low, middle) if found.p <= alpha else (middle + 1, high)
    return 1 - low / order.size


def size_at(
    shares: Counts,
    *,
    total: int,
    reference_total: int,
    delta: float,
    alpha: float,
    runs: int,
    seed: int,
    psi: float | None = None,
) -> float:
    """Share of rejections when the population's PSI is `psi`, by default delta itself."""
    rng = np.random.default_rng(seed)
    moved = at_psi(shares, psi=delta if psi is None else psi)
    reference = windows(rng, total=reference_total, shares=shares, shape=(runs,))
    current = windows(rng, total=total, shares=moved, shape=(runs,))
    return rejected_share(reference, current, delta=delta, alpha=alpha)


def fixed_limit_share(
    shares: Counts,
    *,
    total: int,
    reference_total: int,
    limit: float,
    runs: int,
    seed: int,
    psi: float,
) -> float:
    """Share of windows whose PSI exceeds a fixed limit."""
    rng = np.random.default_rng(seed)
    reference = windows(rng, total=reference_total, shares=shares, shape=(runs,))
    current = windows(rng, total=total, shares=at_psi(shares, psi=psi), shape=(runs,))
    return float((psi_of(reference, current) > limit).mean())


def worst_window(
    rng: np.random.Generator, *, features: int, count: int, total: int, reference_total: int
) -> tuple[Counts, Counts]:
    """One fleet without change: the window with the largest PSI, and its reference.

    It has the smallest p, which decides Holm's first rejection.
    """
    reference = windows(rng, total=reference_total, shares=EQUAL, shape=(features, 1))
    current = windows(rng, total=total, shares=EQUAL, shape=(features, count))
    values = psi_of(reference, current)
    feature, window = np.unravel_index(values.argmax(), values.shape)
    return reference[feature, 0], current[feature, window]


def alarm_in(worst: tuple[Counts, Counts], *, delta: float, alpha: float) -> bool:
    """The test rejects this window; alpha is already divided by all features and windows."""
    found = distances.psi_larger_than(worst[0], current=worst[1], delta=delta)
    assert isinstance(found, distances.PsiTest)
    return found.p <= alpha
