"""Bins found in training data, such that they tell about the data and about no person.

Edges are rounded to as few digits as keep the bins apart, so that they are hardly ever a value of
the data, and each bin between them stands for `FEWEST` rows or more. The outermost edges stand beyond the `FEWEST`-th smallest and largest value, so that neither
an extreme nor how far it lies outside is kept. A category is kept if `FEWEST` rows have it.

    >>> bins = numeric_bins(values)
    >>> counts = counted(bins, values)
"""

from __future__ import annotations

import math
import sys
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from tidegate_probe.bins import (
    MISSING,
    OTHER,
    Bins,
    CategoryBins,
    NumericBins,
    category_text,
    count,
    is_missing,
    plain,
)
from tidegate_probe.columns import Column, finite_numbers, plain_numbers

FEWEST = 10  # rows that a bin of its own stands for
MOST_CATEGORIES = 50
LONGEST_CATEGORY = 64  # bytes of UTF-8; a longer text is rather somebody's words than a category
_LARGEST = sys.float_info.max
_GUARD = 0.01  # of the spread: how far outside of the data the outermost edges stand
_MOVE = 0.1  # of the distance to the next edge: how far rounding may move an edge


def bins_for(column: Column, *, categorical: bool | None, size: int) -> Bins:
    """Bins by what the column holds: numbers or names. `categorical` None looks at the values."""
    if categorical is None:
        categorical = not _holds_numbers(column)
    return category_bins(column) if categorical else numeric_bins(column, size=size)


def numeric_bins(values: Column, *, size: int) -> NumericBins:
    """About `size` bins of equal counts between two guards; fewer where values repeat.

    Fewer than `FEWEST` numbers for two bins leave one bin, open at both ends.
    """
    ordered = finite_numbers(values)
    return bins_between(ordered, smallest=ordered[:FEWEST], largest=ordered[-FEWEST:], size=size)


def bins_between(
    ordered: Sequence[float],
    *,
    smallest: Sequence[float],
    largest: Sequence[float],
    size: int,
) -> NumericBins:
    """As `numeric_bins`; `ordered` may be a sample, the outermost `FEWEST` values are exact.

    Shapes: ordered (n,), smallest (FEWEST,), largest (FEWEST,), all ascending.
    """
    inner = min(size, len(ordered) // FEWEST)
    if inner < 2:
        return NumericBins(())
    low, high = smallest[-1], largest[0]
    guard = _GUARD * ((high - low) or max(abs(low), 1.0))
    cuts = {ordered[at * len(ordered) // inner] for at in range(1, inner)}
    inside = sorted(cuts - {high}) if low < high else []
    outside = (max(low - guard, -_LARGEST), min(high + guard, _LARGEST))
    return NumericBins(_rounded([outside[0], *inside, outside[1]]))


def category_bins(values: Column) -> CategoryBins:
    """The most frequent categories that `FEWEST` rows have, in the order of their names."""
    return most_frequent(Counter(category_text(value) for value in values))


def most_frequent(seen: Mapping[str, int]) -> CategoryBins:
    """As `category_bins`, from how many rows have each category."""
    known = [name for name, rows in seen.items() if rows >= FEWEST and _is_category(name)]
    known.sort(key=lambda name: (-seen[name], name))
    return CategoryBins(tuple(sorted(known[:MOST_CATEGORIES])))


def counted(bins: Bins, values: Column) -> tuple[int, ...]:
    """Counts of a column by bin; with NumPy where the column is an array of numbers of it."""
    numbers = plain_numbers(values)
    if numbers is not None and isinstance(bins, NumericBins):
        return numbers.counts(bins)
    return tuple(count(bins, values))


def _holds_numbers(column: Column) -> bool:
    numbers = False
    for value in map(plain, column):
        if is_missing(value):
            continue
        if isinstance(value, (str, bytes, bool)):
            return False
        numbers = True
    return numbers


def _is_category(name: str) -> bool:
    return (
        name not in ("", MISSING, OTHER)
        and name.isprintable()
        and len(name.encode(errors="replace")) <= LONGEST_CATEGORY
    )


def _rounded(edges: Sequence[float]) -> tuple[float, ...]:
    """Each edge with the fewest digits that keep it near its place; equal ones become one."""
    rounded = []
    for at, edge in enumerate(edges):
        beside = [
            abs(edge - other) for other in (*edges[max(at - 1, 0) : at], *edges[at + 1 : at + 2])
        ]
        rounded.append(_short(edge, slack=_MOVE * min(beside)))
    return tuple(sorted(set(rounded)))


def _short(edge: float, *, slack: float) -> float:
    candidates: Iterable[float] = (float(f"{edge:.{digits}g}") for digits in range(1, 17))
    near = (short for short in candidates if math.isfinite(short) and abs(short - edge) <= slack)
    return next(near, edge)
