"""What a revision has observed lately, by slice of time, feature and bin: little, and bounded.

Of a thousand models each has one of these, so the counts stand in one array, and models that count
alike share the names of their bins, for as long as one of them has these. Source: ADR 0080.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from weakref import WeakValueDictionary

import numpy as np
import numpy.typing as npt

from tidegate.evidence.counts.binned import MAX_ALL_BINS

Column = tuple[str, str]  # feature and bin
ByBin = Mapping[str, float]
Counts = npt.NDArray[np.float32]


def _nothing() -> Counts:
    return np.zeros((0, 0), dtype=np.float32)


@dataclass(frozen=True, slots=True, weakref_slot=True, eq=False)
class Columns:
    """What the columns of some models count; unlike a tuple it can be referred to weakly."""

    names: tuple[Column, ...]


_KNOWN: WeakValueDictionary[tuple[Column, ...], Columns] = WeakValueDictionary()
_NONE = Columns(())


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Slices:
    """Observations of a revision, the oldest first; `ends` are unix seconds.

    Shapes: ends (slices,), columns (columns,), counts (slices, columns).
    """

    columns: Columns = _NONE
    ends: tuple[float, ...] = ()
    counts: Counts = field(default_factory=_nothing)

    def added(self, observed: Mapping[str, ByBin], *, at: float, after: float) -> Slices:
        """With one more slice, and without those that ended at `after` or before.

        A bin that nobody names any more goes with the last slice that counted in it. Where all slices
        have more bins than `MAX_ALL_BINS` together, such as with labels that change all the time, the
        oldest ones go before their time.
        """
        known = self.since(after)
        own = {
            (feature, label): count
            for feature, bins in observed.items()
            for label, count in bins.items()
        }
        known = known.last(_fitting(known, own.keys()))
        columns = _columns(known, own.keys())
        newest = np.array([[own.get(column, 0.0) for column in columns.names]], dtype=np.float32)
        return Slices(
            columns=columns,
            ends=(*known.ends, at),
            counts=np.concatenate((known.arranged(columns), newest)),
        )

    def since(self, after: float) -> Slices:
        """The slices that ended later than this instant."""
        kept = [index for index, end in enumerate(self.ends) if end > after]
        return Slices(
            columns=self.columns,
            ends=tuple(self.ends[index] for index in kept),
            counts=self.counts[kept],
        )

    def last(self, many: int) -> Slices:
        """So many of the newest slices."""
        first = len(self.ends) - many
        return Slices(columns=self.columns, ends=self.ends[first:], counts=self.counts[first:])

    def arranged(self, columns: Columns) -> Counts:
        """The counts under these columns, 0 for new ones."""
        if self.columns is columns:
            return self.counts
        place = {column: index for index, column in enumerate(self.columns.names)}
        found = np.zeros((len(self.ends), len(columns.names)), dtype=np.float32)
        for index, column in enumerate(columns.names):
            if column in place:
                found[:, index] = self.counts[:, place[column]]
        return found

    def by_feature(self) -> Mapping[str, ByBin]:
        """All slices together."""
        return self._table(self.counts.sum(axis=0, dtype=np.float64).tolist())

    def each(self, feature: str) -> tuple[ByBin, ...]:
        """One feature in each slice."""
        own = [index for index, (name, _) in enumerate(self.columns.names) if name == feature]
        labels = [self.columns.names[index][1] for index in own]
        return tuple(dict(zip(labels, row, strict=True)) for row in self.counts[:, own].tolist())

    def _table(self, counts: Sequence[float]) -> Mapping[str, ByBin]:
        found: dict[str, dict[str, float]] = {}
        for (feature, label), count in zip(self.columns.names, counts, strict=True):
            found.setdefault(feature, {})[label] = count
        return found


def _fitting(known: Slices, own: AbstractSet[Column]) -> int:
    """How many of the newest slices have no more bins than are kept, together with a further one."""
    if len(own | set(known.columns.names)) <= MAX_ALL_BINS:
        return len(known.ends)
    is_new = np.array([column not in own for column in known.columns.names])
    counted = known.counts[::-1] > 0
    together = (np.logical_or.accumulate(counted, axis=0) & is_new).sum(axis=1) + len(own)
    return int((together <= MAX_ALL_BINS).sum())


def _columns(known: Slices, own: AbstractSet[Column]) -> Columns:
    """The bins that are named now, and those that still count something."""
    if own == set(known.columns.names):
        return known.columns
    totals = zip(known.columns.names, known.counts.sum(axis=0), strict=True)
    return _shared(tuple(sorted(own | {column for column, total in totals if total > 0})))


def _shared(names: tuple[Column, ...]) -> Columns:
    """One for all that are equal: models with the same bins keep their names once."""
    known = _KNOWN.get(names)
    if known is None:
        known = _KNOWN[names] = Columns(names)
    return known
