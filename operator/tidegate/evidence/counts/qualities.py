"""Qualities of predictions as bad events out of n, so that the tests of rates take them.

Source: evidence.md, 11.1, table.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import assert_never

from tidegate.evidence.terms import Measure

TP, FP, FN = "tp", "fp", "fn"


@dataclass(frozen=True, slots=True, kw_only=True)
class Confusion:
    """Labelled predictions by what was said and what was true; cells that no measure needs are 0.

    Units: counts.
    """

    tp: float = 0.0
    fp: float = 0.0
    fn: float = 0.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Events:
    """x bad events out of n. Units: counts; 0 <= x <= n."""

    n: float
    x: float


def cells_of(measure: Measure) -> tuple[str, ...]:
    """The cells of the confusion matrix that a measure is told by; none of accuracy."""
    match measure:
        case Measure.ACCURACY:
            return ()
        case Measure.PRECISION:
            return TP, FP
        case Measure.RECALL:
            return TP, FN
        case Measure.F1:
            return TP, FP, FN
        case _ as never:
            assert_never(never)


def of_labels(labelled: float, *, correct: float) -> Events:
    """Accuracy: wrong ones out of all that have a label; between two scrapes more may be correct."""
    return Events(n=labelled, x=max(0.0, labelled - correct))


def of_cells(confusion: Confusion, *, measure: Measure) -> Events:
    """Precision, recall or F1, of which J = TP / (TP + FP + FN) rises with it."""
    used = [getattr(confusion, cell) for cell in cells_of(measure)]
    assert used, measure
    assert all(0 <= one < math.inf for one in used), confusion
    n = math.fsum(used)
    return Events(n=n, x=n - confusion.tp)


def quality(x: float, *, n: float, measure: Measure) -> float | None:
    """The quality itself, 0 to 1; None without events. F1 = 2J / (1 + J) with J = 1 - x / n."""
    if n <= 0:
        return None
    good = 1 - x / n
    return 2 * good / (1 + good) if measure is Measure.F1 else good


def bad_rate(value: float, *, measure: Measure) -> float:
    """The rate of bad events at which the quality has a value, 0 to 1."""
    return 1 - value / (2 - value) if measure is Measure.F1 else 1 - value
