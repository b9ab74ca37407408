"""Whether the distribution of a feature, score or class has moved, and by how much.

Distances of binned counts with their scale under no change, and the test that decides: is the PSI
larger than what is tolerated. Make counts comparable with `bins.comparable` first; many features
go through `combine.holm`, many windows through alpha divided by their number or `charts.cusum`.

    >>> round(psi_larger_than((500, 300, 200), current=(90, 40, 20), delta=0.1).p, 3)
    0.906

Source: evidence.md, 10.2 and 10.3.
"""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Iterable
from dataclasses import dataclass, replace

import numpy as np
from scipy import stats
from scipy.spatial import distance

from tidegate.evidence.drift import numeric, resampling
from tidegate.evidence.drift.numeric import Numbers, Vector
from tidegate.evidence.terms import Problem

LEAST_SHARE = 1e-3  # a rarer bin counts as this, or a new one would weigh more in larger windows
MIXES = 3.0  # observations behind an estimated mix for each one that is held against it
HALF = 0.5  # filling empty bins with 1e-4 instead rejects up to 17 % of unchanged data
CONCENTRATION = 100.0  # k of the Dirichlet prior around the expected mix
NORMAL_ABOVE = 1e8  # noncentrality from which a normal distribution is as good, and always finite


@dataclass(frozen=True, slots=True, kw_only=True)
class Distance:
    """How far apart two histograms are, and the chance of that much or more under no change."""

    value: float
    p: float


@dataclass(frozen=True, slots=True, kw_only=True)
class PsiTest:
    """Whether the PSI is larger than tolerated.

    `df` is the number of bins less one, `kappa` the scale of the PSI per degree of freedom under
    no change, design effect included; `p` belongs to H0: PSI <= delta.
    """

    psi: float
    p: float
    df: int
    kappa: float


# --- distances -----------------------------------------------------------------------------------


def psi(reference: Numbers, *, current: Numbers) -> Distance | Problem:
    """Population stability index with half a count added to every bin; symmetric.

    A share below 0.1 percent counts as 0.1 percent. So a category that is new weighs by its own
    share, 1 percent as 0.02 and 3 percent as 0.1, and not by how many observations lacked it.

    Shapes: reference and current (B,) over the same bins, B >= 2.
    Units:  counts; the index has no unit (natural logarithm).
    Errors: Problem(NoData) when a total is 0, Problem(Insufficient) below two bins.
    Source: evidence.md, 10.2.
    """
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    value = _psi(*pair)
    return Distance(value=value, p=_chi2_sf(value / _kappa(*pair), df=len(pair[0]) - 1))


def psi_alone(reference: Numbers, *, current: Numbers) -> float | Problem:
    """The index of `psi` without its chance, which costs ten times as much. Errors: as `psi`."""
    pair = _counts(reference, current)
    return pair if isinstance(pair, Problem) else _psi(*pair)


def jensen_shannon(reference: Numbers, *, current: Numbers) -> Distance | Problem:
    """Jensen-Shannon distance of the raw shares, in the root of nats; symmetric.

    Shapes, Errors: as `psi`. Source: evidence.md, 10.2.
    """
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    with np.errstate(invalid="ignore"):  # rounding of nearly equal shares may end below zero
        found = float(distance.jensenshannon(*_shares(pair)))
    value = 0.0 if math.isnan(found) else found
    return Distance(value=value, p=_chi2_sf(8 * value**2 / _kappa(*pair), df=len(pair[0]) - 1))


def hellinger(reference: Numbers, *, current: Numbers) -> Distance | Problem:
    """Hellinger distance of the raw shares, from 0 to 1; symmetric.

    Shapes, Errors: as `psi`. Source: evidence.md, 10.2.
    """
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    p, q = _shares(pair)
    value = math.sqrt(0.5 * math.fsum((np.sqrt(p) - np.sqrt(q)) ** 2))
    return Distance(value=value, p=_chi2_sf(8 * value**2 / _kappa(*pair), df=len(pair[0]) - 1))


def chi_square(reference: Numbers, *, current: Numbers) -> Distance | Problem:
    """Pearson's statistic of homogeneity over the bins that are not empty in both.

    Shapes, Errors: as `psi`. Source: evidence.md, 10.2.
    """
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    seen = (pair[0] + pair[1]) > 0
    if seen.sum() < 2:
        return Distance(value=0.0, p=1.0)
    found = stats.chi2_contingency(np.stack(pair)[:, seen], correction=False)
    return Distance(value=float(found.statistic), p=float(found.pvalue))


def total_variation(
    reference: Numbers,
    *,
    current: Numbers,
    seed: int,
    draws: int = resampling.DRAWS,
) -> Distance | Problem:
    """Half the sum of absolute differences of shares, from 0 to 1; p by seeded resampling.

    Shapes, Errors: as `psi`. `seed` comes from `resampling.seed_of`.
    Source: evidence.md, 10.2 and 14.
    """
    return _resampled(
        reference,
        current,
        seed=seed,
        draws=draws,
        measure=lambda gaps: np.abs(gaps).sum(axis=-1) / 2,
    )


