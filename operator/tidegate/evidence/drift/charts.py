"""A chart of drift over many windows: when it began, and whether suddenly or gradually.

    >>> z = standardised(psi_values, reference_psi=good_psi_values)
    >>> chart = cusum(z, h=limit_for(len(good_psi_values)))

Source: evidence.md, 10.4.
"""

from __future__ import annotations

import enum
import math
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt
from scipy import special

from tidegate.evidence.drift import numeric
from tidegate.evidence.drift.numeric import Vector
from tidegate.evidence.terms import Problem

MIN_REFERENCE_WINDOWS = 30
SURE_REFERENCE_WINDOWS = 100
RAMP_START_STEP = 3
RAMP_LENGTH_STEP = 6  # also the shortest ramp
CERTAIN_GAIN = 2.0
REFIT_WINDOWS = 80
_SIDES: tuple[Literal["left", "right"], ...] = ("left", "right")

Spans = npt.NDArray[np.int64]  # windows


@dataclass(frozen=True, slots=True, kw_only=True)
class Cusum:
    """The path of the chart, and the index of the first alarm or None.

    Shapes: path (t,).
    """

    path: tuple[float, ...]
    alarm: int | None


class Onset(enum.StrEnum):
    """How a change came about."""

    SUDDEN = "Sudden"
    GRADUAL = "Gradual"
    UNDETERMINED = "Undetermined"


@dataclass(frozen=True, slots=True, kw_only=True)
class ChangeLabel:
    """How a change came about, and between which windows (equal for a step).

    `gain` is the log of how much better a ramp fits than a step, less its price: above 2 is
    gradual, below -2 sudden. `provisional` until 80 windows have passed since the start.
    """

    onset: Onset
    gain: float
    start: int
    end: int
    provisional: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class _Fit:
    rss: float
    start: int
    end: int


def standardised(
    psi_values: Iterable[float], *, reference_psi: Iterable[float]
) -> tuple[float, ...] | Problem:
    """The PSI as the normal score of its rank among known-good windows.

    Even its root is skewed, so that its deviations would alarm too often. A score ends at that of a
    value above the whole reference, 2.1 for 30 windows and 2.6 for 100: the size of a change is for
    the PSI itself to tell, and `label_change` takes its roots.

    Shapes: psi_values (t,), reference_psi (r,) with r >= 30; result (t,).
    Units:  standard deviations of a normal distribution.
    Errors: Problem(Insufficient) below 30 reference windows, or when they are all alike.
    Source: evidence.md, 10.4; van der Waerden 1952 for the scores.
    """
    good = np.sort(numeric.counts(reference_psi))
    if good.size < MIN_REFERENCE_WINDOWS:
        return numeric.insufficient(
            f"{good.size} reference windows; {MIN_REFERENCE_WINDOWS} are needed"
        )
    if good[0] == good[-1]:
        return numeric.insufficient("no variance: all reference windows are alike")
    values = numeric.counts(psi_values)
    below, not_above = (np.searchsorted(good, values, side=side) for side in _SIDES)
    # A new value takes one of r + 1 places; ties share the middle of theirs.
    return tuple(special.ndtri((below + not_above + 1) / 2 / (good.size + 1)).tolist())


def limit_for(reference_windows: int) -> float:
    """The limit h of `cusum`: wider where mean and deviation are estimated from few windows."""
    return 5.0 if reference_windows >= SURE_REFERENCE_WINDOWS else 6.0


def cusum(z: Iterable[float], *, h: float, k: float = 0.5) -> Cusum:
    """One-sided cumulative sum: S = max(0, S + z - k), an alarm when S exceeds h.

    Without change k = 0.5 and h = 5 alarm once in 938 windows of independent normal z; a lasting
    shift of one standard deviation is found after about ten.

    Shapes: z (t,), t >= 0.
    Units:  z, k and h in standard deviations.
    Source: evidence.md, 10.4; Page 1954.
    """
    assert k >= 0, k
    assert h > 0, h
    path, level, alarm = [], 0.0, None
    for index, value in enumerate(numeric.finite(z).tolist()):
        level = max(0.0, level + value - k)
        path.append(level)
        if alarm is None and level > h:
            alarm = index
    return Cusum(path=tuple(path), alarm=alarm)


