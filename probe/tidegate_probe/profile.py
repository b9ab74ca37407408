"""What a model was trained on, as counts in fixed bins: `profile.json`.

>>> profile = Profile.fit(train, outputs={"score": scores}, model="fraud", model_version="v7")
>>> profile.write("profile.json")
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tidegate_probe import document, picture
from tidegate_probe.columns import Column, Table, table
from tidegate_probe.fields import Field, Parts, Positive, ProfileError
from tidegate_probe.fitting import FEWEST, bins_for, counted

__all__ = ["Field", "Positive", "Profile", "ProfileError"]

FEWEST_ROWS = 10 * FEWEST
SIZE = 10  # bins of equal counts, guards not counted: deciles

Progress = Callable[[str], None]  # is told the name of each column before it is read


@dataclass(frozen=True, slots=True)
class Profile:
    """Counts by bin of each feature and each output of one version of a model.

    Each field holds one count per row, so the counts of every field add up to `rows`.

    Errors: ProfileError for parts that no document could hold.
    """

    model: str
    model_version: str
    rows: int
    features: Mapping[str, Field]
    outputs: Mapping[str, Field]
    positive: Positive | None = None

    def __post_init__(self) -> None:
        document.check(self._parts())

    @classmethod
    def fit(
        cls,
        data: Table,
        *,
        model: str,
        model_version: str,
        outputs: Table = (),
        names: Sequence[str] | None = None,
        kinds: Mapping[str, str] | None = None,
        positive: Positive | None = None,
        like: Profile | None = None,
        progress: Progress = lambda _: None,
    ) -> Profile:
        """The profile of training data and of what the model said about them.

        `data` and `outputs` are data frames, mappings of columns, lists of mappings (one per row),
        or, for `data` with `names`, an array of two dimensions. Numbers get bins of equal counts,
        anything else gets categories; `kinds` says "numeric" or "categorical" where the values
        mislead (a code of digits, say). `like` is the profile of an earlier version: a field that
        it has keeps its bins, so that two revisions can be compared.

        Errors: ProfileError for data that is no table, has fewer than 100 rows, or whose bins
                exceed the limits of a profile.
        """
        features, results = _tables(data, outputs, names=names)
        rows = _rows(features, results)
        choice = _kinds(kinds or {}, known=(*features, *results))

        def fitted(columns: Mapping[str, Column], earlier: Mapping[str, Field]) -> dict[str, Field]:
            fields = {}
            for name, column in columns.items():
                progress(name)
                fields[name] = _field(column, kind=choice.get(name), earlier=earlier.get(name))
            return fields

        return cls(
            model=model,
            model_version=model_version,
            rows=rows,
            features=fitted(features, like.features if like else {}),
            outputs=fitted(results, like.outputs if like else {}),
            positive=positive,
        )

    @classmethod
    def read(cls, path: str | Path) -> Profile:
        """The profile in a file. Errors: ProfileError, OSError."""
        return cls.from_json(Path(path).read_bytes())

    @classmethod
    def from_json(cls, source: str | bytes) -> Profile:
        """The profile in a document. Errors: ProfileError, which names the field and the fix."""
        return cls(**document.parsed(source))

    def write(self, path: str | Path) -> None:
        """Write the file. Errors: ProfileError above 1 MiB, OSError."""
        Path(path).write_text(self.to_json(), encoding="utf-8")

    def to_json(self) -> str:
        """The document; the same profile gives the same text. Errors: ProfileError above 1 MiB."""
        return document.text(self._parts())

    def to_html(self) -> str:
        """A page that draws each field with its bins and needs nothing else."""
        return picture.page(self._parts(), digest=self.digest)

    @property
    def digest(self) -> str:
        """64 hexadecimal digits that name this content."""
        return document.digest(self._parts())

    def _parts(self) -> Parts:
        return Parts(
            model=self.model,
            model_version=self.model_version,
            rows=self.rows,
            features=dict(self.features),
            outputs=dict(self.outputs),
            positive=self.positive,
        )


def _tables(
    data: Table, outputs: Any, *, names: Sequence[str] | None
) -> tuple[dict[str, Column], dict[str, Column]]:
    try:
        return table(data, names=names), table({} if outputs == () else outputs)
    except ValueError as error:
        raise ProfileError(str(error)) from error


def _rows(features: Mapping[str, Column], outputs: Mapping[str, Column]) -> int:
    if not features:
        raise ProfileError("the data has no columns; a profile has at least one feature")
    lengths = {len(column) for column in (*features.values(), *outputs.values())}
    if len(lengths) > 1:
        raise ProfileError(f"features and outputs differ in rows: {sorted(lengths)}")
    rows = lengths.pop()
    check_rows(rows)
    return rows


def check_rows(rows: int) -> None:
    """Errors: ProfileError where the rows are too few for a profile."""
    if rows < FEWEST_ROWS:
        raise ProfileError(
            f"the data has {rows} rows; a profile needs {FEWEST_ROWS}, or its bins would show "
            "single rows"
        )


def _kinds(kinds: Mapping[str, str], *, known: Sequence[str]) -> Mapping[str, str]:
    for name, kind in kinds.items():
        if name not in known:
            raise ProfileError(f"kinds: {name!r} is no column")
        if kind not in ("numeric", "categorical"):
            raise ProfileError(f'kinds.{name}: {kind!r} is neither "numeric" nor "categorical"')
    return kinds


def _field(column: Column, *, kind: str | None, earlier: Field | None) -> Field:
    categorical = None if kind is None else kind == "categorical"
    bins = earlier.bins if earlier else bins_for(column, categorical=categorical, size=SIZE)
    return Field(bins, counted(bins, column))