def largest_difference(
    reference: Numbers,
    *,
    current: Numbers,
    seed: int,
    draws: int = resampling.DRAWS,
) -> Distance | Problem:
    """Largest absolute difference of a share, from 0 to 1; p by seeded resampling.

    Shapes, Errors: as `psi`. `seed` comes from `resampling.seed_of`.
    Source: evidence.md, 10.2 and 14.
    """
    return _resampled(
        reference, current, seed=seed, draws=draws, measure=lambda gaps: np.abs(gaps).max(axis=-1)
    )


def kolmogorov_smirnov(reference: Numbers, *, current: Numbers) -> Distance | Problem:
    """Largest difference of the distribution functions at the edges; p is an upper bound.

    Shapes: as `psi`, bins ascending. Errors: as `psi`. Source: evidence.md, 10.2.
    """
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    p, q = _shares(pair)
    value = float(np.abs(np.cumsum(p - q)[:-1]).max())
    return Distance(value=value, p=float(stats.kstwobign.sf(value / math.sqrt(_kappa(*pair)))))


def wasserstein(
    reference: Numbers,
    *,
    current: Numbers,
    edges: Numbers,
    seed: int,
    draws: int = resampling.DRAWS,
) -> Distance | Problem:
    """Wasserstein-1 distance in standard deviations of the reference; p by seeded resampling.

    The observations of a bin stand at its middle, those of the open outer bins at the outermost
    edges: the distribution functions are compared at every edge, over half of both bins beside it.

    Shapes: reference and current (B,), edges (B - 1,) rising and finite, B >= 3.
    Errors: as `psi`; Problem(Insufficient) when the reference fills one bin only.
    Source: evidence.md, 10.2 and 14.
    """
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    places = _places(edges, size=len(pair[0]))
    shares = pair[0] / math.fsum(pair[0])
    mean = math.fsum(shares * places)
    sd = math.sqrt(math.fsum(shares * (places - mean) ** 2))
    if sd == 0:
        return numeric.insufficient("the reference fills one bin only")
    widths = np.diff(places) / sd
    return _resampled(
        reference,
        current,
        seed=seed,
        draws=draws,
        measure=lambda gaps: (np.abs(np.cumsum(gaps, axis=-1)[..., :-1]) * widths).sum(axis=-1),
    )


# --- decisions -----------------------------------------------------------------------------------


def psi_larger_than(
    reference: Numbers, *, current: Numbers, delta: float, deff: float = 1.0
) -> PsiTest | Problem:
    """Test of H0: the population's PSI is at most delta. At delta 0: nothing changed at all.

    The population's PSI is that of `psi`, without what happens below a share of 0.1 percent.

    The chi-square is a limit: at delta 0 its far tail is optimistic, a p of 3e-7 happens about
    twice as often at 1,000 observations. Many windows of many features are judged at delta 0.02
    or more, where an unchanged one is never near the tail.

    Shapes: reference and current (B,) over the same bins, B >= 2.
    Units:  counts; delta in PSI (0.02 is watched, 0.1 acts); deff from `design_effect`.
    Errors: Problem(NoData) when a total is 0, Problem(Insufficient) below two bins.
    Source: evidence.md, 10.3.
    """
    assert delta >= 0, delta
    assert 1 <= deff < math.inf, deff
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    kappa = _kappa(*pair) * deff
    value, df = _psi(*pair), len(pair[0]) - 1
    p = _as_p(_ncx2_sf(value / kappa, df=df, noncentrality=delta / kappa))
    return PsiTest(psi=value, p=p, df=df, kappa=kappa)


def psi_smaller_than(
    reference: Numbers, *, current: Numbers, margin: float, deff: float = 1.0
) -> PsiTest | Problem:
    """Test of H0: the population's PSI is at least a margin. A small p rules so much drift out.

    A PSI below what chance alone brings proves no more than that: where `deff` is overestimated it is
    always far below.

    Shapes, Units, Errors: as `psi_larger_than`; margin in PSI, above 0.
    Source: evidence.md, 10.3 and 13 (what promotion needs).
    """
    assert margin > 0, margin
    found = psi_larger_than(reference, current=current, delta=margin, deff=deff)
    if isinstance(found, Problem):
        return found
    value = max(found.psi / found.kappa, float(found.df))
    above = _ncx2_sf(value, df=found.df, noncentrality=margin / found.kappa)
    return replace(found, p=_as_p(1 - above))


def design_effect(reference: Numbers, *, good_windows: Iterable[Numbers]) -> float | Problem:
    """How much more known-good windows vary than independent observations would; at least 1.

    Shapes: reference (B,), each good window (B,) over the same bins.
    Errors: Problem(NoData) when a total is 0 or there is no window, Problem(Insufficient) below
            two bins.
    Source: evidence.md, 10.3.
    """
    ratios = []
    for window in good_windows:
        found = psi_larger_than(reference, current=window, delta=0.0)
        if isinstance(found, Problem):
            return found
        ratios.append(found.psi / (found.df * found.kappa))
    if not ratios:
        return numeric.no_data("no good windows")
    return max(1.0, math.fsum(ratios) / len(ratios))


