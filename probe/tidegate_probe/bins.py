"""Bins fixed at training: every value falls into exactly one.

A slot is the position of a bin in `labels`; the last two slots are always `missing` and `other`.
"""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Literal

MISSING = "missing"
OTHER = "other"
TOP = "+Inf"  # the label of the highest bin of numbers, as in a histogram of Prometheus
_INF = math.inf
_NOT_AVAILABLE = ("NAType", "NaTType")  # pandas.NA and NaT, recognised without importing pandas


@dataclass(frozen=True, slots=True)
class NumericBins:
    """Bins of numbers: `lower < x <= upper`, open at both ends, labelled by their upper edge.

    None, NaN and the infinities are `missing`. Text where a number is due is `other`: a model that
    gets "12.5" for 12.5 does not see what it was trained on.

    Shapes: edges (e,), finite and ascending; labels (e + 3,).
    """

    edges: tuple[float, ...]
    kind: Literal["numeric"] = field(default="numeric", init=False)
    labels: tuple[str, ...] = field(init=False)
    _missing: int = field(init=False)

    def __post_init__(self) -> None:
        labels = (*(edge_text(edge) for edge in self.edges), TOP, MISSING, OTHER)
        object.__setattr__(self, "labels", labels)
        object.__setattr__(self, "_missing", len(self.edges) + 1)

    def slot(self, value: object) -> int:
        """The slot of one value of any type."""
        number = value if isinstance(value, (float, int)) else _number(value)
        if number is None:
            return self._missing + 1
        if -_INF < number < _INF:  # false for NaN, too
            return bisect_left(self.edges, number)
        return self._missing


@dataclass(frozen=True, slots=True)
class CategoryBins:
    """Bins of categories: one each, and `other` for whatever training did not know.

    None, NaN and the empty text are `missing`. 3, 3.0 and "3" are one category; so are True and
    "true".

    Shapes: categories (c,), distinct; labels (c + 2,).
    """

    categories: tuple[str, ...]
    kind: Literal["categorical"] = field(default="categorical", init=False)
    labels: tuple[str, ...] = field(init=False)
    _slots: dict[str, int] = field(init=False, compare=False, hash=False)

    def __post_init__(self) -> None:
        labels = (*self.categories, MISSING, OTHER)
        object.__setattr__(self, "labels", labels)
        slots = {label: slot for slot, label in enumerate(labels)}
        object.__setattr__(self, "_slots", slots | {"": slots[MISSING]})

    def slot(self, value: object) -> int:
        """The slot of one value of any type."""
        text = value if type(value) is str else category_text(value)
        return self._slots.get(text, len(self.categories) + 1)


Bins = NumericBins | CategoryBins


def count(bins: Bins, values: Iterable[object]) -> list[int]:
    """How many values fall into each bin. Shapes: result as `bins.labels`."""
    counts = [0] * len(bins.labels)
    slot = bins.slot
    for value in values:
        counts[slot(value)] += 1
    return counts


def edge_text(edge: float) -> str:
    """The shortest text that reads back as this number; no ".0" behind a whole one."""
    return repr(float(edge)).removesuffix(".0")


def category_text(value: object) -> str:
    """The name of a value as a category; `missing` and `other` where it has none of its own."""
    if isinstance(value, str):
        return str(value)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int):
        # Python refuses to write out numbers of more than 4,300 digits.
        return str(value) if -(10**18) < value < 10**18 else OTHER
    if isinstance(value, float):
        return edge_text(value) if math.isfinite(value) else MISSING
    if isinstance(value, bytes):
        return value.decode(errors="replace")
    if is_missing(value):
        return MISSING
    converted = plain(value)
    return OTHER if type(converted) is type(value) else category_text(converted)


def is_missing(value: object) -> bool:
    """None, a number that is not finite, or pandas' NA and NaT."""
    if isinstance(value, float):
        return not math.isfinite(value)
    return value is None or type(value).__name__ in _NOT_AVAILABLE


def plain(value: object) -> object:
    """A number, truth value or text of NumPy as one of Python; anything else as it is."""
    if type(value).__module__ == "numpy" and getattr(value, "shape", None) == ():
        found: object = value.item()  # type: ignore[attr-defined]  # NumPy is not imported
        return found
    return value


def _number(value: object) -> float | None:
    """NaN for what is missing, None for what is no number."""
    if is_missing(value):
        return math.nan
    if isinstance(value, (str, bytes, bytearray)):
        return None
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return None
