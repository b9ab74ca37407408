"""Numbers by label that are kept for long, in 8 bytes each.

Labels are the same from row to row, so one index serves all numbers of a feature, for as long as one of
them is kept.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping
from weakref import WeakValueDictionary


class _Index(dict[str, int]):
    """Where each label stands; unlike a dict it can be referred to weakly."""

    __slots__ = ("__weakref__",)


_INDICES: WeakValueDictionary[tuple[str, ...], _Index] = WeakValueDictionary()


class Packed(Mapping[str, float]):
    """A mapping that does not change; labels in the order in which they were given."""

    __slots__ = ("_index", "_values")

    def __init__(self, numbers: Mapping[str, float]) -> None:
        self._index = _index_of(tuple(numbers))
        self._values = array("d", list(numbers.values()))  # of a list exactly as long as that

    def __getitem__(self, label: str) -> float:
        return self._values[self._index[label]]

    def __iter__(self) -> Iterator[str]:
        return iter(self._index)

    def __len__(self) -> int:
        return len(self._values)

    def __repr__(self) -> str:
        return f"Packed({dict(self)!r})"


def _index_of(labels: tuple[str, ...]) -> Mapping[str, int]:
    known = _INDICES.get(labels)
    if known is None:
        known = _Index((label, at) for at, label in enumerate(labels))
        _INDICES[labels] = known
    return known
