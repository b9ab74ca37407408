"""Training data in files, read batch by batch so that memory is bounded, and more than once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from tidegate_probe.fields import ProfileError

CELLS = 200_000  # of a batch: some 20 MB as text

Value = float | str | None  # a number, a category, or nothing; NaN and infinite are nothing, too
Spelling = Callable[[str], str]


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """Some rows. Shapes: each column (rows,); `read` is the share of the source so far, 0 to 1."""

    columns: Mapping[str, Sequence[Value]]
    read: float


class Source(Protocol):
    """A table in files."""

    @property
    def names(self) -> Sequence[str]:
        """The columns, in the order of the files."""

    def batches(self, kinds: Mapping[str, str | None]) -> Iterator[Batch]:
        """All rows from the first on, of the columns that `kinds` names.

        A column that is told to be "categorical" has texts only. Errors: ProfileError.
        """

    def as_served(self, texts: Sequence[str]) -> Spelling:
        """How a server would spell the categories of a column, of which these are all."""


def rows_of_batch(width: int) -> int:
    """How many rows of so many columns make a batch."""
    return max(100, CELLS // max(1, width))


def check_names(names: Sequence[str], *, file: str) -> None:
    """Errors: ProfileError for columns without a name and for names that stand twice."""
    if not names:
        raise ProfileError(f"{file}: has no columns; write the names of the columns first")
    for name in names:
        if names.count(name) > 1:
            raise ProfileError(
                f"{file}: column {name!r} stands {names.count(name)} times; rename all but one"
            )