def multinomial_log_e(
    counts: Numbers, *, q0: Numbers, q0_total: float, k: float = CONCENTRATION
) -> float | Problem:
    """Log evidence that counts do not come from the mix q0; valid at every look as counts grow.

    It tests exact equality: act only when the total variation is material as well. A mix that was
    estimated has an error of its own: from as many observations as are held against it, it makes
    ten times the false alarms that are promised. Three times as many suffice.

    Shapes: counts and q0 (B,); q0 above 0 with sum 1, such as `smoothed_shares` of stable.
    Units:  counts since the start, not per window; q0_total the observations that q0 was estimated
            from, infinite for a mix that is known; result in nats.
    Errors: Problem(Insufficient) for less than three observations behind q0 for each in counts.
    Source: evidence.md, 10.3; Lindon and Malek 2022 (2011.03567).
    """
    assert k > 0, k
    seen, expected = numeric.counts(counts), numeric.finite(q0)
    assert (expected > 0).all(), q0
    assert abs(math.fsum(expected) - 1) < 1e-9, q0
    total = math.fsum(seen)
    if q0_total < MIXES * total:
        return numeric.insufficient(
            f"the mix is estimated from {q0_total:g} observations; {total:g} need {MIXES * total:g}"
        )
    prior = k * expected
    likelihood = math.fsum(seen * np.log(expected))
    return _log_beta(prior + seen) - _log_beta(prior) - likelihood


def smoothed_shares(counts: Numbers) -> tuple[float, ...]:
    """Shares with half a count added to every bin, so that none is 0.

    Shapes: counts (B,), B >= 1; result (B,) with sum 1.
    Source: evidence.md, 10.2.
    """
    return tuple(_smoothed(numeric.counts(counts)).tolist())


def _counts(reference: Numbers, current: Numbers) -> tuple[Vector, Vector] | Problem:
    first, second = numeric.counts(reference), numeric.counts(current)
    assert first.size == second.size, (first.size, second.size)
    if first.size < 2:
        return numeric.insufficient("less than two bins")
    if not first.any() or not second.any():
        return numeric.no_data("a window without observations")
    return first, second


def _psi(reference: Vector, current: Vector) -> float:
    p, q = (np.maximum(_smoothed(arm), LEAST_SHARE) for arm in (reference, current))
    return math.fsum((p - q) * np.log(p / q))


def _smoothed(counts: Vector) -> Vector:
    return np.asarray((counts + HALF) / (math.fsum(counts) + counts.size * HALF))


def _shares(pair: tuple[Vector, Vector]) -> tuple[Vector, Vector]:
    return pair[0] / math.fsum(pair[0]), pair[1] / math.fsum(pair[1])


def _kappa(reference: Vector, current: Vector) -> float:
    return 1 / math.fsum(reference) + 1 / math.fsum(current)


def _chi2_sf(value: float, *, df: int) -> float:
    return float(stats.chi2.sf(value, df))


def _ncx2_sf(value: float, *, df: int, noncentrality: float) -> float:
    if noncentrality == 0:
        return _chi2_sf(value, df=df)
    if noncentrality <= NORMAL_ABOVE:
        with contextlib.suppress(OverflowError):  # SciPy's series ends far out in the lower tail
            return float(stats.ncx2.sf(value, df, noncentrality))
    spread = math.sqrt(2 * (df + 2 * noncentrality))
    return float(stats.norm.sf((value - df - noncentrality) / spread))


def _as_p(found: float) -> float:
    """Within 0 and 1; where SciPy finds no number nothing is proven, in whatever direction."""
    return min(1.0, max(0.0, found)) if math.isfinite(found) else 1.0


def _resampled(
    reference: Numbers,
    current: Numbers,
    *,
    seed: int,
    draws: int,
    measure: Callable[[Vector], Vector],
) -> Distance | Problem:
    """A distance of the difference of shares, against draws of both windows from their sum.

    `measure` maps differences (..., B) to distances (...).
    """
    pair = _counts(reference, current)
    if isinstance(pair, Problem):
        return pair
    p, q = _shares(pair)
    value = float(measure(p - q))
    rng = resampling.generator(seed)
    pooled = (pair[0] + pair[1]) / math.fsum(pair[0] + pair[1])
    first, second = (
        resampling.multinomial_shares(math.fsum(arm), shares=pooled, rng=rng, draws=draws)
        for arm in pair
    )
    # a tie that rounding hides would make p too small
    reached = int((measure(first - second) >= value - 1e-12).sum())
    return Distance(value=value, p=(1 + reached) / (1 + draws))


def _places(edges: Numbers, *, size: int) -> Vector:
    known = numeric.finite(edges)
    assert known.size == size - 1, (known.size, size)
    assert known.size >= 2, "one edge has no width"
    assert (np.diff(known) > 0).all(), "edges must rise"
    middles = (known[1:] + known[:-1]) / 2
    return np.concatenate((known[:1], middles, known[-1:]))


def _log_beta(a: Vector) -> float:
    return math.fsum(map(math.lgamma, a.tolist())) - math.lgamma(math.fsum(a))