def label_change(z: Iterable[float], *, n_ref: int) -> ChangeLabel | Problem:
    """Whether the change after the reference windows is better told as a step or as a ramp.

    Both are fitted by least squares with a free level before and after: the step at every window,
    the ramp from every third window over 6, 12, ... windows. Slow ramps look sudden at first, so
    the label is provisional; fit again as windows arrive.

    Shapes: z (t,), the first n_ref values are the reference; t - n_ref >= 6.
    Units:  windows; start and end count from the first value of z.
    Errors: Problem(Insufficient) with less than 6 windows after the reference, or without variance.
    Source: evidence.md, 10.4.
    """
    values = numeric.finite(z)
    total = values.size
    assert 1 <= n_ref <= total, (n_ref, total)
    if total - n_ref < RAMP_LENGTH_STEP:
        return numeric.insufficient(f"{total - n_ref} windows; {RAMP_LENGTH_STEP} are needed")
    if values.min() == values.max():
        return numeric.insufficient("no variance: all windows are alike")
    step = _best(values, starts=np.arange(n_ref, total), lengths=np.array([0]))
    ramp = _best(
        values,
        starts=np.arange(n_ref, total - 1, RAMP_START_STEP),
        lengths=np.arange(RAMP_LENGTH_STEP, total - n_ref + RAMP_LENGTH_STEP, RAMP_LENGTH_STEP),
    )
    gain = total * math.log(step.rss / ramp.rss) - math.log(total)
    onset = _onset(gain)
    chosen = ramp if onset is Onset.GRADUAL else step
    return ChangeLabel(
        onset=onset,
        gain=gain,
        start=chosen.start,
        end=min(chosen.end, total - 1),
        provisional=total - chosen.start < REFIT_WINDOWS,
    )


def _onset(gain: float) -> Onset:
    if gain > CERTAIN_GAIN:
        return Onset.GRADUAL
    return Onset.SUDDEN if gain < -CERTAIN_GAIN else Onset.UNDETERMINED


def _best(values: Vector, *, starts: Spans, lengths: Spans) -> _Fit:
    """The rise from 0 to 1, with free levels, that leaves the smallest sum of squares.

    Sums up to each window give every fit in closed form: memory grows with the number of fits, not
    with fits times windows. A rise may end one step of length after the last window.

    Shapes: starts (s,), lengths (l,); a length of 0 is a step, at 1 from its start on.
    """
    start, length = (axis.ravel() for axis in np.meshgrid(starts, lengths, indexing="ij"))
    fits = start + length < values.size + RAMP_LENGTH_STEP
    start, length = start[fits], length[fits]
    residual = values - values.mean()
    explained = _explained(residual, zero=start - (length == 0), rise=np.maximum(length, 1))
    found = int(explained.argmax())
    whole = float(residual @ residual)
    # A perfect fit leaves rounding only; the floor keeps the logarithm finite.
    rss = max(whole - float(explained[found]), 1e-12 * whole)
    return _Fit(rss=rss, start=int(start[found]), end=int(start[found] + length[found]))


def _explained(residual: Vector, *, zero: Spans, rise: Spans) -> Vector:
    """Sum of squares that each rise explains: 0 up to `zero`, 1 from `zero + rise` on."""
    total = residual.size
    sums = np.concatenate(([0.0], np.cumsum(residual)))
    moments = np.concatenate(([0.0], np.cumsum(np.arange(total) * residual)))
    top = np.minimum(zero + rise, total - 1) + 1
    rising, level = (top - 1 - zero).astype(np.float64), total - top
    slope = moments[top] - moments[zero + 1] - zero * (sums[top] - sums[zero + 1])
    shared = slope / rise + sums[total] - sums[top]
    first = rising * (rising + 1) / 2 / rise + level
    second = rising * (rising + 1) * (2 * rising + 1) / 6 / rise**2 + level
    return np.asarray(shared**2 / (second - first**2 / total))
