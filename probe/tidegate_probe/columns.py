"""Tables of any kind as columns: mappings, rows, data frames and arrays, without importing any."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from tidegate_probe.bins import NumericBins, plain

Column = Sequence[object]
Table = Any  # a mapping of columns, a list of rows, a data frame, or an array of two dimensions
_EXACT = 2**53  # whole numbers up to this size are exact as floating point


class PlainNumbers:
    """An array of NumPy that holds numbers only, and what can be asked of it at once."""

    def __init__(self, array: Any) -> None:
        self._array = array

    def counts(self, bins: NumericBins) -> tuple[int, ...]:
        """As `tidegate_probe.bins.count`, thousands of values at a time."""
        import numpy as np  # noqa: PLC0415  # optional: whoever holds an array has it

        finite = self._finite()
        slots = np.searchsorted(np.asarray(bins.edges, dtype=float), finite, side="left")
        counts = np.bincount(slots, minlength=len(bins.labels))
        counts[-2] = self._array.size - finite.size
        return tuple(int(rows) for rows in counts)

    def ordered(self) -> Sequence[float]:
        """The finite numbers, ascending."""
        import numpy as np  # noqa: PLC0415  # as above

        found: Sequence[float] = np.sort(self._finite()).tolist()
        return found

    def _finite(self) -> Any:
        import numpy as np  # noqa: PLC0415  # as above

        numbers = self._array.astype(float)
        return numbers[np.isfinite(numbers)]


def table(data: Table, *, names: Sequence[str] | None = None) -> dict[str, Column]:
    """Columns by name.

    Accepts a mapping of columns, a list of mappings (one per row), a data frame (anything with
    `columns`), or an array of two dimensions with `names`.

    Errors: ValueError when the data is none of these, or the columns differ in length.
    """
    columns = _columns(data, names=names)
    lengths = {len(column) for column in columns.values()}
    if len(lengths) > 1:
        raise ValueError(f"the columns differ in length: {sorted(lengths)}")
    return columns


def plain_numbers(column: Column) -> PlainNumbers | None:
    """The column for work with NumPy; None where it is no array of numbers of it."""
    kind = getattr(getattr(column, "dtype", None), "kind", "")
    if kind == "f":
        return PlainNumbers(column)
    whole = kind in ("i", "u") and len(column) > 0
    return PlainNumbers(column) if whole and _are_exact(column) else None


def finite_numbers(column: Column) -> Sequence[float]:
    """The finite numbers of a column, ascending; text is none."""
    array = plain_numbers(column)
    if array is not None:
        return array.ordered()
    numbers = (_float(value) for value in map(plain, column) if isinstance(value, (int, float)))
    return sorted(number for number in numbers if math.isfinite(number))


def _float(value: float) -> float:
    try:
        return float(value)
    except OverflowError:  # a whole number beyond floating point
        return math.inf


def _are_exact(whole: Any) -> bool:
    return int(whole.min()) >= -_EXACT and int(whole.max()) <= _EXACT


def _columns(data: Table, *, names: Sequence[str] | None) -> dict[str, Column]:
    if isinstance(data, Mapping):
        return {str(name): _values(column) for name, column in data.items()}
    if hasattr(data, "columns"):
        _check_distinct([str(name) for name in data.columns])
        return {str(name): _values(data[name]) for name in data.columns}
    if len(getattr(data, "shape", ())) == 2:
        return _of_array(data, names=names)
    if isinstance(data, Sequence) and data and all(isinstance(row, Mapping) for row in data):
        return _of_rows(data)
    raise ValueError(
        f"{type(data).__name__} is no table: give a data frame, a mapping of columns, "
        "a list of mappings, or an array of two dimensions with names"
    )


def _check_distinct(names: Sequence[str]) -> None:
    for name in names:
        if names.count(name) > 1:
            raise ValueError(
                f"column {name!r} stands {names.count(name)} times; rename all but one"
            )


def _of_array(array: Any, *, names: Sequence[str] | None) -> dict[str, Column]:
    width = array.shape[1]
    if names is None or len(set(names)) != width:
        raise ValueError(f"an array of {width} columns needs as many distinct names")
    return {name: array[:, at] for at, name in enumerate(names)}


def _of_rows(rows: Iterable[Mapping[str, object]]) -> dict[str, Column]:
    rows = list(rows)
    found: dict[str, None] = {str(name): None for row in rows for name in row}
    return {name: [row.get(name) for row in rows] for name in found}


def _values(column: Any) -> Column:
    """A list, a tuple or an array of NumPy; a series of a data frame becomes one."""
    if hasattr(column, "to_numpy"):
        column = column.to_numpy()
    if isinstance(column, (str, bytes)) or not hasattr(column, "__len__"):
        raise ValueError(f"{type(column).__name__} is no column")
    found: Column = column
    return found
