"""Whether the mix of one feature has moved, and whether that is more than clumps.

Observations clump: one client sends a thousand equal requests and stays with one pod. The test
counts them as independent, so it is told by how much more the arms vary than that: from interval to
interval in the difference of the arms, which a world that changes for both leaves alone, and
from pod to pod of one arm.
Source: evidence.md, 10.3; Pearson 1900; White 1980 for the variance by intervals; ADR 0062.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from scipy import stats

from tidegate.evidence.counts import dispersion
from tidegate.evidence.counts.dispersion import upper_limit
from tidegate.evidence.drift import bins, distances, numeric
from tidegate.evidence.drift.distances import LEAST_SHARE, PsiTest
from tidegate.evidence.drift.mixes import ByBin, ByPod, Mix, Segment, joined, plus, unbiased
from tidegate.evidence.drift.numeric import Vector
from tidegate.evidence.terms import Problem

LEAST_BINS = 2  # a constant varies from nothing
LEAST_SEGMENTS = 3  # fewer tell nothing of a variance
BY_CHANCE = 0.01  # so often something beyond chance may be seen where nothing clumps


@dataclass(frozen=True, slots=True, kw_only=True)
class Moved:
    """One feature: the PSI of the candidate's mix against its reference, and what it proves.

    `p_above` is small where the PSI is larger than tolerated, `p_below` where it is below the margin.
    `bin` moved most; `share` and `reference_share` are its shares of the observations.
    """

    psi: float
    p_above: float
    p_below: float
    deff: float
    bin: str
    share: float
    reference_share: float


def moved(mix: Mix, *, delta: float, margin: float, deff: float | None = None) -> Moved | Problem:
    """Whether the candidate's mix is further from stable's than `delta`, and nearer than `margin`.

    Units: delta and margin in PSI; deff is that of `design_effect` where none is given.
    Errors: as `bins.by_label`.
    """
    if not mix.rows:
        return numeric.no_data("no interval in which both sides observed something")
    reference, current = mix.both
    pair = bins.by_label(reference, current=current)
    if isinstance(pair, Problem):
        return pair
    deff = design_effect(mix) if deff is None else deff
    above = distances.psi_larger_than(pair.reference, current=pair.current, delta=delta, deff=deff)
    below = distances.psi_smaller_than(
        pair.reference, current=pair.current, margin=margin, deff=deff
    )
    assert isinstance(above, PsiTest), pair  # two bins at least, and none of both sides is empty
    assert isinstance(below, PsiTest), pair
    label, share, reference_share = moved_most(reference, current=current)
    return Moved(
        psi=above.psi,
        p_above=above.p,
        p_below=below.p,
        deff=deff,
        bin=label,
        share=share,
        reference_share=reference_share,
    )


def distance(reference: ByBin, *, current: ByBin) -> float | Problem:
    """The PSI that `moved` finds of these bins, without its tests. Errors: as `bins.by_label`."""
    pair = bins.by_label(reference, current=current)
    if isinstance(pair, Problem):
        return pair
    return distances.psi_alone(pair.reference, current=pair.current)


def design_effect(mix: Mix) -> float:
    """By how much more the arms vary than independent observations would; at least 1.

    The upper 95 % limit of what single segments show of all bins; and of what longer stretches, the
    pods of an arm, or a single bin show, where that is beyond chance. A constant varies from nothing.
    """
    return _upper(list(_measured(mix)))


def effect_of_neighbours(mix: Mix) -> float:
    """The design effect of one arm alone that may change within, by what neighbours in time differ by.

    What lasts is no clump: so a step is left out (`dispersion.calm`), and a slow change is hardly in
    any pair. At least three segments that observed something.
    Source: von Neumann 1941, on the mean square of successive differences.
    """
    own = _shares(mix.both[1])
    # Also of bins that it does not use: a feature that is always missing fills one bin.
    shares = {label: own.get(label, 0.0) for label in _pooled_shares(mix)}
    return _upper([_over_neighbours(mix.segments, shares=shares)])


def _upper(known: Sequence[_Measured]) -> float:
    limits = [1.0]
    for measured in known:
        if measured.bins < LEAST_BINS:
            continue
        if measured.usual:
            limits.append(upper_limit(measured.whole, df=measured.df * (measured.bins - 1)))
        for estimate, df, tried in (
            (measured.whole, measured.df * (measured.bins - 1), len(known)),
            (measured.worst, measured.df, len(known) * measured.bins),
        ):
            if estimate > stats.chi2.isf(BY_CHANCE / tried, df) / df:
                limits.append(upper_limit(estimate, df=df))
    return max(limits)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Measured:
    """A variance over what chance would give: of all bins, and of the worst one."""

    whole: float
    worst: float
    df: float  # of one bin
    bins: int
    usual: bool = False


def _measured(mix: Mix) -> Iterator[_Measured]:
    shares = _pooled_shares(mix)
    many = 1
    while len(mix.segments) >= LEAST_SEGMENTS * many:
        yield _over_segments(joined(mix.segments, many), shares=shares, usual=many == 1)
        many *= 2
    for arm in (mix.candidate, mix.stable):
        pods = [pod for pod, counts in arm.items() if math.fsum(counts.values()) > 0]
        if len(pods) > 1:
            yield _over_pods({pod: arm[pod] for pod in pods}, bins=sorted(shares))


def _over_segments(
    segments: Sequence[Segment], *, shares: Mapping[str, float], usual: bool
) -> _Measured:
    """What the difference of the arms varies from one stretch of time to the next.

    The residual of a stretch is its difference less its part of the whole one, so that a lasting
    change of the candidate is none.
    """
    w = np.array([one.w for one in segments])[:, None]
    gaps = np.array([[one.gaps.get(it, 0.0) for it in shares] for one in segments])
    variances = np.array([[one.variances.get(it, 0.0) for it in shares] for one in segments])
    parts = w / w.sum()
    residuals = gaps - parts * gaps.sum(axis=0)
    expected = (variances * (1 - parts)).sum(axis=0)
    return _ratio(
        (residuals**2).sum(axis=0),
        expected=expected,
        least=_least(shares),
        df=len(segments) - 1,
        usual=usual,
    )


def _over_neighbours(segments: Sequence[Segment], *, shares: Mapping[str, float]) -> _Measured:
    """What the shares of one arm differ by from one stretch of time to the next, but for a step.

    Neighbours have something in common, so that there are fewer degrees of freedom than pairs.
    """
    n = np.array([one.w for one in segments])[:, None]
    counts = np.array([[one.gaps.get(it, 0.0) for it in shares] for one in segments])
    both = 1 / (1 / n[:-1] + 1 / n[1:])
    changes = np.diff(counts / n, axis=0) * np.sqrt(both)
    squares = changes**2
    calm = dispersion.calm((changes / np.sqrt(_least(shares))).tolist())
    by_chance = np.array([share * (1 - share) for share in shares.values()])
    scale = float(both.mean()) * len(calm)
    return _ratio(
        squares[calm].mean(axis=0) * scale,
        expected=by_chance * scale,
        least=_least(shares),
        df=max(1.0, len(calm) * 2 / 3),
        usual=True,
    )


def _over_pods(arm: ByPod, *, bins: Sequence[str]) -> _Measured:
    """What the pods of an arm vary from all of them together (Pearson's statistic)."""
    counts = np.array([[pod.get(it, 0.0) for it in bins] for pod in arm.values()])
    totals = counts.sum(axis=1, keepdims=True)
    n = float(totals.sum())
    shares = counts.sum(axis=0) / n
    squares = (counts - totals * shares) ** 2 / totals
    expected = (len(counts) - 1) * shares * (1 - shares) * unbiased(n)
    least = _least(dict(zip(bins, shares.tolist(), strict=True)))
    return _ratio(squares.sum(axis=0), expected=expected, least=least, df=len(counts) - 1)


def _ratio(
    found: Vector, *, expected: Vector, least: Vector, df: float, usual: bool = False
) -> _Measured:
    """All bins together, rare ones as in the PSI; and each one that is observed often enough.

    Shapes: found, expected, least (bins,).
    """
    often = expected >= df  # at least one observation more or less in each
    chance = float((expected / least).sum())
    return _Measured(
        whole=float((found / least).sum()) / chance if chance > 0 else 0.0,
        worst=float((found[often] / expected[often]).max(initial=0.0)),
        df=df,
        bins=found.size,
        usual=usual,
    )


def _least(shares: Mapping[str, float]) -> Vector:
    return np.asarray(np.maximum(list(shares.values()), LEAST_SHARE), dtype=np.float64)


def _pooled_shares(mix: Mix) -> Mapping[str, float]:
    return _shares(plus(*mix.both))


def _shares(pooled: ByBin) -> Mapping[str, float]:
    total = math.fsum(pooled.values())
    return {label: count / total for label, count in pooled.items() if count > 0}


def moved_most(reference: ByBin, *, current: ByBin) -> tuple[str, float, float]:
    """The bin whose share changes most, with its shares of current and reference."""
    labels = sorted({*reference, *current})
    totals = math.fsum(reference.values()), math.fsum(current.values())

    def shares(label: str) -> tuple[float, float]:
        return reference.get(label, 0.0) / totals[0], current.get(label, 0.0) / totals[1]

    def change(label: str) -> float:
        p, q = shares(label)
        return abs(q - p)

    label = max(labels, key=change)
    p, q = shares(label)
    return label, q, p
